"""What a capture shows that the last recorded one of the same page in the same folder did not.

The store knows which bags were recorded, and in which order; nothing else is kept of a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from anchor.bag.bag_format import MANIFEST
from anchor.base.errors import AnchorError, MalformedError
from anchor.base.messages.message import Message
from anchor.capture.capture_recording import MadeBag, name_host
from anchor.comparison.capture_bag import open_capture
from anchor.comparison.capture_comparison import CaptureDifference, compare_captures
from anchor.comparison.comparison_labels import FACT_LABELS, show_share
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import Record, parse_record, source_of
from anchor.evidence.record_groups import RecordGroups
from anchor.project.project import OpenProject
from anchor.store.evidence import find_indices_from, load_stored

# Facts of the page itself; address, certificate and browser change while the page does not.
_FACTS = ("final_url", "status", "title")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureChange:
    """The changes since the bag ``last``; without that, why the capture is to be recorded."""

    last: Path | None
    reasons: tuple[Message, ...]


def find_change(project: OpenProject, made: MadeBag, shares: tuple[float, float]) -> CaptureChange:
    """Compare a capture with the last recorded one; there are no reasons if it shows no change.

    A change exceeds the ``shares`` of the characters and of the pixels.  What cannot be compared
    counts as changed: nothing tells that it is the same.
    """
    last: Path | None = None
    try:
        recorded = _find_last(project, made)
        if recorded is None:
            return CaptureChange(last=None, reasons=(Message("change-first"),))
        last, record = recorded
        before, after = open_capture(last), open_capture(made.bag)
        if before.bag.manifest.sha256 != record.digests.sha256:
            raise MalformedError(Message("change-last-replaced", path=last))
        difference = compare_captures(before, after)
    except AnchorError as error:
        reason = Message("change-last-uncompared", reason=error.message)
        return CaptureChange(last=last, reasons=(reason,))
    return CaptureChange(last=last, reasons=tuple(list_changes(difference, shares)))


def _find_last(project: OpenProject, made: MadeBag) -> tuple[Path, Record] | None:
    """Return the bag beside a new one that was recorded last of those of its URL, and its record.

    Raises:
        MalformedError: A record is lost, which may be that of the page.
    """
    bags = made.bag.parent.glob(f"{name_host(made.page.url)}-*")
    by_source = {source_of(bag / MANIFEST): bag for bag in bags}
    with project.database.read() as connection:
        indices = find_indices_from(connection, list(by_source)).values()
        for index in sorted(chain.from_iterable(indices), reverse=True):
            for stored in load_stored(connection, [index]):
                record = parse_record(stored.record or b"")
                if _url_of(read_groups(record.encoded).groups) == _url_of(made.groups):
                    return by_source[stored.source], record
    return None


def _url_of(groups: RecordGroups) -> str | None:
    return None if groups.capture is None else groups.capture.url


def list_changes(difference: CaptureDifference, shares: tuple[float, float]) -> list[Message]:
    """Return what makes a capture one to be recorded; nothing if it shows no change."""
    changes = [
        Message("change-fact", name=FACT_LABELS[fact.name])
        for fact in difference.facts
        if fact.name in _FACTS
    ]
    if difference.text_share > shares[0]:
        changes.append(Message("change-text", share=show_share(difference.text_share)))
    if difference.picture_share > shares[1]:
        share = show_share(difference.picture_share)
        changes.append(Message("change-picture", share=share))
    if difference.pages_added or difference.pages_removed:
        count = len(difference.pages_added) + len(difference.pages_removed)
        changes.append(Message("change-pages", count=count))
    uncompared = [name for page in difference.pages for name in page.uncompared]
    if uncompared:
        changes.append(Message("change-view-uncompared", name=uncompared[0]))
    return changes
