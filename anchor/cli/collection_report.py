"""What ``anchor collect`` prints: what was recorded, which checks failed, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anchor.base.messages.message import Message
from anchor.cli.account_text import MARKS
from anchor.cli.console import Colour, Output
from anchor.cli.intake_notes import note_left_out
from anchor.evidence.group_members import dump_group
from anchor.foreign_capture.capture_import import ImportedCapture, ImportResult
from anchor.operate.evidence_collection import CollectionResult


def print_collection(output: Output, result: CollectionResult) -> None:
    """Print the paths left out, the checks that did not pass, and what the profile lacks."""
    if isinstance(result, ImportResult):
        _print_captures(output, result.captures)
    note_left_out(output, result.intake)
    print_lacking(output, result)
    if result.intake.new:
        output.line(Message("evidence-collected-summary", count=result.intake.new))


def print_lacking(output: Output, result: CollectionResult) -> None:
    """Print the checks that did not pass, and what the profile lacks."""
    for check in result.checks:
        mark = MARKS[check.result]
        output.line(check.describe(output.language), mark=mark, colour=Colour.YELLOW)
    for demand in result.lacking:
        mark = Message("profile-lacks-mark")
        output.line(demand.describe(), mark=mark, colour=Colour.YELLOW)


def _print_captures(output: Output, captures: Iterable[ImportedCapture]) -> None:
    """Print what each capture states of itself, and the checks of it that did not pass."""
    for imported in captures:
        capture = imported.capture
        text = Message(
            "foreign-captured",
            path=imported.path,
            form=capture.form.upper(),
            version=capture.version_stated or "",
            software=capture.software_stated or Message("foreign-unstated"),
            exchanges=capture.exchanges,
        )
        output.line(text)
        for check in capture.findings:
            if check.result != "pass":
                mark = "  " + output.say(MARKS[check.result])
                output.line(check.describe(output.language), mark=mark, colour=Colour.YELLOW)


def _describe_capture(imported: ImportedCapture) -> dict[str, Any]:
    return {"path": str(imported.path), **dump_group(imported.capture)}


def describe_collection(result: CollectionResult) -> dict[str, Any]:
    """Return a collection as members of the JSON document."""
    intake, cleanliness = result.intake, result.groups.cleanliness
    members: dict[str, Any] = {
        "profile": result.groups.profile,
        "records": [
            {
                "path": str(file.path),
                "id": file.evidence.identity.hex(),
                "leaf": file.evidence.leaf.hex(),
            }
            for file in intake.files
        ],
        "cleanliness": None if cleanliness is None else cleanliness.result,
        "checks": [dump_group(check) for check in result.checks],
        "lacking": [
            {
                "member": demand.name,
                "level": demand.level,
                "source": demand.source,
                "text": demand.describe(),
            }
            for demand in result.lacking
        ],
        "problems": [{"path": str(p.path), "reason": p.reason} for p in intake.problems],
        "skipped": [{"path": str(s.path), "reason": s.reason} for s in intake.skipped],
    }
    if isinstance(result, ImportResult):
        members["captures"] = list(map(_describe_capture, result.captures))
    return members
