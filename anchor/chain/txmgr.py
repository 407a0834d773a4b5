"""Sends one transaction at a time, so that a crash at any point loses and doubles nothing.

The order of effects is the crash design: reserve the nonce, sign, store the signed bytes, send.
Each is durable before the next.  There is no separate recovery: ``resume`` runs the ordinary loop
on whatever slot is open.  What to do next is decided by ``anchor.chain.attempts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from anchor.chain.attempts import (
    REPLACE_AFTER,
    Action,
    Attempt,
    Cost,
    Decision,
    Inclusion,
    Observation,
    Slot,
    decide,
)
from anchor.chain.fees import Fees, gas_limit, price_dynamic, price_legacy, price_replacement
from anchor.chain.node import Node
from anchor.chain.refusals import Refusal, classify_refusal
from anchor.chain.signer import Signer, UnsignedTransaction
from anchor.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ForeignUseError,
    FundsError,
    NodeFaultError,
    NodeRefusedError,
    NodeUnreachableError,
    NotFinalError,
    SignerError,
)
from anchor.registry.codec import describe_revert
from anchor.registry.keccak import format_address, hash_keccak256
from anchor.trust import FinalityRule
from anchor.types import Address, ChainId

# Seconds between two looks at the chain: quick at first, for devnets, then once every few blocks.
_FIRST_POLL = 0.1
_LONGEST_POLL = 4.0
# Seconds after which unseen bytes are offered again.
_RESEND = 40.0
# The JSON-RPC error code of a call that reverts (geth internal/ethapi/errors.go, and others).
_REVERTED = 3


BUDGET_DAYS = 30
"""Days over which a budget counts: up to the latest block's time, by the blocks' own times."""

_ETHER = 10**18


class TxJournal(Protocol):
    """Where nonces and signed bytes are kept.  Every method is durable when it returns."""

    def open_slot(self, chain_id: ChainId) -> Slot | None:
        """Return the nonce that is reserved and not settled; there is at most one, of any key."""

    def reserve_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> Slot:
        """Reserve a nonce.

        One that was settled before and is free again (a reorganisation) is opened again with its
        attempts, so that the same bytes are sent.
        """

    def find_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> Slot | None:
        """Return what is stored for a nonce, open or settled; None where nothing is."""

    def last_nonce(self, chain_id: ChainId, sender: Address) -> int | None:
        """Return the highest nonce that a transaction was signed for; None before the first."""

    def save_attempt(self, slot: Slot, attempt: Attempt) -> None:
        """Store a signed transaction; only then may it be sent."""

    def settle_slot(self, slot: Slot, outcome: str, cost: Cost | None = None) -> None:
        """Store how the nonce ended: ``included``, ``reverted``, ``foreign`` or ``unused``.

        ``cost`` is what that took, of the first two.
        """

    def sum_costs(self, chain_id: ChainId, since: int) -> int:
        """Return the wei that settled transactions took in blocks after ``since``, of any key."""


class Clock(Protocol):
    """Monotonic seconds, and a way to let some pass."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One call to bring on chain; ``head_size`` is the head it anchors, None for a deployment.

    ``to`` None creates a contract from ``data``.
    """

    to: Address | None
    data: bytes
    head_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The operator's bounds: fee cap in wei a gas, how long to wait, what counts as final.

    ``budget`` is the most that all transactions of ``BUDGET_DAYS`` may take together, in wei.
    """

    fee_cap: int
    wait_seconds: float
    finality: FinalityRule
    budget: int | None = None


class TransactionManager:
    """The one sender of one key on one chain."""

    def __init__(
        self,
        *,
        node: Node,
        chain_id: ChainId,
        signer: Signer,
        journal: TxJournal,
        clock: Clock,
        limits: Limits,
        report: Callable[[str], None],
    ) -> None:
        self._node = node
        self._chain_id = chain_id
        self._signer = signer
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._report = report
        self.new_nonces = 0
        """For how many nonces it has signed a first transaction."""

    def resume(self, intent: Intent) -> Inclusion | None:
        """Drive the open slot of an earlier run to its end; None where there is nothing to resume.

        If no block takes what that run signed, ``intent`` goes out in its place with a higher fee:
        it may well carry a newer head.  Which of them was included, the caller sees by the chain;
        one that reverted, finally, is returned like any other, and its nonce is settled.
        A slot reserved but never signed is left for the next ``send``, which uses its nonce.

        Raises:
            As ``send``.
        """
        slot = self._open_slot()
        if slot is None or not slot.attempts:
            return None
        self._report("resuming the transaction of an earlier run")
        return self._drive(slot, intent)

    def send(self, intent: Intent) -> Inclusion:
        """Bring ``intent`` on chain and wait until it is included.

        While no block takes it, it is replaced at the same nonce, each time with a higher fee, up
        to the cap.

        Raises:
            FundsError: the sender cannot pay, or the fee cap is too low.
            ChainGuardError: the call reverts.
            ForeignUseError: another program used the nonce, finally; the next call takes another.
            NotFinalError: not included within the limit, or included and reverted in a block that
                is not final; a later run goes on with the same nonce.
        """
        sender = self._signer.address
        gas = self._estimate(intent)
        fees = fetch_fees(self._node, self._limits.fee_cap)
        self._check_balance(gas * fees.max_fee)
        nonce = self._fetch_next_nonce(sender)
        known = self._journal.find_slot(self._chain_id, sender, nonce)
        if known is None or not known.attempts:
            self._check_budget(gas * fees.max_fee)
            self._tell_unexplained(sender, nonce)
        slot = self._open_slot()
        if slot is not None and not slot.attempts and slot.nonce != nonce:
            self._journal.settle_slot(slot, "unused")  # nothing was ever signed for it
            slot = None
        if slot is None:
            slot = self._journal.reserve_slot(self._chain_id, sender, nonce)
        # A crash here leaves a reserved nonce without attempts: the next run signs for it.
        if not slot.attempts:
            slot = self._sign(slot, intent, gas, fees)
            self.new_nonces += 1
        # A crash here leaves stored bytes that were never sent: the next run sends them.
        inclusion = self._drive(slot, intent)
        if not inclusion.succeeded:
            raise ChainGuardError(
                f"transaction 0x{inclusion.tx_hash.hex()} was included and reverted, finally",
                hint="run again: what is to be sent then is tried out first",
            )
        return inclusion

    def settle_former(self) -> Slot | None:
        """Settle the open nonce of another key, which needs nothing of that key.

        Returns it where its end is not final, so that it stays open.
        """
        slot = self._journal.open_slot(self._chain_id)
        if slot is None or slot.sender == self._signer.address:
            return None
        cost = None
        if not slot.attempts:
            outcome = "unused"
        else:
            decision = decide(slot, self._observe(slot), 0.0)
            inclusion = decision.inclusion
            if inclusion is not None and self._is_final(inclusion):
                outcome = "included" if inclusion.succeeded else "reverted"
                cost = inclusion.cost
            elif decision.action is Action.FOREIGN:
                outcome = "foreign"
            else:
                return slot
        self._journal.settle_slot(slot, outcome, cost)
        self._report(f"nonce {slot.nonce} of {format_address(slot.sender)} ended as {outcome}")
        return None

    def _open_slot(self) -> Slot | None:
        slot = self._journal.open_slot(self._chain_id)
        if slot is None or slot.sender == self._signer.address:
            return slot
        if self.settle_former() is None:
            return None
        raise SignerError(
            f"a transaction of {format_address(slot.sender)} is not settled yet",
            hint="run with that key until it is; then the key can be changed",
        )

    def _fetch_next_nonce(self, sender: Address) -> int:
        # One wrong answer here would sign a transaction that never becomes valid: ask twice, the
        # second time about one block.
        nonce = self._node.fetch_nonce(sender, "latest")
        latest = self._node.fetch_block("latest")
        if latest is None or self._node.fetch_nonce(sender, latest.hash) != nonce:
            raise NodeFaultError(
                f"the node {self._node.name} gives two answers to what the next nonce is"
            )
        return nonce

    def _tell_unexplained(self, sender: Address, nonce: int) -> None:
        last = self._journal.last_nonce(self._chain_id, sender)
        if last is not None and nonce > last + 1:
            self._report(
                f"{nonce - last - 1} transactions of {format_address(sender)} since nonce {last} "
                "are none of this project's: give the log a key of its own"
            )

    def _sign(self, slot: Slot, intent: Intent, gas: int, fees: Fees) -> Slot:
        raw = self._signer.sign_transaction(
            UnsignedTransaction(
                chain_id=self._chain_id,
                nonce=slot.nonce,
                to=intent.to,
                data=intent.data,
                gas=gas,
                fees=fees,
            )
        )
        attempt = Attempt(
            tx_hash=hash_keccak256(raw),
            raw=raw,
            head_size=intent.head_size,
            max_fee=fees.max_fee,
            priority_fee=fees.priority_fee,
        )
        self._journal.save_attempt(slot, attempt)
        return replace(slot, attempts=(*slot.attempts, attempt))

    def _replace(self, slot: Slot, intent: Intent) -> tuple[Slot | None, bool]:
        """Sign ``intent`` for the slot's nonce, with a higher fee; None where that cannot be.

        Returns also whether the fee is why: the operator can do something about that.
        """
        try:
            gas = self._estimate(intent)
            fees = price_replacement(
                before=Fees(
                    max_fee=max(attempt.max_fee for attempt in slot.attempts),
                    priority_fee=max(attempt.priority_fee for attempt in slot.attempts),
                    legacy=False,
                ),
                market=fetch_fees(self._node, self._limits.fee_cap),
                cap=self._limits.fee_cap,
            )
            if fees is None:
                self._report("its fee cannot be raised: chain.max_fee_gwei is reached")
                return None, True
            self._check_balance(gas * fees.max_fee)
            self._check_budget(gas * fees.max_fee)
        except FundsError as error:
            self._report(f"its fee cannot be raised: {error.message}")
            return None, True
        except ChainGuardError as error:
            # The attempt to be replaced has just been included, or another operator's anchor has.
            self._report(f"it is not replaced: {error.message}")
            return None, False
        self._report(f"no block took it: replacing it, now for up to {fees.max_fee} wei a gas")
        return self._sign(slot, intent, gas, fees), False

    def _drive(self, slot: Slot, intent: Intent) -> Inclusion:
        deadline = self._clock.monotonic() + self._limits.wait_seconds
        pause = _FIRST_POLL
        next_send = since = self._clock.monotonic()
        offered = slot.nonce
        refused: NodeRefusedError | None = None
        is_stuck = has_new_gas = False
        while True:
            waited = REPLACE_AFTER if refused else self._clock.monotonic() - since
            seen = self._observe(slot)
            decision = decide(slot, seen, waited)
            inclusion = self._conclude(slot, decision)
            if inclusion is not None:
                return inclusion
            if decision.action is Action.REPLACE:
                replaced, is_stuck = self._replace(slot, intent)
                # A crash here leaves stored bytes that were never sent: the next run sends them.
                if replaced is None and refused is not None:
                    raise _fee_refused(refused)
                slot = replaced or slot
                next_send = since = self._clock.monotonic()
            next_up = slot
            if decision.action is Action.REPAIR and seen.missing is not None:
                next_up = seen.missing
            if next_up.nonce != offered:
                self._report(f"the chain waits for nonce {next_up.nonce} now")
                offered = next_up.nonce
                next_send = since = self._clock.monotonic()
            if decision.action is not Action.WAIT and self._clock.monotonic() >= next_send:
                answer = self._send_bytes(next_up.attempts[-1])
                refused = answer if next_up is slot else None
                if refused is not None and _is_gas_too_high(refused):
                    if has_new_gas:
                        raise refused
                    has_new_gas = True  # by a replacement, for which the gas is estimated again
                next_send = self._clock.monotonic() + _RESEND
            if self._clock.monotonic() >= deadline:
                raise self._overdue(next_up, decision.action, is_stuck=is_stuck)
            self._clock.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _conclude(self, slot: Slot, decision: Decision) -> Inclusion | None:
        """Settle the slot where that can be, and return the inclusion; None to go on."""
        if decision.action is Action.FOREIGN:
            self._journal.settle_slot(slot, "foreign")
            raise ForeignUseError(
                f"another program used nonce {slot.nonce} of {format_address(slot.sender)}",
                hint="give this log a key of its own, then run again; or, where the key is meant "
                "to be used elsewhere, too, set signer.shared",
            )
        inclusion = decision.inclusion
        if inclusion is None:
            return None
        if decision.action is Action.DONE:
            self._journal.settle_slot(slot, "included", inclusion.cost)
            return inclusion
        if not self._is_final(inclusion):
            raise NotFinalError(
                f"transaction 0x{inclusion.tx_hash.hex()} was included and reverted, in a block "
                "that is not final",
                hint="run again once it is: only then can a new one be sent",
            )
        self._journal.settle_slot(slot, "reverted", inclusion.cost)
        self._report("the transaction reverted, finally")
        return inclusion

    def _overdue(self, slot: Slot, action: Action, *, is_stuck: bool) -> AnchorError:
        seconds = f"{self._limits.wait_seconds:g} seconds"
        transaction = f"transaction 0x{slot.attempts[-1].tx_hash.hex()}"
        if action is Action.GAP:
            return ChainGuardError(
                f"nonce {slot.nonce} of {format_address(slot.sender)} is signed, but the chain "
                "waits for an earlier one",
                hint="send something with each missing nonce of that key, then run again",
            )
        if is_stuck:
            return FundsError(
                f"{transaction} was not included within {seconds}, and its fee cannot be raised",
                hint="raise chain.max_fee_gwei, or see to the balance; then run again",
            )
        return NotFinalError(
            f"{transaction} was sent but not included within {seconds}",
            hint="run again later: it goes on with the same nonce, never with a second anchor",
        )

    def _observe(self, slot: Slot) -> Observation:
        # Before the receipts: whatever has used the nonce by now, a receipt of ours shows then.
        latest_nonce = self._node.fetch_nonce(slot.sender, "latest")
        missing = final_nonce = None
        if latest_nonce < slot.nonce:
            missing = self._journal.find_slot(self._chain_id, slot.sender, latest_nonce)
        elif latest_nonce > slot.nonce:
            final_nonce = self._fetch_final_nonce(slot.sender)
        inclusions = {}
        for attempt in slot.attempts:
            receipt = self._node.fetch_receipt(attempt.tx_hash)
            if receipt is None:
                continue
            block = self._node.fetch_block(receipt.block_number)
            if block is None or block.hash != receipt.block_hash:
                continue  # a receipt from a block that is not on the node's own chain
            inclusions[attempt.tx_hash] = Inclusion(
                tx_hash=receipt.tx_hash,
                block_hash=receipt.block_hash,
                block_number=receipt.block_number,
                succeeded=receipt.succeeded,
                cost=Cost(
                    gas_used=receipt.gas_used,
                    # Nobody pays more than was offered, whatever the node says.
                    gas_price=min(receipt.gas_price or attempt.max_fee, attempt.max_fee),
                    timestamp=block.timestamp,
                ),
            )
        return Observation(
            latest_nonce=latest_nonce,
            final_nonce=final_nonce,
            inclusions=inclusions,
            missing=missing,
        )

    def _is_final(self, inclusion: Inclusion) -> bool:
        """Say whether the very block of ``inclusion`` is final, by as many nodes as must agree."""
        number = inclusion.block_number
        try:
            if self._node.fetch_final_block(self._limits.finality).number < number:
                return False
            block = self._node.confirm(lambda node: node.fetch_block(number))
        except NodeUnreachableError:
            raise
        except CannotCheckError:
            return False
        return block is not None and block.hash == inclusion.block_hash

    def _fetch_final_nonce(self, sender: Address) -> int | None:
        try:
            final = self._node.fetch_final_block(self._limits.finality)
            return self._node.confirm(lambda node: node.fetch_nonce(sender, final.hash))
        except NodeUnreachableError:
            raise
        except CannotCheckError:
            return None

    def _send_bytes(self, attempt: Attempt) -> NodeRefusedError | None:
        """Send; return the node's refusal where another fee or gas limit would do."""
        self._report(f"sending transaction 0x{attempt.tx_hash.hex()}")
        try:
            self._node.send_raw_transaction(attempt.raw)
        except NodeUnreachableError:
            # The node may have taken it all the same: look, then send the same bytes again.
            self._report("the node did not answer; looking whether it took the transaction")
        except NodeRefusedError as error:
            refusal = classify_refusal(error.reason)
            if refusal is Refusal.FUNDS:
                raise FundsError(self._funds_message(), hint=_FUNDS_HINT) from error
            if refusal in (Refusal.FEE_TOO_LOW, Refusal.GAS_TOO_HIGH):
                return error
            if refusal is Refusal.OTHER:
                raise
        return None

    def _estimate(self, intent: Intent) -> int:
        """Return the gas limit for ``intent``, tried out with it."""
        try:
            gas = gas_limit(self._ask_estimate(intent))
        except NodeRefusedError as error:
            raise self._would_fail(error) from error
        try:
            # An estimate is the node's word alone, and one that is too low costs all of it.
            self._try_out(intent, gas)
        except NodeRefusedError as error:
            if error.data:  # the chain has moved on since the estimate
                raise self._would_fail(error) from error
            raise NodeFaultError(
                f"the node {self._node.name} says that {gas} gas will do, and then that it will "
                f"not: {error.reason}",
                hint="nothing was sent; run again, or ask another node",
            ) from error
        return gas

    def _ask_estimate(self, intent: Intent) -> int:
        sender = self._signer.address
        try:
            return self._node.estimate_gas(sender=sender, to=intent.to, data=intent.data)
        except NodeRefusedError as error:
            if error.data or classify_refusal(error.reason) is Refusal.FUNDS:
                raise
            self._try_out(intent)  # says why, where the call itself fails
            raise NodeFaultError(
                f"the node {self._node.name} does not estimate a call that works: {error.reason}",
                hint="nothing was sent; run again, or ask another node",
            ) from error

    def _try_out(self, intent: Intent, gas: int | None = None) -> None:
        self._node.call(sender=self._signer.address, to=intent.to, data=intent.data, gas=gas)

    def _would_fail(self, error: NodeRefusedError) -> AnchorError:
        refusal = classify_refusal(error.reason)
        if refusal is Refusal.FUNDS:
            return FundsError(self._funds_message(), hint=_FUNDS_HINT)
        if not (error.data or error.code == _REVERTED or refusal is Refusal.REVERTED):
            return error  # the node could not run the call: nothing of the registry's doing
        return ChainGuardError(
            f"the registry would refuse this call: {_revert_reason(error)}",
            hint="nothing was sent; look at the log and the registry with `anchor status`",
        )

    def _check_balance(self, cost: int) -> None:
        if self._node.fetch_balance(self._signer.address) < cost:
            raise FundsError(
                f"{self._funds_message()}: up to {cost / _ETHER:.6f} ether needed",
                hint=_FUNDS_HINT,
            )

    def _check_budget(self, cost: int) -> None:
        budget = self._limits.budget
        if budget is None:
            return
        latest = self._node.fetch_block("latest")
        if latest is None:
            raise NodeFaultError(f"the node {self._node.name} has no latest block")
        since = latest.timestamp - BUDGET_DAYS * 86_400
        spent = self._journal.sum_costs(self._chain_id, since)
        if spent + cost > budget:
            raise FundsError(
                f"the budget of {budget / _ETHER:g} ether in {BUDGET_DAYS} days does not cover the "
                f"next transaction: {spent / _ETHER:.6f} are spent, and it may take "
                f"{cost / _ETHER:.6f}",
                hint="what is recorded and sealed stays: raise chain.budget_ether, or run again "
                "when earlier transactions are older than that",
            )

    def _funds_message(self) -> str:
        return f"{format_address(self._signer.address)} cannot pay for the transaction"


def fetch_fees(node: Node, cap: int) -> Fees:
    """Return what to offer for a gas now, at most ``cap``.

    Raises:
        FundsError: the cap is below the market.
    """
    base_fee = node.fetch_base_fee()
    if base_fee is None:
        return price_legacy(gas_price=node.fetch_gas_price(), cap=cap)
    return price_dynamic(base_fee=base_fee, suggested_tip=node.fetch_priority_fee(), cap=cap)


def _is_gas_too_high(error: NodeRefusedError) -> bool:
    return classify_refusal(error.reason) is Refusal.GAS_TOO_HIGH


def _fee_refused(error: NodeRefusedError) -> FundsError:
    return FundsError(
        f"the node takes no transaction at this fee now: {error.reason}",
        hint="run again later; the same transaction is offered again",
    )


_FUNDS_HINT = "send ether to that address; what is recorded and sealed stays, run again then"


def _revert_reason(error: NodeRefusedError) -> str:
    try:
        data = bytes.fromhex((error.data or "").removeprefix("0x"))
    except ValueError:
        data = b""
    return describe_revert(data) if data else error.reason
