"""Import of captures made elsewhere: all are judged, then each is recorded as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.base.messages.message import Message
from anchor.evidence.discovery import Discovered, IntakeProblem, SourceFile
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.evidence.group_members import dump_group
from anchor.evidence.record_groups import RecordGroups
from anchor.foreign_capture.capture_judgement import judge_capture
from anchor.operate.acceptance import fewest
from anchor.operate.evidence_collection import (
    CollectionResult,
    check_record_size,
    collect_files,
)
from anchor.operate.file_intake import IntakeResult
from anchor.operate.recent_block import NameBlock, name_no_block
from anchor.project.project import OpenProject


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCapture:
    """A recorded capture, and what was checked in it."""

    path: Path
    capture: ForeignCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult(CollectionResult):
    """All captures of an import, and the collection of all their records together."""

    captures: tuple[ImportedCapture, ...]


def import_captures(
    project: OpenProject,
    sources: Iterable[Discovered],
    groups: RecordGroups,
    *,
    roots: Sequence[bytes],
    executor: Executor,
    name_block: NameBlock = name_no_block,
    on_done: Callable[[int, int], None] | None = None,
) -> ImportResult:
    """Judge all files, then record each with what was checked in it; on return they are durable.

    ``roots`` are the verifier's certificates in DER, of signers and timestamping authorities.

    Raises:
        MalformedError: A file is no capture; nothing was recorded.
        UnknownVersionError: A file is a ZIP file of an unknown kind; nothing was recorded.
        UsageError: A record would be too long; nothing was recorded.
        CannotCheckError: Records are to name a block, and no node tells the final one.
    """
    described: list[tuple[Discovered, ForeignCapture | None]] = []
    for source in sources:
        is_file = isinstance(source, SourceFile)
        capture = judge_capture(source.path, roots) if is_file else None
        described.append((source, capture))
        check_record_size([source], _describe(groups, capture), project.config.log)
    captures = []
    intakes = []
    for source, capture in described:
        # A crash here leaves the captures before this one recorded, as of other files.
        intake = collect_files(
            project,
            [source],
            _describe(groups, capture),
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        ).intake
        if capture is not None:
            intake = _check_unchanged(intake, capture)
            captures.append(ImportedCapture(path=source.path, capture=capture))
        intakes.append(intake)
    return ImportResult(groups=groups, intake=_add_up(intakes), captures=tuple(captures))


def _describe(groups: RecordGroups, capture: ForeignCapture | None) -> RecordGroups:
    if capture is None:
        return groups
    members = {"kind": "web-capture", **groups.members(), "foreign_capture": dump_group(capture)}
    return RecordGroups.model_validate(members)


def _check_unchanged(intake: IntakeResult, capture: ForeignCapture) -> IntakeResult:
    """Report a file that was replaced after it was judged; its record has both digests."""
    problems = [
        IntakeProblem(path=file.path, reason=Message("foreign-changed"))
        for file in intake.files
        if (file.digests.sha256 or b"").hex() != capture.sha256
    ]
    return replace(intake, problems=(*intake.problems, *problems))


def _add_up(intakes: Sequence[IntakeResult]) -> IntakeResult:
    return IntakeResult(
        new=sum(each.new for each in intakes),
        known=sum(each.known for each in intakes),
        size=sum(each.size for each in intakes),
        files=tuple(file for each in intakes for file in each.files),
        problems=tuple(problem for each in intakes for problem in each.problems),
        skipped=tuple(skipped for each in intakes for skipped in each.skipped),
        changed=tuple(changed for each in intakes for changed in each.changed),
        copies=fewest(*(each.copies for each in intakes)),
    )
