"""``anchor log``: the view, one leaf, two heads; once where nobody watches."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess

import pytest
from support.command import ANCHOR, environment
from support.fixtures import MakeSite
from support.projects import Site, make_site

from anchor.base.types import Hash32
from anchor.chain.devnet import Devnet
from anchor.log.merkle import hash_node, verify_consistency


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, module_anvil: Devnet) -> Site:
    """A log of heads of 2 and 3 leaves, both anchored, which no test changes."""
    site = make_site(tmp_path_factory.mktemp("logged") / "project", module_anvil, number=77)
    site.add("a.txt", b"a")
    site.add("b.txt", b"b")
    site.anchor()
    site.add("c.txt", b"c")
    site.anchor()
    return site


def test_without_a_terminal_the_view_is_printed_once(logged: Site) -> None:
    ran = logged.run("log").expect(0)
    (_, newest), *_ = logged.heads()[::-1]
    assert newest.hex()[:16] in ran.out
    assert "no process seals and anchors" in ran.out
    assert "\x1b" not in ran.out
    assert ran.err == ""


def test_the_document_says_what_the_store_and_the_chain_hold(logged: Site) -> None:
    document = logged.run("log", "--json").expect(0).document
    assert [(head["size"], head["root"]) for head in document["heads"]] == [
        (size, root.hex()) for size, root in logged.heads()[::-1]
    ]
    assert [anchor["sequence"] for anchor in document["anchors"]] == [2, 1]
    assert all(int(anchor["wei"]) > 21_000 for anchor in document["anchors"])
    assert document["queue"]["waiting"] == 0
    assert document["running"] is False
    assert [alarm["name"] for alarm in document["alarms"]] == ["not-running"]
    assert document["chain"]["size"] == 3
    assert int(document["chain"]["balance_wei"]) > 0


def test_without_a_node_the_store_is_shown_and_the_chain_is_not_known(
    new_site: MakeSite, embedded: Devnet
) -> None:
    site = new_site(embedded)
    site.add("a.txt", b"a")
    site.edit(site.url, "http://127.0.0.1:1")
    document = site.run("log", "--json").expect(0).document
    assert document["queue"]["waiting"] == 1
    assert document["chain"]["seen_at"] is None
    assert "127.0.0.1:1" in document["chain"]["trouble"]
    assert "chain-unknown" in [alarm["name"] for alarm in document["alarms"]]
    site.run("log").expect(0, "unknown")


@pytest.mark.parametrize("how", ["index", "leaf", "file"])
def test_a_leaf_is_shown_with_its_path(how: str, logged: Site) -> None:
    by_index = logged.run("log", "1", "--json").expect(0).document
    text = {"index": "1", "leaf": by_index["leaf"], "file": "b.txt"}[how]
    assert logged.run("log", text, "--json").expect(0).document == by_index
    node = bytes.fromhex(by_index["leaf"])
    for step in by_index["path"]:
        sibling = bytes.fromhex(step["sibling"])
        node = hash_node(sibling, node) if step["side"] == "left" else hash_node(node, sibling)
        assert node.hex() == step["node"]
    assert node.hex() == by_index["head"]["root"] == logged.heads()[0][1].hex()
    assert by_index["anchor"]["sequence"] == 1
    ran = logged.run("log", text).expect(0, by_index["leaf"], "verified")
    assert all(step["sibling"] in ran.out for step in by_index["path"])


def test_two_heads_are_verified_to_belong_together(logged: Site) -> None:
    document = logged.run("log", "--from", "2", "--to", "3", "--json").expect(0).document
    roots = dict(logged.heads())
    verify_consistency(
        old_size=2,
        old_root=Hash32(roots[2]),
        new_size=3,
        new_root=Hash32(roots[3]),
        proof=[Hash32(bytes.fromhex(node)) for node in document["proof"]],
    )
    assert document["verified"] is True
    logged.run("log", "--from", "2", "--to", "3").expect(0, "Verified", *document["proof"])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["3"], 2, "no leaf 3"),
        (["ab" * 32], 2, "no leaf with the hash"),
        (["missing.txt"], 2, "missing.txt"),
        (["--from", "2"], 2, "two heads"),
        (["1", "--from", "2", "--to", "3"], 2, "two heads"),
        (["--from", "1", "--to", "3"], 2, "no head of this log has 1 leaves"),
        (["--from", "3", "--to", "2"], 2, "must be smaller"),
    ],
)
def test_what_is_not_there_is_refused(
    arguments: list[str], code: int, text: str, logged: Site
) -> None:
    logged.run("log", *arguments).refused(code, text)


def test_a_file_that_waits_has_no_place_yet(new_site: MakeSite, embedded: Devnet) -> None:
    site = new_site(embedded)
    site.add("a.txt", b"a")
    site.run("log", "a.txt").refused(21, "not sealed yet")


def test_on_a_terminal_it_goes_on_until_it_is_interrupted(logged: Site) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*ANCHOR, "log"],
        cwd=logged.folder,
        env=environment(TERM="xterm", COLUMNS="120", LINES="50"),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while shown.count(b"anchor log") < 2:  # drawn a second time
                shown += _read(ours)
            process.send_signal(signal.SIGINT)
            while chunk := _read(ours):
                shown += chunk
            assert process.wait(30) == 130
            assert process.stderr is not None
            assert process.stderr.read() == b""
        finally:
            process.kill()
            os.close(ours)
    assert b"\x1b[?1049h" in shown, "the view takes the whole terminal"
    assert b"\x1b[?1049l" in shown, "and gives it back"


def _read(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], 60)
    assert ready, "nothing was drawn"
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so that the other end is closed
        return b""
