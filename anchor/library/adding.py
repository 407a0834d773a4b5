"""Adding evidence from Python: collecting and recording it, and the result for each piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from anchor.base.digests import DIGEST_BYTES, Digests
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.record import SALT_BYTES, encode_record
from anchor.operate.acceptance import AcceptedEvidence, accept_each, digest_input
from anchor.operate.file_intake import AcceptedFile, IntakeResult, gather
from anchor.operate.receipt_files import refuse_taken_places, skip_receipts
from anchor.operate.recent_block import choose_block
from anchor.project.project import OpenProject

# The digests recorded in one transaction, and so with one fsync.
_CHUNK = 1_000
_NOTHING = Message("evidence-none-added")
_ANY_DIGESTS = Digests(sha256=bytes(DIGEST_BYTES), sm3=None, size=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """One piece of evidence in the store.

    ``id`` is its permanent identifier, 64 hex digits; ``path`` is None for a bare digest.  ``leaf``
    is the hash of its record, and ``is_new`` is False if the store had it before.  Evidence added
    again after its erasure is new: it has the same id, but a new record and leaf.  ``has_record``
    is False if the record was lost with an earlier store: no receipt can be made.
    """

    id: str
    name: str
    path: Path | None
    digests: Digests
    leaf: Hash32
    is_new: bool
    has_record: bool


def add_evidence(
    project: OpenProject,
    evidence: Iterable[Path | SourceFile | Digests],
    *,
    beside: bool,
    not_before: bool | None,
    report: Callable[[Message], None],
    on_left_out: Callable[[IntakeProblem | Skipped], None] | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[Added]:
    """Record evidence as documented at ``Project.add``."""
    paths, named, digests = _split(evidence)
    sources: Iterable[Discovered] = chain(find_sources(paths, follow_symlinks=False), named)
    sources = skip_receipts(sources, project.config.log)
    if beside:
        sources = refuse_taken_places(sources, project.config.log)
    name_block = choose_block(project, not_before, report)
    with open_executor() as executor:
        gathered = gather(
            project,
            sources,
            executor=executor,
            keep_files=True,
            on_done=on_progress,
            name_block=name_block,
        )
    added = list(map(describe_file, gathered.files))
    for start in range(0, len(digests), _CHUNK):
        inputs = [digest_input(each) for each in digests[start : start + _CHUNK]]
        chunk = accept_each(project, inputs, not_before=name_block())
        for given, accepted in zip(inputs, chunk, strict=True):
            added.append(_describe(accepted, given.name, None, given.digests))
    report_left_out(gathered, report=report, on_left_out=on_left_out)
    return added


def report_left_out(
    gathered: IntakeResult,
    *,
    report: Callable[[Message], None],
    on_left_out: Callable[[IntakeProblem | Skipped], None] | None,
) -> None:
    """Report each file that has changed since it was recorded, and each path that was not added.

    Raises:
        UsageError: A path cannot be read, and there is no ``on_left_out``.
    """
    for changed in gathered.changed:
        report(Message("evidence-changed-since", path=changed.path, time=changed.accepted_at))
    all_left_out: list[IntakeProblem | Skipped] = [*gathered.problems, *gathered.skipped]
    for left_out in all_left_out:
        if on_left_out is None:
            report(Message("evidence-not-added", path=left_out.path, reason=left_out.reason))
        else:
            on_left_out(left_out)
    if gathered.problems and on_left_out is None:
        first, *others = gathered.problems
        raise UsageError(
            Message(
                "evidence-not-all-added-others",
                path=first.path,
                reason=first.reason,
                count=len(others),
            )
            if others
            else Message("evidence-not-all-added", path=first.path, reason=first.reason),
            hint=Message("evidence-others-added-hint"),
            path=first.path,
        )


def _split(
    evidence: Iterable[Path | SourceFile | Digests],
) -> tuple[list[Path], list[SourceFile], list[Digests]]:
    paths: list[Path] = []
    named: list[SourceFile] = []
    digests: list[Digests] = []
    _check_list(evidence)
    for piece in evidence:
        if isinstance(piece, Path):
            paths.append(piece)
        elif isinstance(piece, SourceFile):
            _check_recordable(piece.name, _ANY_DIGESTS)
            named.append(piece)
        elif isinstance(piece, Digests):
            _check_recordable(digest_input(piece).name, piece)
            digests.append(piece)
        else:
            raise UsageError(
                Message("evidence-argument-type-unknown", actual=type(piece).__name__),
                hint=Message("evidence-file-by-path-hint", detail=_NOTHING),
            )
    return paths, named, digests


def _check_recordable(name: str, digests: Digests) -> None:
    try:
        encode_record(
            digests=digests, name=name, media_type=None, salt=bytes(SALT_BYTES), recorded_at=""
        )
    except MalformedError as error:
        raise UsageError(
            Message("evidence-not-recordable", name=name, reason=error.message), hint=_NOTHING
        ) from error


def _check_list(evidence: object) -> None:
    if isinstance(evidence, (str, bytes)) or not isinstance(evidence, Iterable):
        raise UsageError(Message("evidence-argument-not-list", actual=type(evidence).__name__))


def describe_file(file: AcceptedFile) -> Added:
    """Return a file that was recorded."""
    return _describe(file.evidence, file.name, file.path, file.digests)


def _describe(accepted: AcceptedEvidence, name: str, path: Path | None, digests: Digests) -> Added:
    return Added(
        id=accepted.identity.hex(),
        name=name,
        path=path,
        digests=digests,
        leaf=accepted.leaf,
        is_new=accepted.is_new,
        has_record=accepted.record is not None,
    )
