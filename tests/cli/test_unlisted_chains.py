"""A project on a chain that the release does not list: its missing rule for time is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bent_nodes import anvil_with
from support.command import run_anchor
from support.nodes import ask
from support.projects import Site

import anchor
from anchor.chain.devnet import Devnet, open_devnet

CHAIN = 4242
MISSING = f"has no time_slack for chain {CHAIN}"


@pytest.fixture(scope="module")
def unlisted(tmp_path_factory: pytest.TempPathFactory, anvil_path: Path) -> Iterator[Devnet]:
    program = anvil_with(tmp_path_factory.mktemp("anvil"), anvil_path, chain_id=CHAIN)
    with open_devnet(anvil=program) as devnet:
        yield devnet


def make(site: Site, folder: Path, chain: Devnet, number: int, *words: str) -> tuple[Site, str]:
    """Create a project there with the devnet key; return it, and what `init` wrote to stderr."""
    ran = run_anchor(
        "init", folder, "--rpc", chain.url, "--number", str(number),
        "--keystore", site.folder / "devnet-key.json",
        "--password-file", site.folder / "devnet-password", *words,
        cwd=folder.parent,
    ).expect(0)  # fmt: skip
    return Site(folder=folder, url=chain.url, number=number), ran.err


def test_a_project_without_a_rule_for_time_is_told_so_before_any_receipt(
    site: Site, unlisted: Devnet, tmp_path: Path
) -> None:
    there, told = make(site, tmp_path / "there", unlisted, 1)
    assert MISSING in told
    assert MISSING in there.run("deploy").expect(0).err
    doctor = there.run("doctor").expect(2, MISSING)
    assert "anchor trust allow" in doctor.out
    file = there.add("a.txt", b"a")
    there.run("run", "--once").expect(0)
    ask(unlisted.url, "anvil_mine", "0x10")
    there.run("prove", file).expect(0)
    there.run("verify", file).expect(20, "this release does not know how far the block times")

    # As the hint says.
    policy = there.folder / "trust.toml"
    text = policy.read_text("utf-8")
    policy.write_text(re.sub(r"(?m)^(chain_id = .*)$", r"\1\ntime_slack = 12", text))
    there.run("trust", "allow", ".").expect(0)
    assert MISSING not in there.run("deploy").expect(0).err
    there.run("doctor").expect(0)
    there.run("verify", file).expect(0)


def test_the_rule_for_time_can_be_given_when_the_project_is_made(
    site: Site, unlisted: Devnet, tmp_path: Path
) -> None:
    there, told = make(site, tmp_path / "there", unlisted, 2, "--time-slack", "12")
    assert MISSING not in told
    assert MISSING not in there.run("deploy").expect(0).err
    there.run("doctor").expect(0)
    file = there.add("a.txt", b"a")
    there.run("run", "--once").expect(0)
    ask(unlisted.url, "anvil_mine", "0x10")
    there.run("prove", file).expect(0)
    there.run("verify", file).expect(0)


def test_a_chain_that_the_release_lists_needs_no_rule(site: Site, tmp_path: Path) -> None:
    ran = run_anchor(
        "init", tmp_path / "new", "--devnet", "--rpc", site.url, "--number", "77", cwd=tmp_path
    )
    assert "time_slack" not in ran.expect(0).err
    refused = run_anchor("init", tmp_path / "far", "--devnet", "--time-slack", "12", cwd=tmp_path)
    refused.refused(2, "--time-slack")


def test_a_program_that_creates_a_project_is_told_so_too(
    site: Site, unlisted: Devnet, tmp_path: Path
) -> None:
    key = anchor.Keystore(
        site.folder / "devnet-key.json", password_file=site.folder / "devnet-password"
    )
    told: list[object] = []
    for number, time_slack in enumerate((None, 12)):
        anchor.Project.create(
            tmp_path / str(number),
            rpc=unlisted.url,
            signer=key,
            number=3 + number,
            time_slack=time_slack,
            report=told.append,
        ).close()
    assert len(told) == 1
    assert MISSING in str(told[0])
