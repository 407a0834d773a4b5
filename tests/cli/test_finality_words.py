"""Commands say who decided that an anchor is final: the nodes, or a number of blocks."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from support.command import Ran
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.projects import Site, make_site

from anchor.chain.devnet import Devnet

LANGUAGES = {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}
COMMANDS = (
    "run --once",
    "prove a.txt",
    "status",
    "list",
    "search a.txt",
    "search {root}",
    "log",
    "log 0",
    "doctor",
    "operator list",
    "audit",
)
# What a command says only where the nodes confirm that a block is final.
BY_NODES = {
    "en": ("(final)", "is final", "final block", "decides what is final"),
    "zh": ("已最终确定",),
}
BY_DEPTH = {
    "en": ("counts as final", "not confirmed by the nodes"),
    "zh": ("视为最终确定", "节点未确认"),
}
# What a command says besides, where a number of blocks decides.
BESIDES = {
    ("log", "en"): ("counts as final: ", "counts as final after"),
    ("log", "zh"): ("视为最终确定的区块：", "视为最终确定用时"),
    ("doctor", "en"): ("by chain.finality = 0", "is asked about the chain"),
    ("doctor", "zh"): ("依chain.finality=0", "仅查询"),
}


@pytest.fixture(scope="module")
def final(tmp_path_factory: pytest.TempPathFactory, module_anvil: Devnet) -> Site:
    """A project with one final anchor, which no test changes."""
    site = make_site(tmp_path_factory.mktemp("final") / "project", module_anvil, number=78)
    site.add("a.txt", b"a")
    site.run("run", "--once", "--wait", "final").expect(0)
    return site


def run(site: Site, command: str, *, language: str = "en", depth: int | None) -> Ran:
    """Run a command, in a project where ``depth`` blocks decide what is final, or the nodes do."""
    ((_, root),) = site.heads()
    rule = {} if depth is None else {"ANCHOR_CHAIN__FINALITY": str(depth)}
    env = {"LANGUAGE": "", "LC_ALL": LANGUAGES[language], "COLUMNS": "80", **rule}
    words = shlex.split(command.format(root=root.hex()))
    return run_in_process(*words, cwd=site.folder, env=env).expect(0)


def read(ran: Ran, language: str) -> str:
    """Return what a command printed, as if no line of it were broken."""
    return ("" if language == "zh" else " ").join(ran.out.split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_number_of_blocks_is_not_called_the_nodes_word(
    command: str, language: str, final: Site
) -> None:
    shown = read(run(final, command, language=language, depth=0), language)
    expected = BY_DEPTH[language] + BESIDES.get((command, language), ())
    assert [words for words in expected if words not in shown] == [], shown
    assert [words for words in BY_NODES[language] if words in shown] == [], shown
    shown = read(run(final, command, language=language, depth=None), language)
    assert [words for words in BY_DEPTH[language] if words in shown] == [], shown


@pytest.mark.parametrize(
    "command", ["run --once", "status", "list", "search {root}", "log", "operator list"]
)
def test_documents_name_the_number_of_blocks(command: str, final: Site) -> None:
    def ask(depth: int | None) -> tuple[dict[str, Any], Any]:
        document = run(final, f"{command} --json", depth=depth).document
        teller = document["log"] if command in ("status", "log") else document
        return document, teller.get("final_after_blocks")

    by_depth, count = ask(0)
    by_nodes, absent = ask(None)
    assert (count, absent) == (0, None)
    # What had names before keeps them, and its values.
    assert by_depth.get("state") == by_nodes.get("state")
    assert "final_after_blocks" not in json.dumps(by_nodes)


@pytest.mark.parametrize(("command", "member"), [("log 0", "anchor"), ("audit", "chain")])
def test_parts_of_documents_name_the_number_of_blocks(
    command: str, member: str, final: Site
) -> None:
    by_depth, by_nodes = (
        run(final, f"{command} --json", depth=depth).document[member] for depth in (0, None)
    )
    assert by_depth.pop("final_after_blocks") == 0
    assert by_depth.keys() == by_nodes.keys()


def test_changes_name_the_number_of_blocks(new_site: MakeSite, embedded: Devnet) -> None:
    site = new_site(embedded)
    site.write("a.txt", b"a")
    stamped = site.run("stamp", "a.txt", "--wait", "final", "--json").expect(0).document
    assert (stamped["state"], stamped["final_after_blocks"]) == ("anchored (final)", 0)
    key = "0x" + "12" * 20
    added = site.run("operator", "add", key, "--json").expect(0).document
    assert (added["final"], added["final_after_blocks"]) == (True, 0)
    words = "counts as final; not confirmed by the nodes: "
    site.run("operator", "remove", "1").expect(0, words)
    site.run("operator", "add", key).expect(0, words)
