"""The lane of the ape scripts; collected only under its own pytest.ini, because it needs ape."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import ROOT
from support.tools import miss

from anchor.chain.devnet import AnvilNode, find_anvil

HERE = Path(__file__).resolve().parent


def is_ape_lane(config: pytest.Config) -> bool:
    return config.inipath == HERE / "pytest.ini"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if is_ape_lane(config) else True


def pytest_configure(config: pytest.Config) -> None:
    if is_ape_lane(config):
        # npm's wrapper scripts need a postinstall step that may not have run; the binaries do not.
        binaries = sorted(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin"))
        folders = (Path(sys.executable).parent, *binaries, os.environ["PATH"])
        os.environ["PATH"] = os.pathsep.join(map(str, folders))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(scope="session", autouse=True)
def ape_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of our own: the accounts of whoever runs this are none of our business."""
    home = tmp_path_factory.mktemp("ape-home")
    os.environ["APE_DATA_FOLDER"] = str(home)
    os.environ["XDG_CONFIG_HOME"] = str(home / "configuration")
    (home / "accounts").mkdir()
    return home


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to run in: the checkout's scripts and configuration, and some evidence."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    shutil.copy(ROOT / "ape-config.yaml", tmp_path)
    (tmp_path / "evidence" / "sub").mkdir(parents=True)
    (tmp_path / "evidence" / "a.txt").write_text("first\n")
    (tmp_path / "evidence" / "sub" / "b.bin").write_bytes(bytes(range(256)))
    monkeypatch.chdir(tmp_path)
    # ape appends its project to the path, where an editable install's checkout comes first.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.syspath_prepend(ROOT)
    return tmp_path


@pytest.fixture
def anvil() -> Iterator[AnvilNode]:
    program = find_anvil(ROOT) or miss("anvil", "npm ci, or name one with ANCHOR_ANVIL")
    with AnvilNode(program) as node:
        yield node


_NO_CHAIN = "Timed out waiting for successful RPC connection to the 'anvil' process"


@pytest.fixture
def ape(work: Path) -> Run:
    """Run ``ape run …`` as a process of its own, without a terminal."""
    program = shutil.which("ape", path=Path(sys.executable).parent)
    assert program is not None, "ape is not here: run these tests in its environment"

    def start(
        arguments: tuple[str, ...], stdin: str, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "run", *arguments],
            cwd=work,
            env={**os.environ, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            # Without a terminal to ask on, passphrases come from standard input.
            start_new_session=True,
        )

    def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
        done = start(arguments, stdin, environment)
        # ape gives its anvil 20 seconds and another process may take the port that it chose: then
        # nothing of ours has run yet.
        if done.returncode != 0 and _NO_CHAIN in done.stderr:
            done = start(arguments, stdin, environment)
        assert "Traceback" not in done.stderr, done.stderr
        # ape logs what it connects to and starts on standard output.
        lines = done.stdout.splitlines(keepends=True)
        out = "".join(line for line in lines if not line.startswith("INFO:"))
        return Done(code=done.returncode, out=out, err=done.stderr)

    return run
