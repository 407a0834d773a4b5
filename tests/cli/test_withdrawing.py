"""From a withdrawal to its verification on a devnet: project, service, bag and standalone file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.nodes import ask, stop_the_clock
from support.projects import Site
from support.service import serve

from anchor.chain.devnet import Devnet

REASONS = ("--reason", "缺页", "--actor", "Li")


@pytest.fixture
def site(new_site: MakeSite, own_anvil: Devnet) -> Site:
    made = new_site(own_anvil)
    stop_the_clock(made.url)
    for name in "abc":
        made.add(f"{name}.txt", name.encode())
    anchor(made)
    made.run("prove", "a.txt", "b.txt", "c.txt").expect(0)
    return made


def anchor(site: Site) -> None:
    site.round()
    ask(site.url, "anvil_mine", "0x4")


def codes(document: dict[str, Any]) -> list[int]:
    return [each["exit_code"] for each in document["files"]]


def test_a_withdrawal_is_recorded_once_and_seen_by_everybody_who_can(
    site: Site, tmp_path: Path
) -> None:
    # A block of its own, which the commands in the bag have to name, too.
    site.run("custody", "add", "b.txt", "--event", "access", "--actor", "Li").expect(0)
    anchor(site)
    site.run("custody", "show", "b.txt", "-o", "custody").expect(0)
    assert "the records at hand hold no notice" in site.run("verify", "a.txt").expect(0).out
    site.run("supersede", "a.txt", "b.txt.anchor.json", *REASONS).expect(0)
    site.run("withdraw", "c.txt", *REASONS).expect(0)
    site.run("withdraw", "c.txt", *REASONS).expect(2)
    site.run("supersede", "b.txt", "a.txt", *REASONS).expect(2)
    site.run("verify", "a.txt").expect(21)
    assert "This notice is not in the bag" in site.run("pack", "b.txt", "a.txt", "-o", "x").err
    anchor(site)
    document = site.run("verify", "a.txt", "b.txt", "c.txt", "--json").expect(14).document
    assert codes(document) == [14, 0, 14]
    assert document["files"][0]["notices"][0]["reason"] == "缺页"

    away, trust = tmp_path / "away", ("--trust", "trust.toml", "--rpc", site.url)
    away.mkdir()
    (event,) = (site.folder / "custody").iterdir()
    packed = ("a.txt", "b.txt", "c.txt", "--custody", event)
    site.run("pack", *packed, "-o", away / "bag").expect(0)
    for name in ("trust.toml", "a.txt", "a.txt.anchor.json", "b.txt", "b.txt.anchor.json"):
        shutil.copy(site.folder / name, away / name)
    assert len(list((away / "bag" / "notices").iterdir())) == 2
    ran = run_in_process("verify", "bag", *trust, "--json", cwd=away)
    assert codes(ran.expect(14).document) == [14, 0, 14]
    readme = (away / "bag" / "README.en.md").read_text("utf-8")
    (command,) = (line for line in readme.splitlines() if line.startswith("python3 "))
    alone = subprocess.run(
        [sys.executable, *command.split()[1:]], cwd=away / "bag", capture_output=True, check=False
    )
    assert alone.returncode == 14, alone.stdout
    assert b"1 custody events without a gap" in alone.stdout

    run_in_process("verify", "a.txt", *trust, cwd=away).expect(0)
    with serve(site.folder) as served:
        ran = run_in_process("verify", "a.txt", *trust, "--notice", served.url, "--json", cwd=away)
        assert codes(ran.expect(14).document) == [14]
        ran = run_in_process("verify", "b.txt", *trust, "--notice", served.url, cwd=away)
        assert "which only its operator vouches for" in ran.expect(0).out
