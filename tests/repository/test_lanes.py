"""Every test is in a job of each lane, and a job fails with its first command that does."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from support.paths import ROOT, TESTS

sys.path.append(str(ROOT / "scripts/_check"))
import prove
import run_tests
from run_tests import APART, FURTHER, Job, Runner, list_jobs

_ASKING = {f"httpx.{name}" for name in ("AsyncClient", "Client", "get", "head", "post", "put")}


def words(jobs: list[Job]) -> list[str]:
    return [word for job in jobs for command in job.commands for word in command]


@pytest.mark.parametrize("everything", [False, True])
def test_every_file_of_tests_is_in_exactly_one_job_of_each_lane(everything: bool) -> None:
    jobs = [job for job in list_jobs(everything=everything) if job not in FURTHER]
    named = [word for word in words(jobs) if word.endswith(".py") and word.startswith("tests/")]
    files = [path.relative_to(ROOT) for path in TESTS.rglob("test_*.py")]
    expected = [path.as_posix() for path in files if path.parts[1] not in APART]
    assert sorted(named) == sorted(expected)


def test_every_job_names_tests_there_are() -> None:
    named = {word for word in words(list_jobs(everything=True)) if word.startswith("tests/")}
    assert {f"tests/{folder}" for folder in APART} <= named
    assert [word for word in named if not (ROOT / word).exists()] == []


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
