"""What ``anchor collect`` records: files, web captures, rows of a database, or the screen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.signals import STOP_SIGNALS
from anchor.cli.input_files import read_bounded
from anchor.evidence.discovery import find_sources
from anchor.evidence.record_groups import RecordGroups
from anchor.extraction.extract_query import load_queries
from anchor.extraction.extract_tables import ExtractLimits
from anchor.foreign_capture.capture_import import import_captures
from anchor.operate.database_extraction import collect_extract, parse_database, spell_database
from anchor.operate.evidence_collection import CollectionResult, collect_bundle, collect_files
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import NameBlock
from anchor.operate.screen_recording import collect_recording
from anchor.project.project import OpenProject
from anchor.timestamps.trusted_tsa import parse_roots

_MAX_ROOTS_BYTES = 1 << 20


class Collect(Protocol):
    """Records what the options name, with the groups that were observed and stated."""

    def __call__(
        self,
        *,
        project: OpenProject,
        groups: RecordGroups,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInput:
    """What a collection records; ``words`` are the options that name it, without secrets."""

    words: Sequence[str]
    collect: Collect


def parse_file_input(
    files: Sequence[Path],
    bundle: Path | None,
    *,
    is_capture: bool,
    roots: Path | None,
    is_other: bool,
) -> CollectionInput:
    """Return what the options about files name; ``is_other``: there are options for another kind.

    Raises:
        UsageError: No files are named, the options contradict each other, the manifest lies in a
            bag, or the file of certificates is malformed.
    """
    if not files or is_other:
        raise UsageError(Message("evidence-to-collect-unnamed"))
    if roots is not None and not is_capture:
        raise UsageError(Message("option-roots-without-capture"))
    if is_capture and bundle is not None:
        raise UsageError(Message("option-capture-with-bundle"))
    check_outside_bags(bundle)
    record: Callable[..., CollectionResult] = collect_files
    words: list[str] = []
    if is_capture:
        record = partial(import_captures, roots=() if roots is None else _read_roots(roots))
        words = ["--web-capture"]
        words += [] if roots is None else ["--capture-roots", str(roots)]
    elif bundle is not None:
        record = partial(collect_bundle, manifest=bundle)
        words = ["--bundle", str(bundle)]
    return CollectionInput(words=words, collect=partial(_collect_files, record, files))


def _collect_files(
    record: Callable[..., CollectionResult],
    files: Sequence[Path],
    *,
    project: OpenProject,
    groups: RecordGroups,
    executor: Executor,
    name_block: NameBlock,
    on_done: Callable[[int, int], None] | None,
) -> CollectionResult:
    listed = find_sources(list(files), follow_symlinks=False)
    return record(
        project,
        skip_receipts(listed, project.config.log),
        groups,
        executor=executor,
        name_block=name_block,
        on_done=on_done,
    )


def _read_roots(path: Path) -> tuple[bytes, ...]:
    return parse_roots(read_bounded(path, _MAX_ROOTS_BYTES).decode("ascii", "replace"))


def parse_screen_input(seconds: int, output: Path | None) -> CollectionInput:
    """Return what the options name: the screen, until the time is over or a signal to stop."""
    if output is None:
        raise UsageError(Message("collection-output-unnamed"))
    check_outside_bags(output)
    return CollectionInput(
        words=["--screen", str(seconds), "--output", str(output)],
        collect=partial(_record_until_signal, folder=output, seconds=seconds),
    )


def _record_until_signal(**given: Any) -> CollectionResult:
    stopping = Event()
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: stopping.set())
    return collect_recording(stopping=stopping, **given)


def parse_database_input(
    url: str, queries: Sequence[Path], output: Path | None, limits: ExtractLimits
) -> CollectionInput:
    """Return what the options name: rows of a database, to be written to a new folder."""
    if output is None:
        raise UsageError(Message("collection-output-unnamed"))
    check_outside_bags(output)
    database = parse_database(url)
    loaded = load_queries(queries)
    named = [word for query in loaded for word in ("--query", str(query.path))]
    return CollectionInput(
        words=["--sql", spell_database(database), *named, "--output", str(output)],
        collect=partial(
            collect_extract, database=database, queries=loaded, folder=output, limits=limits
        ),
    )
