"""Judging a HAR file (http://www.softwareishard.com/blog/har-12-spec/)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from anchor.base.messages.message import Message
from anchor.foreign_capture.capture_findings import (
    CaptureFault,
    CaptureFinding,
    StatedCapture,
    parse_stated_time,
)
from anchor.foreign_capture.foreign_json import get_text, list_objects, parse_object

_VERSIONS = ("1.1", "1.2", "1.3")


def judge_har(data: bytes, stated: StatedCapture) -> None:
    """Judge the bytes of a HAR file, and add to what is found and stated."""
    structure = stated.find("har-structure", Message("foreign-har-structure"))
    bodies = stated.find("har-bodies", Message("foreign-har-bodies"))
    try:
        log = parse_object(data, "HAR").get("log")
        if not isinstance(log, dict):
            raise CaptureFault(Message("foreign-json-invalid", name="HAR"))
        stated.version = get_text(log, "version")
        stated.software = _spell_software(log.get("creator"))
        if stated.version not in _VERSIONS:
            structure.add_failure(Message("foreign-har-version", actual=str(stated.version)[:80]))
        entries = list_objects(log, "entries")
        stated.pages = len(list_objects(log, "pages")) if "pages" in log else None
    except CaptureFault as fault:
        structure.add_failure(fault.message)
        return
    stated.exchanges = len(entries)
    for number, entry in enumerate(entries, 1):
        _judge_entry(entry, number, stated, structure, bodies)


def _spell_software(creator: object) -> str | None:
    if not isinstance(creator, dict):
        return None
    parts = (get_text(creator, "name"), get_text(creator, "version"))
    return " ".join(part for part in parts if part) or None


def _judge_entry(
    entry: dict[str, Any],
    number: int,
    stated: StatedCapture,
    structure: CaptureFinding,
    bodies: CaptureFinding,
) -> None:
    request, response = entry.get("request"), entry.get("response")
    time = parse_stated_time(entry.get("startedDateTime"))
    if (
        time is None
        or not isinstance(request, dict)
        or not isinstance(response, dict)
        or get_text(request, "url") is None
        or get_text(request, "method") is None
        or not isinstance(response.get("status"), int)
    ):
        structure.add_failure(Message("foreign-har-entry", number=number))
        return
    stated.add_time(time)
    structure.add_pass()
    content = response.get("content")
    if isinstance(content, dict):
        _judge_content(content, str(request["url"])[:200], bodies)
    details = entry.get("_securityDetails")
    if isinstance(details, dict) and "validFrom" in details:
        _judge_validity(details, time.timestamp(), str(request["url"])[:200], stated)


def _judge_content(content: dict[str, Any], url: str, bodies: CaptureFinding) -> None:
    """Compare a body with the size that its entry states."""
    text, encoding, size = content.get("text"), content.get("encoding"), content.get("size")
    if not isinstance(text, str):
        if isinstance(size, int) and size > 0:
            bodies.add_gap(Message("foreign-har-no-body", url=url))
        return
    if encoding not in (None, "", "base64"):
        bodies.add_gap(Message("foreign-har-encoding", url=url, encoding=str(encoding)[:40]))
        return
    try:
        body = base64.b64decode(text, validate=True) if encoding else text.encode("utf-8")
    except (ValueError, binascii.Error):
        bodies.add_failure(Message("foreign-har-base64", url=url))
        return
    if not isinstance(size, int) or size < 0:
        bodies.add_gap(Message("foreign-har-no-size", url=url))
    elif len(body) == size:
        bodies.add_pass()
    elif encoding:
        bodies.add_failure(Message("foreign-har-size", url=url, stated=size, actual=len(body)))
    else:
        # The text was decoded from the page's own character set, in which the size is counted.
        bodies.add_gap(Message("foreign-har-charset", url=url, stated=size, actual=len(body)))


def _judge_validity(
    details: dict[str, Any], seconds: float, url: str, stated: StatedCapture
) -> None:
    """Check the validity that an entry states of its certificate, which it does not hold."""
    finding = stated.find("tls-certificates", Message("foreign-tls-certificates"))
    start, end = details.get("validFrom"), details.get("validTo")
    if (
        isinstance(start, int | float)
        and isinstance(end, int | float)
        and not start <= seconds <= end
    ):
        finding.add_failure(Message("foreign-har-certificate-time", url=url))
    else:
        finding.add_gap(Message("foreign-har-certificate-stated", url=url))
