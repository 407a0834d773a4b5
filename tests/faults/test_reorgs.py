"""Reorganisations of every depth, before and after finality, and chains that say little of it.

The node is a real anvil; what it drops is not in its pool any more, as the worst of nodes would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from support.bent_nodes import Refused, anvil_with, bent_node
from support.clocks import FastClock
from support.fixtures import MakeSite
from support.nodes import ask, nonce, stop_the_clock
from support.operators import Operator
from support.projects import Site, make_site, reading

from anchor.base.errors import CannotCheckError, ChainGuardError, NotFinalError
from anchor.base.system.clock import utc_now
from anchor.base.types import Address
from anchor.chain.devnet import DEV_ADDRESS, PUBLIC_DEV_KEY, Devnet, open_devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.ethereum.keccak import format_address, hash_keccak256
from anchor.operate import daemon
from anchor.operate.finality import refresh_anchors
from anchor.operate.single_run import RunResult
from anchor.store.tx_journal import StoredJournal

GWEI = 10**9
SECOND_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@dataclass
class Log:
    """A project on a chain of its own, where time stands still."""

    site: Site
    reports: list[str] = field(default_factory=list)

    def ask(self, method: str, *params: Any) -> Any:
        return ask(self.site.url, method, *params)

    def mine(self, count: int = 1) -> None:
        if count:
            self.ask("anvil_mine", hex(count))

    def reorg(self, depth: int, *transactions: tuple[str, int]) -> None:
        """Replace the last ``depth`` blocks by others, with these raw transactions in them."""
        self.ask("anvil_reorg", depth, [[raw, block] for raw, block in transactions])

    def run(self, clock: FastClock | None = None, url: str | None = None) -> RunResult:
        return self.site.round(url=url, clock=clock, report=self.reports.append)

    def refresh(self, url: str | None = None) -> int:
        with self.site.lead() as project, reading(url or self.site.url) as node:
            return len(refresh_anchors(project, node))

    def add(self, name: str) -> None:
        self.site.add(name, name.encode())

    def anchored(self, name: str) -> str:
        """Anchor a new piece of evidence, and return the raw transaction."""
        self.add(name)
        self.run()
        return self.raw()[-1]

    def raw(self) -> list[str]:
        """Return every transaction ever signed for an anchor."""
        query = "SELECT hex(raw) FROM attempts WHERE head_size IS NOT NULL ORDER BY nonce, max_fee"
        return [f"0x{row[0].lower()}" for row in self.site.rows(query)]

    def stored(self) -> list[tuple[int, int, int]]:
        """Return size, block and finality of every anchor in the store."""
        rows = self.site.rows(
            "SELECT head_size, block_number, final FROM anchors ORDER BY head_size"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def outcomes(self) -> list[str | None]:
        return [row[0] for row in self.site.rows("SELECT outcome FROM slots ORDER BY nonce")]


@pytest.fixture
def deep_anvil(anvil_path: Path, tmp_path: Path) -> Iterator[Devnet]:
    """An anvil whose blocks become final after 400 more."""
    with open_devnet(anvil=anvil_with(tmp_path, anvil_path, slots_in_an_epoch=200)) as node:
        stop_the_clock(node.url)
        yield node


@pytest.fixture
def deep(new_site: MakeSite, deep_anvil: Devnet) -> Log:
    log = Log(new_site(deep_anvil))
    log.mine()
    return log


@pytest.fixture
def shallow(new_site: MakeSite, own_anvil: Devnet) -> Log:
    """A log on a chain where two blocks on top make one final."""
    log = Log(new_site(own_anvil))
    stop_the_clock(own_anvil.url)
    return log


# What is included, and not final yet


@pytest.mark.fault(
    "D1",
    how="reorganisations of depth 1 to 64 drop our transaction from chain and pool",
    then="each time rolled back, and the same bytes sent again: one anchor for each head",
)
@pytest.mark.fault(
    "D9",
    how="a reorganisation of depth 157, as Polygon's in 2023",
    then="rolled back, and the same bytes sent again",
)
@pytest.mark.parametrize(
    "depths",
    [
        pytest.param([1, 2, 3, 8, 31, 32, 64, 157], id="some"),
        pytest.param([*range(1, 65), 157], id="all", marks=pytest.mark.slow),
    ],
)
def test_after_a_reorganisation_of_any_depth_the_same_bytes_are_sent_again(
    deep: Log, depths: list[int], injected: Callable[[int], None]
) -> None:
    injected(len(depths))
    start = nonce(deep.site.url)
    for count, depth in enumerate(depths, start=1):
        signed = deep.anchored(f"{depth}.txt")
        deep.mine(depth - 1)
        deep.reorg(depth)
        assert nonce(deep.site.url) == start + count - 1, "our block is gone"
        deep.refresh()
        assert len(deep.stored()) == count - 1, "rolled back"
        deep.run()
        assert deep.raw()[-1] == signed
        assert len(deep.raw()) == count
        assert nonce(deep.site.url) == start + count
    assert deep.site.anchors_on_chain() == [(size, size) for size in range(1, len(depths) + 1)]


@pytest.mark.fault(
    "D2",
    how="our transaction is included again, in a later block with another time",
    then="the new place and block hash replace the old ones; nothing is sent",
)
def test_an_anchor_that_moved_is_followed_with_its_hints(shallow: Log) -> None:
    raw = shallow.anchored("a.txt")
    ((_, block, _),) = shallow.stored()
    (old_hint,) = shallow.site.rows("SELECT hex(block_hash) FROM anchors")
    shallow.mine()
    shallow.ask("evm_increaseTime", 100)
    shallow.reorg(2, (raw, 1))
    sent = nonce(shallow.site.url)
    shallow.refresh()
    assert shallow.stored() == [(1, block + 1, 0)]
    (hint,) = shallow.site.rows("SELECT hex(block_hash) FROM anchors")
    now = shallow.ask("eth_getBlockByNumber", hex(block + 1), False)["hash"]
    assert f"0x{hint[0].lower()}" == now
    assert hint != old_hint
    shallow.mine(2)
    assert shallow.refresh() == 1
    file = shallow.site.folder / "a.txt"
    shallow.site.run("prove", file).expect(0)
    assert now in (shallow.site.folder / "a.txt.anchor.json").read_text()
    shallow.site.run("verify", file).expect(0)
    assert nonce(shallow.site.url) == sent


def second_operator(log: Log) -> Any:
    """Let the devnets' second key anchor in this log too; return what signs our call with it."""
    log.site.authorise(DEV_ADDRESSES[1], 1)
    second = Account.from_key(SECOND_KEY)

    def sign(raw: str) -> str:
        call = log.ask("eth_getTransactionByHash", hash_of(raw))
        fields = {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce(log.site.url, second.address),
            "to": checksum(call["to"]),
            "data": call["input"],
            "value": 0,
            "gas": 300_000,
            "maxFeePerGas": 50 * GWEI,
            "maxPriorityFeePerGas": 5 * GWEI,
        }
        return "0x" + bytes(second.sign_transaction(fields).raw_transaction).hex()

    return sign


def hash_of(raw: str) -> str:
    return "0x" + hash_keccak256(bytes.fromhex(raw[2:])).hex()


def checksum(address: str) -> str:
    return format_address(Address(bytes.fromhex(address[2:])))


@pytest.mark.fault(
    "D3",
    how="a reorganisation puts another operator's anchor of the same root first, then undoes that",
    then="ours reverts and theirs is adopted; when ours succeeds again it is ours again",
)
@pytest.mark.fault(
    "C7",
    how="our transaction is included and reverts",
    then="not settled before its block is final; nothing new is signed meanwhile",
)
def test_a_status_that_flips_is_followed_both_ways(deep: Log) -> None:
    sign = second_operator(deep)
    ours = deep.anchored("a.txt")
    theirs = sign(ours)
    deep.reorg(1, (theirs, 0), (ours, 0))
    assert deep.ask("eth_getTransactionReceipt", hash_of(ours))["status"] == "0x0"
    done = deep.run()
    assert done.anchored is not None
    assert deep.site.anchors_on_chain() == [(1, 1)]
    assert len(deep.raw()) == 1, "adopted"
    deep.reorg(1, (ours, 0))
    assert deep.ask("eth_getTransactionReceipt", hash_of(ours))["status"] == "0x1"
    deep.run()
    assert deep.site.anchors_on_chain() == [(1, 1)]
    assert len(deep.raw()) == 1


@pytest.mark.fault(
    "C7",
    how="our transaction reverts because another operator anchored that root in the same block",
    then="21 while that is reversible; adopted; once it is final its nonce is settled as reverted",
)
def test_a_revert_is_believed_only_when_it_is_final(shallow: Log) -> None:
    sign = second_operator(shallow)
    shallow.ask("evm_setAutomine", False)
    shallow.add("a.txt")
    clock = FastClock()

    def front_run() -> None:
        (ours,) = shallow.raw()
        shallow.ask("eth_sendRawTransaction", sign(ours))  # a higher tip, so it goes first
        shallow.mine()

    clock.at = {1.0: front_run}
    with pytest.raises(NotFinalError, match="included and reverted, in a block that is not final"):
        shallow.run(clock)
    assert shallow.outcomes()[-1] is None
    shallow.ask("evm_setAutomine", True)
    assert shallow.run().anchored is not None, "adopted"
    assert len(shallow.raw()) == 1
    shallow.add("b.txt")
    with pytest.raises(NotFinalError, match="in a block that is not final"):
        shallow.run()
    assert len(shallow.raw()) == 1, "nothing new is signed while that may be undone"
    shallow.mine(2)
    assert shallow.run().anchored is not None
    assert shallow.outcomes()[-2:] == ["reverted", "included"]
    assert shallow.site.anchors_on_chain() == [(1, 1), (2, 2)]


@pytest.mark.fault(
    "D4",
    how="a reorganisation after the daemon reported the anchor as included",
    then="told, and the same bytes are sent again at once, without new evidence",
)
def test_a_daemon_sends_again_what_a_reorganisation_took(deep: Log) -> None:
    operator = Operator(deep.site)
    operator.add("a")()
    operator.clock.at = {20.0: lambda: deep.reorg(1)}
    operator.run(until=40)
    assert operator.events() == ["included", "reorganised", "included"]
    (told,) = [item.text for item in operator.happened if item.event == "reorganised"]
    assert "is no longer on chain: sending it again" in told
    assert len(deep.raw()) == 1
    assert deep.site.anchors_on_chain() == [(1, 1)]


def test_a_daemon_tells_that_an_anchor_moved(deep: Log) -> None:
    operator = Operator(deep.site)
    operator.add("a")()

    def move() -> None:
        deep.mine()
        deep.reorg(2, (deep.raw()[0], 1))

    operator.clock.at = {20.0: move}
    operator.run(until=40)
    assert operator.events() == ["included", "reorganised"]
    assert "now" in operator.happened[-1].text
    assert len(deep.raw()) == 1


@pytest.mark.fault(
    "D6",
    how="finality stands still for hours",
    then="the anchor stays included; its age is told after 30 minutes and each hour; no resending",
)
def test_a_stalled_finality_is_told_and_waited_for(deep: Log, monkeypatch: Any) -> None:
    assert (daemon.LATE, daemon._REMIND) == (1800, 3600)
    # The same in minutes for hours, or these would be thousands of looks.
    monkeypatch.setattr(daemon, "LATE", 30.0)
    monkeypatch.setattr(daemon, "_REMIND", 60.0)
    operator = Operator(deep.site)
    operator.add("a")()
    sent = nonce(deep.site.url)
    operator.clock.at = {float(second): deep.mine for second in range(5, 150, 15)}
    operator.run(until=150)
    assert operator.events() == ["included", "late", "late"]
    assert "no transaction is sent again" in operator.happened[-1].text
    assert nonce(deep.site.url) == sent + 1
    assert len(deep.raw()) == 1


# After finality


@pytest.mark.fault(
    "D5",
    how="the chain is rolled back past final anchors and grows on without them",
    then="20 while that is not final, then 32 and an incident for each; the anchors stay stored; a "
    "daemon looks again, and does nothing meanwhile",
)
def test_a_contradiction_of_what_was_final_is_an_incident(shallow: Log) -> None:
    snapshot = shallow.ask("evm_snapshot")
    for name in ("a.txt", "b.txt"):
        shallow.anchored(name)
    shallow.mine(2)
    shallow.refresh()
    before = shallow.stored()
    assert [final for *_, final in before] == [1, 1]
    shallow.ask("evm_revert", snapshot)
    shallow.add("c.txt")
    with pytest.raises(CannotCheckError, match="does not show anchor 2, which was final"):
        shallow.run()
    assert shallow.site.rows("SELECT count(*) FROM incidents") == [(0,)]
    # Later than the anchors, too, however long they took.
    shallow.ask("evm_increaseTime", 300)
    shallow.mine(8)
    for _ in range(2):
        with pytest.raises(ChainGuardError, match=r"anchor 2 was final in block .* was not in the"):
            shallow.run()
    assert shallow.stored() == before
    assert [size for size, _ in shallow.site.heads()] == [1, 2], "nothing is sealed"
    assert shallow.site.rows("SELECT head_size, now_sequence FROM incidents ORDER BY 1") == [
        (1, None),
        (2, None),
    ]
    operator = Operator(shallow.site)
    operator.run(until=30)
    assert operator.events() == ["failed"] * 3
    assert "anchor 2 was final" in operator.happened[-1].text
    assert [size for size, _ in shallow.site.heads()] == [1, 2], "nothing is sealed"
    shallow.site.run("doctor").expect(32, "finality was violated")
    ran = shallow.site.run("run", "--once", "--wait", "included", "--accept-incidents")
    ran.expect(0, "accepted 2 incidents")
    # What was signed for the nonces that are free again is sent again, then the newest head.
    assert shallow.site.anchors_on_chain() == [(1, 1), (2, 2), (3, 3)]
    assert [size for size, *_ in shallow.stored()] == [3]
    assert shallow.site.rows("SELECT count(*) FROM incidents WHERE accepted_at IS NULL") == [(0,)]


@pytest.mark.fault(
    "D10",
    how="a reorganisation removes the registry's deployment with everything after it",
    then="refused (32); deploying again sends the same bytes, and then the anchor's",
)
def test_a_registry_that_is_gone_is_refused_and_deployed_again(
    tmp_path: Path, anvil_path: Path
) -> None:
    with open_devnet(anvil=anvil_with(tmp_path, anvil_path, slots_in_an_epoch=200)) as node:
        stop_the_clock(node.url)
        ask(node.url, "anvil_mine", "0x2")
        log = Log(make_site(tmp_path / "project", node, number=1))
        raw = log.anchored("a.txt")
        height = int(log.ask("eth_blockNumber"), 16)
        log.reorg(height - 2)
        with pytest.raises(ChainGuardError, match="there is no registry at"):
            log.run()
        assert nonce(node.url) == 0
        deployment = log.site.rows("SELECT hex(raw) FROM attempts WHERE head_size IS NULL")
        log.site.run("deploy").expect(0, "deployed the registry")
        assert log.site.rows("SELECT hex(raw) FROM attempts WHERE head_size IS NULL") == deployment
        log.run()
        assert log.raw() == [raw]
        assert log.site.anchors_on_chain() == [(1, 1)]


# Chains and nodes that say little of finality


@pytest.mark.fault(
    "D8",
    how="the node knows no `finalized` tag: an error, or null",
    then="told; cannot check (20) where finality is waited for; anchoring goes on",
)
@pytest.mark.parametrize("answer", ["-39001", "null", "newest"])
@pytest.mark.fault(
    "D8",
    how="the node's `finalized` tag always names its newest block",
    then="that is not taken for finality: told, cannot check (20), nothing becomes final",
)
def test_a_tag_that_says_nothing_makes_nothing_final(deep: Log, answer: str) -> None:
    def finalized(params: list[Any], right: Any) -> Any:
        if params[0] != "finalized":
            return right
        if answer == "-39001":
            raise Refused(-39001, "Unknown block")
        return None if answer == "null" else deep.ask("eth_getBlockByNumber", "latest", False)

    with bent_node(deep.site.url) as node:
        node.bend["eth_getBlockByNumber"] = finalized
        operator = Operator(deep.site)
        operator.add("a")()
        operator.run(until=20, url=node.url)
        assert operator.events() == ["warning", "included"]
        assert "none becomes final" in operator.happened[0].text
        ran = deep.site.run("run", "--once", "--wait", "final", env={"ANCHOR_CHAIN__RPC": node.url})
        ran.refused(20)
        assert "`finality` to a number" in ran.err
    assert [final for *_, final in deep.stored()] == [0]
    deep.site.edit('finality = "finalized"', "finality = 3")
    assert deep.refresh() == 0
    deep.mine(3)
    assert deep.refresh() == 1


@pytest.mark.fault(
    "D11",
    how="after a reorganisation the node still gives the receipt of the orphaned block",
    then="a receipt counts only with its block on the node's own chain: the bytes are sent again",
)
def test_a_receipt_from_an_orphaned_block_is_not_believed(deep: Log) -> None:
    raw = deep.anchored("a.txt")
    orphan = deep.ask("eth_getTransactionReceipt", hash_of(raw))
    deep.mine(5)
    deep.reorg(6)
    with bent_node(deep.site.url) as node:
        node.bend["eth_getTransactionReceipt"] = lambda params, right: right or orphan
        deep.run(url=node.url)
        assert [params[0] for params in node.asked("eth_sendRawTransaction")] == [raw]
    assert deep.site.anchors_on_chain() == [(1, 1)]
    assert deep.stored()[0][1] != int(orphan["blockNumber"], 16)


@pytest.mark.fault(
    "K5",
    how="the node has dropped old receipts, and an anchor moved in between",
    then="final by the registry's state; only the hints are gone",
)
@pytest.mark.fault(
    "K4",
    how="headers and receipts carry members nobody knows",
    then="read as before",
)
def test_state_alone_makes_an_anchor_final(shallow: Log) -> None:
    raw = shallow.anchored("a.txt")
    shallow.mine()
    shallow.reorg(2, (raw, 1))
    shallow.mine(2)
    with bent_node(shallow.site.url) as node:
        node.bend["eth_getTransactionReceipt"] = lambda params, right: None
        node.bend["eth_getBlockByNumber"] = lambda params, right: (
            right
            and {
                **right,
                "futureRoot": "0x" + "00" * 32,
            }
        )
        assert shallow.refresh(node.url) == 1
        assert shallow.site.rows("SELECT tx_hash, block_hash FROM anchors") == [(None, None)]
        node.bend["eth_getTransactionReceipt"] = lambda params, right: (
            right
            and {
                **right,
                "futureGasUsed": "0x1",
            }
        )
        shallow.add("b.txt")
        shallow.run(url=node.url)
    file = shallow.site.folder / "a.txt"
    shallow.site.run("prove", file).expect(0, "anchored (final)")
    shallow.site.run("verify", file).expect(0)


# Nonces


def foreign(log: Log, number: int) -> str:
    """Return another program's transaction with our key and nonce ``number``."""
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": number,
        "to": checksum("0x" + "42" * 20),
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 50 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    signed = Account.from_key(PUBLIC_DEV_KEY).sign_transaction(fields)
    return "0x" + bytes(signed.raw_transaction).hex()


@pytest.mark.fault(
    "B12",
    how="a reorganisation puts another program's transaction with our nonce in ours' place",
    then="nothing new before that is final (21); then told (32), and planned anew, once",
)
@pytest.mark.fault(
    "B10",
    how="the nonce of stored bytes was used by another program",
    then="`nonce too low` starts no new nonce; finality of the other transaction does",
)
def test_a_nonce_used_by_others_is_given_up_only_when_that_is_final(shallow: Log) -> None:
    shallow.ask("evm_setAutomine", False)
    shallow.add("a.txt")
    shallow.site.edit("wait_seconds = 600", "wait_seconds = 5")
    with pytest.raises(NotFinalError):
        shallow.run()
    ours = shallow.raw()[0]
    used = nonce(shallow.site.url)
    shallow.mine()
    shallow.ask("evm_setAutomine", True)
    shallow.reorg(1, (foreign(shallow, used), 0))
    assert nonce(shallow.site.url) == used + 1
    with pytest.raises(NotFinalError):
        shallow.run()
    assert shallow.raw() == [ours]
    shallow.mine(2)
    with pytest.raises(ChainGuardError, match=f"another program used nonce {used}"):
        shallow.run()
    assert shallow.raw() == [ours]
    shallow.run()
    assert len(shallow.raw()) == 2
    assert shallow.site.anchors_on_chain() == [(1, 1)]
    assert shallow.outcomes()[-2:] == ["foreign", "included"]


@pytest.mark.fault(
    "B8",
    how="a reorganisation includes the replaced transaction in place of its replacement",
    then="found by its hash; its head counts, and the newer one is anchored next",
)
@pytest.mark.fault(
    "B16",
    how="two transactions of ours race for one nonce, and a reorganisation swaps the winner",
    then="what is included decides, whatever was meant",
)
def test_the_replaced_transaction_may_win_after_all(deep: Log) -> None:
    deep.ask("evm_setAutomine", False)
    deep.add("a.txt")
    deep.site.edit("wait_seconds = 600", "wait_seconds = 5")
    with pytest.raises(NotFinalError):
        deep.run()
    deep.add("b.txt")
    deep.site.edit("wait_seconds = 5", "wait_seconds = 600")
    deep.run(FastClock({70.0: deep.mine}))
    deep.ask("evm_setAutomine", True)
    older, newer = deep.raw()
    assert deep.site.anchors_on_chain() == [(2, 1)]
    deep.reorg(1, (older, 0))
    assert deep.site.anchors_on_chain() == [(1, 1)]
    deep.run()
    assert deep.site.anchors_on_chain() == [(1, 1), (2, 2)]
    assert deep.raw()[:2] == [older, newer]
    assert len(deep.raw()) == 3


@pytest.mark.fault(
    "B18",
    how="a second nonce is asked for while the first one's transaction may still be included",
    then="the store refuses it: one open nonce on a chain",
)
def test_the_store_takes_no_second_open_nonce(deep: Log) -> None:
    with deep.site.lead() as project:
        journal = StoredJournal(project.database, utc_now)
        journal.reserve_slot(project.config.chain_id, DEV_ADDRESS, 1_000)
        with pytest.raises(ChainGuardError, match="the store contradicts itself"):
            journal.reserve_slot(project.config.chain_id, DEV_ADDRESS, 1_001)


def two_nonces(log: Log) -> tuple[str, str]:
    """Anchor one head, and leave the transaction for the next one pending."""
    first = log.anchored("a.txt")
    log.ask("evm_setAutomine", False)
    log.site.edit("wait_seconds = 600", "wait_seconds = 5")
    log.add("b.txt")
    with pytest.raises(NotFinalError):
        log.run()
    log.site.edit("wait_seconds = 5", "wait_seconds = 600")
    assert log.raw()[0] == first
    return first, log.raw()[1]


@pytest.mark.fault(
    "B1",
    how="a reorganisation drops the transaction of nonce N, while N+1's waits or was dropped too",
    then="N's stored bytes are sent again, then N+1's: no new transaction, one anchor for each",
)
@pytest.mark.parametrize("both", [False, True], ids=["waiting", "dropped"])
def test_a_gap_below_our_nonce_is_closed_with_what_was_stored(deep: Log, both: bool) -> None:
    first, second = two_nonces(deep)
    start = nonce(deep.site.url)
    deep.reorg(1)
    if both:
        deep.ask("anvil_dropAllTransactions")
    assert nonce(deep.site.url) == start - 1
    deep.run(FastClock({float(second): deep.mine for second in (2, 8, 16, 24)}))
    deep.ask("evm_setAutomine", True)
    assert deep.raw() == [first, second]
    assert nonce(deep.site.url) == start + 1
    assert deep.site.anchors_on_chain() == [(1, 1), (2, 2)]
    assert {*deep.outcomes()} == {"included"}


def test_a_repaired_nonce_may_revert_and_is_used_all_the_same(shallow: Log) -> None:
    """Another operator anchored the first head in between: its bytes revert, the others do not."""
    sign = second_operator(shallow)
    first, second = two_nonces(shallow)
    theirs = sign(first)
    shallow.reorg(1, (theirs, 0))
    shallow.run(FastClock({float(second): shallow.mine for second in (2, 8, 16, 24)}))
    assert shallow.ask("eth_getTransactionReceipt", hash_of(first))["status"] == "0x0"
    assert shallow.raw() == [first, second]
    assert shallow.site.anchors_on_chain() == [(1, 1), (2, 2)]


@pytest.mark.fault(
    "B13",
    how="the nonce before is another program's and not final, and a reorganisation undoes it",
    then="nothing is signed above it (21), so that no gap can come; then ours takes that nonce",
)
def test_no_nonce_is_signed_above_somebody_elses_that_may_be_undone(shallow: Log) -> None:
    used = nonce(shallow.site.url)
    shallow.ask("eth_sendRawTransaction", foreign(shallow, used))
    shallow.ask("evm_setAutomine", False)
    shallow.add("a.txt")
    shallow.site.edit("wait_seconds = 600", "wait_seconds = 5")
    with pytest.raises(NotFinalError, match=r"does not hold 1 .* the last is not final yet"):
        shallow.run()
    assert shallow.raw() == []
    shallow.reorg(1)
    shallow.run(FastClock({1.0: shallow.mine, 2.0: shallow.mine}))
    assert len(shallow.raw()) == 1
    assert shallow.site.anchors_on_chain() == [(1, 1)]
