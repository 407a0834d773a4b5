"""The owner authorises and removes operator keys, by a transaction from here or by other means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import fixtures
from support.bent_nodes import BentNode, Refused, bent_node
from support.command import run_together
from support.crashes import NODE, crashing
from support.in_process import run_in_process
from support.nodes import ask, nonce, stop_the_clock
from support.rotation import (
    OWNER,
    SplitLog,
    away,
    make_key,
    make_split_log,
    quick_blocks,
    successor,
)

from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.chain.signer.keystore import write_keystore
from anchor.ethereum.keccak import format_address, parse_address
from anchor.project.config import load_config
from anchor.registry.storage import operator_id_slot, operator_key_slot
from anchor.verification.policy import parse_policy


@pytest.fixture(scope="module")
def anvil(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil whose blocks are final in a moment: every change here waits for that."""
    with open_devnet(anvil=anvil_path) as node, quick_blocks(node.url):
        yield node


STRANGER = format_address(DEV_ADDRESSES[1])
SECOND = format_address(DEV_ADDRESSES[2])


@pytest.fixture
def log(tmp_path: Path, anvil: Devnet) -> SplitLog:
    return make_split_log(tmp_path / "log", anvil.url)


def test_the_owner_adds_an_operator_who_anchors_and_removes_it(log: SplitLog) -> None:
    log.site.add("a", b"a")
    refused = log.run("run", "--once").refused(
        31, "neither this log's owner nor one of its operators"
    )
    assert f"anchor operator add {log.hot}" in refused.err
    log.run("doctor").expect(31, f"anchor operator add {log.hot}")
    added = log.run("operator", "add", log.hot, *OWNER, "--json").expect(0).document
    assert (added["key"], added["id"], added["active"]) == (log.hot, 1, True)
    assert added["tx_hash"].startswith("0x")
    assert log.listed() == {1: (log.hot, True)}
    log.run("run", "--once", "--wait", "final").expect(0)
    log.run("doctor").expect(0, "the log's operator 1")
    removed = log.run("operator", "remove", "1", *OWNER)
    removed.expect(0, f"{log.hot} may no longer anchor", "It is this project's signer")
    block = log.site.rows("SELECT block_number FROM anchors")[0][0]
    assert f"newest in this store is in block {block}" in removed.err
    assert log.listed() == {1: (log.hot, False)}
    log.site.add("b", b"b")
    log.run("run", "--once").refused(31, "neither this log's owner nor one of its operators")
    log.run("audit").expect(0, "no problems found")


def test_what_is_done_already_is_not_sent_again(log: SplitLog) -> None:
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    sent = nonce(log.site.url, log.owner)
    again = log.run("operator", "add", log.hot, *OWNER, "--json").expect(0, "nothing was sent")
    assert (again.document["id"], again.document["tx_hash"]) == (1, None)
    # No key is opened for that: the project's would do, and none at all.
    with away(log.site.folder / "owner.json"):
        log.run("operator", "add", log.hot).expect(0, "nothing was sent")
        unneeded = log.run("operator", "remove", STRANGER, "--json").expect(0, "nothing was sent")
        assert unneeded.document["tx_hash"] is None
    assert nonce(log.site.url, log.owner) == sent


@pytest.mark.release
def test_the_policy_lines_accept_what_each_key_might_anchor(log: SplitLog) -> None:
    for words in (("add", log.hot), ("remove", log.hot), ("add", log.hot), ("remove", "1")):
        log.run("operator", *words, *OWNER).expect(0)
    last = log.run("operator", "add", SECOND, *OWNER, "--json").expect(0).document
    text = (log.site.folder / "trust.toml").read_text("utf-8") + "\n" + last["policy"]
    operators = parse_policy(text.encode()).entries[0].operators
    assert operators is not None
    assert [each.id for each in operators] == [0, 1, 1, 2]
    owner, first, second, other = operators
    assert (owner.from_block, owner.until_block) == (0, None)
    assert first.until_block is not None and second.until_block is not None
    assert 0 < first.from_block < first.until_block < second.from_block < second.until_block
    assert second.until_block < other.from_block and other.until_block is None
    shown = log.run("operator", "list").expect(0, "As of final block", "since block")
    assert last["policy"].strip() in shown.out


def test_a_key_may_take_another_id_and_its_old_one_stays_its_own(log: SplitLog) -> None:
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    log.run("operator", "add", log.hot, "--id", "500", *OWNER).expect(0)
    assert log.listed() == {1: (log.hot, False), 500: (log.hot, True)}
    taken = log.run("operator", "add", SECOND, "--id", "1", *OWNER)
    taken.refused(2, f"the id 1 permanently belongs to {log.hot}", "501 is free")
    log.run("operator", "remove", "1", *OWNER).refused(2, "now anchors under the id 500")
    two = log.run("operator", "add", SECOND, *OWNER)
    two.expect(0, "as operator 501", "2 operators may anchor now (500, 501)")


def test_a_multisigs_call_is_printed_and_shows_once_it_was_made(log: SplitLog) -> None:
    before = nonce(log.site.url, log.owner)
    with away(log.site.folder / "hot.json"), away(log.site.folder / "owner.json"):
        text = log.run("operator", "add", SECOND, "--show-call").expect(0).out
        shown = log.run("operator", "add", SECOND, "--show-call", "--json").expect(0).document
        assert nonce(log.site.url, log.owner) == before
        for part in (
            f"from   {log.owner}",
            f"to     {shown['to']} on chain 31337",
            "value  0\n",
            f"data   {shown['data']}",
            f"call   setOperator(log={shown['call'][16:82]}, key={SECOND}, id=1)",
        ):
            assert part in text
        assert shown["from"] == log.owner
        assert (shown["chain_id"], shown["value"], shown["id"]) == (31_337, 0, 1)
        assert log.listed() == {}
        log.send_as(log.owner, shown["to"], shown["data"])
        assert log.listed() == {1: (SECOND, True)}
        # It took effect: nothing is left to be sent, and waiting for it needs no key.
        done = log.run("operator", "add", SECOND, "--show-call", "--json").expect(0).document
        assert (done["data"], done["call"]) == (None, None)
        log.run("operator", "add", SECOND).expect(0, "nothing was sent")
        removal = log.run("operator", "remove", SECOND, "--show-call", "--json").expect(0).document
        assert "id=0)" in removal["call"]
        log.send_as(log.owner, removal["to"], removal["data"])
        assert log.listed() == {1: (SECOND, False)}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("add", "0x123"), "must be 0x and 40 hex digits"),
        (("add", SECOND.swapcase().replace("0X", "0x")), "EIP-55"),
        (("add", "0x" + "0" * 40), "the zero address is not a key"),
        (("add", "OWNER"), "owns this log"),
        (("add", SECOND, "--id", "0"), "--id"),
        (("add", SECOND, "--id", str(2**72)), "--id"),
        (("add", "\x1b[31m"), "must be 0x and 40 hex digits"),
        (("remove", "0"), "cannot be removed"),
        (("remove", "OWNER"), "cannot be removed"),
        (("remove", "7"), "names no key"),
        (("remove", str(2**72)), "below 2^72"),
        (("remove", "9" * 23), "must be 0x"),
        (("remove", "-1"), "No such option"),
        (("remove", "first"), "must be 0x"),
        (("add", SECOND, "--owner-password-file", "hot-password"), "needs --owner-keystore"),
    ],
)
def test_what_is_no_operator_is_refused_before_anything_is_sent(
    shared_log: SplitLog, words: tuple[str, ...], text: str
) -> None:
    before = nonce(shared_log.site.url, shared_log.owner)
    arguments = [shared_log.owner if word == "OWNER" else word for word in words]
    ran = run_in_process("operator", *arguments, cwd=shared_log.site.folder).expect(2)
    assert text in ran.err
    assert "\x1b" not in ran.err + ran.out
    assert nonce(shared_log.site.url, shared_log.owner) == before


@pytest.fixture(scope="module")
def shared_log(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> SplitLog:
    """A log that nothing happens to."""
    return make_split_log(tmp_path_factory.mktemp("shared") / "log", anvil.url)


def test_only_the_owners_key_changes_operators(log: SplitLog, tmp_path: Path) -> None:
    words = ("operator", "add", SECOND)
    refused = log.run(*words).refused(31, "does not own this log")
    assert "--owner-keystore" in refused.err and "--show-call" in refused.err
    log.run(*words, "--owner-keystore", "hot.json").refused(31, "does not own this log")
    log.run(*words, "--owner-keystore", "none.json").refused(31, "none.json")
    log.run(*words, "--owner-keystore", "owner.json").refused(31, "there is no terminal")
    wrong = ("--owner-keystore", "owner.json", "--owner-password-file", "wrong")
    (log.site.folder / "wrong").write_text("wrong\n")
    (log.site.folder / "wrong").chmod(0o600)
    log.run(*words, *wrong).refused(31, "does not open with that password")
    (log.site.folder / "wrong").chmod(0o644)
    log.run(*words, *wrong).refused(31, "can be read by other users")
    # A keystore that states the owner's address and holds another key.
    write_keystore(log.site.folder / "false.json", b"\x51" * 32, "correct horse", iterations=1_000)
    members = json.loads((log.site.folder / "false.json").read_text("utf-8"))
    members["address"] = log.owner
    (log.site.folder / "false.json").write_text(json.dumps(members))
    false = ("--owner-keystore", "false.json", "--owner-password-file", "owner-password")
    log.run(*words, *false).refused(31, "does not own this log")
    assert log.listed() == {}


@pytest.mark.release
def test_a_closed_log_has_no_operators_any_more(log: SplitLog) -> None:
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    log.site.add("a", b"a")
    log.run("run", "--once", "--wait", "final").expect(0)
    keys = ("--keystore", "owner.json", "--password-file", "owner-password")
    log.run("succeed", "--yes", "--into", "../next", *keys).expect(0)
    for words in (("add", SECOND), ("remove", "1"), ("add", SECOND, "--show-call")):
        log.run("operator", *words, *OWNER).refused(32, "was closed with `succeed`")
    assert log.listed() == {1: (log.hot, True)}
    # The new log has none; an id of the old one is not used again there.
    new = successor(log)
    assert new.listed() == {}
    assert new.run("operator", "add", SECOND, "--json").expect(0).document["id"] == 2


CRASHES = [
    ("after", "anchor.store.tx_journal", "StoredJournal", "reserve_slot", "1"),
    ("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1"),
    ("after", *NODE, "send_raw_transaction", "1"),
    ("after", "anchor.store.tx_journal", "StoredJournal", "settle_slot", "1"),
]
QUICK = CRASHES[1:2]


@pytest.mark.fault(
    "A8",
    how="operator add is killed after each of its effects",
    then="running it again finishes with one transaction",
)
@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, marks=() if crash in QUICK else pytest.mark.slow) for crash in CRASHES],
    ids=lambda crash: crash[3],
)
def test_a_kill_while_adding_is_finished_by_the_next_run(
    log: SplitLog, crash: tuple[str, ...]
) -> None:
    before = nonce(log.site.url, log.owner)
    log.run("operator", "add", log.hot, *OWNER, command=crashing(*crash), killed=True)
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    assert nonce(log.site.url, log.owner) == before + 1
    sender = f"sender = x'{log.owner[2:]}'"
    assert log.site.rows(f"SELECT count(*) FROM attempts WHERE {sender}") == [(1,)]
    assert log.site.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") == [(0,)]
    assert log.listed() == {1: (log.hot, True)}
    log.run("audit").expect(0, "no problems found")


@pytest.mark.release
def test_the_owners_open_call_is_settled_by_the_next_run_of_another_key(log: SplitLog) -> None:
    """What is final needs no key to be settled."""
    crash = crashing("after", *NODE, "send_raw_transaction", "1")
    log.run("operator", "add", log.hot, *OWNER, command=crash, killed=True)
    ask(log.site.url, "anvil_mine", "0x4")
    log.site.add("a", b"a")
    log.run("run", "--once", "--wait", "final").expect(0, "is settled: included")
    log.run("audit").expect(0, "no problems found")


@pytest.mark.release
@pytest.mark.fault(
    "K1",
    how="an operator's transaction is signed and in no block when the owner changes operators",
    then="adding another is refused (31) until it is settled; removing its key goes on without it",
)
def test_one_key_sends_at_a_time_but_a_removed_one_does_not_block_the_log(log: SplitLog) -> None:
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    log.site.add("a", b"a")
    crash = crashing("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1")
    log.run("run", "--once", command=crash, killed=True)
    second = make_key(log.site.folder, "second", log.site.url)
    log.run("operator", "add", second, *OWNER).refused(31, "is not settled yet")
    assert f"a transaction of {log.hot}" in log.run("operator", "list").expect(0).err
    # By whichever way it is removed.
    shown = log.run("operator", "remove", log.hot, "--show-call", "--json").expect(0).document
    log.send_as(log.owner, shown["to"], shown["data"])
    log.run("operator", "remove", log.hot).expect(0, "is given up, because its key was removed")
    assert log.run("operator", "list", "--json").expect(0).document["unsettled"] is None
    log.run("operator", "add", second, *OWNER).expect(0, "as operator 2")
    log.site.edit('"hot.json"', '"second.json"')
    log.site.edit('"hot-password"', '"second-password"')
    log.run("run", "--once", "--wait", "final").expect(0)
    log.run("audit").expect(0, "no problems found")
    assert [size for size, _ in log.site.anchors_on_chain()] == [1]


def test_the_owners_own_project_needs_no_other_keystore(site: fixtures.Site) -> None:
    site.run("operator", "add", SECOND, "--json").expect(0)
    site.add("a", b"a")
    site.run("run", "--once", "--wait", "final").expect(0)
    site.run("operator", "remove", SECOND).expect(0)
    site.run("audit").expect(0, "no problems found")


def test_nothing_is_changed_beside_a_process_that_sends(log: SplitLog) -> None:
    with log.site.lead():
        for words in (("add", SECOND), ("remove", "1")):
            log.run("operator", *words, *OWNER).refused(32)
        log.run("operator", "list").expect(0)
        log.run("operator", "add", SECOND, "--show-call").expect(0, "setOperator(")


# What nodes say


def behind(log: SplitLog, nodes: list[BentNode]) -> dict[str, str]:
    """Return the environment in which these are the project's nodes, two of three agreeing."""
    witnesses = json.dumps([node.url for node in nodes[1:]])
    return {"ANCHOR_CHAIN__RPC": nodes[0].url, "ANCHOR_CHAIN__WITNESSES": witnesses}


def test_one_nodes_word_makes_no_operator(log: SplitLog) -> None:
    config = load_config(log.site.folder / "anchor.toml")
    key = parse_address(SECOND, subject="key")
    key_slot = "0x" + operator_key_slot(config.log, 1).hex()
    lies = {
        "0x" + operator_id_slot(config.log, key).hex(): "0x" + "0" * 63 + "1",
        key_slot: "0x" + "0" * 24 + key.hex(),
    }
    log.site.edit("wait_seconds = 600", "wait_seconds = 2")

    def lie(params: list[Any], right: object) -> object:
        return lies.get(params[1], right)

    with (
        bent_node(log.site.url) as liar,
        bent_node(log.site.url) as one,
        bent_node(log.site.url) as other,
    ):
        liar.bend["eth_getStorageAt"] = lie
        env = behind(log, [liar, one, other])
        listed = lies.pop(key_slot)
        log.run("operator", "add", SECOND, *OWNER, env=env).refused(20, "disagree")
        lies[key_slot] = listed
        ran = log.run("operator", "add", SECOND, *OWNER, env=env)
        assert ran.code in (20, 21), ran
        # What two of three do not say is not listed; with the liar among those that are asked of
        # the final block, they disagree.
        listed_now = log.run("operator", "list", env=env)
        assert listed_now.code in (0, 20), listed_now
        assert SECOND not in listed_now.out
        # Asked for by honest ones, it goes on without a hand.
        liar.bend.clear()
        log.run("operator", "add", SECOND, *OWNER, env=env).expect(0)
    assert log.listed() == {1: (SECOND, True)}


def test_without_events_the_list_says_so_and_the_policy_is_wider(log: SplitLog) -> None:
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    # By others, so that no journal here names it.
    shown = log.run("operator", "add", SECOND, "--id", "777", "--show-call", "--json").document
    log.send_as(log.owner, shown["to"], shown["data"])
    assert set(log.listed()) == {1, 777}

    def refuse(*_: object) -> object:
        raise Refused(-32_005, "query returned more than 10000 results")

    for bend in (refuse, lambda *_: "no list", lambda *_: [{"topics": []}]):
        with bent_node(log.site.url) as node:
            node.bend["eth_getLogs"] = bend
            env = {"ANCHOR_CHAIN__RPC": node.url}
            log.run("operator", "list", env=env).expect(0, "there may be others")
            seen = log.run("operator", "list", "--json", env=env).expect(0).document
            assert [each["id"] for each in seen["operators"]] == [1]
            assert seen["looked_at"]["events"] is False
            assert "id = 1\nfrom_block = 0\n" in seen["policy"]


def test_what_is_not_final_yet_is_said(tmp_path: Path, own_anvil: Devnet) -> None:
    log = make_split_log(tmp_path / "log", own_anvil.url)
    ask(own_anvil.url, "anvil_mine", "0x4")
    stop_the_clock(own_anvil.url)
    log.site.edit("wait_seconds = 600", "wait_seconds = 1")
    log.run("operator", "add", log.hot, *OWNER).refused(21, "not in a final block yet")
    log.run("operator", "list").expect(0, "active, not final yet")
    log.run("operator", "add", log.hot, *OWNER).refused(21, "not in a final block yet")
    ask(own_anvil.url, "anvil_mine", "0x4")
    log.run("operator", "add", log.hot, *OWNER).expect(0, "nothing was sent")
    assert "not final" not in log.run("operator", "list").expect(0).out
    with bent_node(own_anvil.url) as node:
        node.bend["eth_getBlockByNumber"] = lambda params, right: (
            None if params[0] == "finalized" else right
        )
        env = {"ANCHOR_CHAIN__RPC": node.url}
        text = log.run("operator", "list", env=env).expect(20, "do not say what is final").out
        assert "active, not final yet" in text


def test_a_change_that_a_reorganisation_takes_back_is_sent_again(
    tmp_path: Path, own_anvil: Devnet
) -> None:
    log = make_split_log(tmp_path / "log", own_anvil.url)
    ask(own_anvil.url, "anvil_mine", "0x4")
    stop_the_clock(own_anvil.url)
    log.site.edit("wait_seconds = 600", "wait_seconds = 1")
    log.run("operator", "add", log.hot, *OWNER).refused(21)
    ask(own_anvil.url, "anvil_reorg", 1, [])
    before = log.site.rows("SELECT hex(tx_hash) FROM attempts ORDER BY signed_at")
    log.run("operator", "list").expect(0)
    log.run("operator", "add", log.hot, *OWNER).refused(21)
    ask(own_anvil.url, "anvil_mine", "0x4")
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    assert log.site.rows("SELECT hex(tx_hash) FROM attempts ORDER BY signed_at") == before
    log.run("audit").expect(0, "no problems found")


def test_a_shared_key_goes_on_after_foreign_use_but_not_behind_a_foreign_head(
    log: SplitLog,
) -> None:
    log.site.edit("# shared = true", "shared = true")
    log.run("operator", "add", log.hot, *OWNER).expect(0)
    log.site.add("a", b"a")
    crash = crashing("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1")
    log.run("run", "--once", command=crash, killed=True)
    log.send_as(log.hot, STRANGER, "0x")
    log.run("run", "--once", "--wait", "final").expect(0, "warning: another program used nonce")
    log.run("audit").expect(0)


def test_commands_that_do_not_depend_on_each_other(shared_log: SplitLog) -> None:
    """All three print one JSON document; a refusal is one, too."""
    listed, refused = run_together(
        lambda: shared_log.run("operator", "list", "--json"),
        lambda: shared_log.run("operator", "add", "0x12", "--json"),
    )
    assert listed.expect(0).document["signer"] == shared_log.hot
    assert refused.expect(2).document["exit_code"] == 2
