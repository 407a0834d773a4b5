"""Every test is in a job of each lane, and a long job is left out only where it was recorded."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest
from support.paths import ROOT, TESTS

sys.path.append(str(ROOT / "scripts/_check"))
import prove
import run_tests
from run_tests import (
    APART,
    LONG,
    RECORD,
    Job,
    Runner,
    find_due,
    list_jobs,
    list_marked,
    note_passed,
)

_ASKING = {f"httpx.{name}" for name in ("AsyncClient", "Client", "get", "head", "post", "put")}


def words(jobs: list[Job]) -> list[str]:
    return [word for job in jobs for command in job.commands for word in command]


@pytest.mark.parametrize("release", [False, True])
def test_every_file_of_tests_is_in_exactly_one_job_of_each_lane(release: bool) -> None:
    jobs = [job for job in list_jobs(release=release) if not job.inputs]
    named = [word for word in words(jobs) if word.endswith(".py") and word.startswith("tests/")]
    files = [path.relative_to(ROOT) for path in TESTS.rglob("test_*.py")]
    expected = [path.as_posix() for path in files if path.parts[1] not in APART]
    assert sorted(named) == sorted(expected)
    for folder in APART:
        assert f"tests/{folder}" in words(list(LONG))


def test_what_is_marked_for_the_release_lane_is_run_when_what_it_tests_changes() -> None:
    files = [*TESTS.rglob("test_*.py")]
    # A mark in a conftest is that of a fixture, which any test of the folder may use.
    sources = {path: [path, *path.parent.glob("conftest.py")] for path in files}
    marked = {
        path
        for path in files
        if any(re.search(r"mark\.release", source.read_text("utf-8")) for source in sources[path])
    }
    named = {word for word in words(list_marked()) if word.endswith(".py")}
    assert named == {path.relative_to(ROOT).as_posix() for path in marked}
    for job in list_marked():
        assert set(job.inputs) >= {word for word in words([job]) if word.endswith(".py")}


def test_every_job_names_tests_and_inputs_there_are() -> None:
    for word in words(list_jobs(release=True) + list_marked()):
        assert not word.startswith("tests/") or (ROOT / word).exists(), word
    for job in list_jobs(release=False):
        for pattern in job.inputs:
            assert any(path.is_file() for path in ROOT.glob(pattern)), (job.name, pattern)


def test_only_a_long_job_with_the_recorded_inputs_is_left_out() -> None:
    always, long = Job("always", (), 1), Job("long", (), 1, ("pyproject.toml",))
    jobs, recorded = [always, long], {"long": long.hash_inputs()}
    assert find_due(jobs, release=False, record={}) == jobs
    assert find_due(jobs, release=False, record={"long": "other inputs"}) == jobs
    assert find_due(jobs, release=False, record=recorded) == [always]
    assert find_due(jobs, release=True, record=recorded) == jobs


def test_a_jobs_inputs_are_its_files_names_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    job, seen = Job("long", (), 1, ("*.txt",)), set()
    for name, content in (("a.txt", "1"), ("a.txt", "2"), ("b.txt", "2"), ("c.md", "not one")):
        (tmp_path / name).write_text(content)
        seen.add(job.hash_inputs())
    assert len(seen) == 3


def test_what_a_module_says_of_itself_is_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    job, seen = Job("long", (), 1, ("*.py",)), []
    for body in ('"""One."""\n    return 1', '"""Other."""\n    return 1  # once', "return 2"):
        (tmp_path / "a.py").write_text(f"def f():\n    {body}\n")
        seen.append(job.hash_inputs())
    assert seen[0] == seen[1] != seen[2]


def test_what_passed_is_recorded_and_what_failed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "RECORD", tmp_path / "recorded.json")
    keys = {"contract": "new", "long_faults_1": "new", "long_faults_2": "new", "long_cli": "new"}
    ran = ["contract", "faults_2", "long_faults_2"]
    note_passed(keys, ran, ["contract", "faults_2"], {"contract": "old"})
    recorded = json.loads((tmp_path / "recorded.json").read_text())
    assert recorded == {"contract": "old", "long_faults_2": "new", "long_cli": "new"}


def test_the_record_names_jobs_there_are() -> None:
    assert set(json.loads(RECORD.read_text())) <= {job.name for job in list_jobs(release=False)}


def test_a_job_fails_with_its_first_command_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_tests, "LOGS", tmp_path)
    runner = Runner({"PATH": "/usr/bin:/bin"})
    well = Job("well", (("sh", "-c", "echo first; echo last"),), 1)
    ill = Job("ill", (("sh", "-c", "echo why; exit 3"), ("touch", str(tmp_path / "after"))), 1)
    absent = Job("absent", (("anchorless",),), 1)
    runner.run([well, ill, absent], 2)
    assert sorted(runner.failed) == ["absent", "ill"]
    assert set(runner.seconds) == {"well", "ill", "absent"}
    assert not (tmp_path / "after").exists()
    printed = capsys.readouterr().out
    assert "last" in printed and "first" not in printed
    assert "why" in printed and "anchorless: No such file" in printed


def test_proofs_are_keyed_to_how_they_are_made_and_not_to_imports() -> None:
    source = (ROOT / "scripts/_check/prove.py").read_text("utf-8")
    method = prove.cut_method(source)
    assert "def prove(" in method and "def hash_inputs(" not in method
    assert prove.cut_method(source.replace("import hash_keccak256", "import other")) == method
    assert prove.cut_method(source.replace('_LOOP = "64"', '_LOOP = "65"')) != method


def test_what_tests_share_has_one_name() -> None:
    """Imported as ``tests.support`` as well, each class of it would exist twice."""
    for path in TESTS.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) tests\b", path.read_text("utf-8"), re.M), path


def test_an_answer_is_awaited_longer_than_five_seconds() -> None:
    """Which is how long httpx waits by itself, and a busy machine may take longer."""
    sources = {path: path.read_text("utf-8") for path in TESTS.rglob("*.py")}
    calls = {
        f"{path.name}:{node.lineno}": {keyword.arg for keyword in node.keywords}
        for path, text in sources.items() if "httpx." in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _ASKING
    }  # fmt: skip
    # None stands for ``**options``, which may hold one.
    assert [place for place, given in calls.items() if not given & {"timeout", None}] == []
