"""Files of 100 MB, made to fill memory or to hang, are refused soon and in little room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.command import ANCHOR, ROOT, environment
from support.projects import Site, make_site
from support.world import INDEX, SIZE, World

from anchor.chain.devnet import Devnet
from anchor.header import parse_header
from anchor.receipt import encode_receipt
from anchor.trust import encode_policy

SIZE_OF_BOMB = 100_000_000
# The program with its imports takes some 60 MiB, with a store 110; a bomb read whole, 100 more.
MOST_MEMORY = 200 << 20

BOMBS: dict[str, bytes] = {
    "zeros": b"\0",
    "opening brackets": b"[",
    "opening braces": b'{"a":',
    "one string": b"x",
    "one number": b"7",
    "quotes": b'\\"',
    "short lines": b"a = 1\n",
    "dots": b"a.b.",
}
BEFORE = {"one string": b'"', "quotes": b'"'}


class Ended(NamedTuple):
    code: int
    out: str
    memory: int


def run_bounded(*command: str | Path, cwd: Path) -> Ended:
    """Run a process that gets 1 GiB of addresses; return its code, output and largest memory."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
        )
        try:
            # Waits without taking its end away from wait4.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Ended(process.returncode, out.read().decode(), usage.ru_maxrss << 10)


def refused(ended: Ended, code: int) -> None:
    assert ended.code == code, ended
    assert "Traceback" not in ended.out
    assert len(ended.out) < 20_000
    assert ended.memory < MOST_MEMORY, ended.memory


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder with a file, its receipt and a policy, and the hash of a final block."""
    here = World()
    anchor = here.prove(here.anchor(INDEX, SIZE))
    assert anchor.state is not None
    folder = tmp_path_factory.mktemp("court")
    (folder / "file").write_bytes(here.files[INDEX])
    (folder / "file.anchor.json").write_bytes(encode_receipt(here.receipt(INDEX, anchor)))
    (folder / "trust.toml").write_bytes(encode_policy(here.policy().entries))
    return folder, "0x" + parse_header(anchor.state.header).hash.hex()


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "bomb"
    piece = BOMBS[request.param]
    with path.open("wb") as file:
        file.write(BEFORE.get(request.param, b""))
        block = piece * (1_000_000 // len(piece))
        while file.tell() < SIZE_OF_BOMB:
            file.write(block)
    yield path
    path.unlink()


@pytest.mark.timeout(120)
def test_a_bomb_of_a_file_is_refused_wherever_it_is_read(
    bomb: Path, court: tuple[Path, str]
) -> None:
    folder, block_hash = court
    offline = ("--offline", "--block-hash", block_hash)

    def verify(*words: str | Path) -> Ended:
        return run_bounded(*ANCHOR, "verify", *words, *offline, cwd=folder)

    assert verify("file", "--trust", "trust.toml").code == 0
    refused(verify("file", "--receipt", bomb), 2)
    refused(verify("file", "--trust", bomb), 2)
    refused(verify(bomb, "--receipt", "file.anchor.json"), 10)
    refused(run_bounded(*ANCHOR, "explain", "--", f"{bomb}.anchor.json", cwd=folder), 2)
    published = bomb.with_name("published")
    published.mkdir()
    (published / "checkpoint").symlink_to(bomb)
    refused(run_bounded(*ANCHOR, "audit", published, cwd=folder), 20)
    alone = ROOT / "anchor" / "standalone" / "verify.py"
    for receipt, file, code in ((bomb, "file", 2), ("file.anchor.json", bomb, 10)):
        words = (receipt, file, "--block-hash", block_hash)
        refused(run_bounded(sys.executable, "-I", alone, *words, cwd=folder), code)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, embedded: Devnet) -> Site:
    return make_site(tmp_path_factory.mktemp("lists") / "project", embedded, number=9_200)


@pytest.mark.timeout(120)
def test_a_bomb_of_a_list_of_digests_records_nothing(bomb: Path, site: Site) -> None:
    refused(run_bounded(*ANCHOR, "add", "--digests-from", bomb, cwd=site.folder), 2)
    assert site.run("seal", "--json").document == {"sealed": 0}


@pytest.mark.parametrize(
    "name", ["x" * 255, "\u202e" * 80, "a\nb", "\x1b[31mred", "\udcff", "'", "-x"]
)
def test_a_file_of_any_name_is_verified(court: tuple[Path, str], tmp_path: Path, name: str) -> None:
    folder, block_hash = court
    for suffix in ("", ".anchor.json"):
        data = (folder / f"file{suffix}").read_bytes()
        if len(name) + len(suffix) <= 255:
            (tmp_path / (name + suffix)).write_bytes(data)
    words = ["verify", "--offline", "--block-hash", block_hash]
    if len(name) > 240:
        words += ["--receipt", str(folder / "file.anchor.json")]
    ended = run_bounded(*ANCHOR, *words, "--", name, cwd=tmp_path)
    assert ended.code == 0, ended
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
