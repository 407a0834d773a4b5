"""Whether a capture is to be recorded: it differs from the last one that was, by thresholds."""

from __future__ import annotations

from anchor.comparison.capture_comparison import CaptureDifference
from anchor.comparison.comparison_labels import FACT_LABELS, show_share
from anchor.messages.message import Message

# Facts of the page itself; address, certificate and browser change while the page does not.
_FACTS = ("final_url", "status", "title")


def list_changes(
    difference: CaptureDifference, *, text_share: float, picture_share: float
) -> list[Message]:
    """Return what makes a capture one to be recorded; nothing if it shows no change.

    A view that could not be compared counts as changed: nothing tells that it is the same.
    """
    changes = [
        Message("watch-fact-changed", name=FACT_LABELS[fact.name])
        for fact in difference.facts
        if fact.name in _FACTS
    ]
    if difference.text_share > text_share:
        changes.append(Message("watch-text-changed", share=show_share(difference.text_share)))
    if difference.picture_share > picture_share:
        changes.append(Message("watch-picture-changed", share=show_share(difference.picture_share)))
    if difference.pages_added or difference.pages_removed:
        count = len(difference.pages_added) + len(difference.pages_removed)
        changes.append(Message("watch-pages-changed", count=count))
    uncompared = [name for page in difference.pages for name in page.uncompared]
    if uncompared:
        changes.append(Message("watch-not-compared", name=uncompared[0]))
    return changes
