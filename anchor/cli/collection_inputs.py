"""What ``anchor collect`` records: files, web captures, rows of a database, or the screen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Protocol

from anchor.cli.input_files import read_bounded
from anchor.errors import UsageError
from anchor.evidence.discovery import Discovered, find_sources
from anchor.evidence.record_groups import RecordGroups
from anchor.extraction.extract_query import ExtractQuery, load_queries
from anchor.extraction.extract_tables import ExtractLimits
from anchor.foreign_capture.capture_import import import_captures
from anchor.messages.message import Message
from anchor.operate.database_extraction import collect_extract, parse_database, spell_database
from anchor.operate.evidence_collection import CollectionResult, collect_bundle, collect_files
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import NameBlock
from anchor.operate.screen_recording import collect_recording
from anchor.project.project import OpenProject
from anchor.store.location import StoreLocation
from anchor.system.signals import STOP_SIGNALS
from anchor.timestamps.trusted_tsa import parse_roots

_MAX_ROOTS_BYTES = 1 << 20


class CollectionInput(Protocol):
    """What a collection records; ``words`` are the options that name it, without secrets."""

    @property
    def words(self) -> Sequence[str]: ...

    def collect(
        self,
        project: OpenProject,
        groups: RecordGroups,
        *,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult:
        """Record it with these groups."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInput:
    """Files, each with a record of its own, or all in one bundle."""

    files: Sequence[Path]
    bundle: Path | None

    @property
    def words(self) -> Sequence[str]:
        """Return the option that makes a bundle."""
        return [] if self.bundle is None else ["--bundle", str(self.bundle)]

    def collect(
        self,
        project: OpenProject,
        groups: RecordGroups,
        *,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult:
        """Hash and record the files."""
        collect = (
            collect_files if self.bundle is None else partial(collect_bundle, manifest=self.bundle)
        )
        return collect(
            project,
            _find_files(project, self.files),
            groups,
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCaptureInput:
    """Web captures made elsewhere; ``roots`` (DER) are what their signers must lead to."""

    files: Sequence[Path]
    roots_path: Path | None
    roots: Sequence[bytes]

    @property
    def words(self) -> Sequence[str]:
        """Return the options for captures."""
        named = [] if self.roots_path is None else ["--capture-roots", str(self.roots_path)]
        return ["--web-capture", *named]

    def collect(
        self,
        project: OpenProject,
        groups: RecordGroups,
        *,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult:
        """Check and record the captures."""
        return import_captures(
            project,
            _find_files(project, self.files),
            groups,
            roots=self.roots,
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseInput:
    """Rows of a database, to be written to a new folder."""

    database: StoreLocation
    queries: Sequence[ExtractQuery]
    folder: Path
    limits: ExtractLimits

    @property
    def words(self) -> Sequence[str]:
        """Return the options that name the database and the queries."""
        named = [word for query in self.queries for word in ("--query", str(query.path))]
        return ["--sql", spell_database(self.database), *named, "--output", str(self.folder)]

    def collect(
        self,
        project: OpenProject,
        groups: RecordGroups,
        *,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult:
        """Extract the rows, and record the folder."""
        return collect_extract(
            project,
            self.database,
            self.queries,
            groups,
            folder=self.folder,
            limits=self.limits,
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenInput:
    """The screen, until a time is over or a signal to stop, in a new folder."""

    seconds: int
    folder: Path

    @property
    def words(self) -> Sequence[str]:
        """Return the options that name the recording."""
        return ["--screen", str(self.seconds), "--output", str(self.folder)]

    def collect(
        self,
        project: OpenProject,
        groups: RecordGroups,
        *,
        executor: Executor,
        name_block: NameBlock,
        on_done: Callable[[int, int], None] | None,
    ) -> CollectionResult:
        """Record the screen, and the folder."""
        stopping = Event()
        for name in STOP_SIGNALS:
            signal.signal(name, lambda *_: stopping.set())
        return collect_recording(
            project,
            groups,
            folder=self.folder,
            seconds=self.seconds,
            stopping=stopping,
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        )


def _find_files(project: OpenProject, files: Sequence[Path]) -> Iterator[Discovered]:
    return skip_receipts(find_sources(list(files), follow_symlinks=False), project.config.log)


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
        UsageError: No files are named, the options contradict each other, or the file of
            certificates is malformed.
    """
    if not files or is_other:
        raise UsageError(Message("evidence-to-collect-unnamed"))
    if roots is not None and not is_capture:
        raise UsageError(Message("option-roots-without-capture"))
    if not is_capture:
        return FileInput(files=files, bundle=bundle)
    if bundle is not None:
        raise UsageError(Message("option-capture-with-bundle"))
    given = () if roots is None else _read_roots(roots)
    return WebCaptureInput(files=files, roots_path=roots, roots=given)


def _read_roots(path: Path) -> tuple[bytes, ...]:
    return parse_roots(read_bounded(path, _MAX_ROOTS_BYTES).decode("ascii", "replace"))


def parse_screen_input(seconds: int, output: Path | None) -> ScreenInput:
    """Return what the options name.

    Raises:
        UsageError: The folder is not named.
    """
    if output is None:
        raise UsageError(Message("collection-output-unnamed"))
    return ScreenInput(seconds=seconds, folder=output)


def parse_database_input(
    url: str, queries: Sequence[Path], output: Path | None, limits: ExtractLimits
) -> DatabaseInput:
    """Return what the options name.

    Raises:
        UsageError: The URL or a query is malformed, or the folder is not named.
    """
    if output is None:
        raise UsageError(Message("collection-output-unnamed"))
    return DatabaseInput(
        database=parse_database(url),
        queries=load_queries(queries),
        folder=output,
        limits=limits,
    )
