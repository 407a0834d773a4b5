"""What ``anchor collect`` records: files, rows of a database, or the screen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Protocol

from anchor.errors import UsageError
from anchor.evidence.discovery import find_sources
from anchor.evidence.record_groups import RecordGroups
from anchor.extraction.extract_query import ExtractQuery, load_queries
from anchor.extraction.extract_tables import ExtractLimits
from anchor.messages.message import Message
from anchor.operate.database_extraction import collect_extract, parse_database, spell_database
from anchor.operate.evidence_collection import CollectionResult, collect_bundle, collect_files
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import NameBlock
from anchor.operate.screen_recording import collect_recording
from anchor.project.project import OpenProject
from anchor.store.location import StoreLocation
from anchor.system.signals import STOP_SIGNALS


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
        listed = find_sources(list(self.files), follow_symlinks=False)
        sources = skip_receipts(listed, project.config.log)
        return collect(
            project,
            sources,
            groups,
            executor=executor,
            name_block=name_block,
            on_done=on_done,
        )


def parse_file_input(files: Sequence[Path], bundle: Path | None, *, is_other: bool) -> FileInput:
    """Return what the options name; ``is_other``: there are options for another kind.

    Raises:
        UsageError: No files are named, or the options are for another kind.
    """
    if not files or is_other:
        raise UsageError(Message("evidence-to-collect-unnamed"))
    return FileInput(files=files, bundle=bundle)


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
