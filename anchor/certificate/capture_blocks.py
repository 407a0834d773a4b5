"""The web capture of a certificate: what was observed, and the screenshot."""

from __future__ import annotations

from collections.abc import Iterator

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message
from anchor.certificate.foreign_text import show_text
from anchor.certificate.layout import (
    MISSING,
    Block,
    Labelled,
    Screenshot,
    Value,
    both,
    caution,
    code,
    fields,
    text,
)
from anchor.certificate.model import CaptureEntry, Picture, UncapturedEntry, bilingual
from anchor.evidence.group_lines import list_lines
from anchor.evidence.group_values import CHECK_RESULTS
from anchor.evidence.observed_groups import Cleanliness, WebCapture
from anchor.evidence.statement_text import MAX_CHARACTERS

_MOST_OF_UNCAPTURED = 300


def build_capture(observed: dict[str, JsonValue], capture: CaptureEntry | None) -> Iterator[Block]:
    """Yield the blocks of a web capture: by the record, and by its bag if that was given."""
    group = WebCapture.model_validate(observed["capture"])
    rows: list[Labelled] = [
        (line.label, text(show_text(line.value, MAX_CHARACTERS)))
        for line in list_lines({"capture": observed["capture"]})
    ]
    rows.append((Message("certificate-capture-validity"), _validity(group, capture)))
    rows.append((Message("certificate-capture-uncaptured"), _uncaptured(group, capture)))
    rows.append((Message("certificate-capture-failed-checks"), _failed_checks(observed)))
    picture = None if capture is None else capture.picture
    if picture is None:
        unseen = (
            Message("certificate-capture-without-bag")
            if capture is None
            else Message("certificate-capture-without-screenshot")
        )
        rows.append((Message("certificate-capture-screenshot"), caution(unseen)))
    else:
        rows.append((Message("certificate-capture-screenshot"), code(picture.name, picture.sha256)))
        rows.append((Message("certificate-capture-reduced"), code(picture.shown_sha256)))
    yield fields(Message("certificate-capture-title"), rows)
    if picture is not None:
        yield _show(picture)


def _validity(group: WebCapture, capture: CaptureEntry | None) -> Value:
    if group.certificate_sha256 is None:
        return text(Message("certificate-capture-without-tls"))
    if capture is None:
        return caution(Message("certificate-capture-without-bag"))
    times = (capture.certificate_not_before, capture.certificate_not_after)
    known = [show_text(each, MAX_CHARACTERS) for each in times if each is not None]
    return text(" – ".join(known)) if len(known) == len(times) else MISSING


def _uncaptured(group: WebCapture, capture: CaptureEntry | None) -> Value:
    if group.not_captured == 0:
        return text(Message("check-nothing-found"))
    if capture is None:
        return caution(Message("certificate-capture-without-bag"))
    lines = [
        show_text(f"{each.subject}: {_spell_reason(each)}", _MOST_OF_UNCAPTURED)
        for each in capture.not_captured
    ]
    rest = group.not_captured - len(lines)
    if rest > 0:
        lines.append(both(Message("certificate-account-more", count=rest)))
    return Value(kind="text", lines=tuple(lines))


def _spell_reason(entry: UncapturedEntry) -> str:
    """Return a reason in both languages; a capture of a version before has the English one."""
    return entry.reason if entry.reason_zh is None else f"{entry.reason_zh} / {entry.reason}"


def _failed_checks(observed: dict[str, JsonValue]) -> Value:
    """Return the names of the checks that failed, before or after the capture."""
    if "cleanliness" not in observed:
        return MISSING
    checks = Cleanliness.model_validate(observed["cleanliness"]).checks
    failed = [
        f"{show_text(check.zh, MAX_CHARACTERS)} / {show_text(check.en, MAX_CHARACTERS)}"
        for check in checks
        if check.result == "fail"
    ]
    if not failed:
        return text(Message("check-nothing-found"))
    return Value(kind="caution", lines=(both(CHECK_RESULTS["fail"]), *failed))


def _show(picture: Picture) -> Screenshot:
    size = Message(
        "certificate-capture-picture-caption",
        width=picture.width,
        height=picture.height,
        shown_width=picture.shown_width,
        shown_height=picture.shown_height,
    )
    part = Message(
        "certificate-capture-picture-cut",
        caption=size,
        rows=picture.shown_rows,
        height=picture.height,
    )
    return Screenshot(
        title=bilingual(Message("certificate-capture-picture-title")),
        png=picture.png,
        caption=bilingual(size if picture.shown_rows == picture.height else part),
    )
