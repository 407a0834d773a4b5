"""Notes about paths that an intake left out."""

from __future__ import annotations

from anchor.cli.console import Colour, Output
from anchor.messages.message import Message
from anchor.operate.file_intake import IntakeResult
from anchor.operate.object_intake import ObjectIntake


def note_left_out(output: Output, gathered: IntakeResult) -> int:
    """Print each path that was not recorded, except receipts; return the number of receipts."""
    for problem in gathered.problems:
        output.note(
            Message("with-reason", failure=problem.path, reason=problem.reason),
            mark=Message("evidence-not-added-mark"),
            colour=Colour.RED,
        )
    receipts = 0
    for skipped in gathered.skipped:
        if skipped.reason.id == "file-is-receipt":
            receipts += 1
            continue
        output.note(
            Message("with-reason", failure=skipped.path, reason=skipped.reason),
            mark=Message("skipped-mark"),
            colour=Colour.YELLOW,
        )
    return receipts


def note_unread(output: Output, taken: ObjectIntake) -> None:
    """Print the objects that were not recorded, the first thousand of them."""
    for problem in taken.problems:
        output.note(
            Message("with-reason", failure=problem.url, reason=problem.reason),
            mark=Message("evidence-not-added-mark"),
            colour=Colour.RED,
        )
    if taken.unread > len(taken.problems):
        output.note(Message("objects-unread-more", count=taken.unread - len(taken.problems)))
