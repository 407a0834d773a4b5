"""Transactions that no block takes: replaced at the same nonce, up to the cap, never doubled.

The node is a real anvil that mines when told; only the sender's clock runs fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from support.clocks import FastClock
from support.nodes import ask, nonce, open_proxy
from support.projects import Site, reading

from anchor.chain.attempts import REPLACE_AFTER, Attempt, Slot
from anchor.chain.devnet import Devnet
from anchor.cli.session import open_signer
from anchor.errors import AnchorError, ExitCode
from anchor.pipeline.round import Round, anchor_round
from anchor.store.journal import StoredJournal

GWEI = 10**9
Make = Callable[..., Site]


@dataclass
class Stuck:
    """A log with evidence to anchor, on a chain that mines only when told."""

    site: Site
    node: Devnet
    reports: list[str] = field(default_factory=list)

    def mine(self) -> None:
        ask(self.site.url, "anvil_mine", "0x1")

    def run(self, clock: FastClock | None = None, url: str | None = None) -> Round:
        with self.site.open() as project, reading(url or self.site.url) as node:
            return anchor_round(
                project,
                node,
                lambda: open_signer(project.config),
                clock or FastClock(),
                wait_for="included",
                report=self.reports.append,
            )

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
        pool = ask(self.site.url, "txpool_content")["pending"]
        return [item["hash"] for items in pool.values() for item in items.values()]

    def hashes(self) -> list[str]:
        query = "SELECT hex(tx_hash) FROM attempts WHERE head_size IS NOT NULL ORDER BY max_fee"
        return [f"0x{row[0].lower()}" for row in self.site.rows(query)]

    def check_settled(self) -> None:
        assert self.site.rows("SELECT count(*) FROM slots WHERE outcome IS NOT 'included'") == [
            (0,)
        ]


@pytest.fixture
def stuck(make: Make, own_anvil: Devnet) -> Stuck:
    site = make(own_anvil)
    ask(site.url, "anvil_setIntervalMining", 0)
    ask(site.url, "evm_setAutomine", False)
    site.add("a.txt", b"a")
    return Stuck(site, own_anvil)


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


def test_the_older_one_may_be_included_all_the_same(stuck: Stuck) -> None:
    """The replacement, with a newer head, is lost on the way: what it carried follows by itself."""
    before = nonce(stuck.site.url)
    stuck.site.edit("wait_seconds = 600", "wait_seconds = 5")
    stuck.fails()
    stuck.site.add("b.txt", b"b")
    stuck.site.edit("wait_seconds = 5", "wait_seconds = 600")
    with open_proxy(stuck.node) as (proxy, url):
        # Known to the node already; then the replacement, which is lost.
        proxy.lose["eth_sendRawTransaction"] = ["pass", "pass", "request"]

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


def test_a_fee_below_the_base_fee_is_raised_at_once(stuck: Stuck) -> None:
    """The first attempt never reaches the pool, and the base fee rises past it."""
    with open_proxy(stuck.node) as (proxy, url):
        proxy.lose["eth_sendRawTransaction"] = ["request"]

        def spike() -> None:
            ask(stuck.site.url, "anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
            stuck.mine()

        clock = FastClock({20.0: spike, 50.0: stuck.mine})  # offered again after 40 seconds
        stuck.run(clock, url)
    first, second = stuck.attempts()
    assert first[2] < 20 * GWEI < second[2]
    assert clock.now < REPLACE_AFTER
    assert stuck.site.anchors_on_chain() == [(1, 1)]


def test_a_refused_fee_that_cannot_be_raised_ends_the_run_with_the_nodes_words(
    stuck: Stuck,
) -> None:
    stuck.site.edit("max_fee_gwei = 100", "max_fee_gwei = 4")
    with open_proxy(stuck.node) as (proxy, url):
        proxy.lose["eth_sendRawTransaction"] = ["request"]

        def spike() -> None:
            ask(stuck.site.url, "anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
            stuck.mine()

        clock = FastClock({20.0: spike})
        error = stuck.fails(clock, url)
    assert error.exit_code == ExitCode.FUNDS
    assert "takes no transaction at this fee now" in error.message
    assert clock.now < REPLACE_AFTER
    assert len(stuck.attempts()) == 1


def test_an_attempt_included_while_its_replacement_is_prepared_is_found(stuck: Stuck) -> None:
    with open_proxy(stuck.node) as (proxy, url):
        answer = proxy.answer

        def mine_before_the_second_call(body: bytes) -> bytes | None:
            calls = [method for method, _ in proxy.calls]
            if b'"eth_call"' in body and calls.count("eth_call") == 1:
                stuck.mine()
            return answer(body)

        proxy.answer = mine_before_the_second_call  # type: ignore[method-assign]
        stuck.run(url=url)
    assert any("AlreadyAnchored" in line for line in stuck.reports)
    assert len(stuck.attempts()) == 1
    assert stuck.site.anchors_on_chain() == [(1, 1)]
    stuck.check_settled()


def test_a_sender_who_cannot_pay_more_keeps_the_transaction_it_has(stuck: Stuck) -> None:
    stuck.site.edit("wait_seconds = 600", "wait_seconds = 5")
    stuck.fails()
    ((*_, fee, _),) = stuck.attempts()
    sender = ask(stuck.site.url, "eth_getTransactionByHash", stuck.hashes()[0])["from"]
    balance = ask(stuck.site.url, "eth_getBalance", sender, "latest")
    ask(stuck.site.url, "anvil_setBalance", sender, hex(fee * 90_000))  # it takes up to 84,000 gas
    stuck.site.edit("wait_seconds = 5", f"wait_seconds = {int(1.5 * REPLACE_AFTER)}")
    error = stuck.fails()
    assert error.exit_code == ExitCode.FUNDS
    assert len(stuck.attempts()) == 1
    ask(stuck.site.url, "anvil_setBalance", sender, balance)
    stuck.run(FastClock({0.5 * REPLACE_AFTER: stuck.mine}))
    assert stuck.site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "A10",
    how="a crash before or after a signed replacement is stored, before it is sent",
    then="only stored bytes are ever sent; the next run goes on, one anchor",
)
@pytest.mark.parametrize("stored", [False, True], ids=["before", "after"])
def test_a_crash_around_storing_a_replacement_loses_and_doubles_nothing(
    stuck: Stuck, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    before = nonce(stuck.site.url)
    original = StoredJournal.save_attempt

    def crash(journal: StoredJournal, slot: Slot, attempt: Attempt) -> None:
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
