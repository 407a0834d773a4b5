"""The timestamps of ``anchor verify``: those that the user names, and those in an opened bag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from anchor.bag.bag_format import ORIGINALS
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import is_regular_file, read_bounded
from anchor.errors import MalformedError, UsageError
from anchor.log.checkpoint import Checkpoint, open_checkpoint
from anchor.messages.message import Message
from anchor.project.files import TIMESTAMPS
from anchor.timestamps.timestamp_token import MAX_TOKEN_BYTES
from anchor.verification.report import Report
from anchor.verification.timestamp_claim import (
    GivenTimestamp,
    JudgedTimestamp,
    apply_timestamps,
    is_of_receipt,
    judge_timestamp,
)

_FOLDER = "timestamps/"
_TOKEN_SUFFIX = ".tst"
_CHECKPOINT_SUFFIX = ".checkpoint"
_ENDINGS = (_CHECKPOINT_SUFFIX, ".crl", ".pem", _TOKEN_SUFFIX)
# A checkpoint is three lines and one signature; witnesses add a line each.
_MAX_CHECKPOINT_BYTES = 1 << 16
# Of one bag; a head has a token by each of a few authorities.
_MAX_IN_BAG = 256


class TimestampInputs:
    """The timestamps of a run, each verified once, however many receipts it is of.

    Raises:
        UsageError: A file cannot be read, or a checkpoint is named without tokens.
    """

    def __init__(self, paths: Sequence[Path], checkpoint: Path | None) -> None:
        if checkpoint is not None and not paths:
            raise UsageError(Message("option-checkpoint-alone"))
        self._given = [
            _read(path, checkpoint or path.with_suffix(_CHECKPOINT_SUFFIX)) for path in paths
        ]
        self._named: list[JudgedTimestamp] | None = None
        self._in_bags: dict[Path, list[JudgedTimestamp]] = {}

    def apply(self, inputs: VerificationInputs, name: str, report: Report) -> Report:
        """Return the report on ``name`` with the tokens named, and those in the bag it is in."""
        authorities = inputs.policy.tsas if inputs.policy else ()
        if self._named is None:
            self._named = [judge_timestamp(each, authorities) for each in self._given]
        judged = list(self._named)
        for opened in inputs.bags:
            if Path(name).is_relative_to(opened.path / ORIGINALS):
                if opened.path not in self._in_bags:
                    self._in_bags[opened.path] = [
                        judge_timestamp(each, authorities) for each in _list_in_bag(opened)
                    ]
                judged += self._in_bags[opened.path]
        return apply_timestamps(report, judged) if judged else report


def find_kept(config: Path | None, report: Report) -> list[Path]:
    """Return the files of the timestamps that a project keeps of the report's anchored heads.

    ``config`` is the project's configuration; without one there are none.
    """
    if config is None or not report.proven:
        return []
    files: list[Path] = []
    for size in sorted({proven.anchor.size for proven in report.proven}):
        for path in sorted((config.parent / TIMESTAMPS).glob(f"{size}-*{_TOKEN_SUFFIX}")):
            checkpoint = path.with_suffix(_CHECKPOINT_SUFFIX)
            if is_regular_file(checkpoint) and is_of_receipt(_open(checkpoint), report):
                beside = [path.with_suffix(ending) for ending in _ENDINGS]
                files += [each for each in beside if is_regular_file(each)]
    return files


def _open(path: Path) -> Checkpoint | None:
    try:
        return open_checkpoint(read_bounded(path, _MAX_CHECKPOINT_BYTES), None)
    except MalformedError:
        return None


def _read(path: Path, checkpoint: Path) -> GivenTimestamp:
    return GivenTimestamp(
        token_name=str(path),
        token=read_bounded(path, MAX_TOKEN_BYTES + 1),
        checkpoint_name=str(checkpoint),
        checkpoint=read_bounded(checkpoint, _MAX_CHECKPOINT_BYTES),
        is_demanded=True,
    )


def _list_in_bag(opened: OpenedBag) -> Iterator[GivenTimestamp]:
    tags = opened.bag.tags
    tokens = [name for name in sorted(tags) if name.startswith(_FOLDER)]
    for name in [each for each in tokens if each.endswith(_TOKEN_SUFFIX)][:_MAX_IN_BAG]:
        checkpoint = name.removesuffix(_TOKEN_SUFFIX) + _CHECKPOINT_SUFFIX
        if checkpoint in tags:
            yield GivenTimestamp(
                token_name=name,
                token=opened.bag.read(name, MAX_TOKEN_BYTES + 1),
                checkpoint_name=checkpoint,
                checkpoint=opened.bag.read(checkpoint, _MAX_CHECKPOINT_BYTES),
                is_demanded=False,
            )
