"""Files of 100 MB, made to fill memory or to hang, are refused soon and in little room."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.command import ANCHOR, environment
from support.paths import ROOT
from support.projects import Site, make_site
from support.world import INDEX, SIZE, World

from anchor.chain.devnet import Devnet
from anchor.ethereum.header import parse_header
from anchor.receipt.format import encode_receipt
from anchor.verification.pinning import encode_policy

SIZE_OF_BOMB = 100_000_000
# Address space: enough for the program, and too little for a bomb as well; with a store it is more.
MOST_MEMORY, MOST_WITH_STORE = 96 << 20, 144 << 20

BOMBS: dict[str, bytes] = {
    "zeros": b"\0",
    "opening brackets": b"[",
    "one string": b"x",
    "short lines": b"a = 1\n",
    "dots": b"a.b.",
}
BEFORE = {"one string": b'"'}


class Ended(NamedTuple):
    code: int
    out: str


def run_bounded(*command: str | Path, cwd: Path, most: int = MOST_MEMORY) -> Ended:
    """Run a process that gets at most so much memory; return its code and output."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode())


def refused(ended: Ended, code: int) -> None:
    assert ended.code == code, ended
    assert "Traceback" not in ended.out
    assert len(ended.out) < 20_000


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


@pytest.mark.release
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
    return make_site(tmp_path_factory.mktemp("lists") / "project", embedded, number=9_270)


@pytest.mark.release
def test_a_bomb_of_a_list_of_digests_records_nothing(bomb: Path, site: Site) -> None:
    words = ("add", "--digests-from", bomb)
    refused(run_bounded(*ANCHOR, *words, cwd=site.folder, most=MOST_WITH_STORE), 2)
    assert site.run("seal", "--json").document == {"format": "anchor-seal/1", "sealed": 0}


@pytest.mark.parametrize(
    "name", ["x" * 255, "\u202e" * 80, "a\nb", "\x1b[31mred", "\udcff", "'", "-x"]
)
def test_a_file_of_any_name_is_verified(court: tuple[Path, str], tmp_path: Path, name: str) -> None:
    folder, block_hash = court
    for suffix in ("", ".anchor.json"):
        data = (folder / f"file{suffix}").read_bytes()
        if len(name) + len(suffix) <= 255:
            (tmp_path / (name + suffix)).write_bytes(data)
    words = [
        "verify",
        "--offline",
        "--block-hash",
        block_hash,
        "--trust",
        str(folder / "trust.toml"),
    ]
    if len(name) > 240:
        words += ["--receipt", str(folder / "file.anchor.json")]
    ended = run_bounded(*ANCHOR, *words, "--", name, cwd=tmp_path)
    assert ended.code == 0, ended
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
