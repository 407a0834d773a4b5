"""The timestamps of ``anchor verify``: those that the user names, and those in an opened bag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from anchor.bag.bag_format import ORIGINALS
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import is_regular_file, read_bounded
from anchor.log.checkpoint import Checkpoint, open_checkpoint
from anchor.project.files import TIMESTAMPS
from anchor.timestamps.revocation_lists import MAX_LISTS_BYTES
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
_LISTS_SUFFIX = ".crl"
_ENDINGS = (_CHECKPOINT_SUFFIX, _LISTS_SUFFIX, ".pem", _TOKEN_SUFFIX)
# A checkpoint is three lines and one signature; witnesses add a line each.
_MAX_CHECKPOINT_BYTES = 1 << 16
# Of one bag; a head has a token by each of a few authorities.
_MAX_IN_BAG = 256
# Of one head, in one folder.
_MAX_OF_HEAD = 32


class TimestampInputs:
    """The timestamps of a run, each verified once, however many receipts it is of.

    Raises:
        UsageError: A file cannot be read, or a checkpoint is named without tokens.
    """

    def __init__(self, paths: Sequence[Path], checkpoint: Path | None) -> None:
        if checkpoint is not None and not paths:
            raise UsageError(Message("option-checkpoint-alone"))
        self._given = [_read(path, checkpoint, is_demanded=True) for path in paths]
        self._named: list[JudgedTimestamp] | None = None
        self._in_bags: dict[Path, list[JudgedTimestamp]] = {}
        self._kept: dict[Path, JudgedTimestamp] = {}

    def apply(
        self,
        inputs: VerificationInputs,
        name: str,
        report: Report,
        *,
        folders: Sequence[Path] = (),
    ) -> Report:
        """Return the report on ``name`` with the tokens named, and those in the bag it is in.

        So are those of its heads in ``folders``, which a project's folder of timestamps may be.
        """
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
        for path in _list_tokens(folders, report):
            if path not in self._kept:
                given = _read(path, None, is_demanded=False)
                self._kept[path] = judge_timestamp(given, authorities)
            if not any(_is_same(self._kept[path], each) for each in judged):
                judged.append(self._kept[path])
        return apply_timestamps(report, judged) if judged else report


def kept_folder(config: Path | None) -> list[Path]:
    """Return the folder of a project's timestamps; without a configuration there is none."""
    return [] if config is None else [config.parent / TIMESTAMPS]


def find_kept(folders: Sequence[Path], report: Report) -> list[Path]:
    """Return the files of the timestamps in ``folders`` that are of the report's anchored heads."""
    return [beside for path in _list_tokens(folders, report) for beside in _list_beside(path)]


def with_checkpoints(files: Iterable[Path]) -> list[Path]:
    """Return the files, each token with what lies beside it: its checkpoint, CRLs, certificates."""
    return [
        each
        for path in files
        for each in (path, *(_list_beside(path) if path.suffix == _TOKEN_SUFFIX else ()))
    ]


def _list_beside(token: Path) -> list[Path]:
    return list(filter(is_regular_file, (token.with_suffix(ending) for ending in _ENDINGS)))


def _list_tokens(folders: Sequence[Path], report: Report) -> list[Path]:
    """Return the tokens, each beside its checkpoint, by the sizes in their names."""
    tokens: list[Path] = []
    for size in sorted({proven.anchor.size for proven in report.proven}):
        for folder in folders:
            for path in islice(sorted(folder.glob(f"{size}-*{_TOKEN_SUFFIX}")), _MAX_OF_HEAD):
                checkpoint = path.with_suffix(_CHECKPOINT_SUFFIX)
                files = is_regular_file(path) and is_regular_file(checkpoint)
                if files and is_of_receipt(_open(checkpoint), report):
                    tokens.append(path)
    return tokens


def _open(path: Path) -> Checkpoint | None:
    try:
        return open_checkpoint(read_bounded(path, _MAX_CHECKPOINT_BYTES), None)
    except MalformedError:
        return None


def _is_same(one: JudgedTimestamp, other: JudgedTimestamp) -> bool:
    return one.finding.token_sha256 == other.finding.token_sha256


def _read(path: Path, checkpoint: Path | None, *, is_demanded: bool) -> GivenTimestamp:
    """Read a token, and its checkpoint and revocation lists, which else lie beside it."""
    token = read_bounded(path, MAX_TOKEN_BYTES + 1)  # after this the path has a name to add to
    checkpoint = checkpoint or path.with_suffix(_CHECKPOINT_SUFFIX)
    lists = path.with_suffix(_LISTS_SUFFIX)
    return GivenTimestamp(
        token_name=str(path),
        token=token,
        checkpoint_name=str(checkpoint),
        checkpoint=read_bounded(checkpoint, _MAX_CHECKPOINT_BYTES),
        revocation_lists=(
            read_bounded(lists, MAX_LISTS_BYTES + 1) if is_regular_file(lists) else b""
        ),
        is_demanded=is_demanded,
    )


def _list_in_bag(opened: OpenedBag) -> Iterator[GivenTimestamp]:
    tags = opened.bag.tags
    tokens = [name for name in sorted(tags) if name.startswith(_FOLDER)]
    for name in [each for each in tokens if each.endswith(_TOKEN_SUFFIX)][:_MAX_IN_BAG]:
        checkpoint, lists = (
            name.removesuffix(_TOKEN_SUFFIX) + ending
            for ending in (_CHECKPOINT_SUFFIX, _LISTS_SUFFIX)
        )
        if checkpoint in tags:
            yield GivenTimestamp(
                token_name=name,
                token=opened.bag.read(name, MAX_TOKEN_BYTES + 1),
                checkpoint_name=checkpoint,
                checkpoint=opened.bag.read(checkpoint, _MAX_CHECKPOINT_BYTES),
                revocation_lists=(
                    opened.bag.read(lists, MAX_LISTS_BYTES + 1) if lists in tags else b""
                ),
                is_demanded=False,
            )
