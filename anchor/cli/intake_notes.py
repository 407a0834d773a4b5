"""Notes about paths that an intake left out."""

from __future__ import annotations

from typing import Any

from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.evidence.exclusion import Exclusion
from anchor.operate.file_intake import IntakeResult
from anchor.operate.object_intake import ObjectIntake


def note_left_out(output: Output, gathered: IntakeResult) -> int:
    """Print each path that was not recorded, but for receipts and what patterns left out.

    Returns the number of receipts.
    """
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
        if skipped.reason.id == "path-excluded":
            continue
        output.note(
            Message("with-reason", failure=skipped.path, reason=skipped.reason),
            mark=Message("skipped-mark"),
            colour=Colour.YELLOW,
        )
    return receipts


def print_excluded(output: Output, exclusion: Exclusion) -> None:
    """Print how much patterns left out, by which, and which .gitignore files were read."""
    total = exclusion.total()
    output.line(Message("excluded-total", files=total.files, folders=total.folders))
    for pattern, counted in exclusion.left_out.items():
        output.line(
            Message(
                "excluded-by-pattern",
                pattern=pattern.text,
                source=pattern.source,
                files=counted.files,
                folders=counted.folders,
            )
        )
    for path in exclusion.read:
        output.line(Message("gitignore-file-read", path=path))


def describe_excluded(exclusion: Exclusion) -> dict[str, Any]:
    """Return the same as a member of a JSON document."""
    total = exclusion.total()
    return {
        "files": total.files,
        "folders": total.folders,
        "patterns": [
            {
                "pattern": pattern.text,
                "source": pattern.source,
                "files": counted.files,
                "folders": counted.folders,
            }
            for pattern, counted in exclusion.left_out.items()
        ],
        "gitignore_files": [str(path) for path in exclusion.read],
    }


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
