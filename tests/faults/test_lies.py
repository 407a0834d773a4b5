"""One node lies about what a transaction needs: it delays, and decides nothing.

With two of three that have to agree, the node that is read lies; then the only node there is lies.
Afterwards, with honest nodes, the log goes on without a hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, Refused, bent_node
from support.fixtures import MakeSite
from support.nodes import ask, nonce, stop_the_clock
from support.projects import Site

from anchor.base.errors import AnchorError, ExitCode
from anchor.chain.devnet import Devnet
from anchor.chain.tx_decoding import read_gas_limit
from anchor.project.nodes import open_chain
from anchor.store.tx_journal import StoredJournal

pytestmark = pytest.mark.release

GWEI = 10**9
CAP = 100 * GWEI
FALSE_HASH = "0x" + "f0" * 32


def shifted(by: int) -> Bend:
    """A count that is off by so much, the same each time."""
    return lambda params, right: hex(max(int(right, 16) + by, 0))


def instead(value: Any) -> Bend:
    return lambda params, right: value


def in_block(**members: Any) -> Bend:
    """Blocks that are said to have other members."""
    return lambda params, right: (
        right and {name: value for name, value in (right | members).items() if value is not None}
    )


def in_receipt(**members: Any) -> Bend:
    return lambda params, right: right and right | members


def refusing(text: str, code: int = -32000) -> Bend:
    def bend(params: list[Any], right: Any) -> Any:
        raise Refused(code, text)

    return bend


def invented(params: list[Any], right: Any) -> Any:
    """A receipt of success for whatever is asked, in block 1."""
    return right or {
        "transactionHash": params[0],
        "blockHash": FALSE_HASH,
        "blockNumber": "0x1",
        "status": "0x1",
        "gasUsed": hex(60_000),
        "effectiveGasPrice": hex(2 * GWEI),
    }


NONCE, ESTIMATE = "eth_getTransactionCount", "eth_estimateGas"
BLOCK, TIP, PRICE = "eth_getBlockByNumber", "eth_maxPriorityFeePerGas", "eth_gasPrice"
RECEIPT, BALANCE, CALL = "eth_getTransactionReceipt", "eth_getBalance", "eth_call"

LIES: dict[str, dict[str, Bend]] = {
    "nonce + 1": {NONCE: shifted(1)},
    "nonce + 50": {NONCE: shifted(50)},
    "nonce + 2^40": {NONCE: shifted(2**40)},
    "nonce - 1": {NONCE: shifted(-1)},
    "nonce 0": {NONCE: instead("0x0")},
    "estimate low": {ESTIMATE: instead(hex(30_000)), CALL: instead("0x")},
    "estimate of a block": {ESTIMATE: instead(hex(29_000_000)), CALL: instead("0x")},
    "estimate of 2^32 - 1": {ESTIMATE: instead(hex(2**32 - 1)), CALL: instead("0x")},
    "estimate refused": {ESTIMATE: refusing("execution reverted", 3)},
    "base fee 0": {BLOCK: in_block(baseFeePerGas="0x0")},
    "base fee half the cap": {BLOCK: in_block(baseFeePerGas=hex(CAP // 2)), TIP: instead("0xfff")},
    "base fee 10^6 gwei": {BLOCK: in_block(baseFeePerGas=hex(10**6 * GWEI))},
    "no base fee": {BLOCK: in_block(baseFeePerGas=None), PRICE: instead(hex(CAP))},
    "no base fee, of an unknown kind": {
        BLOCK: in_block(baseFeePerGas=None, unheardOf="0x1"),
        PRICE: instead(hex(CAP)),
    },
    "tip 10^6 gwei": {TIP: instead(hex(10**6 * GWEI))},
    "tip 0": {TIP: instead("0x0")},
    "receipt withheld": {RECEIPT: instead(None)},
    "receipt invented": {RECEIPT: invented},
    "receipt of a revert": {RECEIPT: in_receipt(status="0x0")},
    "receipt of 1 gas at 1 wei": {RECEIPT: in_receipt(gasUsed="0x1", effectiveGasPrice="0x1")},
    "receipt at the cap": {RECEIPT: in_receipt(effectiveGasPrice=hex(CAP))},
    "receipt of another block": {RECEIPT: in_receipt(blockHash=FALSE_HASH)},
    "balance 0": {BALANCE: instead("0x0")},
}


@dataclass
class Liar:
    """A project whose first node lies; ``others`` are its honest witnesses."""

    site: Site
    node: BentNode
    others: list[BentNode]
    first_nonce: int

    def run(self) -> AnchorError | None:
        """Do what ``anchor run --once`` does, and wait until it is final."""
        with self.site.open() as project:
            chain = open_chain(project.config, lambda _: None)
        try:
            self.site.round(chain)
        except AnchorError as error:
            return error
        return None

    def make_final(self) -> None:
        ask(self.site.url, "anvil_mine", "0x4")

    def signed(self) -> list[tuple[int, int, int, bytes]]:
        rows = self.site.rows(
            "SELECT nonce, max_fee, priority_fee, raw FROM attempts WHERE head_size IS NOT NULL"
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def check_signed(self) -> None:
        """Nothing is signed that the chain's own figures do not call for."""
        for number, max_fee, tip, raw in self.signed():
            assert self.first_nonce <= number <= nonce(self.site.url), "a nonce out of reach"
            assert max_fee <= 6 * GWEI, "a price that nobody asks for"
            assert tip <= 2 * GWEI
            assert read_gas_limit(raw) <= 200_000, "a gas limit that nobody needs"

    def check_whole(self, heads: int) -> None:
        """Each head has one anchor; nothing failed, and what it cost is what it really cost."""
        assert [size for size, _ in self.site.anchors_on_chain()] == list(range(1, heads + 1))
        assert nonce(self.site.url) == self.first_nonce + heads
        self.check_signed()
        hashes = self.site.rows("SELECT hex(tx_hash) FROM attempts WHERE head_size IS NOT NULL")
        receipts = [ask(self.site.url, RECEIPT, f"0x{row[0].lower()}") for row in hashes]
        spent = sum(
            int(each["gasUsed"], 16) * int(each["effectiveGasPrice"], 16)
            for each in receipts
            if each is not None
        )
        with self.site.open() as project:
            journal = StoredJournal(project.database, lambda: "now")
            confirmed = journal.sum_costs(project.config.chain_id, 0)
        ((before,),) = self.site.rows(
            "SELECT sum(gas_used * gas_price) FROM slots WHERE nonce < "
            f"{self.first_nonce} AND confirmed_at IS NOT NULL"
        )
        ((open_,),) = self.site.rows(
            "SELECT count(*) FROM slots WHERE confirmed_at IS NULL AND outcome IS NOT 'unused'"
        )
        assert confirmed >= spent + (before or 0)
        if not open_:
            assert confirmed == spent + (before or 0)


@contextmanager
def lying(new_site: MakeSite, node: Devnet, *, witnesses: int) -> Iterator[Liar]:
    site = new_site(node)
    stop_the_clock(site.url)
    ask(site.url, "anvil_mine", "0x4")
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(1 + witnesses)]
        others = json.dumps([each.url for each in nodes[1:]])
        text = f'rpc = "{nodes[0].url}"' + (f"\nwitnesses = {others}" if witnesses else "")
        site.edit(f'rpc = "{site.url}"', text)
        yield Liar(site, nodes[0], nodes[1:], nonce(site.url))


@pytest.fixture
def trio(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Liar]:
    with lying(new_site, own_anvil, witnesses=2) as liar:
        yield liar


@pytest.fixture
def alone(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Liar]:
    with lying(new_site, own_anvil, witnesses=0) as liar:
        yield liar


def add(liar: Liar, name: str) -> None:
    liar.site.add(name, name.encode())


@pytest.mark.fault(
    "E10",
    how="with two of three that agree, the node that is read lies about nonce, gas, base fee, gas "
    "price, tip, receipt or balance, each in several ways",
    then="what is signed and booked is what the others say; one anchor for each head",
)
@pytest.mark.parametrize("lie", LIES)
def test_the_node_that_is_read_decides_nothing_alone(trio: Liar, lie: str) -> None:
    trio.node.bend = dict(LIES[lie])
    add(trio, "a")
    assert trio.run() is None, "two of three are honest"
    trio.check_signed()
    trio.make_final()
    add(trio, "b")
    assert trio.run() is None
    trio.make_final()
    trio.check_whole(2)
    trio.node.bend.clear()
    add(trio, "c")
    assert trio.run() is None
    trio.check_whole(3)


# What one node alone says in vain, and with which code; other lies are found to be none, or cost
# no more than the cap allows.
FOUND_ALONE = {
    "nonce + 1": (20, "but proves that it is"),
    "nonce + 50": (20, "but proves that it is"),
    "nonce + 2^40": (20, "but proves that it is"),
    "estimate of a block": (20, "a transaction may use at most 16,777,216"),
    "estimate of 2^32 - 1": (20, "a transaction may use at most 16,777,216"),
    "estimate refused": (20, "refuses to estimate the gas of a call that would succeed"),
    "base fee 0": (20, "does not have the block's hash"),
    "base fee half the cap": (20, "does not have the block's hash"),
    "base fee 10^6 gwei": (20, "does not have the block's hash"),
    "no base fee": (20, "has no base fee"),
    "no base fee, of an unknown kind": (20, "has no base fee"),
    "receipt of 1 gas at 1 wei": (20, "a receipt of 1 gas for a transaction that must use"),
    "receipt at the cap": (20, "wei per gas for a transaction that must pay"),
    "receipt withheld": (21, "was sent but not included"),
    "receipt of another block": (21, "was sent but not included"),
    "balance 0": (30, "cannot pay"),
}


@pytest.mark.fault(
    "E10",
    how="the only node lies about nonce, gas, base fee, receipt or balance, so that it shows",
    then="refused or waited for (20, 21, 30), nothing out of reach signed; then one anchor a head",
)
@pytest.mark.parametrize("lie", FOUND_ALONE)
def test_what_the_only_node_cannot_mean_is_not_signed_for(alone: Liar, lie: str) -> None:
    code, text = FOUND_ALONE[lie]
    alone.site.edit("wait_seconds = 600", "wait_seconds = 20")
    alone.node.bend = dict(LIES[lie])
    add(alone, "a")
    error = alone.run()
    assert error is not None
    assert int(error.exit_code) == code, error
    assert text in error.message, error
    alone.check_signed()
    alone.node.bend.clear()
    assert alone.run() is None
    alone.make_final()
    add(alone, "b")
    assert alone.run() is None
    alone.check_whole(2)


@pytest.mark.fault(
    "E10",
    how="the only node withholds the receipt, also when its block is final",
    then="cannot tell (20), never 'another program'; the cost counts at the most; then settled",
)
def test_a_withheld_receipt_is_no_other_program(alone: Liar) -> None:
    alone.site.edit("wait_seconds = 600", "wait_seconds = 20")
    alone.node.bend = dict(LIES["receipt withheld"])
    add(alone, "a")
    assert alone.run() is not None
    alone.make_final()
    add(alone, "b")
    for _ in range(2):
        error = alone.run()
        assert error is not None
        assert error.exit_code is ExitCode.CANNOT_CHECK
        assert "by one of our transactions" in error.message
    (attempt,) = alone.signed()
    with alone.site.open() as project:
        journal = StoredJournal(project.database, lambda: "now")
        most = read_gas_limit(attempt[3]) * attempt[1]
        assert journal.sum_costs(project.config.chain_id, 0) >= most
    alone.node.bend.clear()
    assert alone.run() is None
    alone.make_final()
    add(alone, "c")
    assert alone.run() is None
    assert [size for size, _ in alone.site.anchors_on_chain()] == [1, 2, 3]


@pytest.mark.fault(
    "E10",
    how="every node withholds the receipt of an anchor that is not final yet",
    then="it is in the registry, so that it stays included and the next one follows at once",
)
def test_an_anchor_whose_receipt_all_withhold_is_not_lost(trio: Liar) -> None:
    add(trio, "a")
    assert trio.run() is None
    (newest,) = trio.site.rows("SELECT tx_hash FROM attempts ORDER BY nonce DESC LIMIT 1")[0]

    def withheld(params: list[Any], right: Any) -> Any:
        return None if params[0] == "0x" + newest.hex() else right

    for node in [trio.node, *trio.others]:
        node.bend = {RECEIPT: withheld}
    add(trio, "b")
    assert trio.run() is None
    assert [size for size, _ in trio.site.anchors_on_chain()] == [1, 2]
    assert trio.site.rows("SELECT DISTINCT outcome FROM slots") == [("included",)]


@pytest.mark.fault(
    "E10",
    how="all three nodes lose the receipt of an anchor and the state of old blocks",
    then="cannot tell (20); the nonce counts at the most it may have cost; then the log goes on",
)
def test_a_receipt_that_no_node_has_any_more_parks_nothing(trio: Liar) -> None:
    trio.site.edit("wait_seconds = 600", "wait_seconds = 20")
    nodes = [trio.node, *trio.others]
    latest_only = {"latest", "finalized", "pending"}

    def pruned(params: list[Any], right: Any) -> Any:
        if isinstance(params[1], str) and params[1] not in latest_only:
            raise Refused(-32000, "missing trie node")
        return right

    rows = trio.site.rows("SELECT tx_hash FROM attempts")
    deployment = ["0x" + tx_hash.hex() for (tx_hash,) in rows]

    def dropped(params: list[Any], right: Any) -> Any:
        return right if params[0] in deployment else None

    for node in nodes:
        node.bend = {RECEIPT: dropped, NONCE: pruned}
    add(trio, "a")
    assert trio.run() is not None
    trio.make_final()
    add(trio, "b")
    error = trio.run()
    assert error is not None
    assert error.exit_code is ExitCode.CANNOT_CHECK
    assert "neither a receipt of our transaction" in error.message
    for node in nodes:
        node.bend.clear()
    assert trio.run() is None
    assert [size for size, _ in trio.site.anchors_on_chain()] == [1, 2]
    ((foreign,),) = trio.site.rows("SELECT count(*) FROM slots WHERE outcome = 'foreign'")
    assert foreign == 1
