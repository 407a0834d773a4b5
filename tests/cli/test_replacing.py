"""Transactions that no block takes: replaced at the same nonce, up to the cap, never doubled.

The nodes are a real anvil and a real hardhat 2 that mine when told; only the sender's clock runs
fast.  Hardhat has geth's rules for replacing, and keeps what the base fee has overtaken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from support.chaos import Call, HasUrl, loses_request, open_proxy, passes
from support.clocks import FastClock
from support.fixtures import MakeSite
from support.hardhat import Hardhat, trust_newest_block
from support.nodes import ask, nonce
from support.projects import Site

from anchor.base.errors import AnchorError, ExitCode
from anchor.chain.devnet import Devnet
from anchor.chain.tx_state import REPLACE_AFTER, Attempt, NonceSlot
from anchor.operate.single_run import RunResult
from anchor.store.tx_journal import StoredJournal

pytestmark = pytest.mark.release

GWEI = 10**9


@dataclass
class Stuck:
    """A log with evidence to anchor, on a chain that mines only when told."""

    site: Site
    node: HasUrl
    reports: list[str] = field(default_factory=list)

    def mine(self) -> None:
        ask(self.site.url, "evm_mine")

    def run(self, clock: FastClock | None = None, url: str | None = None) -> RunResult:
        return self.site.round(url=url, clock=clock, report=self.reports.append)

    def fails(self, clock: FastClock | None = None, url: str | None = None) -> AnchorError:
        with pytest.raises(AnchorError) as caught:
            self.run(clock, url)
        return caught.value

    def attempts(self) -> list[tuple[int, int, int, int]]:
        """Return nonce, head, fee and tip of every attempt for an anchor, cheapest first."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self.site.rows(
                "SELECT nonce, head_size, max_fee, priority_fee FROM attempts"
                " WHERE head_size IS NOT NULL ORDER BY max_fee"
            )
        ]

    def pooled(self) -> list[str]:
        """Return the hashes of the transactions that wait in the node's pool."""
        if isinstance(self.node, Hardhat):
            return [item["hash"] for item in ask(self.site.url, "eth_pendingTransactions")]
        pool = ask(self.site.url, "txpool_content")["pending"]
        return [item["hash"] for items in pool.values() for item in items.values()]

    def hashes(self) -> list[str]:
        query = "SELECT hex(tx_hash) FROM attempts WHERE head_size IS NOT NULL ORDER BY max_fee"
        return [f"0x{row[0].lower()}" for row in self.site.rows(query)]

    def check_settled(self) -> None:
        assert self.site.rows("SELECT count(*) FROM slots WHERE outcome IS NOT 'included'") == [
            (0,)
        ]


def stop_mining(site: Site, node: HasUrl) -> Stuck:
    if not isinstance(node, Hardhat):  # which has no interval to begin with
        ask(site.url, "anvil_setIntervalMining", 0)
    ask(site.url, "evm_setAutomine", False)
    site.add("a.txt", b"a")
    return Stuck(site, node)


@pytest.fixture(params=["own_anvil", "hardhat"])
def stuck(new_site: MakeSite, request: pytest.FixtureRequest) -> Stuck:
    node = request.getfixturevalue(request.param)
    return stop_mining(trust_newest_block(new_site(node), node), node)


@pytest.fixture
def stuck_on_anvil(new_site: MakeSite, own_anvil: Devnet) -> Stuck:
    """For what hardhat does not do: it refuses no fee for being below the base fee."""
    return stop_mining(new_site(own_anvil), own_anvil)


@pytest.mark.fault(
    "B2",
    how="no block takes the transaction, for minutes",
    then="replaced each minute at the same nonce, both fees an eighth higher; one anchor",
)
def test_what_no_block_takes_is_replaced_each_minute_with_both_fees_an_eighth_higher(
    stuck: Stuck,
) -> None:
    before = nonce(stuck.site.url)
    done = stuck.run(FastClock({2.5 * REPLACE_AFTER: stuck.mine}))
    assert done.anchored is not None
    attempts = stuck.attempts()
    assert [(number, head) for number, head, *_ in attempts] == [(before, 1)] * 3
    for (_, _, fee, tip), (_, _, higher_fee, higher_tip) in pairwise(attempts):
        assert higher_fee >= fee * 9 / 8 > fee
        assert higher_tip >= tip * 9 / 8 > tip
    assert nonce(stuck.site.url) == before + 1
    assert stuck.site.anchors_on_chain() == [(1, 1)]
    assert "0x" + (done.anchored.tx_hash or b"").hex() == stuck.hashes()[-1]
    stuck.check_settled()


@pytest.mark.fault(
    "B2",
    how="no block takes the transaction for most of a minute",
    then="the first one is waited for",
)
def test_nothing_is_replaced_before_its_time(stuck: Stuck) -> None:
    stuck.run(FastClock({0.9 * REPLACE_AFTER: stuck.mine}))
    assert len(stuck.attempts()) == 1


def test_a_replacement_carries_the_newest_head(stuck: Stuck) -> None:
    before = nonce(stuck.site.url)
    stuck.site.edit("wait_seconds = 600", "wait_seconds = 5")
    assert stuck.fails().exit_code == ExitCode.NOT_FINAL
    stuck.site.add("b.txt", b"b")
    stuck.site.edit("wait_seconds = 5", "wait_seconds = 600")
    stuck.run(FastClock({1.5 * REPLACE_AFTER: stuck.mine}))
    assert [attempt[:2] for attempt in stuck.attempts()] == [(before, 1), (before, 2)]
    assert stuck.site.anchors_on_chain() == [(2, 1)]
    assert nonce(stuck.site.url) == before + 1
    stuck.check_settled()


@pytest.mark.fault(
    "B8",
    how="the replacement is lost and the replaced transaction is included",
    then="its receipt counts; what the replacement carried follows by itself",
)
def test_the_older_one_may_be_included_all_the_same(stuck: Stuck) -> None:
    """The replacement, with a newer head, is lost on the way: what it carried follows by itself."""
    before = nonce(stuck.site.url)
    stuck.site.edit("wait_seconds = 600", "wait_seconds = 5")
    stuck.fails()
    stuck.site.add("b.txt", b"b")
    stuck.site.edit("wait_seconds = 5", "wait_seconds = 600")
    with open_proxy(stuck.node) as (proxy, url):
        # Known to the node already; then the replacement, which is lost.
        proxy.on("eth_sendRawTransaction", passes, passes, loses_request)

        def automine() -> None:
            ask(stuck.site.url, "evm_setAutomine", True)

        clock = FastClock({1.2 * REPLACE_AFTER: stuck.mine, 1.25 * REPLACE_AFTER: automine})
        done = stuck.run(clock, url)
    assert done.anchored is not None
    assert done.anchored.head.size == 2
    assert [attempt[:2] for attempt in sorted(stuck.attempts())] == [
        (before, 1),
        (before, 2),
        (before + 1, 2),
    ]
    assert stuck.site.anchors_on_chain() == [(1, 1), (2, 2)]
    assert nonce(stuck.site.url) == before + 2
    stuck.check_settled()


@pytest.mark.fault(
    "C1",
    how="no block takes the transaction, and the cap allows no higher fee",
    then="the same bytes are offered again, exit code 30; with a higher cap one anchor",
)
def test_at_the_cap_the_same_bytes_are_offered_again_and_the_operator_is_told(
    stuck: Stuck,
) -> None:
    stuck.site.edit("max_fee_gwei = 100", "max_fee_gwei = 4")
    with open_proxy(stuck.node) as (proxy, url):
        error = stuck.fails(url=url)
        sent = proxy.sent()
    assert error.exit_code == ExitCode.FUNDS
    assert "its fee cannot be raised" in error.message
    assert "raise chain.max_fee_gwei" in (error.hint or "")
    fees = [fee for _, _, fee, _ in stuck.attempts()]
    assert fees[-1] <= 4 * GWEI < -(-fees[-1] * 9 // 8)
    assert any("chain.max_fee_gwei is reached" in line for line in stuck.reports)
    assert sent[-1] == sent[-2], "what is there goes on being offered"
    before = len(fees)
    stuck.site.edit("max_fee_gwei = 4", "max_fee_gwei = 100")
    stuck.run(FastClock({1.5 * REPLACE_AFTER: stuck.mine}))
    assert len(stuck.attempts()) == before + 1
    assert stuck.site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "B7",
    how="the base fee rises past a transaction that never reached the pool",
    then="refused when offered again, and replaced at once; one anchor",
)
def test_a_fee_below_the_base_fee_is_raised_at_once(stuck_on_anvil: Stuck) -> None:
    stuck = stuck_on_anvil
    """The first attempt never reaches the pool, and the base fee rises past it."""
    with open_proxy(stuck.node) as (proxy, url):
        proxy.on("eth_sendRawTransaction", loses_request)

        def spike() -> None:
            ask(stuck.site.url, "anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
            stuck.mine()

        clock = FastClock({20.0: spike, 50.0: stuck.mine})  # offered again after 40 seconds
        stuck.run(clock, url)
    first, second = stuck.attempts()
    assert first[2] < 20 * GWEI < second[2]
    assert clock.now < REPLACE_AFTER
    assert stuck.site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "C1",
    how="the base fee rises past the transaction and past the cap",
    then="exit code 30 with the node's words",
)
def test_a_refused_fee_that_cannot_be_raised_ends_the_run_with_the_nodes_words(
    stuck_on_anvil: Stuck,
) -> None:
    stuck = stuck_on_anvil
    stuck.site.edit("max_fee_gwei = 100", "max_fee_gwei = 4")
    with open_proxy(stuck.node) as (proxy, url):
        proxy.on("eth_sendRawTransaction", loses_request)

        def spike() -> None:
            ask(stuck.site.url, "anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
            stuck.mine()

        clock = FastClock({20.0: spike})
        error = stuck.fails(clock, url)
    assert error.exit_code == ExitCode.FUNDS
    assert "does not accept a transaction at this fee now" in error.message
    assert clock.now < REPLACE_AFTER
    assert len(stuck.attempts()) == 1


@pytest.mark.fault(
    "B11",
    how="the first transaction is included while its replacement is prepared",
    then="no replacement is signed, its receipt counts; one anchor",
)
@pytest.mark.fault(
    "C4",
    how="the call of the replacement reverts, because the root is on chain",
    then="no failure: the receipt of the first one counts; one anchor",
)
def test_an_attempt_included_while_its_replacement_is_prepared_is_found(stuck: Stuck) -> None:
    with open_proxy(stuck.node) as (proxy, url):

        def mines_before(call: Call) -> bytes:
            stuck.mine()
            return call.forward()

        proxy.on("eth_call", passes, mines_before)
        stuck.run(url=url)
    assert any("AlreadyAnchored" in line for line in stuck.reports)
    assert len(stuck.attempts()) == 1
    assert stuck.site.anchors_on_chain() == [(1, 1)]
    stuck.check_settled()


@pytest.mark.fault(
    "C3",
    how="the balance suffices for the transaction, not for its replacement",
    then="exit code 30, the first one goes on being offered; one anchor",
)
def test_a_sender_who_cannot_pay_more_keeps_the_transaction_it_has(stuck: Stuck) -> None:
    stuck.site.edit("wait_seconds = 600", "wait_seconds = 5")
    stuck.fails()
    ((*_, fee, _),) = stuck.attempts()
    sender = ask(stuck.site.url, "eth_getTransactionByHash", stuck.hashes()[0])["from"]
    balance = ask(stuck.site.url, "eth_getBalance", sender, "latest")
    ask(
        stuck.site.url, "hardhat_setBalance", sender, hex(fee * 90_000)
    )  # it takes up to 84,000 gas
    stuck.site.edit("wait_seconds = 5", f"wait_seconds = {int(1.5 * REPLACE_AFTER)}")
    error = stuck.fails()
    assert error.exit_code == ExitCode.FUNDS
    assert len(stuck.attempts()) == 1
    ask(stuck.site.url, "hardhat_setBalance", sender, balance)
    stuck.run(FastClock({0.5 * REPLACE_AFTER: stuck.mine}))
    assert stuck.site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "A10",
    how="a crash before or after a replacement is stored",
    then="every hash on chain or in a pool is stored; one anchor",
)
@pytest.mark.parametrize("stored", [False, True], ids=["before", "after"])
def test_a_crash_around_storing_a_replacement_loses_and_doubles_nothing(
    stuck: Stuck, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    before = nonce(stuck.site.url)
    original = StoredJournal.save_attempt

    def crash(journal: StoredJournal, slot: NonceSlot, attempt: Attempt) -> None:
        if not slot.attempts or stored:
            original(journal, slot, attempt)
        if slot.attempts:
            raise ZeroDivisionError

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(StoredJournal, "save_attempt", crash)
        stuck.run()
    assert len(stuck.attempts()) == 1 + stored
    pooled = stuck.pooled()
    assert pooled == stuck.hashes()[:1], "a replacement is stored before it is sent"
    stuck.run(FastClock({1.0: stuck.mine}))
    assert len(stuck.attempts()) == 1 + stored
    assert stuck.site.anchors_on_chain() == [(1, 1)]
    assert nonce(stuck.site.url) == before + 1
    stuck.check_settled()
