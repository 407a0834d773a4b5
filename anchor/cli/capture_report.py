"""What ``anchor capture`` prints of a captured page: its record, and what failed or is missing."""

from __future__ import annotations

from typing import Any

from anchor.base.messages.message import Message
from anchor.capture.capture_recording import RecordedCapture
from anchor.cli.collection_report import describe_collection, print_lacking
from anchor.cli.console import Colour, Output
from anchor.comparison.capture_change import CaptureChange
from anchor.evidence.preservation_number import number_record
from anchor.project.files import sidecar_path

_MOST_LINES = 20
_FIRST_ERROR = 400
"""Statuses from here on say that the server did not give what was asked for (RFC 9110)."""


def print_capture(output: Output, capture: RecordedCapture, change: CaptureChange | None) -> None:
    """Print the bag, what has changed, its number, failed checks, and what was not captured."""
    page = capture.page
    output.line(Message("capture-written", url=page.final_url, bag=capture.bag))
    if change is not None:
        if change.last is not None:
            output.line(Message("capture-compared", bag=change.last), mark="  ")
        for reason in change.reasons:
            output.line(reason, mark="  ", colour=Colour.YELLOW)
    response = None if page.main is None else page.main.response
    if response is not None and response.status >= _FIRST_ERROR:
        output.line(
            Message("capture-status-error", status=response.status),
            mark=Message("warning-mark"),
            colour=Colour.YELLOW,
        )
    for file in capture.collection.intake.files:
        number = number_record(file.evidence.record or b"")
        identity = file.evidence.identity.hex()
        output.line(Message("capture-recorded", number=number, identity=identity), mark="  ")
    print_lacking(output, capture.collection)
    missing = page.uncaptured
    mark = Message("capture-missing-mark")
    for each in missing[:_MOST_LINES]:
        text = Message("with-reason", failure=each.subject, reason=each.reason)
        output.line(text, mark=mark, colour=Colour.YELLOW)
    if len(missing) > _MOST_LINES:
        rest = len(missing) - _MOST_LINES
        output.line(Message("capture-missing-rest", count=rest), mark="  ")


def describe_capture(capture: RecordedCapture, change: CaptureChange | None) -> dict[str, Any]:
    """Return a capture as members of the JSON document."""
    page = capture.page
    files = capture.collection.intake.files
    return {
        "url": page.url,
        "final_url": page.final_url,
        "bag": str(capture.bag),
        "receipt": str(sidecar_path(capture.bag)),
        "number": next((number_record(file.evidence.record or b"") for file in files), None),
        "change": None
        if change is None
        else {
            "last": None if change.last is None else str(change.last),
            "reasons": list(map(str, change.reasons)),
        },
        **describe_collection(capture.collection),
        "not_captured": [
            {"subject": each.subject, "reason": str(each.reason), "code": each.reason.id}
            for each in page.uncaptured
        ],
    }
