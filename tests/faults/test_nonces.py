"""Nonces and pools: what is dropped, evicted, outbid or used by somebody else with the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.chaos import (
    SEND,
    Call,
    GethPool,
    Rule,
    answers,
    duplicates,
    edits,
    evicts,
    loses_request,
    passes,
    refuses,
    refuses_after,
)
from support.clocks import FastClock
from support.faulty import Faulty, open_faulty
from support.fixtures import MakeSite
from support.hardhat import Hardhat, trust_newest_block
from support.node_texts import texts_of
from support.nodes import DEV, ask, nonce, stop_the_clock

from anchor.base.errors import ExitCode
from anchor.chain.devnet import Devnet
from anchor.chain.node_errors import Refusal
from anchor.chain.tx_state import REPLACE_AFTER

GWEI = 10**9
Injected = Callable[[int], None]
OTHER = "0x" + "5a" * 32


@pytest.fixture(params=["own_anvil", "hardhat"])
def faulty(new_site: MakeSite, request: pytest.FixtureRequest) -> Iterator[Faulty]:
    """On both nodes, which from here on mine when told."""
    node = request.getfixturevalue(request.param)
    if not isinstance(node, Hardhat):
        stop_the_clock(node.url)
    with open_faulty(new_site, node) as found:
        trust_newest_block(found.site, node)
        found.stop_mining()
        yield found


@pytest.fixture
def on_anvil(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Faulty]:
    """For what hardhat cannot do: reorganise, evict, or let anything become final later."""
    stop_the_clock(own_anvil.url)
    with open_faulty(new_site, own_anvil) as found:
        found.stop_mining()
        yield found


def send_from_outside(url: str, **transaction: str) -> str:
    """Let another program send something with the log's key; both nodes hold it."""
    result = ask(
        url, "eth_sendTransaction", {"from": DEV, "to": DEV, "gas": "0x5208"} | transaction
    )
    assert isinstance(result, str)
    return result


def fees(gwei: int) -> dict[str, str]:
    return {"maxFeePerGas": hex(gwei * GWEI), "maxPriorityFeePerGas": hex(gwei * GWEI)}


def mine_many(faulty: Faulty) -> None:
    """Mine until what is included now is final."""
    for _ in range(4):
        faulty.mine()


def share(faulty: Faulty) -> None:
    """Say in the configuration that other programs send with the key, too."""
    faulty.site.edit("# shared = true", "shared = true")


# Dropped


def drop_all(faulty: Faulty) -> None:
    for tx_hash in faulty.signed():
        ask(faulty.node.url, "hardhat_dropTransaction", tx_hash)


@pytest.mark.fault(
    "B6",
    how="the pool drops the transaction ten seconds after it took it",
    then="after 40 seconds the same bytes are offered again; one anchor",
)
def test_what_a_pool_drops_is_offered_again(faulty: Faulty) -> None:
    clock = FastClock({10.0: lambda: drop_all(faulty), 50.0: faulty.mine})
    faulty.run(clock)
    assert clock.now < REPLACE_AFTER
    first, second = faulty.proxy.sent()
    assert first == second
    faulty.check()


@pytest.mark.fault(
    "B6",
    how="the pool throws away everything it takes, until the run gives up",
    then="exit code 21 with the transaction's hash; the next run's bytes are among the stored",
)
def test_a_pool_that_keeps_nothing(on_anvil: Faulty) -> None:
    on_anvil.proxy.always(SEND, evicts)
    error = on_anvil.fails(ExitCode.NOT_FINAL, "was sent but not included within 200 seconds")
    assert on_anvil.signed()[-1] in error.message
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    assert len(set(on_anvil.proxy.sent())) == len(on_anvil.signed())


# Replaced


@pytest.mark.fault(
    "B3",
    how="a pool with geth's rule: a replacement needs a tenth more in both fees",
    then="each of ours passes, because it offers an eighth more; none is refused",
)
@pytest.mark.fault(
    "B4",
    how="a pool with geth's rule, for three minutes",
    then="both fees rise by a tenth at least each time",
)
def test_no_replacement_is_refused_by_geths_rule(on_anvil: Faulty) -> None:
    pool = GethPool()
    on_anvil.proxy.always(SEND, pool)
    on_anvil.run(FastClock({3.1 * REPLACE_AFTER: on_anvil.mine}))
    assert len(on_anvil.signed()) == 4
    assert pool.refused == 0
    on_anvil.check()


@pytest.mark.fault(
    "B3",
    how="another program's transaction with a far higher fee is in the pool at our nonce",
    then="ours is raised until the node takes it, at the same nonce, within the cap; one anchor",
)
def test_a_nonce_that_another_program_bids_for_is_outbid_within_the_cap(faulty: Faulty) -> None:
    send_from_outside(faulty.node.url, **fees(4))
    faulty.proxy.always(SEND, _geth_rule(faulty, 4))
    faulty.run(FastClock({2 * REPLACE_AFTER: faulty.mine}))
    (sent,) = faulty.on_chain()
    assert int(sent["nonce"], 16) == faulty.first_nonce
    faulty.check()


@pytest.mark.fault(
    "B3",
    how="another program's transaction at our nonce offers more than the cap allows us",
    then="exit code 30 with the node's words, never a second nonce; once theirs is final 32, then "
    "one anchor at the next nonce",
)
def test_a_nonce_that_cannot_be_outbid_is_never_left_for_another(on_anvil: Faulty) -> None:
    on_anvil.site.edit("max_fee_gwei = 100", "max_fee_gwei = 10")
    send_from_outside(on_anvil.node.url, **fees(20))
    on_anvil.proxy.always(SEND, _geth_rule(on_anvil, 20))
    on_anvil.fails(ExitCode.FUNDS, "replacement transaction underpriced")
    assert {row[0] for row in _nonces(on_anvil)} == {on_anvil.first_nonce}
    mine_many(on_anvil)
    on_anvil.fails(ExitCode.CHAIN_GUARD, f"another program used nonce {on_anvil.first_nonce}")
    ask(on_anvil.node.url, "evm_setAutomine", True)
    on_anvil.proxy.calm()
    on_anvil.run()
    on_anvil.check(foreign=1)


def _geth_rule(faulty: Faulty, gwei: int) -> Rule:
    """Hardhat has the rule; anvil, which takes any rise, gets it here."""
    if isinstance(faulty.node, Hardhat):
        return passes
    pool = GethPool()
    pool.take(OTHER, number=faulty.first_nonce, tip=gwei * GWEI, cap=gwei * GWEI)
    return pool


def _nonces(faulty: Faulty) -> list[tuple[Any, ...]]:
    return faulty.site.rows("SELECT DISTINCT nonce FROM attempts WHERE head_size IS NOT NULL")


@pytest.mark.fault(
    "B7",
    how="the base fee rises past the transaction, and the pool evicts it (anvil)",
    then="the same bytes are refused after 40 seconds and replaced at once; one anchor",
)
def test_what_a_rising_base_fee_evicts_is_replaced(on_anvil: Faulty) -> None:
    url = on_anvil.node.url

    def spike() -> None:
        ask(url, "anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
        on_anvil.mine()
        assert ask(url, "eth_getTransactionByHash", on_anvil.signed()[0]) is None

    clock = FastClock({20.0: spike, 50.0: on_anvil.mine})
    on_anvil.run(clock)
    assert clock.now < REPLACE_AFTER
    assert len(on_anvil.signed()) == 2
    on_anvil.check()


@pytest.mark.fault(
    "B2",
    how="the base fee rises past the transaction, which stays in the pool (hardhat, as on geth)",
    then="it is replaced at the same nonce with a fee above the base fee; one anchor",
)
def test_what_a_rising_base_fee_leaves_in_the_pool_is_replaced(
    new_site: MakeSite, hardhat: Hardhat
) -> None:
    with open_faulty(new_site, hardhat) as faulty:
        trust_newest_block(faulty.site, hardhat)
        faulty.stop_mining()

        def spike() -> None:
            ask(hardhat.url, "hardhat_setNextBlockBaseFeePerGas", hex(20 * GWEI))
            faulty.mine()
            assert nonce(hardhat.url) == faulty.first_nonce

        faulty.run(FastClock({20.0: spike, 1.5 * REPLACE_AFTER: faulty.mine}))
        assert len(faulty.signed()) == 2
        (sent,) = faulty.on_chain()
        assert sent["hash"] == faulty.signed()[1]
        faulty.check()


# Known, too low, too high


@pytest.mark.fault(
    "B9",
    how="the send arrives twice, and the node's answer is that it knows the transaction",
    then="it counts as sent; one anchor",
)
def test_a_transaction_the_node_knows_is_sent(faulty: Faulty) -> None:
    faulty.proxy.on(SEND, duplicates)
    faulty.run(FastClock({5.0: faulty.mine}))
    assert len(faulty.proxy.sent()) == 1
    faulty.check()


@pytest.mark.fault(
    "B9",
    how="each client's words for a known transaction, after taking it",
    then="it counts as sent; one anchor",
)
@pytest.mark.fault(
    "B11",
    how="each client's words for a nonce that is used, by this very transaction",
    then="no failure: its receipt is looked for and found; one anchor",
)
@pytest.mark.parametrize("means", [Refusal.KNOWN, Refusal.NONCE_USED])
def test_words_that_say_it_is_there_already(
    on_anvil: Faulty, means: Refusal, injected: Injected
) -> None:
    ask(on_anvil.node.url, "evm_setAutomine", True)
    texts = texts_of(means)
    for number, item in enumerate(texts):
        on_anvil.site.add(str(number), str(number).encode())
        on_anvil.proxy.on(SEND, refuses_after(item.text))
        on_anvil.run()
    on_anvil.check()
    assert len(on_anvil.signed()) == len(texts)
    injected(len(texts))


@pytest.mark.fault(
    "B11",
    how="the first transaction is included just before its replacement arrives",
    then="the node's 'nonce too low' is no failure: the first one's receipt counts; one anchor",
)
def test_a_replacement_that_comes_too_late(faulty: Faulty) -> None:
    def mines_before(call: Call) -> bytes:
        faulty.mine()
        return call.forward()

    faulty.proxy.on(SEND, passes, passes, mines_before)
    faulty.run()
    first, _ = faulty.signed()
    (sent,) = faulty.on_chain()
    assert sent["hash"] == first
    faulty.check()


@pytest.mark.fault(
    "B11",
    how="the transaction is included between the questions of one look, on a chain whose newest "
    "block is final",
    then="it is found by the next look; one anchor",
)
def test_what_is_included_during_a_look_is_ours(new_site: MakeSite, hardhat: Hardhat) -> None:
    with open_faulty(new_site, hardhat) as faulty:
        trust_newest_block(faulty.site, hardhat)
        faulty.stop_mining()

        def mines_before(call: Call) -> bytes:
            faulty.mine()
            return call.forward()

        # Asked twice before signing, and once in the look before sending.
        faulty.proxy.on("eth_getTransactionCount", *[passes] * 3, mines_before)
        faulty.run()
        faulty.check()


@pytest.mark.fault(
    "B10",
    how="another program's transaction with the key is included between signing and sending",
    then="nothing until that is final, then exit code 32; the next run takes the next nonce",
)
def test_a_nonce_used_by_another_program_between_signing_and_sending(on_anvil: Faulty) -> None:
    def comes_second(call: Call) -> bytes:
        send_from_outside(call.node, **fees(5))
        on_anvil.mine()
        return call.forward()

    on_anvil.proxy.on(SEND, comes_second)
    on_anvil.fails(
        ExitCode.CHAIN_GUARD,
        f"another program used nonce {on_anvil.first_nonce}",
        clock=FastClock({30.0: lambda: mine_many(on_anvil)}),
    )
    assert on_anvil.on_chain() == []
    on_anvil.proxy.calm()
    on_anvil.run(FastClock({5.0: on_anvil.mine}))
    on_anvil.check(foreign=1)
    assert len(on_anvil.signed()) == 2


@pytest.mark.fault(
    "B10",
    how="as above, with a key that the configuration says is shared",
    then="once that is final a warning, and the next nonce; the run goes on",
)
def test_a_shared_keys_foreign_nonce_is_told_and_stops_nothing(on_anvil: Faulty) -> None:
    share(on_anvil)

    def comes_second(call: Call) -> bytes:
        send_from_outside(call.node, **fees(5))
        on_anvil.mine()
        return call.forward()

    on_anvil.proxy.on(SEND, comes_second)
    on_anvil.run(
        FastClock({30.0: lambda: mine_many(on_anvil), 60.0: on_anvil.mine, 90.0: on_anvil.mine})
    )
    warning = f"warning: another program used nonce {on_anvil.first_nonce} "
    assert any(warning in text for text in on_anvil.reports)
    on_anvil.check(foreign=1)
    assert len(on_anvil.signed()) == 2


@pytest.mark.fault(
    "B10",
    how="a shared key's nonce was used by a transaction that never becomes final",
    then="exit code 21: no second nonce is taken as long as the first may come back",
)
def test_a_shared_keys_foreign_nonce_that_is_not_final_is_waited_for(on_anvil: Faulty) -> None:
    share(on_anvil)

    def comes_second(call: Call) -> bytes:
        send_from_outside(call.node, **fees(5))
        on_anvil.mine()
        return call.forward()

    on_anvil.proxy.on(SEND, comes_second)
    on_anvil.fails(ExitCode.NOT_FINAL, "not included within")
    assert len(on_anvil.signed()) == 1


@pytest.mark.fault(
    "B10",
    how="as above, and the other program's transaction never becomes final",
    then="exit code 21: no second nonce is taken as long as the first may come back",
)
def test_a_nonce_that_may_come_back_is_waited_for(on_anvil: Faulty) -> None:
    def comes_second(call: Call) -> bytes:
        send_from_outside(call.node, **fees(5))
        on_anvil.mine()
        return call.forward()

    on_anvil.site.edit("wait_seconds = 200", "wait_seconds = 50")
    on_anvil.proxy.on(SEND, comes_second)
    on_anvil.fails(ExitCode.NOT_FINAL, "was sent but not included")
    on_anvil.fails(ExitCode.NOT_FINAL, "was sent but not included")
    assert len(on_anvil.signed()) == 1
    # A reorganisation takes theirs back: the stored bytes go out.
    ask(on_anvil.node.url, "anvil_reorg", 1, [])
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    assert len(on_anvil.signed()) == 1


@pytest.mark.fault(
    "B12",
    how="a reorganisation puts another program's transaction in the place of our included one",
    then="21 and nothing new until that is final, then 32; then one anchor at the next nonce",
)
def test_a_reorganisation_that_gives_our_nonce_to_another_program(on_anvil: Faulty) -> None:
    url = on_anvil.node.url
    ask(url, "evm_setAutomine", True)
    on_anvil.run()
    foreign = {"from": DEV, "to": DEV, "gas": "0x5208", "nonce": hex(on_anvil.first_nonce)}
    ask(url, "anvil_reorg", 1, [[foreign | fees(5), 0]])
    assert on_anvil.on_chain() == []
    assert nonce(url) == on_anvil.first_nonce + 1
    on_anvil.proxy.calm()
    on_anvil.fails(ExitCode.NOT_FINAL, "not included within")
    assert len(on_anvil.signed()) == 1
    on_anvil.fails(
        ExitCode.CHAIN_GUARD,
        f"another program used nonce {on_anvil.first_nonce}",
        clock=FastClock({1.0: lambda: mine_many(on_anvil)}),
    )
    on_anvil.run()
    on_anvil.check(foreign=1)
    assert len(on_anvil.signed()) == 2


@pytest.mark.fault(
    "B13",
    how="the node says that the nonce is too high, and takes nothing, once",
    then="offered again after 40 seconds; one anchor",
)
@pytest.mark.fault(
    "B13",
    how="each client's words for a nonce that is too high, or for a full pool, all the time",
    then="exit code 21, the bytes stay; the next run sends them; one anchor",
)
def test_a_pool_that_takes_nothing_now_is_asked_again(on_anvil: Faulty, injected: Injected) -> None:
    on_anvil.proxy.on(SEND, refuses("nonce too high: tx nonce 9, gapped nonce 5"))
    clock = FastClock({50.0: on_anvil.mine})
    on_anvil.run(clock)
    assert clock.now < REPLACE_AFTER
    on_anvil.check()
    on_anvil.site.edit("wait_seconds = 200", "wait_seconds = 5")
    on_anvil.site.add("b", b"b")
    texts = texts_of(Refusal.NOT_YET)
    for item in texts:
        on_anvil.proxy.always(SEND, refuses(item.text))
        on_anvil.fails(ExitCode.NOT_FINAL, "was sent but not included")
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    assert len(on_anvil.signed()) == 2
    injected(1 + len(texts))


# Nodes that contradict us


@pytest.mark.fault(
    "B14",
    how="the node takes the transaction and calls it by another hash",
    then="our own hash is looked up in the same run; one anchor",
)
@pytest.mark.fault(
    "B14",
    how="the node takes nothing and names some hash",
    then="the same run sends the same bytes again; one anchor",
)
@pytest.mark.parametrize("rule", [edits(lambda _: OTHER), answers(OTHER)], ids=["taken", "not"])
def test_the_transactions_hash_is_ours_to_know(faulty: Faulty, rule: Rule) -> None:
    faulty.proxy.on(SEND, rule)
    assert faulty.run(FastClock({5.0: faulty.mine, 60.0: faulty.mine})).anchored is not None
    assert any("gave no valid answer; checking" in report for report in faulty.reports)
    faulty.check()
    assert len(faulty.signed()) == len(set(faulty.proxy.sent())) == 1


OCCUPIED = [
    item
    for item in texts_of(Refusal.OTHER)
    if "reserved" in item.text or "conflict" in item.text or "blob-txn" in item.text
]


@pytest.mark.fault(
    "B17",
    how="each client's words for an account that a transaction of another type occupies",
    then="exit code 20 with the node's words, no bump; afterwards the same bytes; one anchor",
)
def test_an_occupied_account_is_told_and_nothing_is_raised(
    on_anvil: Faulty, injected: Injected
) -> None:
    # reth says what geth says; besu, anvil and hardhat know no such state.
    assert {item.client for item in OCCUPIED} >= {"geth", "nethermind", "erigon"}
    for item in OCCUPIED:
        on_anvil.proxy.on(SEND, refuses(item.text))
        on_anvil.fails(ExitCode.CANNOT_CHECK, item.text)
    assert len(on_anvil.signed()) == 1
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    assert len(on_anvil.signed()) == len(set(on_anvil.proxy.sent())) == 1
    injected(len(OCCUPIED))


@pytest.mark.fault(
    "B15",
    how="each client's words for a sender that is delegated (EIP-7702)",
    then="exit code 20 with the node's words, no bump; afterwards the same bytes; one anchor",
)
def test_a_delegated_senders_refusal_is_told_and_nothing_is_raised(
    on_anvil: Faulty, injected: Injected
) -> None:
    texts = [item for item in texts_of(Refusal.OTHER) if "deleg" in item.text.lower()]
    for item in texts:
        on_anvil.proxy.on(SEND, refuses(item.text))
        on_anvil.fails(ExitCode.CANNOT_CHECK, item.text)
    assert len(on_anvil.signed()) == 1
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    injected(len(texts))


@pytest.mark.fault(
    "B16",
    how="a cancellation from outside (to oneself, higher fee) takes our place in the pool, and is "
    "included",
    then="the chain decides: exit code 32 once it is final, then one anchor at the next nonce",
)
def test_a_cancellation_that_wins(on_anvil: Faulty) -> None:
    def cancel() -> None:
        send_from_outside(on_anvil.node.url, nonce=hex(on_anvil.first_nonce), **fees(20))
        mine_many(on_anvil)

    on_anvil.fails(
        ExitCode.CHAIN_GUARD, "another program used nonce", clock=FastClock({5.0: cancel})
    )
    on_anvil.run(FastClock({5.0: on_anvil.mine}))
    on_anvil.check(foreign=1)


@pytest.mark.fault(
    "B16",
    how="a cancellation from outside takes our place in the pool; a reorganisation takes it back "
    "and includes ours",
    then="the chain decides: ours counts; one anchor",
)
def test_a_cancellation_that_loses(on_anvil: Faulty) -> None:
    def cancel() -> None:
        send_from_outside(on_anvil.node.url, nonce=hex(on_anvil.first_nonce), **fees(20))
        on_anvil.mine()

    def uncancel() -> None:
        ask(on_anvil.node.url, "anvil_reorg", 1, [[on_anvil.proxy.sent()[0], 0]])

    on_anvil.run(FastClock({5.0: cancel, 50.0: uncancel}))
    on_anvil.check()
    assert len(on_anvil.signed()) == 1


@pytest.mark.fault(
    "B18",
    how="another program with the key retries our anchor naively, at the next nonce, and both "
    "are included",
    then="the registry refuses the second; one anchor",
)
def test_a_naive_retry_anchors_nothing_twice(on_anvil: Faulty) -> None:
    url = on_anvil.node.url

    def retry() -> None:
        ours = ask(url, "eth_getTransactionByHash", on_anvil.signed()[0])
        kept = ("to", "input", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
        copy = {name: ours[name] for name in kept}
        send_from_outside(url, nonce=hex(on_anvil.first_nonce + 1), **copy)
        mine_many(on_anvil)

    on_anvil.run(FastClock({5.0: retry}))
    statuses = {
        item["hash"]: ask(url, "eth_getTransactionReceipt", item["hash"])["status"]
        for item in on_anvil.on_chain()
    }
    assert statuses.pop(on_anvil.signed()[0]) == "0x1"
    assert list(statuses.values()) == ["0x0"]
    assert on_anvil.site.anchors_on_chain() == [(1, 1)]
    on_anvil.site.add("b", b"b")
    on_anvil.run(FastClock({5.0: on_anvil.mine}))
    assert on_anvil.site.anchors_on_chain() == [(1, 1), (2, 2)]
    on_anvil.check_claims()


@pytest.mark.fault(
    "B8",
    how="the replacement waits at the node, and a reorganisation includes the first one instead",
    then="the receipt of either counts; one anchor",
)
def test_a_reorganisation_that_includes_the_replaced_one(on_anvil: Faulty) -> None:
    url = on_anvil.node.url
    on_anvil.run(FastClock({1.2 * REPLACE_AFTER: on_anvil.mine}))
    first, second = on_anvil.signed()
    assert [item["hash"] for item in on_anvil.on_chain()] == [second]
    ask(url, "anvil_reorg", 1, [[on_anvil.proxy.sent()[0], 0]])
    assert [item["hash"] for item in on_anvil.on_chain()] == [first]
    on_anvil.finishes()
    assert on_anvil.signed() == [first, second]


@pytest.mark.fault(
    "B9",
    how="sends that never arrive, arrive, and arrive twice, in turn, on a pool that mines late",
    then="one anchor for each head, the same bytes each time",
)
def test_a_bad_day_for_the_network(faulty: Faulty, injected: Injected) -> None:
    for number in range(4):
        faulty.site.add(f"{number}", f"{number}".encode())
        faulty.proxy.on(SEND, loses_request, duplicates)
        faulty.run(FastClock({55.0: faulty.mine}))
    faulty.check()
    assert len(faulty.signed()) == len(set(faulty.proxy.sent())) == 4
    injected(8)
