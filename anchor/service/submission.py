"""Submissions of clients, digests or complete records: strictly parsed and converted to rows."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from anchor.base.canonical import JsonValue, parse_strict
from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import LogId, log_owner
from anchor.evidence.erasure_statement import MEMBER
from anchor.evidence.group_reading import GroupsError, parse_groups
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import MAX_NAME_CHARACTERS, SALT_BYTES, parse_record
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.record_submitter import MEMBER as SUBMITTER
from anchor.evidence.record_submitter import RecordSubmitter
from anchor.operate.acceptance import EvidenceInput, prepare_evidence, prepare_record
from anchor.people.actors import Actor
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import KEY_PATTERN
from anchor.service.submission_schemas import DigestSubmission, read_digests
from anchor.store.api_keys import Quota
from anchor.store.columns import NewEvidence

_IDEMPOTENCY_KEY = re.compile(KEY_PATTERN)
_FAULTS: Final = {
    "sha256": Message("submission-digest-not-hex"),
    "sm3": Message("submission-digest-not-hex"),
    "size": Message("submission-size-invalid"),
    "name": Message("submission-name-invalid", limit=MAX_NAME_CHARACTERS),
    "media_type": Message("submission-media-type-invalid"),
}
_GROUPS: Final = "groups"
# Only the log's operator states what happened to evidence, or that it no longer stands.
_OPERATORS: Final = ("custody", "notice")
# `anchor restore` erases what an erasure names; the service itself says who submitted.
_RESERVED: Final = (MEMBER, SUBMITTER, *_OPERATORS)
_MEMBERS: Final = (*_FAULTS, _GROUPS, "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of a submission: tenant, who submits for it, log, idempotency key and time.

    New records name the block ``not_before``, if there is one, and those with ``groups`` name the
    submitter, whose statements they are.  ``random_bytes`` supplies the
    salts.
    """

    tenant: str
    actor: Actor | None = None
    key: str | None
    recorded_at: str
    log: LogId
    not_before: NotBefore | None = None
    random_bytes: Callable[[int], bytes] = os.urandom

    @classmethod
    def of_request(
        cls,
        tenant: str,
        key: str | None,
        log: LogId,
        not_before: NotBefore | None,
        *,
        actor: Actor | None = None,
    ) -> Origin:
        """Return the origin of a request's evidence; ``key`` is its ``Idempotency-Key``, if any.

        Raises:
            Problem: The key is not 1 to 255 printable ASCII characters (422).
        """
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            error = FieldError("Idempotency-Key", Message("idempotency-key-malformed"))
            raise Problem(422, Message("request-header-invalid"), errors=[error])
        return cls(
            tenant=tenant,
            actor=actor,
            key=key,
            recorded_at=utc_now(),
            log=log,
            not_before=not_before,
        )

    @property
    def unique(self) -> bytes:
        """The bytes that distinguish equal evidence under different idempotency keys."""
        return b"" if self.key is None else f"key:{self.tenant}/{self.key}".encode()

    @property
    def submitter(self) -> RecordSubmitter | None:
        """The submitter that records name; None if nobody is known to have submitted."""
        if self.actor is None:
            return None
        return RecordSubmitter(account=self.tenant, actor=self.actor.encode())

    @property
    def key_hash(self) -> bytes | None:
        """The hash of the idempotency key, which is all the store keeps of it."""
        return None if self.key is None else hashlib.sha256(self.unique).digest()

    def source(self, name: str) -> str:
        """Return the source of evidence with this name; it differs between tenants."""
        return f"tenant:{self.tenant}/{name}"


def read_submission(data: bytes, origin: Origin, *, max_bytes: int) -> NewEvidence:
    """Return the row of one submission.

    Raises:
        Problem: The submission is too long (413), not JSON (400) or otherwise invalid (422).
    """
    if len(data) > max_bytes:
        raise Problem(413, Message("submission-too-long", limit=max_bytes))
    try:
        value = parse_strict(data, subject=Message("submission-as-subject"), max_bytes=max_bytes)
    except MalformedError as error:
        raise Problem(400, error.message) from error
    return _prepare_members(_read_members(value), origin)


def over_quota(limits: Quota) -> Problem:
    """Return the answer to evidence above the tenant's quota, with the seconds until its reset.

    With a limit per minute the quota is reset in the next minute, otherwise on the next day (UTC).
    """
    time_of_day = utc_now()[11:19]
    hours, minutes, seconds = (int(part) for part in time_of_day.split(":"))
    passed = 3_600 * hours + 60 * minutes + seconds
    period = 86_400 if limits.per_minute is None else 60
    return Problem(
        429,
        Message("tenant-quota-used-up"),
        headers={"Retry-After": str(period - passed % period)},
    )


def _read_members(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise Problem(
            422,
            Message("submission-not-object"),
            errors=[FieldError("", Message("submission-field-not-object"))],
        )
    unknown = [
        FieldError(f"/{_escape(name)}", Message("submission-member-unknown"))
        for name in value
        if name not in _MEMBERS
    ]
    if unknown:
        raise _refuse(unknown)
    return value


def _prepare_members(members: Mapping[str, JsonValue], origin: Origin) -> NewEvidence:
    if "record" in members:
        return _prepare_record(members, origin)
    groups = _read_groups(members)
    given = _read_digests({name: value for name, value in members.items() if name != _GROUPS})
    sha256, sm3 = (
        None if text is None else bytes.fromhex(text) for text in (given.sha256, given.sm3)
    )
    name = given.name or (f"sha256:{given.sha256}" if sha256 else f"sm3:{given.sm3}")
    submission = EvidenceInput(
        source=origin.source(name),
        name=name,
        digests=Digests(sha256=sha256, sm3=sm3, size=given.size),
        media_type=given.media_type,
        groups=groups,
        submitter=None if groups is None else origin.submitter,
    )
    try:
        salt = origin.random_bytes(SALT_BYTES)
        return prepare_evidence(
            submission, origin.unique, salt, origin.recorded_at, origin.log, origin.not_before
        )
    except AnchorError as error:
        at = "/name" if groups is None else f"/{_GROUPS}"
        raise _refuse([FieldError(at, error.message)]) from error


def _prepare_record(members: Mapping[str, JsonValue], origin: Origin) -> NewEvidence:
    encoded = members["record"]
    others = [
        FieldError(f"/{name}", Message("submission-member-beside-record"))
        for name in members
        if name != "record"
    ]
    if others:
        raise _refuse(others)
    if not isinstance(encoded, str):
        raise _refuse([FieldError("/record", Message("submission-record-not-string"))])
    try:
        record = parse_record(encoded.encode("utf-8"))
    except AnchorError as error:
        raise _refuse([FieldError("/record", error.message)]) from error
    if record.log is not None and log_owner(record.log) != log_owner(origin.log):
        raise _refuse([FieldError("/record", Message("submission-record-log-foreign"))])
    for member in _RESERVED:
        if member in record.statements:
            raise _refuse(
                [FieldError("/record", Message("submission-record-member-reserved", member=member))]
            )
    if "\0" in record.name:
        raise _refuse([FieldError("/record", Message("submission-record-name-nul"))])
    return prepare_record(record, origin.source(record.name), origin.unique, origin.recorded_at)


def _read_groups(members: Mapping[str, JsonValue]) -> RecordGroups | None:
    if _GROUPS not in members:
        return None
    value = members[_GROUPS]
    if not isinstance(value, dict):
        raise _refuse([FieldError(f"/{_GROUPS}", Message("submission-field-not-object"))])
    reserved = [name for name in _OPERATORS if name in value]
    if reserved:
        refused = Message("submission-member-reserved")
        raise _refuse([FieldError(f"/{_GROUPS}/{name}", refused) for name in reserved])
    try:
        return parse_groups(value)
    except GroupsError as error:
        raise _refuse(
            [
                FieldError("/".join(("", _GROUPS, *map(_escape, fault.path))), fault.reason)
                for fault in error.faults
            ]
        ) from error


def _read_digests(members: Mapping[str, JsonValue]) -> DigestSubmission:
    given = read_digests(members)
    if isinstance(given, set):
        raise _refuse([FieldError(f"/{name}", _FAULTS[name]) for name in _FAULTS if name in given])
    if given.sha256 is None and given.sm3 is None:
        missing = Message("submission-digest-missing")
        raise _refuse([FieldError("/sha256", missing)])
    return given


def _refuse(errors: list[FieldError]) -> Problem:
    return Problem(422, Message("submission-invalid"), errors=errors)


def _escape(name: str) -> str:
    """Return a member's name as a part of a JSON pointer, shortened if it is long."""
    return name[:80].replace("~", "~0").replace("/", "~1")
