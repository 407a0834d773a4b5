"""Files are accepted in runs: in order, durable before long, with few calls of the system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender

from anchor.evidence.discovery import Discovered, SourceFile, find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.operate import file_intake
from anchor.operate.acceptance import Acceptance, EvidenceInput, accept
from anchor.operate.file_intake import IntakeResult, gather
from anchor.operate.receipt_files import skip_receipts
from anchor.project.project import OpenProject
from anchor.store.evidence import load_all


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    opened = site.open()
    yield opened
    opened.database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "case"
    for number in range(40):
        path = folder / f"{number % 4}" / f"{number:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    return folder


def take_in(project: OpenProject, folder: Path, **options: Any) -> IntakeResult:
    found = skip_receipts(find_sources([folder], follow_symlinks=False), project.config.log)
    with open_executor(2) as executor:
        return gather(project, found, executor=executor, **options)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the list that gets the names of each run of files when it is accepted."""
    runs: list[list[str]] = []

    def noted(
        project: OpenProject, submissions: Sequence[EvidenceInput], **options: Any
    ) -> Acceptance:
        runs.append([submission.name for submission in submissions])
        return accept(project, submissions, **options)

    monkeypatch.setattr(file_intake, "accept", noted)
    return runs


def test_files_are_accepted_in_one_run_and_in_order(
    project: OpenProject, folder: Path, runs: list[list[str]]
) -> None:
    result = take_in(project, folder, monotonic=lambda: 0.0)
    assert (result.new, result.known) == (40, 0)
    (names,) = runs
    assert names == sorted(names)
    with project.database.read() as connection:
        sources = [row.source for row in load_all(connection)]
    assert sources == [str(folder.parent / name) for name in names]


def test_a_run_ends_with_its_most_files(
    project: OpenProject, folder: Path, runs: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_intake, "_RUN_FILES", 15)
    assert take_in(project, folder, monotonic=lambda: 0.0).new == 40
    assert [len(run) for run in runs] == [15, 15, 10]


def test_slow_files_are_durable_within_seconds(
    project: OpenProject, folder: Path, runs: list[list[str]]
) -> None:
    ticks = count()
    # Each look at the clock, one for each file, comes half a second after the one before.
    assert take_in(project, folder, monotonic=lambda: next(ticks) / 2).new == 40
    assert {len(run) for run in runs[:-1]} == {5}


def test_a_folder_is_resolved_once_and_no_file_by_itself(
    project: OpenProject, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real: Callable[..., os.stat_result] = os.lstat

    def lstat(path: Any, **options: Any) -> os.stat_result:
        asked.append(os.fsdecode(path))
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    assert take_in(project, folder).new == 40
    below = [path for path in asked if path.startswith(f"{folder}/")]
    assert below == []
    assert len(asked) <= 2 * len(folder.parts), asked


def test_a_file_with_the_name_of_no_files_receipt_is_evidence(
    project: OpenProject, tmp_path: Path
) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case/.anchor.json").write_bytes(b"{}")
    assert take_in(project, tmp_path / "case").new == 1


def test_a_file_whose_folder_was_not_resolved_has_the_same_source(
    project: OpenProject, folder: Path
) -> None:
    found: list[Discovered] = [SourceFile(path=folder / "0" / ".." / "1" / "01", name="x")]
    with open_executor(1) as executor:
        assert gather(project, found, executor=executor).new == 1
    assert take_in(project, folder).known == 1
