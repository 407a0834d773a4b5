"""A stolen operator key, by the page: the commands of docs/operating.md are what is run here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.command import Ran
from support.crashes import crashing
from support.nodes import ask
from support.paths import ROOT
from support.rotation import OWNER, SplitLog, make_split_log, quick_blocks, successor

from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import allow_project

THIEF = format_address(DEV_ADDRESSES[3])


@pytest.fixture(scope="module")
def anvil(anvil_path: Path) -> Iterator[Devnet]:
    with open_devnet(anvil=anvil_path) as node, quick_blocks(node.url):
        yield node


def documented_commands() -> dict[int, list[str]]:
    """Return the commands of each numbered step on the page."""
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    section = page.split("### An operator key is stolen\n")[1].split("\n## ")[0]
    steps = re.split(r"^([0-9])\. ", section, flags=re.MULTILINE)
    return {
        int(number): re.findall(r"^ {3}((?:anchor|cd|cp) .*)$", text, flags=re.MULTILINE)
        for number, text in zip(steps[1::2], steps[2::2], strict=True)
    }


@dataclass
class Drill:
    """Follows the page; ``places`` stand for its words in capitals."""

    log: SplitLog
    places: dict[str, str]
    done: list[str] = field(default_factory=list)

    def follow(self, step: int, code: int = 0) -> Ran:
        """Run every command of a step, each of which must end with ``code``."""
        ran = None
        for command in documented_commands()[step]:
            words = [self.places.get(word, word) for word in command.split()]
            self.done.append(command)
            if words[0] == "cd":
                assert words[1:] == ["../next"]
                self.log = successor(self.log)
                continue
            if words[0] == "cp":
                for name in words[1:-1]:
                    shutil.copy(self.log.site.folder / name, self.log.site.folder / words[-1])
                continue
            if words[1:3] == ["run", "--once"]:
                self.switch()
            ran = self.log.run(*words[1:]).expect(code)
            if words[1:3] == ["key", "new"]:
                self.places["NEW"] = ran.out.strip()
                ask(self.log.site.url, "anvil_setBalance", self.places["NEW"], hex(10**19))
        assert ran is not None
        return ran

    def switch(self) -> None:
        """Name the new key in the configuration, in the words of the page."""
        path = self.log.site.folder / "anchor.toml"
        text = path.read_text("utf-8")
        text = re.sub("^keystore = .*$", 'keystore = "new-key.json"', text, flags=re.MULTILINE)
        text = re.sub(
            "^password_file = .*$", 'password_file = "new-password"', text, flags=re.MULTILINE
        )
        path.write_text(text, "utf-8")
        allow_project(path)


@pytest.fixture
def log(tmp_path: Path, anvil: Devnet) -> SplitLog:
    """A log with one final anchor of its operator."""
    log = make_split_log(tmp_path / "log", anvil.url)
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    log.site.write("a", b"a")
    log.run("stamp", "a", "--wait", "final").expect(0)
    (log.site.folder / "new-password").touch(0o600)
    (log.site.folder / "new-password").write_text("another horse\n")
    return log


def policy_with(log: SplitLog, lines: str, name: str) -> Path:
    """Write the project's policy with these lines about operators."""
    path = log.site.folder / name
    path.write_text((log.site.folder / "trust.toml").read_text("utf-8") + "\n" + lines, "utf-8")
    return path


def lower_until(lines: str, operator_id: int, block: int) -> str:
    return re.sub(
        rf"(id = {operator_id}\nfrom_block = \d+\nuntil_block = )\d+", rf"\g<1>{block}", lines
    )


def operator_lines(log: SplitLog) -> str:
    return str(log.run("operator", "list", "--json").expect(0).document["policy"])


@pytest.mark.release
@pytest.mark.fault(
    "I5",
    how="a thief copies project and operator key, and anchors evidence of their own",
    then="by the page: removed, succeeded; old receipts pass, the thief's fail (12)",
)
def test_after_a_theft_the_page_leads_to_a_log_that_goes_on(log: SplitLog) -> None:
    last_good = log.site.rows("SELECT block_number FROM anchors")[0][0]
    folder = shutil.copytree(log.site.folder, log.site.folder.parent / "thief")
    thief = replace(log.site, folder=folder)
    thief.write("forged", b"never collected by anybody")
    thief.run("stamp", "forged", "--wait", "final").expect(0)
    log.site.add("b", b"b")
    log.run("run", "--once").refused(32, "another program anchors for this log")
    drill = Drill(log, {"STOLEN": log.hot})
    told = drill.follow(2)
    assert f"newest in this store is in block {last_good}" in told.err
    thief.add("more", b"more")
    thief.run("run", "--once").refused(31)
    assert "somebody else anchors to this log" in drill.follow(3, 10).out
    drill.follow(4)
    drill.follow(6)
    drill.follow(7)
    new = drill.log
    assert new.site.number == log.site.number + 1
    assert new.listed() == {2: (drill.places["NEW"], True)}
    new.run("audit").expect(0, "no problems found")
    # What verifiers are told: the stolen id ends before the theft, the new one begins.
    old_lines = lower_until(operator_lines(log), 1, last_good)
    assert f"until_block = {last_good}\n" in old_lines
    new_id = operator_lines(new)
    lines = old_lines + "\n" + new_id[new_id.index("[[trust.operators]]\nid = 2") :]
    policy = policy_with(new, lines, "handed-out.toml")
    log.run("verify", "a", "--trust", policy).expect(0)
    forged = thief.run("verify", "forged", "--trust", policy)
    forged.expect(12, "does not accept operator 1")
    new.run("prove", log.site.folder / "b", "--output", "out").expect(0)
    receipt = ("--receipt", new.site.folder / "out/b.anchor.json")
    new.run("verify", log.site.folder / "b", *receipt, "--trust", policy).expect(0)
    documented = documented_commands()
    assert drill.done == [line for step in (2, 3, 4, 6, 7) for line in documented[step]]


@pytest.mark.release
@pytest.mark.fault(
    "I5",
    how="a thief spends an operator key's ether, with the nonce of a transaction of ours",
    then="by the page: removed, another key authorised; the same log goes on",
)
def test_after_a_theft_without_an_anchor_the_same_log_goes_on(log: SplitLog) -> None:
    log.site.add("b", b"b")
    crash = crashing("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1")
    log.run("run", "--once", command=crash, killed=True)
    log.send_as(log.hot, THIEF, "0x")
    drill = Drill(log, {"STOLEN": log.hot})
    assert "is settled: used by another program" in drill.follow(2).err
    drill.follow(3)
    drill.follow(4)
    drill.follow(5)
    assert log.listed() == {1: (log.hot, False), 2: (drill.places["NEW"], True)}
    log.run("audit").expect(0, "no problems found")
    assert [size for size, _ in log.site.anchors_on_chain()] == [1, 2]
    policy = policy_with(log, operator_lines(log), "handed-out.toml")
    log.run("prove", "b").expect(0)
    log.run("verify", "a", "b", "--trust", policy).expect(0)


@pytest.mark.release
def test_a_shared_key_stops_behind_a_foreign_head_all_the_same(log: SplitLog) -> None:
    """What a key may be used for elsewhere is no anchor in this log."""
    log.site.edit("# shared = true", "shared = true")
    folder = shutil.copytree(log.site.folder, log.site.folder.parent / "thief")
    thief = replace(log.site, folder=folder)
    log.site.add("b", b"b")
    crash = crashing("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1")
    log.run("run", "--once", command=crash, killed=True)
    thief.add("forged", b"forged")
    thief.run("run", "--once", "--wait", "final").expect(0)
    log.run("run", "--once").refused(32, "another program anchors for this log")


def test_the_page_names_commands_in_the_steps_it_numbers() -> None:
    steps = documented_commands()
    assert [number for number, commands in steps.items() if commands] == [2, 3, 4, 5, 6, 7]
    assert sum(map(len, steps.values())) == 11
