"""The transaction manager and the pipeline against chains that do what chains do, and crashes.

A Hypothesis state machine drives the real pipeline, with a real SQLite store, over a chain in
memory.  The ordinary run is short and always the same; the deep one (``-m slow``) looks further.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.faults import marked
from support.memory_chain import GWEI, Dropped, MemoryChain
from support.memory_projects import OPERATOR, OWNER, RIVAL, STRANGER, MemorySite, make_template
from support.memory_registry import REGISTRY
from support.memory_transactions import read_sender
from support.store_contents import count_waiting, load_pieces
from support.troubles import TROUBLES, Crash, Effects, Moment

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ExitCode,
    ForeignUseError,
    FundsError,
    NodeRefusedError,
    NotFinalError,
    SignerError,
)
from anchor.base.types import Address, Hash32
from anchor.ethereum.keccak import hash_keccak256
from anchor.operate.single_run import RunState
from anchor.project.config import Config
from anchor.recovery import store_audit

pytestmark = pytest.mark.release

KEYS = (OWNER, OPERATOR)
SHORT = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(SHORT, max_examples=600, stateful_step_count=50, derandomize=False)

# What the chain does by itself or others do to it, between our steps or in the middle of them.
EVENTS: dict[str, set[str]] = {  # with what each may be the reason for
    "mine": set(),
    "shallow reorg": {"reorg"},
    "reorg": {"reorg"},
    "spike": {"fees"},
    "evict": {"pool"},
    "foreign": {"foreign"},
    "foreign in pool": {"foreign", "pool"},
    "foreign instead": {"foreign", "reorg"},
    "ours again": {"foreign", "reorg"},
    "rival": {"rival"},
    "finality stalls": {"finality"},
    "finality goes on": set(),
    "blocks stop": {"blocks"},
    "blocks go on": set(),
    "no ether": {"funds"},
    "ether": set(),
    "another key": {"key"},
    "older attempt": {"pool"},
    "receipts withheld": {"receipts"},
    "receipts shown": set(),
}
# What may follow a round at once, while what it did can still be taken back.
AFTER = (
    "", "", "reorg", "shallow reorg", "foreign instead", "ours again", "older attempt", "foreign",
    "rival", "mine",
)  # fmt: skip
DROPPED: tuple[Dropped, ...] = ("lost", "pool", "first", "last", "backwards")
# Where a run can be met, and how often it comes past in a round that sends.
EFFECTS = {
    "seal": 1, "reserve_slot": 1, "save_attempt": 3, "settle_slot": 1, "mark_lost": 1,
    "_record_anchor": 1, "refresh_anchors": 2, "eth_sendRawTransaction": 3,
    "eth_getTransactionReceipt": 5, "eth_getTransactionCount": 5, "eth_getStorageAt": 6,
    "eth_getBlockByNumber": 6, "eth_call": 2, "eth_estimateGas": 2, "eth_getBalance": 2,
    "eth_maxPriorityFeePerGas": 2, "eth_getCode": 1, "eth_chainId": 2,
}  # fmt: skip
PLACES = [(name, number) for name, times in EFFECTS.items() for number in range(times)]
PLACES += [
    ("seal", 0), ("reserve_slot", 0), ("save_attempt", 0), ("save_attempt", 1), ("settle_slot", 0),
    ("_record_anchor", 0), ("eth_sendRawTransaction", 0), ("eth_sendRawTransaction", 1),
    ("eth_getTransactionReceipt", 1),
] * 6  # fmt: skip
MOMENTS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from([*EVENTS, *TROUBLES * 5])),
    min_size=1,
    max_size=3,
)
Moments = list[tuple[Moment, str]]


class PipelineMachine(RuleBasedStateMachine):
    """Evidence, rounds, crashes, and everything that happens to the chain meanwhile."""

    template: Config
    faults: Counter[Any]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="anchor-machine-"))
        self.added = 0
        self.foreign: set[Hash32] = set()
        self.seen: dict[bytes, bytes] = {}
        self.disturbed: set[str] = set()
        self.incidents = self.happenings = 0
        self.violated = self.is_over = False
        self.dropped: Dropped = "lost"

    @initialize(kind=st.sampled_from(["geth", "anvil"]), dropped=st.sampled_from(DROPPED))
    def start(self, kind: Any, dropped: Dropped) -> None:
        self.chain = MemoryChain(kind=kind, recover=read_sender, interval=12)
        self.dropped = dropped
        self.site = MemorySite.copy(self.template, self.folder / "project", self.chain)
        self.foreign = {each.hash for each in self.chain.own_transactions(OWNER)}
        self.reader = sqlite3.connect(self.site.config.folder / "anchor.db")

    # What we do.

    def accept(self, count: int) -> None:
        self.site.add(*(f"evidence {self.added + number}" for number in range(count)))
        self.added += count

    @rule(
        before=st.sampled_from(["", "calm", "calm", "blocks stop"]),
        fresh=st.sampled_from([0, 1, 1, 2]),
        wait_for=st.sampled_from(["included", "included", "included", "final"]),
        moments=MOMENTS,
        after=st.sampled_from(AFTER),
        dropped=st.sampled_from(DROPPED),
    )
    def run_a_round(
        self, before: str, fresh: int, wait_for: Any, moments: Moments, after: str, dropped: Dropped
    ) -> None:
        if before:
            self.calm_down()
        if before == "blocks stop":
            self.happen(before)
            after = after or "older attempt"  # by now there are several
        self.accept(fresh)
        self.dropped = dropped
        self.attempt(lambda effects: self.site.round(effects, wait_for), moments)
        if after:
            self.happen(after)

    @rule(comes_back=st.booleans(), waits=st.booleans())
    def lose_the_last_nonce(self, comes_back: bool, waits: bool) -> None:
        self.calm_down()
        self.accept(1)
        self.attempt(lambda effects: self.site.round(effects, "included"), [])
        self.happen("foreign instead")
        self.attempt(lambda effects: self.site.round(effects, "included"), [])
        if comes_back:
            self.happen("ours again")
        if waits:
            self.chain.pass_time(12 * 6)
        self.attempt(lambda effects: self.site.round(effects, "included"), [])

    @rule(fresh=st.integers(0, 5), seconds=st.sampled_from([5, 40]), moments=MOMENTS)
    def run_the_daemon(self, fresh: int, seconds: int, moments: Moments) -> None:
        self.accept(fresh)
        self.attempt(lambda effects: self.site.serve(effects, seconds), moments)

    @rule(seconds=st.sampled_from([12, 60]))
    def let_time_pass(self, seconds: int) -> None:
        self.chain.pass_time(seconds)

    @rule(event=st.sampled_from([*EVENTS]), dropped=st.sampled_from(DROPPED))
    def let_something_happen(self, event: str, dropped: Dropped) -> None:
        self.dropped = dropped
        self.happen(event)

    def attempt(self, work: Callable[[Effects], object], moments: Moments) -> AnchorError | None:
        """Do some work as one process; only what can be explained may go wrong."""
        plan: dict[Moment, Any] = {
            moment: what if what in TROUBLES else (lambda what=what: self.happen(what))
            for moment, what in moments
        }
        effects = Effects(plan)
        error: AnchorError | None = None
        signed_for, before = self.load_signed(), self.happenings
        try:
            work(effects)
        except Crash:
            assert effects.happened
        except AnchorError as caught:
            error = caught
        if effects.happened:
            self.disturbed.add("trouble")
        for trouble, (what, number) in effects.happened:
            self.faults[trouble, what, min(number, 1)] += 1
        if self.happenings == before and not self.violated:
            self.nothing_was_signed_above_what_may_come_back(self.load_signed() - signed_for)
        if error is not None:
            self.explain(error)
        return error

    def explain(self, error: AnchorError) -> None:
        """Each refusal has a reason in what happened."""
        if isinstance(error, ChainGuardError) and "finality was violated" in error.message:
            assert self.violated, error
            self.incidents += 1
            return
        causes = {
            ExitCode.CANNOT_CHECK: {"trouble", "reorg", "blocks", "finality", "receipts"},
            ExitCode.NOT_FINAL: {
                "trouble",
                "reorg",
                "blocks",
                "fees",
                "pool",
                "finality",
                "foreign",
                "receipts",
            },
            ExitCode.FUNDS: {"fees", "funds", "pool"},
            ExitCode.SIGNER: {"key"},
            ExitCode.CHAIN_GUARD: {"foreign", "rival", "reorg"},
        }[error.exit_code]
        assert causes & self.disturbed, error

    def calm_down(self) -> None:
        for event in ("finality goes on", "blocks go on", "ether", "receipts shown"):
            self.happen(event)

    def happen(self, event: str) -> None:
        """Let something happen to the chain, or to the one who uses it."""
        self.faults[event] += 1
        self.happenings += 1
        self.disturbed |= EVENTS[event]
        {
            "mine": self.chain.mine,
            "shallow reorg": lambda: self.reorganise(1),
            "reorg": lambda: self.reorganise(self.chain.lag),
            "spike": self.raise_the_base_fee,
            "evict": self.chain.evict,
            "foreign": lambda: self.send_as_ourselves(included=True),
            "foreign in pool": lambda: self.send_as_ourselves(included=False),
            "rival": self.anchor_as_another_operator,
            "finality stalls": lambda: self.set_chain(stalled=True),
            "finality goes on": lambda: self.set_chain(stalled=False),
            "blocks stop": lambda: self.set_chain(interval=None),
            "blocks go on": lambda: self.set_chain(interval=12),
            "no ether": lambda: self.set_balances(10**14),
            "ether": lambda: self.set_balances(10**22),
            "another key": self.change_the_key,
            "foreign instead": self.give_our_last_nonce_to_others,
            "ours again": self.take_our_last_nonce_back,
            "older attempt": self.include_an_older_attempt,
            "receipts withheld": lambda: self.set_chain(withholds_receipts=True),
            "receipts shown": lambda: self.set_chain(withholds_receipts=False),
        }[event]()

    def set_chain(self, **members: Any) -> None:
        for name, value in members.items():
            setattr(self.chain, name, value)

    def set_balances(self, wei: int) -> None:
        for key in KEYS:
            self.chain.set_balance(key, wei)

    def change_the_key(self) -> None:
        self.site.key = OPERATOR if self.site.key == OWNER else OWNER

    def include_an_older_attempt(self) -> None:
        """Let a block take what we replaced: some miner had it still."""
        nonce = self.chain.head.state.nonces.get(self.site.key, 0)
        raws = [
            raw
            for raw, attempt_nonce, sender in self.rows(
                "SELECT raw, nonce, sender FROM attempts ORDER BY max_fee"
            )
            if (sender, attempt_nonce) == (self.site.key, nonce)
        ]
        if len(raws) > 1:
            self.faults["an older attempt is included"] += 1
            self.chain.include(raws[0])

    def give_our_last_nonce_to_others(self) -> None:
        """Let a reorganisation put another program's transaction in the place of our last one."""
        self.reorganise(self.depth_of_our_last())
        self.send_as_ourselves(included=True)

    def take_our_last_nonce_back(self) -> None:
        """Let a reorganisation undo what others sent last, and take what we signed for it."""
        self.reorganise(self.depth_of_our_last())
        nonce = self.chain.head.state.nonces.get(self.site.key, 0)
        query = "SELECT raw, nonce, sender FROM attempts ORDER BY max_fee"
        for raw, attempt_nonce, sender in self.rows(query):
            if (sender, attempt_nonce) == (self.site.key, nonce):
                self.faults["ours comes back"] += 1
                self.chain.include(raw)
                break

    def depth_of_our_last(self) -> int:
        """Return how many blocks there are from our key's newest transaction on."""
        numbers = [
            block.number
            for block in self.chain.blocks
            if any(each.transaction.sender == self.site.key for each in block.included)
        ]
        self.dropped = "lost"
        return self.chain.head.number - max(numbers, default=self.chain.head.number) + 1

    def raise_the_base_fee(self) -> None:
        self.chain.set_next_base_fee(max(20 * self.chain.head.base_fee, 20 * GWEI))
        self.chain.mine()

    def reorganise(self, depth: int) -> None:
        """Take back blocks, as many of them as are not final."""
        depth = min(depth, self.chain.head.number - self.chain.final_number)
        if depth:
            self.chain.reorganise(depth, self.dropped)

    def anchor_as_another_operator(self) -> None:
        """Let somebody else bring our newest head on chain."""
        call = self.site.rival_call()
        if call is not None:
            self.chain.include(self.site.sign(RIVAL, REGISTRY, call))

    def send_as_ourselves(self, *, included: bool) -> None:
        """Use our key in another program."""
        raw = self.site.sign(self.site.key, STRANGER)
        self.foreign.add(hash_keccak256(raw))
        if included:
            self.chain.include(raw)
        else:
            nonce = self.chain.head.state.nonces.get(self.site.key, 0)
            waiting = self.chain.pool.get((self.site.key, nonce))
            if waiting is None or waiting.max_fee < 80 * GWEI:
                self.chain.evict()
                with suppress(NodeRefusedError):  # it may have no ether, either
                    self.chain.call("eth_sendRawTransaction", ["0x" + raw.hex()])

    # What must always hold.

    def load_signed(self) -> set[tuple[bytes, int]]:
        """Return each nonce that something was signed for."""
        return set(self.rows("SELECT DISTINCT sender, nonce FROM attempts"))

    def nothing_was_signed_above_what_may_come_back(self, new: set[tuple[bytes, int]]) -> None:
        """While we worked the chain did nothing but grow."""
        query = "SELECT sender, nonce, outcome, confirmed_at FROM slots"
        ended = {
            (sender, nonce)
            for sender, nonce, outcome, confirmed_at in self.rows(query)
            if outcome in ("unused", "given-up") or confirmed_at is not None
        }
        for sender, nonce in new:
            for other, before in self.load_signed() - ended:
                if other == sender and before < nonce:
                    assert self.is_ours(sender, before), f"{nonce} is signed, {before} may return"

    @invariant()
    def the_rules_hold(self) -> None:
        if not hasattr(self, "site"):
            return
        self.every_transaction_of_ours_is_stored()
        self.nothing_stored_is_changed_or_forgotten()
        self.at_most_one_nonce_is_open()
        self.no_nonce_is_given_up_before_its_end_is_final()
        self.what_is_settled_as_included_was_a_success()
        self.what_is_settled_is_so_in_a_final_block()
        self.each_replacement_raises_both_fees_by_an_eighth_below_the_cap()
        self.no_head_is_anchored_twice()
        self.anchors_are_numbered_without_a_gap()
        self.every_piece_of_evidence_waits_or_has_its_place()
        self.what_is_called_final_is_final()

    def every_transaction_of_ours_is_stored(self) -> None:
        stored = {row[0] for row in self.rows("SELECT tx_hash FROM attempts")}
        for key in KEYS:
            for transaction in self.chain.own_transactions(key):
                assert transaction.hash in stored | self.foreign

    def nothing_stored_is_changed_or_forgotten(self) -> None:
        now = dict(self.rows("SELECT tx_hash, raw FROM attempts"))
        assert self.seen.items() <= now.items()
        assert all(hash_keccak256(raw) == tx_hash for tx_hash, raw in now.items())
        self.seen = now

    def at_most_one_nonce_is_open(self) -> None:
        assert self.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") <= [(1,)]

    def no_nonce_is_given_up_before_its_end_is_final(self) -> None:
        query = (
            "SELECT sender, nonce, outcome, (SELECT count(*) FROM attempts"
            " WHERE attempts.sender = slots.sender AND attempts.nonce = slots.nonce) FROM slots"
        )
        for sender, nonce, outcome, attempts in self.rows(query):
            assert attempts == 0 or outcome != "unused"
            assert attempts > 0 or outcome not in ("included", "reverted")
            if outcome in ("foreign", "reverted") and not self.violated:
                assert outcome == "reverted" or not self.is_ours(sender, nonce)
                used = self.chain.final.state.nonces.get(sender, 0)
                assert used > nonce, f"nonce {nonce} is {outcome}, and only {used} are final"

    def is_ours(self, sender: bytes, nonce: int) -> bool:
        """Say whether the transaction of this nonce on chain is one that we stored."""
        return any(
            each.transaction.nonce == nonce and each.transaction.hash in self.seen
            for each in self.chain.included(Address(sender))
        )

    def what_is_settled_as_included_was_a_success(self) -> None:
        if "reorg" in self.disturbed:
            return
        query = (
            "SELECT tx_hash FROM attempts JOIN slots"
            " ON slots.sender = attempts.sender AND slots.nonce = attempts.nonce"
            " WHERE outcome = 'included'"
        )
        settled = {row[0] for row in self.rows(query)}
        for each in (each for key in KEYS for each in self.chain.included(key)):
            assert each.succeeded or each.transaction.hash not in settled

    def what_is_settled_is_so_in_a_final_block(self) -> None:
        """What others used counts as theirs, and what it took from us is nothing."""
        if self.violated:
            return
        final = {
            (each.transaction.sender, each.transaction.nonce): each
            for block in self.chain.blocks[: self.chain.final_number + 1]
            for each in block.included
        }
        query = "SELECT sender, nonce, outcome, gas_used FROM slots WHERE confirmed_at IS NOT NULL"
        for sender, nonce, outcome, gas_used in self.rows(query):
            if outcome == "unused":
                continue
            each = final[sender, nonce]
            if outcome == "foreign":
                assert each.transaction.hash not in self.seen
                assert gas_used is None
            else:
                assert each.transaction.hash in self.seen
                assert each.succeeded is (outcome == "included")

    def each_replacement_raises_both_fees_by_an_eighth_below_the_cap(self) -> None:
        before: dict[tuple[bytes, int], tuple[int, int]] = {}
        query = "SELECT sender, nonce, max_fee, priority_fee FROM attempts ORDER BY rowid"
        for sender, nonce, *fees in self.rows(query):
            assert fees[0] <= self.site.config.fee_cap
            for old, new in zip(before.get((sender, nonce), (-1, -1)), fees, strict=True):
                assert new >= max(-(-old * 9 // 8), old + 1)
            before[sender, nonce] = fees[0], fees[1]

    def no_head_is_anchored_twice(self) -> None:
        """The registry would revert a second time: only a rival can have made that happen."""
        if not {"rival", "reorg"} & self.disturbed:
            included = [each for key in KEYS for each in self.chain.included(key)]
            assert all(each.succeeded for each in included)

    def anchors_are_numbered_without_a_gap(self) -> None:
        found = [self.site.anchor_in(Hash32(root), final=False) for (root,) in self.roots()]
        sequences = [anchor.sequence for anchor in found if anchor is not None]
        assert sequences == list(range(1, len(sequences) + 1))

    def what_is_called_final_is_final(self) -> None:
        query = (
            "SELECT root, sequence, block_number, timestamp, head_size FROM anchors"
            " JOIN heads ON size = head_size WHERE final = 1"
        )
        for root, *place in self.rows(query):
            anchor = self.site.anchor_in(Hash32(root), final=True)
            assert anchor is not None
            assert place == [anchor.sequence, anchor.block_number, anchor.timestamp, anchor.size]

    def every_piece_of_evidence_waits_or_has_its_place(self) -> None:
        pieces = load_pieces(self.site.config.store)
        placed = sum(piece.leaf_index is not None for piece in pieces)
        assert len(pieces) == self.added == self.count_waiting() + placed
        assert self.rows("SELECT coalesce(max(size), 0) FROM heads") == [(placed,)]

    # And in the end.

    def teardown(self) -> None:
        try:
            if hasattr(self, "site"):
                self.recover()
        finally:
            if hasattr(self, "reader"):
                self.reader.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def recover(self) -> None:
        """With a healthy chain a few ordinary rounds finish everything."""
        self.faults = Counter()  # none of what follows is a fault
        self.calm_down()
        self.chain.set_next_base_fee(GWEI)
        self.chain.mine()
        self.finish()
        self.accept(1)
        self.finish()
        project = self.site.open()
        try:
            # A long history has more made-up signatures than an audit names breaches.
            with patch.object(store_audit, "MAX_BREACHES", 10_000):
                breaches = store_audit.audit_project(project).breaches
        finally:
            project.database.close()
        # The quick signer's signatures are made up, so that no sender can be got from them.
        made_up = ("its sender is", "the transaction's signature is not valid")
        assert [text for text in breaches if not any(odd in text for odd in made_up)] == []

    def finish(self) -> None:
        """Run until the newest head is final, and see that everything is there."""
        for _ in range(12):
            error = self.attempt(lambda effects: self.site.round(effects, "final"), [])
            if error is None and not self.count_waiting():
                break
            if error is not None:
                self.act_on(error)
        else:
            raise AssertionError(f"the log does not recover: {error}")
        self.chain.pass_time(12 * 10)
        self.attempt(lambda effects: self.site.round(effects, "final"), [])
        if self.added:
            (newest,) = self.rows("SELECT root, size FROM heads ORDER BY size DESC LIMIT 1")
            anchor = self.site.anchor_in(Hash32(newest[0]), final=True)
            assert anchor is not None
            assert anchor.size == self.added
        self.is_over = True
        self.the_rules_hold()
        assert self.rows("SELECT count(*) FROM anchors WHERE final = 0") == [(0,)]

    def act_on(self, error: AnchorError) -> None:
        """Do what the error's hint says."""
        if isinstance(error, SignerError):
            self.site.key = OPERATOR if self.site.key == OWNER else OWNER
        elif "--accept-incidents" in (error.hint or ""):
            type(self).faults["incident"] += 1  # recover() counts no faults of its own
            self.site.accept_incidents()
        elif "missing nonce" in (error.hint or ""):
            self.send_as_ourselves(included=True)
        else:
            assert isinstance(
                error, CannotCheckError | NotFinalError | FundsError | ChainGuardError
            )
            self.chain.pass_time(12 * 6)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.reader.execute(query).fetchall()

    def count_waiting(self) -> int:
        return count_waiting(self.site.config.store)

    def roots(self) -> list[tuple[bytes]]:
        return self.rows("SELECT root FROM heads ORDER BY size")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    yield make_template(tmp_path_factory.mktemp("template") / "project")


def run(machine: type[PipelineMachine], template: Config, how: settings) -> Counter[Any]:
    """Run a machine, and return how often each thing happened."""
    faults: Counter[Any] = Counter()
    ready = type(machine.__name__, (machine,), {"template": template, "faults": faults})
    run_state_machine_as_test(ready, settings=how)
    return faults


# Which fault each thing that happened is.
_RECEIPT = "eth_getTransactionReceipt"
_SEND = "eth_sendRawTransaction"
FAULTS: dict[Any, str] = {
    ("crash before", "seal", 0): "A3",
    ("crash after", "seal", 0): "A4",
    ("crash after", "reserve_slot", 0): "A5",
    ("crash before", "save_attempt", 0): "A6",
    ("crash after", "save_attempt", 0): "A7",
    ("crash before", _SEND, 0): "A7",
    ("crash after", _SEND, 0): "A8",
    ("crash before", "save_attempt", 1): "A10",
    ("crash after", "save_attempt", 1): "A10",
    ("crash after", _RECEIPT, 1): "A11",
    ("crash before", "settle_slot", 0): "A11",
    ("crash before", "_record_anchor", 0): "A11",
    ("answer lost", _SEND, 0): "E1",
    ("answer lost", _SEND, 1): "E1",
    ("request lost", _SEND, 0): "E2",
    ("request lost", _SEND, 1): "E2",
    "blocks stop": "B2",
    "foreign in pool": "B3",
    "evict": "B6",
    "an older attempt is included": "B8",
    "foreign": "B12",
    "spike": "C1",
    "no ether": "C3",
    "rival": "G6",
    "reorg": "D1",
    "shallow reorg": "D1",
    "finality stalls": "D6",
    "another key": "K1",
    "ours comes back": "D12",
    "receipts withheld": "E10",
    "finality broken": "D5",
}


HISTORIES = (
    pytest.mark.fault(
        "A3",
        how="an end before a seal is committed, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A4",
        how="an end after a seal, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A5",
        how="an end after a nonce was reserved, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A6",
        how="an end after signing, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A7",
        how="an end between storing and sending, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A8",
        how="an end after the node took it, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A10",
        how="an end around storing a replacement, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "A11",
        how="an end between seeing an inclusion and storing it, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "E1",
        how="the answer to a send is lost, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "E2",
        how="a send is lost, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "B2",
        how="the chain makes no blocks for a while, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "B3",
        how="another program waits in the pool with our nonce and a high fee, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "B6",
        how="the pool forgets everything, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "B8",
        how="a block takes an attempt that was replaced, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "B12",
        how="another program uses our nonce, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "C1",
        how="the base fee rises twentyfold, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "C3",
        how="the sender's ether is gone, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "G6",
        how="another operator anchors our root first, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "D1",
        how="reorganisations of every depth above the final block, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "D12",
        how="our nonce goes to another program and comes back, in random histories",
        then="nothing is signed meanwhile; every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "D6",
        how="finality stalls, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "E10",
        how="the only node withholds receipts for a while, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
    pytest.mark.fault(
        "K1",
        how="the key changes between two runs, in random histories",
        then="every leaf is anchored once and becomes final",
    ),
)


@marked(*HISTORIES)
def test_whatever_happens_every_leaf_is_anchored_once(
    template: Config, injected: Callable[..., None]
) -> None:
    tell(run(PipelineMachine, template, SHORT), injected)


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@marked(*HISTORIES)
def test_whatever_happens_in_long_histories_every_leaf_is_anchored_once(
    template: Config, injected: Callable[..., None]
) -> None:
    tell(run(PipelineMachine, template, DEEP), injected)


def tell(faults: Counter[Any], injected: Callable[..., None]) -> None:
    """Say how often each fault was injected."""
    for what, times in faults.items():
        if what in FAULTS:
            injected(times, FAULTS[what])


class ViolatedMachine(PipelineMachine):
    """A chain that also takes back what it called final."""

    @rule(beyond=st.integers(1, 3), dropped=st.sampled_from(DROPPED), is_noticed=st.booleans())
    def break_finality(self, beyond: int, dropped: Dropped, is_noticed: bool) -> None:
        if is_noticed:  # as soon as somebody looks: there is something to take back, and time
            self.calm_down()
            self.accept(1)
            self.attempt(lambda effects: self.site.round(effects, "final"), [])
        depth = self.chain.head.number - self.chain.final_number + beyond
        if depth < self.chain.head.number - 3:  # the operators stay authorised
            self.violated = True
            self.disturbed.add("reorg")
            self.faults["finality broken"] += 1
            self.chain.reorganise(depth, dropped)
            self.chain.pass_time(12 * 10 if is_noticed else 0)

    def what_is_called_final_is_final(self) -> None:
        if not self.violated or self.is_over:
            super().what_is_called_final_is_final()


@pytest.mark.fault(
    "D5",
    how="reorganisations past the final block, in random histories",
    then="an incident, or never noticed because the same anchor came back",
)
@pytest.mark.slow
def test_a_broken_finality_is_never_passed_over(
    template: Config, injected: Callable[..., None]
) -> None:
    faults = run(ViolatedMachine, template, settings(SHORT, max_examples=100))
    assert faults["incident"], "no history led to one"
    injected(faults["finality broken"])


def test_an_older_anchor_that_moved_after_it_was_final_is_an_incident(
    template: Config, tmp_path: Path
) -> None:
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(template, tmp_path / "project", chain)
    site.add("first")
    assert site.round(Effects(), "final").state is RunState.FINAL
    site.add("second")
    chain.reorganise(chain.head.number - 2, "lost")  # past the final block
    incidents = []
    for _ in range(3):
        try:
            site.round(Effects(), "final")
        except ChainGuardError as error:
            incidents.append(error.message)
    assert any("finality was violated" in message for message in incidents)


@pytest.mark.fault(
    "B2",
    how="the chain makes no blocks, and another operator's anchor of our head was the last one",
    then="exit code 21, for no fee would help; afterwards the head is anchored, once",
)
def test_a_transaction_that_became_needless_while_no_blocks_are_made_is_no_matter_of_fees(
    template: Config, tmp_path: Path
) -> None:
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(template, tmp_path / "project", chain)
    site.add("first")

    def rival_and_silence() -> None:
        call = site.rival_call()
        assert call is not None
        chain.interval = None
        chain.include(site.sign(RIVAL, REGISTRY, call))

    with pytest.raises(NotFinalError, match="was sent but not included"):
        site.round(Effects({("save_attempt", 0): rival_and_silence}), "included")
    assert any(report.startswith("it is not replaced: ") for report in site.reports)
    chain.interval = 12
    assert site.round(Effects(), "final").state is RunState.FINAL


@pytest.mark.fault(
    "D12",
    how="our nonce goes to another program, or two do, and another operator anchors the head",
    then="nothing is signed (21): ours come back, and what would have extended the other's anchor "
    "does not revert; or, once final, the loss is told (32)",
)
@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_nonce_stays_open_though_somebody_else_anchored_its_head(
    template: Config, tmp_path: Path, count: int, *, comes_back: bool
) -> None:
    chain = MemoryChain(recover=read_sender, interval=12, lag=30)
    site = MemorySite.copy(template, tmp_path / "project", chain)
    chain.pass_time(12 * chain.lag)  # the nonces of the site's own making are final
    fork = chain.head.number
    for number in range(count):
        site.add(f"lost {number}")
        site.round(Effects())
    ours = stored_raws(site)
    assert len(ours) == count

    chain.reorganise(chain.head.number - fork, "lost")
    for _ in ours:
        chain.include(site.sign(OWNER, STRANGER))
    call = site.rival_call()
    assert call is not None
    chain.include(site.sign(RIVAL, REGISTRY, call))
    site.add("newer")
    with pytest.raises(NotFinalError):
        site.round(Effects())
    assert stored_raws(site) == ours, "nothing is signed above what may come back"

    if comes_back:
        chain.reorganise(chain.head.number - fork, "lost")
        chain.include(*ours)
    else:
        chain.pass_time(12 * chain.lag)
        for _ in ours:
            with pytest.raises(ForeignUseError, match="another program used nonce"):
                site.round(Effects())
    site.round(Effects())
    chain.pass_time(12 * chain.lag)
    assert site.round(Effects(), "final").state is RunState.FINAL
    own = [each for each in chain.included(OWNER) if each.transaction.to == REGISTRY]
    assert all(each.succeeded for each in own)
    anchors = [site.anchor_in(head.root, final=True) for head in site.heads()]
    sequences = [anchor.sequence for anchor in anchors if anchor is not None]
    assert sequences == list(range(1, (count if comes_back else 1) + 2))


def stored_raws(site: MemorySite) -> list[bytes]:
    """Return what was ever signed, by nonce."""
    with closing(sqlite3.connect(site.config.folder / "anchor.db")) as reader:
        return [raw for (raw,) in reader.execute("SELECT raw FROM attempts ORDER BY nonce")]
