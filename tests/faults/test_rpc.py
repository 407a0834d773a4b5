"""Nodes that are silent, slow, busy, broken or lying: the next ordinary run makes it good."""

from __future__ import annotations

import itertools
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from support import chaos
from support.chaos import (
    ANY,
    MALFORMED_RECEIPTS,
    ORPHAN_RECEIPTS,
    RECEIPT,
    SEND,
    UNREAD_RECEIPTS,
    Call,
    Receipt,
    Recording,
    Reply,
    Rule,
    answers,
    asks_to_wait,
    duplicates,
    edits,
    having,
    limits_rate,
    loses_request,
    loses_response,
    open_proxy,
    passes,
    redirects,
    refuses,
    refuses_after,
    splits,
)
from support.clocks import FastClock
from support.faulty import Faulty, open_faulty
from support.fixtures import MakeSite
from support.node_texts import texts_of
from support.nodes import ask, nonce, other_chain, send, serve, stop_the_clock
from support.operators import Operator
from support.projects import make_site, reading

from anchor.base.errors import AnchorError, ExitCode, NodeFaultError, NodeUnreachableError
from anchor.base.system.http import read_retry_after
from anchor.base.types import Hash32
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.node_errors import Refusal
from anchor.chain.tx_state import REPLACE_AFTER
from anchor.ethereum.keccak import hash_keccak256

Injected = Callable[[int], None]

# Logs on this module's anvil.
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def still(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil that mines for transactions only, which these tests share."""
    with open_devnet(anvil=anvil_path) as node:
        stop_the_clock(node.url)
        yield node


def make_numbered(folder: Path) -> MakeSite:
    return lambda node, name: make_site(folder / name, node, number=next(_numbers))


@pytest.fixture
def faulty(tmp_path: Path, still: Devnet) -> Iterator[Faulty]:
    with open_faulty(make_numbered(tmp_path), still) as found:
        yield found


@pytest.fixture
def own_faulty(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Faulty]:
    """On an anvil of its own, to do anything to."""
    stop_the_clock(own_anvil.url)
    with open_faulty(new_site, own_anvil) as found:
        yield found


# What a run asks, in the order of its first questions.
METHODS = [
    "eth_chainId",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_call",
    "eth_estimateGas",
    "eth_maxPriorityFeePerGas",
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_getBlockByHash",
    SEND,
    RECEIPT,
]
# Not asked by every run.
RARE = ("eth_getBlockByHash",)

BROKEN: dict[str, Rule] = {
    "another id": chaos.has_wrong_id,
    "the id as text": chaos.has_text_id,
    "no id": chaos.has_no_id,
    "result and error": chaos.has_both_members,
    "neither": chaos.has_neither_member,
    "a page and status 502": chaos.is_html,
    "a page and status 200": chaos.is_polite_html,
    "status 503": chaos.is_unavailable,
    "half an answer": chaos.is_truncated,
    "no bytes": chaos.is_empty,
    "a list": chaos.is_a_list,
    "a member twice": chaos.repeats_a_member,
    "NaN": chaos.says_nan,
    "no UTF-8": chaos.is_not_utf8,
    "a tower of brackets": chaos.is_deep,
}


def test_a_run_asks_what_these_tests_break(faulty: Faulty) -> None:
    faulty.run()
    asked = {method for method, _ in faulty.proxy.calls}
    assert asked <= set(METHODS)
    assert asked >= set(METHODS) - set(RARE)


def break_once(faulty: Faulty, method: str, rule: Rule, name: str) -> str:
    """Break one answer of a round with new evidence, then finish it; return what was said.

    Of receipts it is that of the round's own transaction: what earlier ones cost can wait.
    """
    faulty.site.add(name, name.encode())
    if method == RECEIPT:
        earlier = [[tx_hash] for tx_hash in faulty.signed()]
        faulty.proxy.always(
            RECEIPT, lambda call: passes(call) if call.params in earlier else rule(call)
        )
    else:
        faulty.proxy.on(method, rule)
    error = faulty.fails(ExitCode.CANNOT_CHECK)
    assert faulty.url in error.message, "whose fault it is"
    faulty.finishes()
    return error.message


@pytest.mark.fault(
    "E8",
    how="answers that are no JSON-RPC answers, to the send (after the node took it) and to the "
    "question for its receipt",
    then="the transaction is looked up in the same run; without its receipt exit code 20; one "
    "anchor",
)
@pytest.mark.parametrize("kind", BROKEN)
def test_an_answer_that_is_none_costs_nothing(
    faulty: Faulty, kind: str, injected: Injected
) -> None:
    faulty.proxy.on(SEND, BROKEN[kind])
    faulty.run()
    assert any("gave no valid answer; checking" in report for report in faulty.reports)
    assert len(faulty.signed()) == 1
    break_once(faulty, RECEIPT, BROKEN[kind], "receipt")
    assert len(faulty.signed()) == 2
    injected(2)


@pytest.mark.fault(
    "E8",
    how="a right answer that holds a member twice, or NaN where nobody looks",
    then="exit code 20: what readers read differently is no answer",
)
@pytest.mark.parametrize(
    ("members", "text"),
    [
        ('"result": "0x1", "result": "0x7a69"', "a member twice"),
        ('"result": "0x7a69", "result": "0x7a69"', "a member twice"),
        ('"result": "0x7a69", "id": %d', "a member twice"),
        ('"result": "0x7a69", "extra": {"a": 1, "a": 1}', "a member twice"),
        ('"result": "0x7a69", "extra": NaN', "the number NaN"),
        ('"result": "0x7a69", "extra": -Infinity', "the number -Infinity"),
    ],
)
def test_what_readers_read_differently_is_no_answer(still: Devnet, members: str, text: str) -> None:
    def rule(call: Call) -> bytes:
        return b'{"jsonrpc": "2.0", "id": %d, ' % call.id + (
            members.replace("%d", str(call.id)).encode() + b"}"
        )

    with pytest.raises(NodeFaultError, match=text):
        answer_of(rule, 5.0)(still)


@pytest.mark.slow
@pytest.mark.fault(
    "E8",
    how="answers that are no JSON-RPC answers, of every kind to every question of a run",
    then="one sentence, exit code 20; the next run finishes; one anchor for each head",
)
def test_every_answer_of_a_run_broken_in_every_way(faulty: Faulty, injected: Injected) -> None:
    count = 0
    for method, (kind, rule) in itertools.product(METHODS, BROKEN.items()):
        if method in RARE or (method == SEND and kind in ("a page and status 502", "status 503")):
            continue
        break_once(faulty, method, rule, f"{method} {kind}")
        count += 1
    injected(count)


LOST: dict[str, Rule] = {"not applied": loses_request, "applied": loses_response}


@pytest.mark.fault(
    "E1",
    how="the connection is cut after the node did what was asked, for every question of a run",
    then="a lost send is looked up in the same run, all else ends it with 20; one anchor each",
)
@pytest.mark.fault(
    "E2",
    how="the connection is cut before the node sees the question, for every question of a run",
    then="a lost send is repeated with the same bytes, all else ends the run with 20; one anchor",
)
@pytest.mark.parametrize("kind", LOST)
def test_every_message_of_a_run_lost_once(faulty: Faulty, kind: str, injected: Injected) -> None:
    before_send = METHODS[: METHODS.index(SEND)]
    for method in before_send:
        if method not in RARE:
            faulty.proxy.on(method, LOST[kind])
            faulty.fails(ExitCode.CANNOT_CHECK)
    assert faulty.signed() == []
    faulty.proxy.on(SEND, LOST[kind])
    faulty.run()
    # The clock runs ahead of the node: before the block is there, the same bytes may be due again.
    count = len(faulty.proxy.sent())
    assert count == 1 if kind == "applied" else count >= 2
    assert len(set(faulty.proxy.sent())) == 1
    faulty.check()
    break_once(faulty, RECEIPT, LOST[kind], "receipt")
    assert len(faulty.signed()) == 2
    injected(len(before_send) + 1)


@pytest.mark.fault(
    "E1",
    how="the answer to a replacement is lost after the node took it",
    then="it is looked up, and counts when it is included; one anchor",
)
@pytest.mark.fault(
    "E2",
    how="a replacement never arrives",
    then="the first transaction is included instead, or the same bytes arrive later; one anchor",
)
@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("node", ["own_anvil", "hardhat"])
def test_a_replacement_lost(
    new_site: MakeSite, request: pytest.FixtureRequest, node: str, kind: str
) -> None:
    with open_faulty(new_site, request.getfixturevalue(node)) as faulty:
        if node == "own_anvil":
            stop_the_clock(faulty.node.url)
        faulty.stop_mining()
        # The first is known to the node; it is offered again after 40 seconds, replaced after 60.
        faulty.proxy.on(SEND, passes, passes, LOST[kind])
        faulty.run(FastClock({1.2 * REPLACE_AFTER: faulty.mine}))
        first, second = faulty.signed()
        (included,) = faulty.on_chain()
        assert included["hash"] == (second if kind == "applied" else first)
        faulty.check()


@pytest.mark.fault(
    "E1",
    how="the node takes the transaction and answers with an internal error",
    then="exit code 20 with the node's words; the next run finds it; one anchor",
)
@pytest.mark.fault(
    "E2",
    how="the node answers with an internal error and takes nothing",
    then="exit code 20 with the node's words; the next run sends the same bytes; one anchor",
)
@pytest.mark.parametrize("rule", [refuses, refuses_after])
def test_an_error_is_no_word_on_whether_the_transaction_was_taken(
    faulty: Faulty, rule: Callable[[str], Rule]
) -> None:
    faulty.proxy.on(SEND, rule("internal error"))
    faulty.fails(ExitCode.CANNOT_CHECK, "internal error")
    faulty.finishes()
    assert len(faulty.signed()) == 1
    assert len(set(faulty.proxy.sent())) == 1


@pytest.mark.fault(
    "E1",
    how="the network delivers every message twice",
    then="the second answer to the send, that it is known or its nonce used, is no failure",
)
def test_a_network_that_delivers_twice(faulty: Faulty) -> None:
    faulty.proxy.always(ANY, duplicates)
    faulty.run()
    faulty.check()
    assert len(faulty.signed()) == 1


# Other chains, other views


@pytest.mark.fault(
    "E5",
    how="the node is suddenly one of another chain (anvil_setChainId)",
    then="exit code 32, nothing sealed or sent; back on the right chain the next run finishes",
)
@pytest.mark.fault("E5", how="another chain id in the answer", then="as above")
def test_a_node_of_another_chain_is_refused_at_every_run(
    own_faulty: Faulty, injected: Injected
) -> None:
    text = "is on chain 5, this project on chain 31337"
    ask(own_faulty.node.url, "anvil_setChainId", 5)
    own_faulty.fails(ExitCode.CHAIN_GUARD, text)
    ask(own_faulty.node.url, "anvil_setChainId", 31337)
    own_faulty.proxy.on("eth_chainId", answers("0x5"))
    own_faulty.fails(ExitCode.CHAIN_GUARD, text)
    assert own_faulty.site.heads() == []
    own_faulty.finishes()
    own_faulty.site.add("b", b"b")
    own_faulty.proxy.on("eth_chainId", answers("0x5"))
    own_faulty.fails(ExitCode.CHAIN_GUARD, text)
    own_faulty.finishes()
    injected(3)


@pytest.mark.fault(
    "E3",
    how="the only node answers every read as before the last anchor, in a later run",
    then="exit code 20, nothing is sent or anchored twice: what is stored is found included",
)
def test_a_node_that_falls_back_to_an_earlier_state_doubles_nothing(faulty: Faulty) -> None:
    recording = Recording()
    faulty.proxy.always(ANY, recording.records)
    faulty.proxy.on(SEND, refuses("internal error"))
    faulty.fails(ExitCode.CANNOT_CHECK)  # all reads of a run that is about to send
    faulty.finishes()
    for method in METHODS:
        if method not in (SEND, RECEIPT):
            faulty.proxy.always(method, recording.replays)
    faulty.fails(ExitCode.CANNOT_CHECK, "but not the head that it anchors")
    faulty.site.add("b", b"b")
    faulty.finishes()
    assert len(faulty.signed()) == len(set(faulty.proxy.sent())) == 2


@pytest.mark.fault(
    "E4",
    how="behind the one address another chain with our id answers every second, third, … time",
    then="exit code 32 or 20, or a true anchor; nothing on the other chain, at worst one of ours "
    "reverts; afterwards one anchor",
)
def test_an_address_behind_which_two_chains_answer(faulty: Faulty, injected: Injected) -> None:
    refused = 0
    with other_chain(31337) as url:
        for right in range(1, 9):
            faulty.site.add(f"{right}", f"{right}".encode())
            faulty.proxy.always(ANY, splits(*[faulty.node.url] * right, url))
            try:
                faulty.run()
            except AnchorError as error:
                assert error.exit_code in (ExitCode.CHAIN_GUARD, ExitCode.CANNOT_CHECK)
                refused += 1
            faulty.check_claims()
        assert refused >= 4
        assert nonce(url) == 0
    # A call that the other chain ran for us may have reverted on ours: known once it is final.
    faulty.proxy.calm()
    wasted = 0
    for item in faulty.on_chain():
        wasted += ask(faulty.node.url, RECEIPT, item["hash"])["status"] == "0x0"
    if wasted:
        for _ in range(4):
            faulty.mine()
        faulty.fails(ExitCode.CHAIN_GUARD, "was included and reverted")
    faulty.run()
    faulty.check(wasted=wasted)
    assert wasted <= 1
    injected(8)


# Receipts


def forges(template: Receipt, change: Callable[[Receipt], Any]) -> Rule:
    """A receipt for whatever is asked, before there is one."""
    return lambda call: call.answer(result=change(template | {"transactionHash": call.params[0]}))


def a_receipt(faulty: Faulty) -> Receipt:
    """Return the true receipt of some transaction: of the registry's deployment."""
    ((tx_hash,),) = faulty.site.rows("SELECT hex(tx_hash) FROM attempts")
    receipt = ask(faulty.node.url, RECEIPT, f"0x{tx_hash.lower()}")
    assert isinstance(receipt, dict)
    return receipt


@pytest.mark.fault(
    "E7",
    how="receipts with a member missing, of another type or of a value that cannot be, for a "
    "transaction that waits in the pool",
    then="exit code 20, nothing is called anchored; the next run reads the true receipt",
)
def test_a_malformed_receipt_is_a_fault_of_the_node(own_faulty: Faulty, injected: Injected) -> None:
    assert len(MALFORMED_RECEIPTS) >= 11
    template = a_receipt(own_faulty)
    own_faulty.stop_mining()
    for change in MALFORMED_RECEIPTS.values():
        own_faulty.proxy.always(RECEIPT, forges(template, change))
        own_faulty.fails(ExitCode.CANNOT_CHECK, "receipt")
    own_faulty.finishes(FastClock({5.0: own_faulty.mine}))
    assert len(own_faulty.signed()) == 1
    injected(len(MALFORMED_RECEIPTS))


@pytest.mark.fault(
    "E7",
    how="a malformed receipt of a transaction that is included",
    then="exit code 20, nothing is called anchored; the next run finds the anchor",
)
@pytest.mark.parametrize("name", ["another transaction's", "block hash null", "status two"])
def test_a_malformed_receipt_of_what_is_included(faulty: Faulty, name: str) -> None:
    faulty.proxy.always(RECEIPT, edits(MALFORMED_RECEIPTS[name]))
    faulty.fails(ExitCode.CANNOT_CHECK, "receipt")
    assert faulty.site.rows("SELECT count(*) FROM anchors") == [(0,)]
    faulty.finishes()
    assert len(faulty.signed()) == 1


@pytest.mark.fault(
    "E7",
    how="well-formed receipts of a block that is not on the node's own chain",
    then="taken for no receipt: the run waits for the true one; one anchor",
)
def test_a_receipt_of_a_block_off_the_chain_is_none(own_faulty: Faulty, injected: Injected) -> None:
    template = a_receipt(own_faulty)
    own_faulty.stop_mining()
    forged = [forges(template, change) for change in ORPHAN_RECEIPTS.values()]
    own_faulty.proxy.on(RECEIPT, *forged * 3)
    own_faulty.run(FastClock({5.0: own_faulty.mine}))
    own_faulty.check()
    assert len(own_faulty.signed()) == 1
    injected(3 * len(ORPHAN_RECEIPTS))


@pytest.mark.fault(
    "E7",
    how="members of a receipt that nothing rests on, missing or wrong",
    then="no effect: what is anchored is read from the registry's storage",
)
def test_what_nobody_reads_of_a_receipt_does_no_harm(faulty: Faulty, injected: Injected) -> None:
    def change(receipt: Receipt) -> Receipt:
        for one in UNREAD_RECEIPTS.values():
            receipt = one(receipt)
        return receipt

    faulty.proxy.always(RECEIPT, edits(change))
    faulty.run()
    faulty.check()
    (tx_hash,) = faulty.signed()
    with reading(faulty.url) as node:
        found = [node.fetch_receipt(Hash32(bytes.fromhex(tx_hash[2:])))]
        for one in UNREAD_RECEIPTS.values():
            faulty.proxy.always(RECEIPT, edits(one))
            found.append(node.fetch_receipt(Hash32(bytes.fromhex(tx_hash[2:]))))
    assert found[0] is not None
    assert found == found[:1] * len(found)
    injected(1 + len(UNREAD_RECEIPTS))


@pytest.mark.fault(
    "E10",
    how="the only node invents a receipt of success for a transaction it never passed on",
    then="exit code 20, nothing is called anchored; an honest node gets the same bytes",
)
def test_an_invented_receipt_delays_and_nothing_more(faulty: Faulty) -> None:
    def invents(call: Call) -> bytes:
        block = ask(call.node, "eth_getBlockByNumber", "latest", False)
        receipt = {
            "transactionHash": call.params[0],
            "blockHash": block["hash"],
            "blockNumber": block["number"],
            "status": "0x1",
            "gasUsed": hex(60_000),
        }
        return call.answer(result=receipt)

    faulty.proxy.always(SEND, loses_request)
    faulty.proxy.always(RECEIPT, invents)
    faulty.fails(ExitCode.CANNOT_CHECK, "but not the head that it anchors")
    assert nonce(faulty.node.url) == faulty.first_nonce
    faulty.finishes()
    assert len(faulty.signed()) == 1
    assert len(set(faulty.proxy.sent())) <= 1


@pytest.mark.fault(
    "E7",
    how="a block's number or time is larger than any chain's",
    then="exit code 20, nothing sent; the next run finishes",
)
@pytest.mark.parametrize("member", ["timestamp", "number"])
def test_an_absurd_block(faulty: Faulty, member: str) -> None:
    faulty.proxy.always("eth_getBlockByNumber", edits(having(member, hex(2**64))))
    faulty.fails(ExitCode.CANNOT_CHECK, "returned an impossible block")
    faulty.finishes()


@pytest.mark.fault(
    "E10",
    how="the only node invents that the transaction reverted",
    then="exit code 21, nothing settled before it is final; an honest node's word ends it",
)
def test_an_invented_revert_delays_and_nothing_more(faulty: Faulty) -> None:
    faulty.proxy.always(RECEIPT, edits(having("status", "0x0")))
    faulty.fails(ExitCode.NOT_FINAL, "was included and reverted")
    faulty.finishes()
    assert len(faulty.signed()) == 1


# Quotas, outages, floods


@pytest.mark.fault(
    "E9",
    how="HTTP status 429 to every question, four rounds long",
    then="the daemon asks after 5, 10, 20 and 40 seconds again and then anchors once",
)
def test_a_daemon_backs_off_from_a_quota_that_is_used_up(faulty: Faulty) -> None:
    operator = Operator(faulty.site)
    faulty.proxy.always(ANY, limits_rate)
    operator.clock.at = {70.0: faulty.proxy.calm}
    operator.run(until=200, url=faulty.url)
    failed = [item for item in operator.happened if item.event == "failed"]
    assert all("HTTP status 429" in item.text for item in failed)
    waits = [item.text.rpartition("again in ")[2] for item in failed]
    assert waits == [f"{number} seconds" for number in (5, 10, 20, 40)]
    assert operator.events() == ["failed"] * 4 + ["included"]
    faulty.check()


@pytest.mark.fault(
    "E9",
    how="HTTP status 429 or 503 that says when to come again (Retry-After)",
    then="it is asked nothing until then, an hour at most; then the daemon anchors once",
)
@pytest.mark.parametrize(
    ("rule", "waited"),
    [
        (asks_to_wait("90"), 90),
        (asks_to_wait("90", status=503), 90),
        (asks_to_wait("86400"), 3_600),
        # What says nothing that can be used is like no word at all.
        (asks_to_wait("2"), 5),
        (asks_to_wait("-90"), 5),
        (asks_to_wait("soon"), 5),
        (asks_to_wait("90", status=500), 5),
    ],
)
def test_a_daemon_asks_nothing_until_the_node_wants_to_be_asked_again(
    faulty: Faulty, rule: Rule, waited: int
) -> None:
    operator = Operator(faulty.site)
    faulty.proxy.always(ANY, rule)
    operator.clock.at = {3.0: faulty.proxy.calm}
    asked: list[int] = []
    for moment in (4.0, waited - 1.0):
        operator.clock.at[moment] = lambda: asked.append(len(faulty.proxy.calls))
    operator.run(until=waited + 100, url=faulty.url)
    assert asked[0] == asked[-1] <= 2  # the first look at what is final, and the first round
    assert operator.events() == ["failed", "included"]
    assert operator.happened[0].text.endswith(f"trying again in {waited} seconds")
    faulty.check()


@pytest.mark.fault(
    "E9",
    how="many daemons fail at the same moment",
    then="each waits up to a quarter longer, by its own draw: they do not all come back together",
)
def test_each_daemon_that_failed_waits_by_a_draw_of_its_own(faulty: Faulty) -> None:
    draws = iter([0.5, 1.0, 0.0])
    operator = Operator(faulty.site)
    faulty.proxy.on(ANY, loses_request, limits_rate, limits_rate, asks_to_wait("80"))
    operator.run(until=300, url=faulty.url, jitter=lambda: next(draws))
    failed = [item.text for item in operator.happened if item.event == "failed"]
    waits = [text.rpartition("again in ")[2] for text in failed]
    assert waits == ["6 seconds", "12 seconds", "80 seconds"]
    assert operator.events()[-1] == "included"


@pytest.mark.parametrize(
    ("retry_after", "date", "expected"),
    [
        ("Thu, 26 Nov 2026 00:01:30 GMT", "Thu, 26 Nov 2026 00:00:00 GMT", 90.0),
        ("Thu, 26 Nov 2026 09:00:00 GMT", "Thu, 26 Nov 2026 00:00:00 GMT", 3_600.0),
        ("Thu, 26 Nov 2026 00:00:00 GMT", "Thu, 26 Nov 2026 00:01:30 GMT", 0.0),
        ("Thu, 26 Nov 2026 00:01:30 GMT", "", None),
        ("Thu, 26 Nov 2026 00:01:30 GMT", "now", None),
        ("Thu, 26 Nov 2026 00:01:30", "Thu, 26 Nov 2026 00:00:00 GMT", None),
        ("Thu, 99 Nov 2026 00:01:30 GMT", "Thu, 26 Nov 2026 00:00:00 GMT", None),
        ("9" * 400, "Thu, 26 Nov 2026 00:00:00 GMT", None),
        ("１２", "Thu, 26 Nov 2026 00:00:00 GMT", None),
        ("1e3", "", None),
        ("", "", None),
    ],
)
def test_a_date_to_come_again_counts_from_the_servers_own_clock(
    retry_after: str, date: str, expected: float | None
) -> None:
    response = requests.Response()
    response.status_code = 429
    response.headers.update({"Retry-After": retry_after, "Date": date})
    assert read_retry_after(response) == expected


@pytest.mark.fault(
    "E9",
    how="a provider's error object says that its quota is used up, before or after the send",
    then="like no answer: exit code 20, or the send is looked up and repeated; one anchor",
)
@pytest.mark.parametrize("rule", [refuses, refuses_after])
def test_a_quota_told_in_an_error_is_no_refusal(
    faulty: Faulty, rule: Callable[[str], Rule], injected: Injected
) -> None:
    texts = texts_of(Refusal.RATE_LIMITED)
    for number, item in enumerate(texts):
        faulty.site.add(str(number), str(number).encode())
        for method in () if number else ("eth_getStorageAt", "eth_call", "eth_estimateGas"):
            faulty.proxy.on(method, rule(item.text))
            error = faulty.fails(ExitCode.CANNOT_CHECK, item.text)
            assert isinstance(error, NodeUnreachableError)
        faulty.proxy.on(SEND, rule(item.text))
        faulty.run()
        faulty.check()
    assert len(faulty.signed()) == len(texts)
    injected(len(texts) + 3)


@pytest.mark.fault(
    "E11",
    how="the node is away for hours (a day in the long version), while evidence comes in",
    then="the evidence is accepted all the time; afterwards all of it is in one anchor",
)
@pytest.mark.parametrize("hours", [3, pytest.param(24, marks=pytest.mark.slow)])
def test_hours_without_a_node_lose_nothing(faulty: Faulty, injected: Injected, hours: int) -> None:
    operator = Operator(faulty.site)
    end = 3_600.0 * hours
    faulty.proxy.always(ANY, loses_request)
    operator.clock.at = {
        **{3_600.0 * hour: operator.add(f"hour {hour}") for hour in range(1, hours)},
        end: faulty.proxy.calm,
    }
    operator.run(until=end + 1_000, url=faulty.url)
    assert operator.events()[-1] == "included"
    assert set(operator.events()[:-1]) == {"failed"}
    assert operator.sizes() == [hours]
    faulty.check()
    injected(len(operator.events()) - 1)


def answer_of(rule: Rule, timeout: float) -> Callable[[Devnet], Any]:
    def question(node: Devnet) -> Any:
        with open_proxy(node) as (proxy, url):
            proxy.always(ANY, rule)
            rpc = Rpc(url, timeout=timeout)
            try:
                return Node(rpc).fetch_chain_id()
            finally:
                rpc.close()

    return question


@pytest.mark.fault("E13", how="seventeen megabytes", then="given up at sixteen; exit code 20")
@pytest.mark.fault(
    "E13", how="a kilobyte that unpacks to 256 megabytes", then="never unpacked; exit code 20"
)
def test_an_answer_too_large_is_not_taken_in(still: Devnet, injected: Injected) -> None:
    size = {chaos.is_huge: 40 << 20, chaos.is_a_bomb: 4 << 20}
    chaos.is_a_bomb(Call(method="", params=[], id=0, body=b"", node=""))  # made beforehand
    for rule, most in size.items():
        tracemalloc.start()
        with pytest.raises(NodeFaultError, match=r"16,777,216 bytes|compressed"):
            answer_of(rule, 20.0)(still)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # The proxy's own copy of what it sends is in this process too.
        assert peak < most + (17 << 20 if rule is chaos.is_huge else 0)
    injected(2)


@pytest.mark.fault(
    "E13",
    how="a right answer that comes byte by byte, for longer than an answer may take",
    then="given up in time, exit code 20; what was reading it ends too",
)
def test_an_answer_that_drips_is_given_up_and_left_no_thread(still: Devnet) -> None:
    begin, before = time.monotonic(), set(threading.enumerate())
    with pytest.raises(NodeUnreachableError, match="timed out"):
        answer_of(chaos.drips(pieces=1_200, pause=0.05), 0.5)(still)  # for a minute
    assert time.monotonic() - begin < 30, "it was read to its end"
    while any(each.name == "anchor-http" for each in set(threading.enumerate()) - before):
        assert time.monotonic() - begin < 40, "a thread goes on reading"
        time.sleep(0.05)


@pytest.mark.fault("E13", how="an answer a little late", then="waited for")
def test_an_answer_that_comes_late_is_waited_for(still: Devnet) -> None:
    assert answer_of(chaos.delays(0.5), 5.0)(still) == 31337
    assert answer_of(chaos.drips(pieces=5, pause=0.05), 5.0)(still) == 31337


@pytest.mark.fault(
    "E14",
    how="the node has pruned the state of the block it is asked about",
    then="exit code 20 with the node's words; the next run finishes",
)
@pytest.mark.parametrize(
    "text",
    [
        "missing trie node 5a5a (path ) state 0x5a is not available",
        "distance to target block exceeds maximum proof window",
        "required historical state unavailable (reexec=128)",
        "header not found",
        "pruned history unavailable",
    ],
)
@pytest.mark.parametrize("method", ["eth_getStorageAt", "eth_getTransactionCount"])
def test_a_node_without_the_state_it_is_asked_for(faulty: Faulty, text: str, method: str) -> None:
    def prunes(call: Call) -> Reply | bytes | None:
        is_old = isinstance(call.params[-1], dict)  # a block named by its hash
        return refuses(text)(call) if is_old else call.forward()

    faulty.proxy.always(method, prunes)
    faulty.fails(ExitCode.CANNOT_CHECK, text)
    faulty.finishes()
    assert len(faulty.signed()) == 1


@pytest.mark.fault(
    "E15",
    how="the node redirects to another host (301, 302, 307, 308)",
    then="not followed: exit code 20, and that host hears nothing",
)
@pytest.mark.fault(
    "E15",
    how="a contract's revert asks to look the answer up at a URL (EIP-3668)",
    then="not followed: exit code 32, and that host hears nothing",
)
def test_nobody_is_asked_whom_the_operator_did_not_name(faulty: Faulty, injected: Injected) -> None:
    heard: list[bytes] = []

    def listen(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        heard.append(body)
        send(handler, 200, b"{}")

    def looks_up(call: Call) -> bytes:
        data = "0x556f1830" + "00" * 31 + "20" + elsewhere.encode().hex()
        error = {"code": 3, "message": "execution reverted", "data": data}
        return call.answer(error=error)

    with serve(listen) as elsewhere:
        faulty.proxy.on("eth_call", looks_up)
        faulty.fails(ExitCode.CHAIN_GUARD, "the registry would refuse this call")
        for status in (301, 302, 307, 308):
            faulty.proxy.on("eth_chainId", redirects(f"{elsewhere}/?id", status))
            faulty.fails(ExitCode.CANNOT_CHECK, "a redirect, which is never followed")
            # A receipt is asked for once its transaction was sent: each time of a new one.
            rule = redirects(f"{elsewhere}/?receipt", status)
            message = break_once(faulty, RECEIPT, rule, f"status {status}")
            assert "a redirect, which is never followed" in message
    assert heard == []
    faulty.finishes()
    injected(9)


@pytest.mark.fault(
    "E16",
    how="a private relay takes each transaction, says so and passes none on, for 25 blocks' time",
    then="the same bytes are offered again and replaced at the same nonce; one anchor",
)
def test_a_relay_that_drops_what_it_took(own_faulty: Faulty) -> None:
    def swallows(call: Call) -> bytes:
        tx_hash = hash_keccak256(bytes.fromhex(call.params[0][2:]))
        return call.answer(result="0x" + tx_hash.hex())

    own_faulty.site.edit("wait_seconds = 200", "wait_seconds = 400")
    own_faulty.proxy.always(SEND, swallows)
    own_faulty.run(FastClock({25 * 12.0: own_faulty.proxy.calm}))
    sent = own_faulty.proxy.sent()
    assert len(set(sent)) == len(own_faulty.signed()) > 1
    assert len(sent) > len(set(sent))
    own_faulty.check()


# As the operator sees it


@pytest.mark.fault(
    "E8", how="a gateway's page, in a process of its own", then="one line of error, exit code 20"
)
@pytest.mark.fault(
    "E9", how="HTTP status 429, in a process of its own", then="one line of error, exit code 20"
)
def test_the_command_ends_with_one_sentence_and_goes_on_later(
    faulty: Faulty, injected: Injected
) -> None:
    env = {"ANCHOR_CHAIN__RPC": faulty.url}
    for method, rule, text in (
        ("eth_chainId", chaos.is_html, "answered eth_chainId with HTTP status 502"),
        ("eth_call", limits_rate, "answered eth_call with HTTP status 429"),
        ("eth_getBalance", chaos.has_wrong_id, "with the answer to another request"),
        (
            RECEIPT,
            chaos.is_truncated,
            "answered eth_getTransactionReceipt with something that is not JSON",
        ),
    ):
        faulty.site.add(text, text.encode())
        faulty.proxy.on(method, rule)
        faulty.site.run("run", "--once", "--wait", "included", env=env).refused(20, text)
        faulty.check_claims()
    faulty.site.run("run", "--once", "--wait", "included", env=env).expect(0)
    faulty.check()
    injected(4)
