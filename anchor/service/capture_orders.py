"""Orders of captures, by the API and the pages: what may be ordered, and each tenant's limits."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit, urlunsplit

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.egress.egress_target import EgressRefused, parse_egress_url
from anchor.evidence.group_reading import GroupsError, parse_groups
from anchor.service.caller import Caller
from anchor.service.capture_schemas import CaptureRequest
from anchor.service.problems import RETRY_LATER, FieldError, Problem
from anchor.service.schemas import KEY_PATTERN
from anchor.service.settings import CaptureSettings
from anchor.service.submission import over_quota
from anchor.service.worker import Service
from anchor.store.api_keys import Quota
from anchor.store.captures import (
    CaptureQuota,
    OrderedCapture,
    OverCaptureQuota,
    find_capture,
    order_capture,
)

_KEY = re.compile(KEY_PATTERN)


def need_captures(service: Service) -> CaptureSettings:
    """Return the settings of captures."""
    if service.settings.captures is None:
        raise Problem(404, Message("captures-not-offered"))
    return service.settings.captures


async def order_page(
    service: Service, caller: Caller, asked: CaptureRequest, key: str | None
) -> OrderedCapture:
    """Order a capture for the caller's tenant; one with the same key is returned again.

    Raises:
        Problem: Captures are off (404), the order or the key is invalid or the guard would refuse
            the URL (422), or a limit is reached (429).
    """
    settings = need_captures(service)
    url = check_url(asked.url)
    note = (asked.note or "").strip() or None
    if note is not None:
        _check_note(note)
    if key is not None and not _KEY.fullmatch(key):
        error = FieldError("Idempotency-Key", Message("idempotency-key-malformed"))
        raise Problem(422, Message("request-header-invalid"), errors=[error])
    options = {
        "depth": asked.depth,
        "viewports": list(dict.fromkeys(asked.viewports)),
        "note": note,
    }
    named = None if key is None else f"capture:{caller.tenant}/{key}".encode()
    quota = CaptureQuota(
        per_day=settings.per_day, waiting=settings.waiting, all_waiting=settings.all_waiting
    )
    try:
        capture = await service.change(
            order_capture,
            caller.tenant,
            url=url,
            options=options,
            key_hash=None if named is None else hashlib.sha256(named).digest(),
            actor=caller.actor,
            at=utc_now(),
            quota=quota,
        )
    except OverCaptureQuota as error:
        raise _explain(error) from error
    if (capture.url, capture.options) != (url, options):
        raise Problem(
            422,
            Message("idempotency-key-taken"),
            errors=[FieldError("Idempotency-Key", Message("idempotency-key-field-taken"))],
        )
    service.capture_jobs.wake()
    return capture


def check_url(text: str) -> str:
    """Return a URL that the guard does not refuse by its text alone."""
    text = text.strip()
    try:
        parse_egress_url(text)
    except EgressRefused as error:
        raise Problem(
            422,
            Message("capture-url-refused", reason=error.reason),
            errors=[FieldError("/url", error.reason)],
        ) from error
    parts = urlsplit(text)
    return urlunsplit(parts._replace(path=parts.path or "/"))


def _check_note(note: str) -> None:
    try:
        parse_groups({"source": {"origin": note}})
    except GroupsError as error:
        fault = FieldError("/note", error.faults[0].reason)
        raise Problem(422, Message("submission-invalid"), errors=[fault]) from error


def _explain(error: OverCaptureQuota) -> Problem:
    text = {
        "day": Message("captures-day-used-up", limit=error.limit),
        "waiting": Message("captures-too-many-waiting", limit=error.limit),
        "all": Message("captures-queue-full"),
    }[error.which]
    headers = over_quota(Quota()).headers if error.which == "day" else RETRY_LATER
    return Problem(429, text, headers=headers)


async def find_own_capture(service: Service, caller: Caller, id: str) -> OrderedCapture:
    """Return a capture of the caller's tenant."""
    capture = await service.query(find_capture, id)
    if capture is None or capture.tenant != caller.tenant:
        raise Problem(404, Message("capture-unknown"))
    return capture
