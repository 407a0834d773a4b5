"""Fees that soar, oracles that babble, empty pockets and gas that does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chaos import (
    SEND,
    Call,
    Rule,
    answers,
    having,
    lies,
    loses_request,
    loses_response,
    refuses,
    without,
)
from support.clocks import FastClock
from support.faulty import Faulty, open_faulty
from support.fixtures import MakeSite
from support.hardhat import Hardhat, trust_newest_block
from support.node_texts import texts_of
from support.nodes import DEV, ask, stop_the_clock
from support.operators import Operator

from anchor.base.errors import ExitCode
from anchor.chain.devnet import DEV_ADDRESS, Devnet, open_devnet
from anchor.chain.node_errors import Refusal
from anchor.ethereum.keccak import format_address

GWEI = 10**9
CAP = 100 * GWEI
Injected = Callable[[int], None]


@pytest.fixture(params=["own_anvil", "hardhat"])
def faulty(new_site: MakeSite, request: pytest.FixtureRequest) -> Iterator[Faulty]:
    """On both nodes, each of which mines for transactions only."""
    node = request.getfixturevalue(request.param)
    if not isinstance(node, Hardhat):
        stop_the_clock(node.url)
    with open_faulty(new_site, node) as found:
        trust_newest_block(found.site, node)
        yield found


@pytest.fixture
def on_anvil(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Faulty]:
    """For what hardhat cannot do: let nothing be final yet, or change the block's gas limit."""
    stop_the_clock(own_anvil.url)
    with open_faulty(new_site, own_anvil) as found:
        yield found


def set_base_fee(url: str, gwei: int) -> None:
    ask(url, "hardhat_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
    ask(url, "evm_mine")


# Fees that soar


@pytest.mark.fault(
    "C1",
    how="the base fee rises to five times the cap, with nothing signed yet, and falls again",
    then="the daemon tells it (30) and tries again; the evidence stays; one anchor",
)
def test_a_daemon_waits_for_the_fee_to_fall(faulty: Faulty) -> None:
    operator = Operator(faulty.site)
    set_base_fee(faulty.node.url, 500)
    operator.clock.at = {
        10.0: operator.add("b"),
        50.0: lambda: set_base_fee(faulty.node.url, 1),
    }
    operator.run(until=200, url=faulty.url)
    failed = [item for item in operator.happened if item.event == "failed"]
    assert failed
    assert {item.figures["exit_code"] for item in failed} == {30}
    assert "the fee cap 100 gwei" in failed[0].text
    assert operator.sizes() == [1, 2]
    assert operator.site.anchors_on_chain() == [(2, 1)]
    faulty.check()


@pytest.mark.fault(
    "C1",
    how="the base fee rises to five times the cap after the transaction was stored, then falls",
    then="exit code 30, the bytes stay and are sent when the fee has fallen; one anchor",
)
def test_a_stored_transaction_outlasts_a_spike(on_anvil: Faulty) -> None:
    on_anvil.proxy.on(SEND, loses_request)
    on_anvil.stop_mining()
    clock = FastClock({20.0: lambda: set_base_fee(on_anvil.node.url, 500)})
    on_anvil.fails(ExitCode.FUNDS, "does not accept a transaction at this fee now", clock=clock)
    set_base_fee(on_anvil.node.url, 1)
    on_anvil.finishes(FastClock({5.0: on_anvil.mine}))
    assert len(on_anvil.signed()) == len(set(on_anvil.proxy.sent())) == 1


@pytest.mark.fault(
    "C1",
    how="each client's words for a fee that is too low, whatever is offered",
    then="raised once each time; with a cap that allows no more exit code 30; one anchor",
)
def test_a_node_that_finds_every_fee_too_low(on_anvil: Faulty, injected: Injected) -> None:
    on_anvil.site.edit("max_fee_gwei = 100", "max_fee_gwei = 4")
    texts = texts_of(Refusal.FEE_TOO_LOW)
    for item in texts:
        on_anvil.proxy.always(SEND, refuses(item.text))
        error = on_anvil.fails(ExitCode.FUNDS, "does not accept a transaction at this fee now")
        assert item.text in error.message
    assert all(fee <= 4 * GWEI for fee, _ in offered(on_anvil))
    on_anvil.finishes()
    injected(len(texts))


# Oracles that babble


def offered(faulty: Faulty) -> list[tuple[int, int]]:
    """Return fee and tip of every attempt for an anchor."""
    query = "SELECT max_fee, priority_fee FROM attempts WHERE head_size IS NOT NULL"
    return [(row[0], row[1]) for row in faulty.site.rows(query)]


NO_TIPS: list[Any] = [
    None,
    "",
    "0x",
    "0x00",
    "-0x1",
    -1,
    1.5,
    True,
    [],
    {},
    "1000000000",
    "0x1" + "0" * 64,
]
TIPS = [0, 1, GWEI, CAP, 2**63, 2**64, 2**255, 2**256 - 1]


@pytest.mark.fault(
    "C2",
    how="a suggested tip of zero, of one wei, above the cap, of 2^255",
    then="taken only within what anybody would pay and the cap; one anchor",
)
@pytest.mark.fault(
    "C2",
    how="a suggested tip that is no hex quantity: null, a float, negative, padded, too long",
    then="exit code 20, nothing signed; the next run finishes",
)
def test_a_tip_is_taken_only_within_bounds(on_anvil: Faulty, injected: Injected) -> None:
    for tip in NO_TIPS:
        on_anvil.proxy.on("eth_maxPriorityFeePerGas", answers(tip))
        on_anvil.fails(ExitCode.CANNOT_CHECK, "eth_maxPriorityFeePerGas is not a hex quantity")
    assert on_anvil.signed() == []
    for tip in TIPS:
        on_anvil.site.add(str(tip), str(tip).encode())
        on_anvil.proxy.on("eth_maxPriorityFeePerGas", answers(hex(tip)))
        on_anvil.run()
    on_anvil.check()
    assert len(on_anvil.signed()) == len(TIPS)
    assert all(tip <= fee <= CAP and tip <= 2 * GWEI for fee, tip in offered(on_anvil))
    injected(len(NO_TIPS) + len(TIPS))


NOT_ITS_HASH = "does not have the block's hash"
BASE_FEES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "2^255": (having("baseFeePerGas", hex(2**255)), NOT_ITS_HASH),
    "the cap": (having("baseFeePerGas", hex(CAP)), NOT_ITS_HASH),
    "half the cap": (having("baseFeePerGas", hex(CAP // 2)), NOT_ITS_HASH),
    "zero": (having("baseFeePerGas", "0x0"), NOT_ITS_HASH),
    "another gas limit": (having("gasLimit", "0x1"), NOT_ITS_HASH),
    "a number": (having("baseFeePerGas", 7), "base fee is not a hex quantity"),
    "negative": (having("baseFeePerGas", "-0x1"), "base fee is not a hex quantity"),
    "text": (having("baseFeePerGas", "low"), "base fee is not a hex quantity"),
}


def changes_header(change: Callable[[dict[str, Any]], Any]) -> Rule:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return change(result) if params[0] == "latest" else result

    return lies(lie)


@pytest.mark.fault(
    "C2",
    how="a base fee of the newest block that is not in its header: 2^255, the cap, half of it, "
    "zero, negative, no quantity",
    then="exit code 20: the header's hash shows it; nothing is signed; the next run finishes",
)
def test_a_base_fee_that_is_not_in_the_header(on_anvil: Faulty, injected: Injected) -> None:
    for change, text in BASE_FEES.values():
        on_anvil.proxy.always("eth_getBlockByNumber", changes_header(change))
        on_anvil.fails(ExitCode.CANNOT_CHECK, text)
    assert on_anvil.signed() == []
    on_anvil.finishes()
    injected(len(BASE_FEES))


@pytest.mark.fault(
    "C2",
    how="no base fee in the newest block, whose header has one, and a gas price of the cap",
    then="exit code 20, nothing signed: one node's word is not enough for a legacy transaction",
)
@pytest.mark.fault(
    "C2",
    how="the same with legacy_fees configured, and a gas price of null, of 2^255",
    then="priced by the node's gas price, within the cap (30) or not at all (20); one anchor",
)
@pytest.mark.parametrize(
    "change", [without("baseFeePerGas"), having("baseFeePerGas", None)], ids=["none", "null"]
)
def test_a_chain_without_base_fee(
    on_anvil: Faulty, change: Callable[[dict[str, Any]], Any], injected: Injected
) -> None:
    on_anvil.proxy.always("eth_getBlockByNumber", changes_header(change))
    on_anvil.proxy.on("eth_gasPrice", answers(hex(CAP)))
    on_anvil.fails(
        ExitCode.CANNOT_CHECK, "has no base fee, but this release does not know that kind of block"
    )
    assert on_anvil.signed() == []
    on_anvil.proxy.calm()
    on_anvil.proxy.always("eth_getBlockByNumber", changes_header(change))
    on_anvil.site.edit("max_fee_gwei = 100", "max_fee_gwei = 100\nlegacy_fees = true")
    on_anvil.proxy.on("eth_gasPrice", answers(None), answers(hex(2**255)), answers(hex(CAP + 1)))
    on_anvil.fails(ExitCode.CANNOT_CHECK, "eth_gasPrice")
    on_anvil.fails(ExitCode.FUNDS, "the fee cap 100 gwei")
    on_anvil.fails(ExitCode.FUNDS, "the gas price is 100.000000001 gwei")
    on_anvil.run()
    ((fee, tip),) = offered(on_anvil)
    assert fee == tip <= CAP
    on_anvil.check()
    injected(4)


# Empty pockets


def set_balance(faulty: Faulty, wei: int) -> None:
    ask(faulty.node.url, "hardhat_setBalance", DEV, hex(wei))


@pytest.mark.fault(
    "C3",
    how="a balance of one wei before anything is signed",
    then="exit code 30 with the address, nothing signed; after a top-up one anchor",
)
@pytest.mark.fault(
    "C3",
    how="the balance is gone when the stored transaction is sent",
    then="exit code 30; after a top-up the same bytes; one anchor",
)
def test_empty_pockets_cost_nothing(faulty: Faulty) -> None:
    set_balance(faulty, 1)
    faulty.fails(ExitCode.FUNDS, "cannot pay for the transaction")
    assert faulty.signed() == []
    set_balance(faulty, 10**18)

    def spends(call: Call) -> bytes:
        set_balance(faulty, 1)
        return call.forward()

    faulty.proxy.on(SEND, spends)
    faulty.fails(ExitCode.FUNDS, "cannot pay for the transaction")
    faulty.fails(ExitCode.FUNDS, "cannot pay for the transaction")
    assert len(faulty.signed()) == 1
    set_balance(faulty, 10**18)
    faulty.finishes()
    assert len(faulty.signed()) == len(set(faulty.proxy.sent())) == 1
    set_balance(faulty, 10**22)


@pytest.mark.fault(
    "C3",
    how="each client's words for a sender who cannot pay, to the send and to the estimate",
    then="exit code 30 with the address; afterwards one anchor",
)
def test_each_clients_words_for_empty_pockets(on_anvil: Faulty, injected: Injected) -> None:
    texts = texts_of(Refusal.FUNDS)
    for item in texts:
        on_anvil.proxy.on("eth_estimateGas", refuses(item.text))
        on_anvil.fails(ExitCode.FUNDS, f"{format_address(DEV_ADDRESS)} cannot pay")
    for item in texts:
        on_anvil.proxy.on(SEND, refuses(item.text))
        on_anvil.fails(ExitCode.FUNDS, f"{format_address(DEV_ADDRESS)} cannot pay")
    on_anvil.finishes()
    assert len(on_anvil.signed()) == 1
    injected(2 * len(texts))


# Gas


@pytest.mark.fault(
    "C4",
    how="the root is on chain already, and only the answer to the send was lost with the process",
    then="the anchor is adopted without a transaction; one anchor",
)
def test_what_is_on_chain_already_is_adopted(faulty: Faulty) -> None:
    def ends(call: Call) -> None:
        loses_response(call)
        faulty.proxy.always("eth_getTransactionReceipt", loses_request)

    faulty.proxy.on(SEND, ends)
    faulty.fails(ExitCode.CANNOT_CHECK, "cannot be reached")
    before = faulty.proxy.asked("eth_estimateGas")
    faulty.finishes()
    assert faulty.proxy.asked("eth_estimateGas") == before
    assert len(faulty.signed()) == 1


@pytest.mark.fault(
    "C5",
    how="half the gas it takes is estimated and said to suffice: it runs out of gas on chain",
    then="exit code 21 until that is final, then another transaction; one anchor",
)
@pytest.mark.fault(
    "C7",
    how="our transaction is included and reverts",
    then="exit code 21; nothing is settled before it is final, nothing called anchored",
)
def test_a_transaction_that_runs_out_of_gas(on_anvil: Faulty) -> None:
    on_anvil.proxy.on("eth_estimateGas", answers(hex(40_000)))
    on_anvil.proxy.on("eth_call", answers("0x"))
    on_anvil.fails(ExitCode.NOT_FINAL, "was included and reverted")
    on_anvil.fails(ExitCode.NOT_FINAL, "was included and reverted")
    assert on_anvil.site.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") == [(1,)]
    for _ in range(4):
        on_anvil.mine()
    on_anvil.proxy.calm()
    on_anvil.run()
    on_anvil.check(wasted=1)
    assert len(on_anvil.signed()) == 2


@pytest.mark.fault(
    "C7",
    how="our transaction is included and reverts, and the node's answer to the send is an error "
    "(hardhat)",
    then="its receipt decides, not the error: exit code 32, then another transaction; one anchor",
)
def test_a_revert_told_as_a_refusal(new_site: MakeSite, hardhat: Hardhat) -> None:
    with open_faulty(new_site, hardhat) as faulty:
        trust_newest_block(faulty.site, hardhat)
        faulty.proxy.on("eth_estimateGas", answers(hex(40_000)))
        faulty.proxy.on("eth_call", answers("0x"))
        faulty.fails(ExitCode.CHAIN_GUARD, "reverted")
        faulty.proxy.calm()
        faulty.run()
        faulty.check(wasted=1)


@pytest.mark.fault(
    "C5",
    how="the node cannot run the call or the estimate: an internal error, a time-out, no state",
    then="exit code 20, nothing signed; the next run finishes",
)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
@pytest.mark.parametrize(
    "text", ["internal error", "execution aborted (timeout = 5s)", "header not found"]
)
def test_a_node_that_cannot_run_the_call(on_anvil: Faulty, method: str, text: str) -> None:
    on_anvil.proxy.on(method, refuses(text))
    on_anvil.fails(ExitCode.CANNOT_CHECK, text)
    on_anvil.finishes()


@pytest.mark.fault(
    "C5",
    how="an estimate that is null, negative, a float or larger than any block",
    then="exit code 20, nothing signed; the next run finishes",
)
def test_an_estimate_that_cannot_be(on_anvil: Faulty, injected: Injected) -> None:
    estimates: list[Any] = [None, "-0x1", 1.5, "0x", hex(2**64), hex(2**255)]
    for estimate in estimates:
        on_anvil.proxy.on("eth_estimateGas", answers(estimate))
        on_anvil.fails(ExitCode.CANNOT_CHECK, "eth_estimateGas")
    assert on_anvil.signed() == []
    on_anvil.finishes()
    injected(len(estimates))


@pytest.mark.fault(
    "C5",
    how="the block's gas limit falls below what an anchor takes, and rises again",
    then="the node's refusal (20), nothing signed; afterwards one anchor",
)
def test_a_block_too_small_for_an_anchor(on_anvil: Faulty) -> None:
    ask(on_anvil.node.url, "anvil_setBlockGasLimit", hex(50_000))
    on_anvil.fails(ExitCode.CANNOT_CHECK, "OOG")
    assert on_anvil.signed() == []
    ask(on_anvil.node.url, "anvil_setBlockGasLimit", hex(30_000_000))
    on_anvil.finishes()


@pytest.mark.fault(
    "C6",
    how="an estimate above the transaction gas cap (EIP-7825, 16,777,216)",
    then="not signed (20); the next run finishes",
)
def test_gas_above_the_cap_of_a_transaction(new_site: MakeSite, hardhat: Hardhat) -> None:
    with open_faulty(new_site, hardhat) as faulty:
        trust_newest_block(faulty.site, hardhat)
        faulty.proxy.on("eth_estimateGas", answers(hex(20_000_000)))
        faulty.fails(ExitCode.CANNOT_CHECK, "a transaction may use at most 16,777,216")
        assert faulty.signed() == []
        faulty.finishes()


@pytest.mark.fault(
    "C7",
    how="each node's answer to a call that would revert",
    then="exit code 32 with the registry's own error, nothing signed; the next run finishes",
)
def test_a_call_that_would_revert_is_never_sent(faulty: Faulty) -> None:
    def bends(call: Call) -> bytes:
        """Ask for an anchor of size zero, which the registry refuses."""
        data = call.params[0]["data"]
        params = [
            {**call.params[0], "data": data[: 2 + 8 + 128] + "00" * 32 + data[202:]},
            "latest",
        ]
        return call.forward_as(params)

    faulty.proxy.on("eth_call", bends)
    faulty.fails(ExitCode.CHAIN_GUARD, "the registry would refuse this call: InvalidSize(size=0")
    assert faulty.signed() == []
    faulty.finishes()


# Other rules


@pytest.mark.fault(
    "C8",
    how="the same run under the gas rules of other hard forks, older and newer",
    then="estimated anew each time, nothing hard-coded; one anchor",
)
@pytest.mark.parametrize("fork", ["shanghai", "osaka"])
def test_gas_is_estimated_under_each_forks_rules(
    new_site: MakeSite, anvil_path: Path, tmp_path: Path, fork: str
) -> None:
    program = tmp_path / "anvil"
    program.write_text(
        f'#!/bin/bash\nexec "{anvil_path}" "${{@/--hardfork=prague/--hardfork={fork}}}"\n'
    )
    program.chmod(0o755)
    with open_devnet(anvil=program) as node:
        stop_the_clock(node.url)
        with open_faulty(new_site, node) as faulty:
            faulty.run()
            faulty.site.add("b", b"b")
            faulty.run()
            faulty.check()
