"""The transaction manager: sends one transaction at a time; a crash neither loses nor repeats it.

The order of effects is the crash design: reserve the nonce, sign, store the signed bytes, send.
Each is durable before the next.  There is no separate recovery: ``resume`` runs the ordinary loop
on an open slot.  ``anchor.chain.tx_state`` decides the next action from facts on which enough nodes
agree (``node_agreement``, ``tx_inclusion``), so that a lying node can only cause delay.

A nonce is signed for if it follows the nonces of the journal directly and no earlier transaction
was lost in a reorganisation (``next_nonce``, ``tx_settlement``).  If a node named a later nonce
falsely, a transaction for it would never be mined and would block the log.  So a later nonce is
used only once the account has used all nonces before it in a final block.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from anchor.base.errors import (
    AnchorError,
    ChainGuardError,
    ForeignUseError,
    FundsError,
    NodeFaultError,
    NodeRefusedError,
    NodeUnreachableError,
    NotFinalError,
    SignerError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock
from anchor.base.types import Address, ChainId
from anchor.chain.call_simulation import FUNDS_HINT, Intent, lacks_funds
from anchor.chain.fees import Fees, price_replacement
from anchor.chain.next_nonce import LONGEST_POLL, NonceChooser
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_block
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.chain.signer import Signer, UnsignedTransaction
from anchor.chain.tx_cost import bound_cost, bound_gas
from anchor.chain.tx_decoding import read_gas_limit
from anchor.chain.tx_inclusion import look_at
from anchor.chain.tx_journal_protocol import TxJournal
from anchor.chain.tx_offer import FeeLimits, Offer, Pricing
from anchor.chain.tx_settlement import Settlement
from anchor.chain.tx_state import (
    REPLACE_AFTER,
    Action,
    Attempt,
    Decision,
    Inclusion,
    NonceSlot,
    Observation,
    decide,
)
from anchor.ethereum.keccak import format_address, hash_keccak256

# Seconds before the first poll of the chain: short for devnets, then rising to ``LONGEST_POLL``.
_FIRST_POLL = 0.1
# Seconds after which bytes that are not yet included are sent again.
_RESEND = 40.0


class TransactionManager:
    """The only sender of transactions for one key on one chain."""

    def __init__(
        self,
        *,
        node: Node,
        chain_id: ChainId,
        signer: Signer,
        journal: TxJournal,
        clock: Clock,
        limits: FeeLimits,
        report: Callable[[Message], None],
        find_own: Callable[[Address, range], set[int]] = lambda *_: set(),
    ) -> None:
        """Prepare; ``find_own`` returns the nonces missing in the journal that are our own."""
        self._node = node
        self._chain_id = chain_id
        self._signer = signer
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._report = report
        self._pricing = Pricing(
            node=node, chain_id=chain_id, sender=signer.address, journal=journal, limits=limits
        )
        self._nonces = NonceChooser(
            node=node,
            chain_id=chain_id,
            sender=signer.address,
            journal=journal,
            clock=clock,
            limits=limits,
            report=report,
            find_own=find_own,
        )
        self._settlement = Settlement(
            node=node,
            chain_id=chain_id,
            journal=journal,
            finality=limits.finality,
            report=report,
        )
        self._lost: NonceSlot | None = None
        self._reviewed_at: float | None = None
        self.new_nonces = 0
        """The number of nonces for which this manager signed the first transaction."""

    def resume(self, intent: Intent) -> Inclusion | None:
        """Complete an earlier run's open nonce; return None if there is nothing to resume.

        An included nonce that a reorganisation freed, or gave to another program, is open again.
        If no block includes the earlier run's transaction, ``intent``, which may anchor a newer
        head, replaces it with a higher fee.  The caller reads from the chain which of the two was
        included.  A transaction that reverted in a final block is returned as well; its nonce is
        settled.  A slot reserved but never signed is left for the next ``send``, which uses its
        nonce.

        Raises the same errors as ``send``.
        """
        slot = self._find_unfinished(max_age=0.0)
        if slot is None:
            return None
        self._report(Message("tx-resuming"))
        return self._drive(slot, intent)

    def send(self, intent: Intent) -> Inclusion:
        """Send ``intent`` as a transaction and wait until it is included.

        While no block includes it, it is replaced at the same nonce, each time with a higher fee,
        up to the cap.  An unfinished transaction of an earlier run is completed first, and its
        inclusion is returned instead.

        Raises:
            ChainGuardError: The call reverts.
            NotFinalError: The transaction was not included within the limit, or was included and
                reverted in a block that is not final; a later run continues with the same nonce.
        """
        slot = self._find_unfinished(max_age=LONGEST_POLL)
        seen = None
        if slot is None:
            slot, seen = self._begin(intent)
        # A crash here leaves stored bytes that were never sent: the next run sends them.
        inclusion = self._drive(slot, intent, seen)
        if not inclusion.succeeded:
            raise ChainGuardError(
                Message("tx-reverted", hash=inclusion.tx_hash.hex()),
                hint=Message("tx-reverted-hint"),
            )
        return inclusion

    def _find_unfinished(self, *, max_age: float) -> NonceSlot | None:
        """Return the open slot if it has attempts, else the earliest lost slot, opened again.

        The review that finds lost slots may be up to ``max_age`` seconds old.
        """
        lost = self._find_lost(max_age)
        slot = self._open_slot()
        if slot is not None and slot.attempts:
            return slot
        if lost is None:
            return None
        if slot is not None:
            self._settle_unused(slot)
        self._reviewed_at = None  # this slot is open now: the next call has to review again
        return self._journal.reserve_slot(self._chain_id, lost.sender, lost.nonce)

    def _find_lost(self, max_age: float) -> NonceSlot | None:
        """Settle the nonces that are final; return the earliest whose inclusion was undone."""
        time = self._clock.monotonic()
        if self._reviewed_at is None or time - self._reviewed_at >= max_age:
            self._lost = self._settlement.review(self._signer.address)
            self._reviewed_at = time
        return self._lost

    def _begin(self, intent: Intent) -> tuple[NonceSlot, Observation | None]:
        """Reserve the next nonce and sign ``intent`` for it.

        Returns also the recent observation of the nonce, if no transaction for it can have been
        sent before.
        """
        sender = self._signer.address
        offer = self._pricing.price(intent)
        self._pricing.check_balance(offer)
        asked_at = self._clock.monotonic()
        nonce = self._nonces.choose(offer.block)
        known = self._journal.find_slot(self._chain_id, sender, nonce)
        if known is None or not known.attempts:
            self._pricing.check_budget(offer)
            self._nonces.report_unexplained(nonce)
        slot = self._open_slot()
        if slot is not None and not slot.attempts and slot.nonce != nonce:
            self._settle_unused(slot)
            slot = None
        if slot is None:
            slot = self._journal.reserve_slot(self._chain_id, sender, nonce)
        # A crash here leaves a reserved nonce without attempts: the next run signs for it.
        if not slot.attempts:
            slot = self._sign(slot, intent, offer)
            self.new_nonces += 1
            seen = Observation(latest_nonce=nonce, inclusions={})
            is_fresh = self._clock.monotonic() - asked_at < LONGEST_POLL
            return slot, seen if is_fresh else None
        if known is not None and known.given_up:
            # A pool may still hold its old bytes, whose call would revert by now: outbid them.
            slot = self._replace(slot, intent)[0] or slot
        return slot, None

    def settle_former(self) -> NonceSlot | None:
        """Settle the open nonce of a key that was in use before; that key itself is not needed.

        Returns the slot if its outcome is not final and it stays open, else None.
        """
        slot = self._journal.open_slot(self._chain_id)
        if slot is None or slot.sender == self._signer.address:
            return None
        if not slot.attempts:
            self._settle_unused(slot)
            return None
        seen = self._observe(slot)
        decision = decide(slot, seen, 0.0)
        inclusion = decision.inclusion
        if inclusion is not None and self._settlement.is_final(inclusion):
            self._journal.settle_slot(slot, inclusion.outcome, inclusion.cost, confirmed=True)
            outcome = (
                Message("nonce-outcome-included")
                if inclusion.succeeded
                else Message("nonce-outcome-reverted")
            )
        elif decision.action is Action.FOREIGN:
            outcome = Message("nonce-outcome-foreign")
            with suppress(ForeignUseError):
                self._settlement.conclude_used(slot)
        else:
            return slot
        self._report(
            Message(
                "nonce-settled",
                nonce=slot.nonce,
                sender=format_address(slot.sender),
                outcome=outcome,
            )
        )
        return None

    def _open_slot(self) -> NonceSlot | None:
        slot = self._journal.open_slot(self._chain_id)
        if slot is None or slot.sender == self._signer.address:
            return slot
        if self.settle_former() is None:
            return None
        raise SignerError(
            Message("tx-unsettled-of-former-key", sender=format_address(slot.sender)),
            hint=Message("tx-unsettled-of-former-key-hint"),
        )

    def _settle_unused(self, slot: NonceSlot) -> None:
        self._journal.settle_slot(slot, "unused", confirmed=True)  # no transaction was ever signed

    def _sign(self, slot: NonceSlot, intent: Intent, offer: Offer) -> NonceSlot:
        raw = self._signer.sign_transaction(
            UnsignedTransaction(
                chain_id=self._chain_id,
                nonce=slot.nonce,
                to=intent.to,
                data=intent.data,
                gas=offer.gas,
                fees=offer.fees,
            )
        )
        attempt = Attempt(
            tx_hash=hash_keccak256(raw),
            raw=raw,
            head_size=intent.head_size,
            max_fee=offer.fees.max_fee,
            priority_fee=offer.fees.priority_fee,
            l1_fee=offer.l1_fee,
        )
        self._journal.save_attempt(slot, attempt)
        return replace(slot, attempts=(*slot.attempts, attempt))

    def _replace(
        self, slot: NonceSlot, intent: Intent, *, below: int | None = None
    ) -> tuple[NonceSlot | None, bool]:
        """Sign ``intent`` for the slot's nonce with a higher fee; None if that is not possible.

        Returns also whether the fee is the reason, which the operator can change.  ``below``: the
        maximum cost in wei has to be lower than this, because the sender cannot pay so much.
        """
        try:
            offer = self._pricing.price(intent)
            fees = price_replacement(
                before=Fees(
                    max_fee=max(attempt.max_fee for attempt in slot.attempts),
                    priority_fee=max(attempt.priority_fee for attempt in slot.attempts),
                    legacy=False,
                ),
                market=offer.fees,
                cap=self._limits.fee_cap,
            )
            if fees is None:
                self._report(Message("tx-fee-cap-reached"))
                return None, True
            offer = replace(offer, fees=fees)
            if below is not None and offer.most >= below:
                return None, True
            self._pricing.check_balance(offer)
            self._pricing.check_budget(offer, but=slot)
        except FundsError as error:
            self._report(Message("tx-fee-not-raised", reason=error.message))
            return None, True
        except ChainGuardError as error:
            # The attempt to be replaced, or another operator's anchor, has just been included.
            self._report(Message("tx-not-replaced", reason=error.message))
            return None, False
        self._report(Message("tx-replacing", max_fee=fees.max_fee))
        return self._sign(slot, intent, offer), False

    def _drive(self, slot: NonceSlot, intent: Intent, seen: Observation | None = None) -> Inclusion:
        """Send, poll and replace until an attempt is included; ``seen``: a first observation."""
        deadline = self._clock.monotonic() + self._limits.wait_seconds
        pause = _FIRST_POLL
        next_send = since = self._clock.monotonic()
        offered = slot.nonce
        refused: NodeRefusedError | None = None
        is_stuck = has_new_gas = False
        while True:
            waited = REPLACE_AFTER if refused else self._clock.monotonic() - since
            seen = seen or self._observe(slot)
            decision = decide(slot, seen, waited)
            inclusion = self._conclude(slot, decision)
            if inclusion is not None:
                return inclusion
            if decision.action is Action.REPLACE and not self._is_held_up(slot, decision.action):
                below = bound_cost(slot.attempts) if refused and _lacks_funds(refused) else None
                replaced, is_stuck = self._replace(slot, intent, below=below)
                # A crash here leaves stored bytes that were never sent: the next run sends them.
                if replaced is None and refused is not None:
                    raise self._refused(refused)
                slot = replaced or slot
                next_send = since = self._clock.monotonic()
            next_up = slot
            if decision.action is Action.REPAIR and seen.missing is not None:
                next_up = seen.missing
            if next_up.nonce != offered:
                self._report(Message("nonce-awaited", nonce=next_up.nonce))
                offered = next_up.nonce
                next_send = since = self._clock.monotonic()
            may_send = decision.action is not Action.WAIT and self._clock.monotonic() >= next_send
            if may_send and not self._is_held_up(slot, decision.action):
                answer = self._send_bytes(next_up.attempts[-1])
                refused = answer if next_up is slot else None
                if refused is not None and self._is_gas_too_high(refused, next_up.attempts[-1]):
                    if has_new_gas:
                        raise refused
                    has_new_gas = True  # the replacement gets a new estimate
                next_send = self._clock.monotonic() + _RESEND
            if self._clock.monotonic() >= deadline:
                raise self._overdue(next_up, decision.action, is_stuck=is_stuck)
            self._clock.sleep(pause)
            seen = None
            pause = min(pause * 1.5, LONGEST_POLL)

    def _is_held_up(self, slot: NonceSlot, action: Action) -> bool:
        """Return whether an earlier nonce of ours was lost and another program has used it.

        The later transaction extends the lost head: it would revert, or make the lost one revert if
        that comes back.  If the lost nonce is still free, its own bytes are sent first.
        """
        if action is Action.REPAIR:
            return False
        lost = self._find_lost(LONGEST_POLL)
        return lost is not None and lost.nonce < slot.nonce

    def _conclude(self, slot: NonceSlot, decision: Decision) -> Inclusion | None:
        """Settle the slot if possible and return the inclusion; return None to continue."""
        if decision.action is Action.FOREIGN:
            self._settlement.conclude_used(slot)
        inclusion = decision.inclusion
        if inclusion is None:
            return None
        if decision.action is Action.DONE:
            self._journal.settle_slot(slot, "included", inclusion.cost)
            return inclusion
        if not self._settlement.is_final(inclusion):
            raise NotFinalError(
                Message("tx-reverted-not-final", hash=inclusion.tx_hash.hex()),
                hint=Message("tx-reverted-not-final-hint"),
            )
        self._journal.settle_slot(slot, "reverted", inclusion.cost, confirmed=True)
        self._report(Message("tx-reverted-report"))
        return inclusion

    def _overdue(self, slot: NonceSlot, action: Action, *, is_stuck: bool) -> AnchorError:
        seconds = Message("duration-seconds", seconds=self._limits.wait_seconds)
        transaction = Message("tx-by-hash", hash=slot.attempts[-1].tx_hash.hex())
        if action is Action.GAP:
            return ChainGuardError(
                Message("nonce-gap", nonce=slot.nonce, sender=format_address(slot.sender)),
                hint=Message("nonce-gap-hint", nonce=slot.nonce),
            )
        if is_stuck:
            return FundsError(
                Message("tx-fee-not-raisable", transaction=transaction, duration=seconds),
                hint=Message("tx-fee-not-raisable-hint"),
            )
        return NotFinalError(
            Message("tx-not-included", transaction=transaction, duration=seconds),
            hint=Message("tx-not-included-hint"),
        )

    def _observe(self, slot: NonceSlot) -> Observation:
        seen = look_at(self._node, slot)
        if seen.latest_nonce < slot.nonce:
            missing = self._journal.find_slot(self._chain_id, slot.sender, seen.latest_nonce)
            return replace(seen, missing=missing)
        if seen.latest_nonce > slot.nonce and not seen.inclusions:
            return replace(seen, final_nonce=self._settlement.fetch_final_nonce(slot.sender))
        return seen

    def _send_bytes(self, attempt: Attempt) -> NodeRefusedError | None:
        """Send; return the node's refusal if another fee or gas limit could avoid it."""
        self._report(Message("tx-sending", hash=attempt.tx_hash.hex()))
        try:
            self._node.send_raw_transaction(attempt.raw)
        except (NodeFaultError, NodeUnreachableError):
            # The node may have accepted it nevertheless: poll, then send the same bytes again.
            self._report(Message("tx-sent-unanswered"))
        except NodeRefusedError as error:
            refusal = classify_refusal(error.reason)
            if refusal in (Refusal.FEE_TOO_LOW, Refusal.GAS_TOO_HIGH, Refusal.FUNDS):
                return error
            if refusal is Refusal.OTHER:
                if self._is_gas_too_high(error, attempt):
                    return error
                raise
        return None

    def _is_gas_too_high(self, error: NodeRefusedError, attempt: Attempt) -> bool:
        """Return whether a refusal is for the gas limit, by its text or by the block's limit."""
        refusal = classify_refusal(error.reason)
        if refusal is not Refusal.OTHER:
            return refusal is Refusal.GAS_TOO_HIGH
        return read_gas_limit(attempt.raw) > bound_gas(agree_on_block(self._node))

    def _refused(self, error: NodeRefusedError) -> AnchorError:
        """Return the error to raise for a transaction that is refused and cannot be replaced."""
        if _lacks_funds(error):
            return FundsError(lacks_funds(self._signer.address, self._chain_id), hint=FUNDS_HINT)
        return FundsError(
            Message("tx-fee-refused", reason=error.reason),
            hint=Message("tx-fee-refused-hint"),
        )


def _lacks_funds(error: NodeRefusedError) -> bool:
    return classify_refusal(error.reason) is Refusal.FUNDS
