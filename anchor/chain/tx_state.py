"""The next action for one nonce: a pure decision from stored state and an observation of the chain.

A *slot* is one reserved nonce; its *attempts* are the transactions signed for it, at most one of
which can ever be included.  The driver is ``anchor.chain.tx_manager``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from anchor.base.types import Address, ChainId, Hash32

LOST = "lost"
"""The outcome of a nonce whose included transaction a reorganisation undid; it may come back."""

REPLACE_AFTER = 60.0
"""Seconds (five slots) after which a transaction not yet included is given a higher fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signed transaction.  Fees are in wei per gas; ``head_size`` None: not an anchor.

    ``raw`` is the exact signed bytes.  ``l1_fee`` is the expected maximum of a rollup's charge for
    the data, in wei.
    """

    tx_hash: Hash32
    raw: bytes
    head_size: int | None
    max_fee: int
    priority_fee: int
    l1_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceSlot:
    """One reserved nonce with its attempts, oldest first.

    ``given_up``: its attempts are no longer sent, because the chain waits for earlier nonces that
    will not be used.  Their bytes stay valid, so they are outbid once this nonce is the next.
    """

    chain_id: ChainId
    sender: Address
    nonce: int
    attempts: tuple[Attempt, ...]
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A nonce for which our transaction was included, and that no final block has settled.

    ``outcome`` is ``included``, ``reverted`` or, after a reorganisation undid that, ``lost``;
    ``included_at`` is the block's Unix time, None for a lost nonce.
    """

    slot: NonceSlot
    outcome: str
    included_at: int | None

    @property
    def is_lost(self) -> bool:
        """Return whether the transaction was not included at the last review of the chain."""
        return self.outcome == LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of an included transaction: gas, wei per gas, and the block's time (Unix seconds).

    ``l1_fee`` is a rollup's charge for the data on its parent chain, in wei.
    """

    gas_used: int
    gas_price: int
    timestamp: int
    l1_fee: int = 0

    @property
    def wei(self) -> int:
        """Return the total cost in wei."""
        return self.gas_used * self.gas_price + self.l1_fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """The inclusion of an attempt: its block, whether it succeeded, and its cost."""

    tx_hash: Hash32
    block_hash: Hash32
    block_number: int
    succeeded: bool
    cost: Cost | None = None

    @property
    def outcome(self) -> str:
        """Return the outcome as the journal names it: ``included`` or ``reverted``."""
        return "included" if self.succeeded else "reverted"

    @property
    def gas_used(self) -> int | None:
        """Return the gas used; None if the cost is not known."""
        return None if self.cost is None else self.cost.gas_used


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The result of one poll of the chain: the sender's nonces and our attempts' inclusions.

    ``final_nonce`` is None if the chain has no final block yet, or if the decision does not need
    it.  ``missing`` is the stored slot of an earlier nonce that the chain waits for, if any.
    ``inclusions`` are those that enough nodes show.  ``is_gap_certain``: enough nodes report that
    the chain waits for an earlier nonce.
    """

    latest_nonce: int
    inclusions: Mapping[Hash32, Inclusion]
    final_nonce: int | None = None
    missing: NonceSlot | None = None
    is_gap_certain: bool = True


class Action(Enum):
    """The next action for a slot."""

    SIGN = "sign a first transaction"
    SEND = "send the newest attempt's bytes, for the first time or again"
    REPLACE = "sign another for the same nonce, with a higher fee, or else send again"
    WAIT = "look again later"
    DONE = "an attempt was included and succeeded"
    REVERTED = "an attempt was included and reverted"
    FOREIGN = "none of our attempts is known to have used the nonce, which is used finally"
    REPAIR = "send the missing nonce's newest bytes again"
    GAP = "the chain waits for an earlier nonce than ours, for which nothing is stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An action, with the inclusion on which it is based, if any."""

    action: Action
    inclusion: Inclusion | None = None


def decide(slot: NonceSlot, observation: Observation, waited: float) -> Decision:
    """Return the next action for ``slot``; ``waited`` is the seconds since its newest attempt.

    An unknown outcome of a send is never a failure: the same bytes are sent again until a
    transaction has used the nonce.
    """
    for attempt in slot.attempts:
        inclusion = observation.inclusions.get(attempt.tx_hash)
        if inclusion is not None:
            action = Action.DONE if inclusion.succeeded else Action.REVERTED
            return Decision(action=action, inclusion=inclusion)
    if observation.latest_nonce > slot.nonce:
        # Used, but by none of our attempts: provisional until final, then settled.
        final = observation.final_nonce is not None and observation.final_nonce > slot.nonce
        return Decision(action=Action.FOREIGN if final else Action.WAIT)
    if not slot.attempts:
        return Decision(action=Action.SIGN)
    if observation.latest_nonce < slot.nonce:
        # A reorganisation undid an earlier transaction.  If it was ours, its bytes can only have
        # the same effect again, or revert: the registry accepts no older head after a newer one.
        # Either way they use the nonce.  If it was another program's, it may never return.
        missing = observation.missing
        if missing is not None and missing.attempts:
            return Decision(action=Action.REPAIR)
        # Too few nodes report the gap for certain: our own bytes may be next, so send them.
        return Decision(action=Action.GAP if observation.is_gap_certain else Action.SEND)
    # Once one attempt is included, the others never can be: they share the nonce.
    return Decision(action=Action.REPLACE if waited >= REPLACE_AFTER else Action.SEND)
