"""What to do next about one nonce: a pure decision from what is stored and what was observed.

A *slot* is one reserved nonce; its *attempts* are the transactions signed for it, at most one of
which can ever be included.  The driver is ``anchor.chain.tx_manager``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from anchor.types import Address, ChainId, Hash32

LOST = "lost"
"""The outcome of a nonce whose included transaction a reorganisation undid; it may come back."""

REPLACE_AFTER = 60.0
"""Seconds after which a transaction that no block took is worth a higher fee: five slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signed transaction, byte for byte.  Fees in wei a gas; ``head_size`` None: no anchor.

    ``l1_fee`` is the most that a rollup was expected to charge for its data, in wei.
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

    ``given_up``: nothing of it is sent any more, because the chain waits for earlier nonces that
    nobody fills.  Its bytes stay valid, so that once its nonce is the next they are outbid.
    """

    chain_id: ChainId
    sender: Address
    nonce: int
    attempts: tuple[Attempt, ...]
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A nonce of which a block took a transaction of ours, and which no final block has settled.

    ``outcome`` is ``included``, ``reverted`` or, after a reorganisation undid that, ``lost``;
    ``included_at`` is the block's time, None for a lost one.
    """

    slot: NonceSlot
    outcome: str
    included_at: int | None

    @property
    def is_lost(self) -> bool:
        """Return whether its transaction was not included when the chain was last looked at."""
        return self.outcome == LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an included transaction took: gas, wei for each, and its block's time (Unix seconds).

    ``l1_fee`` is what a rollup charged for the data on its parent chain, in wei.
    """

    gas_used: int
    gas_price: int
    timestamp: int
    l1_fee: int = 0

    @property
    def wei(self) -> int:
        """Return all of it."""
        return self.gas_used * self.gas_price + self.l1_fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Where an attempt was included, whether it succeeded there, and what that took."""

    tx_hash: Hash32
    block_hash: Hash32
    block_number: int
    succeeded: bool
    cost: Cost | None = None

    @property
    def outcome(self) -> str:
        """Return how it ended, in the journal's word."""
        return "included" if self.succeeded else "reverted"

    @property
    def gas_used(self) -> int | None:
        """Return the gas that it took; None where the receipt does not say."""
        return None if self.cost is None else self.cost.gas_used


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one look at the chain showed: the sender's nonces and our attempts' inclusions.

    ``final_nonce`` is None where the chain has no final block yet, and where it does not matter.
    ``missing`` is what is stored for the nonce the chain waits for, where that is an earlier one
    than the slot's.  ``inclusions`` are those that enough nodes show.  ``is_gap_certain``: enough
    nodes say that the chain waits for an earlier nonce.
    """

    latest_nonce: int
    inclusions: Mapping[Hash32, Inclusion]
    final_nonce: int | None = None
    missing: NonceSlot | None = None
    is_gap_certain: bool = True


class Action(Enum):
    """The next thing to do about a slot."""

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
    """An action, and the inclusion it rests on where there is one."""

    action: Action
    inclusion: Inclusion | None = None


def decide(slot: NonceSlot, observation: Observation, waited: float) -> Decision:
    """Return what to do about ``slot``; ``waited`` are the seconds since its newest attempt.

    An unknown outcome of a send is never a failure: the same bytes are sent again until some
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
        # A reorganisation undid an earlier transaction.  If it was ours, its bytes can only do what
        # they did before, or revert: the registry takes no older head after a newer one.  Either
        # way they use the nonce.  If it was not, it may never come.
        missing = observation.missing
        if missing is not None and missing.attempts:
            return Decision(action=Action.REPAIR)
        # Where one node may be all that says so, our own bytes may be the next: offer them.
        return Decision(action=Action.GAP if observation.is_gap_certain else Action.SEND)
    # Whichever of them a block takes, the others can never follow: they share the nonce.
    return Decision(action=Action.REPLACE if waited >= REPLACE_AFTER else Action.SEND)
