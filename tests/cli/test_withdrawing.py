"""From a withdrawal to its verification on a devnet: project, service, bag and standalone file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.projects import Site
from support.service import serve

from anchor.chain.devnet import Devnet

REASONS = ("--reason", "缺页", "--actor", "Li")


@pytest.fixture
def site(new_site: MakeSite, anvil: Devnet) -> Site:
    made = new_site(anvil)
    for name in "abc":
        made.add(f"{name}.txt", name.encode())
    made.anchor()
    made.run("prove", "a.txt", "b.txt", "c.txt").expect(0)
    return made


def codes(document: dict[str, Any]) -> list[int]:
    return [each["exit_code"] for each in document["files"]]


def test_a_withdrawal_is_recorded_once_and_seen_by_everybody_who_can(
    site: Site, tmp_path: Path
) -> None:
    assert "your own project holds no notice" in site.run("verify", "a.txt").expect(0).out
    site.run("supersede", "a.txt", "b.txt.anchor.json", *REASONS).expect(0)
    recorded = site.run("withdraw", "c.txt", *REASONS, "--json").expect(0).document
    for words in (
        ("supersede", "a.txt", "c.txt"), ("supersede", "b.txt", "a.txt"), ("withdraw", "c.txt"),
        ("withdraw", recorded["id"]), ("withdraw", "sha256:" + "00" * 32),
        ("supersede", "b.txt", "b.txt"),
    ):  # fmt: skip
        site.run(*words, *REASONS).expect(2)
    site.run("verify", "a.txt").expect(21)
    assert "This notice is not in the bag" in site.run("pack", "b.txt", "a.txt", "-o", "x").err
    site.anchor()
    document = site.run("verify", "a.txt", "b.txt", "c.txt", "--json").expect(14).document
    assert codes(document) == [14, 0, 14]
    assert document["files"][0]["notices"][0]["reason"] == "缺页"

    site.run("pack", "a.txt", "b.txt", "c.txt", "-o", tmp_path / "away" / "bag").expect(0)
    away, trust = tmp_path / "away", ("--trust", "trust.toml", "--rpc", site.url)
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

    run_in_process("verify", "a.txt", *trust, cwd=away).expect(0)
    with serve(site.folder) as served:
        ran = run_in_process("verify", "a.txt", *trust, "--notice", served.url, "--json", cwd=away)
        assert codes(ran.expect(14).document) == [14]
        ran = run_in_process("verify", "b.txt", *trust, "--notice", served.url, cwd=away)
        assert "which only its operator vouches for" in ran.expect(0).out
    certified = site.run("certify", "a.txt.anchor.json", "--no-pdf").expect(0)
    assert certified.out
    issued = json.loads((site.folder / "a.txt.certificate.json").read_bytes())
    assert [each["kind"] for each in issued["notices"]] == ["supersedes"]
