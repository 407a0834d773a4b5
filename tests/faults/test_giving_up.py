"""A stored transaction that the chain never comes to: seen, proven, given up, and outbid later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.bent_nodes import bent_node
from support.fixtures import MakeSite
from support.nodes import DEV, ask, nonce, stop_the_clock, wait_until
from support.projects import Site

from anchor.base.errors import ChainGuardError
from anchor.base.system.clock import SystemClock
from anchor.base.types import Address
from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.chain.next_nonce import NonceChooser
from anchor.ethereum.keccak import format_address

pytestmark = pytest.mark.release

MISSING = "the chain expects an earlier one"


@pytest.fixture
def own_site(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Site]:
    """A project with a piece of evidence, all of whose transactions are final."""
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    site.edit("wait_seconds = 600", "wait_seconds = 20")
    site.add("a", b"a")
    make_final(site)
    yield site


def make_final(site: Site) -> None:
    ask(site.url, "anvil_mine", "0x4")


def park(site: Site, ahead: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Sign and store what an earlier release signed when a node named too high a nonce."""
    wrong = nonce(site.url) + ahead

    def choose(*_: object) -> int:
        return wrong

    with monkeypatch.context() as patch:
        patch.setattr(NonceChooser, "choose", choose)
        with pytest.raises(ChainGuardError, match=MISSING):
            site.round()
    return wrong


def outcomes(site: Site) -> list[tuple[Any, ...]]:
    return site.rows("SELECT nonce, outcome FROM slots WHERE outcome = 'given-up'")


@pytest.mark.fault(
    "B1",
    how="a transaction is stored for a nonce 50, or 2^40, above the chain's",
    then="run 32 and doctor 32 name it; given up with the final block as proof, the log goes on",
)
@pytest.mark.parametrize("ahead", [50, 2**40])
def test_what_the_chain_never_comes_to_is_given_up(
    own_site: Site, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = nonce(own_site.url)
    wrong = park(own_site, ahead, monkeypatch)
    ran = own_site.run("run", "--once").refused(32, MISSING)
    assert f"`anchor transactions give-up {wrong}`" in ran.err
    doctor = own_site.run("doctor").expect(32, f"nonce {wrong}", f"the chain expects nonce {right}")
    assert f"give-up {wrong}" in doctor.out
    assert f"nonce {wrong}" in own_site.run("transactions", "list").expect(0, ": open").out
    document = own_site.run("transactions", "give-up", str(wrong), "--json").expect(0).document
    assert document["final_nonce"] == right
    assert outcomes(own_site) == [(wrong, "given-up")]
    own_site.run("run", "--once", "--wait", "included").expect(0)
    assert own_site.anchors_on_chain() == [(1, 1)]
    assert nonce(own_site.url) == right + 1
    own_site.run("doctor").expect(0, f"given up: nonce {wrong}")
    own_site.run("audit").expect(0)
    listed = own_site.run("transactions", "list", "--json").expect(0).document
    assert [item["state"] for item in listed["transactions"]] == ["given-up"]


@pytest.mark.fault(
    "B1",
    how="the log comes to the nonce that was given up, whose bytes no pool holds",
    then="they are outbid at that nonce, with a newer head; one anchor for each head",
)
def test_the_nonce_that_was_given_up_is_outbid_when_it_comes(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = park(own_site, 1, monkeypatch)
    ask(own_site.url, "anvil_dropAllTransactions")
    own_site.run("transactions", "give-up", str(wrong)).expect(0)
    own_site.round()
    own_site.add("b", b"b")
    own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2)]
    fees = own_site.rows(
        f"SELECT max_fee, head_size FROM attempts WHERE nonce = {wrong} ORDER BY 1"
    )
    assert [size for _, size in fees] == [1, 2]
    assert 8 * fees[1][0] >= 9 * fees[0][0]
    own_site.add("c", b"c")
    own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2), (3, 3)]
    make_final(own_site)
    own_site.run("audit").expect(0)


@pytest.mark.fault(
    "B1",
    how="a pool holds the bytes that were given up, and includes them once the gap is filled",
    then="the registry refuses the old head; the log goes on without a hand",
)
def test_bytes_that_were_given_up_and_come_back_anchor_nothing(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = park(own_site, 1, monkeypatch)
    (raw,) = own_site.rows(f"SELECT raw FROM attempts WHERE nonce = {wrong}")[0]
    own_site.run("transactions", "give-up", str(wrong)).expect(0)
    ask(own_site.url, "anvil_dropAllTransactions")
    own_site.round()
    hash_ = ask(own_site.url, "eth_sendRawTransaction", "0x" + raw.hex())
    receipt = wait_until(lambda: ask(own_site.url, "eth_getTransactionReceipt", hash_))
    assert receipt["status"] == "0x0"
    for name in ("b", "c"):
        own_site.add(name, name.encode())
        own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2), (3, 3)]
    assert own_site.rows(f"SELECT outcome FROM slots WHERE nonce = {wrong}") == [("reverted",)]
    make_final(own_site)
    own_site.run("audit").expect(0)


def test_what_can_still_be_mined_is_not_given_up(own_site: Site) -> None:
    own_site.run("transactions", "give-up", "5").refused(
        2, "no transaction with nonce 5 is pending"
    )
    ask(own_site.url, "evm_setAutomine", False)
    own_site.run("run", "--once", "--wait", "included").refused(21)
    number = nonce(own_site.url)
    own_site.run("transactions", "give-up", str(number)).refused(32, "the chain has reached it")
    make_final(own_site)
    own_site.run("transactions", "give-up", str(number)).refused(32, "is used in the final block")
    ask(own_site.url, "evm_setAutomine", True)
    own_site.run("run", "--once", "--wait", "included").expect(0)
    assert outcomes(own_site) == []


def test_a_gap_that_somebody_may_fill_is_no_proof(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = nonce(own_site.url)
    wrong = park(own_site, 2, monkeypatch)
    ask(own_site.url, "evm_setAutomine", False)
    filling = {"from": DEV, "to": DEV, "gas": "0x5208"}
    ask(own_site.url, "eth_sendTransaction", filling | {"nonce": hex(right)})
    refused = own_site.run("transactions", "give-up", str(wrong)).refused(32, "a node holds")
    assert f"transactions of {format_address(DEV_ADDRESS)} up to nonce {right}" in refused.err
    ask(own_site.url, "anvil_dropAllTransactions")
    # One node that has seen more is enough to refuse, whatever the others say.
    with bent_node(own_site.url) as ahead, bent_node(own_site.url) as third:
        ahead.bend["eth_getTransactionCount"] = lambda params, right: (
            hex(wrong) if params[1] == "latest" else right
        )
        others = json.dumps([ahead.url, third.url])
        own_site.edit(f'rpc = "{own_site.url}"', f'rpc = "{own_site.url}"\nwitnesses = {others}')
        own_site.run("transactions", "give-up", str(wrong)).refused(32, "the chain has reached it")
        ahead.bend.clear()
        own_site.run("transactions", "give-up", str(wrong)).expect(0)


def test_what_does_something_else_than_anchor_is_not_given_up(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = nonce(own_site.url) + 3
    with monkeypatch.context() as patch:
        patch.setattr(NonceChooser, "choose", lambda *_: wrong)
        with own_site.open() as project:
            patch.setattr("support.projects.SystemClock", _Hurried)
            assert project is not None
        with pytest.raises(ChainGuardError, match=MISSING):
            own_site.authorise(Address(b"\x22" * 20), 7)
    refused = own_site.run("transactions", "give-up", str(wrong)).refused(
        32, "something other than anchoring"
    )
    assert "fill the gap" in refused.err
    assert outcomes(own_site) == []


class _Hurried:
    """A clock on which every wait is over at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


# What `anchor doctor` sees besides


def test_doctor_sees_a_transaction_that_no_block_takes(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(own_site.url, "evm_setAutomine", False)
    own_site.run("run", "--once", "--wait", "included").refused(21)
    number = nonce(own_site.url)
    own_site.run("doctor").expect(0, f"nonce {number}", "is pending, signed 1 times")
    ask(own_site.url, "anvil_dropAllTransactions")
    ask(own_site.url, "anvil_setBlockGasLimit", hex(75_000))
    ask(own_site.url, "evm_mine")
    own_site.run("doctor").expect(0, "exceeds that of any block")
    ask(own_site.url, "anvil_setBalance", DEV, "0x1")
    ask(own_site.url, "anvil_setBlockGasLimit", hex(30_000_000))
    ask(own_site.url, "evm_mine")
    own_site.run("doctor").expect(30, "the pending transaction may cost")
    ask(own_site.url, "anvil_setBalance", DEV, hex(10**22))
    ask(own_site.url, "evm_setAutomine", True)
    own_site.run("run", "--once", "--wait", "included").expect(0)
    own_site.run("doctor").expect(0, "none is pending")


@pytest.mark.fault(
    "C5",
    how="the block's gas limit falls below that of a stored transaction, in anvil's own words",
    then="it is signed anew with what a block takes, at the same nonce; one anchor",
)
def test_a_stored_transaction_with_too_much_gas_is_signed_anew(own_site: Site) -> None:
    ask(own_site.url, "evm_setAutomine", False)
    own_site.run("run", "--once", "--wait", "included").refused(21)
    ask(own_site.url, "anvil_dropAllTransactions")
    ask(own_site.url, "anvil_setBlockGasLimit", hex(75_000))
    ask(own_site.url, "evm_mine")
    ask(own_site.url, "evm_setAutomine", True)
    # anvil mines soon after it answers, not before
    own_site.round(clock=SystemClock())
    assert own_site.anchors_on_chain() == [(1, 1)]
    ((nonces, attempts),) = own_site.rows(
        "SELECT count(DISTINCT nonce), count(*) FROM attempts WHERE head_size IS NOT NULL"
    )
    assert (nonces, attempts) == (1, 2)


def test_doctor_names_a_node_that_lags_behind(own_site: Site) -> None:
    ask(own_site.url, "anvil_mine", "0x9")
    old = ask(own_site.url, "eth_getBlockByNumber", "0x2", False)
    with bent_node(own_site.url) as lagging, bent_node(own_site.url) as third:
        lagging.bend["eth_getBlockByNumber"] = lambda params, right: (
            old if params[0] == "latest" else right
        )
        others = json.dumps([lagging.url, third.url])
        own_site.edit(f'rpc = "{own_site.url}"', f'rpc = "{own_site.url}"\nwitnesses = {others}')
        ran = own_site.run("doctor")
    assert f"{lagging.url} is at block 2, " in ran.out
    assert f"{third.url} is at" not in ran.out


def test_doctor_says_that_there_is_no_budget(own_site: Site) -> None:
    own_site.run("doctor").expect(0, "without a budget: this is a development chain")
    own_site.edit('# budget_ether = "0.5"', 'budget_ether = "0.5"')
    own_site.run("doctor").expect(0, "up to 100 gwei per gas, 0.5 ether in 30 days")
