"""The owner's call that authorises an operator's key, or removes one.

It goes through the transaction journal like any other.  Whether it is done is read from the
registry: a call that was made before, by any sender, is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from anchor.base.errors import ChainGuardError, NotFinalError, SignerError, UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import Clock, utc_now
from anchor.base.types import Address, Hash32, log_owner
from anchor.chain.call_simulation import Intent
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer import Signer, UnsignedTransaction
from anchor.ethereum.keccak import format_address
from anchor.operate.anchoring import make_manager
from anchor.operate.funds import find_key
from anchor.operate.operators import (
    OperatorList,
    agree_on_operator_id,
    agree_on_operator_key,
    choose_id,
)
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.registry.calldata import encode_set_operator_call
from anchor.store.heads import newest_anchored
from anchor.store.tx_journal import GIVEN_UP, StoredJournal

# The most transactions that one call may settle: an earlier run's, then its own.
_MAX_ROUNDS = 3
# Seconds between two checks while waiting for finality.
_FINALITY_POLL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """The owner's request that ``key`` may anchor under ``id``, or no longer if ``id`` is 0.

    ``operator_id`` is the id concerned: the new one, or the one that is removed.
    """

    key: Address
    id: int
    operator_id: int

    def encode_call(self, config: Config) -> bytes:
        """Return the calldata of ``setOperator``."""
        return encode_set_operator_call(config.log, self.key, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A change that is final as of ``final_block``; ``tx_hash`` None: this run sent no call."""

    tx_hash: Hash32 | None
    final_block: int


def plan_addition(
    project: OpenProject, node: Node, key: Address, operator_id: int | None
) -> KeyChange:
    """Return the change that authorises ``key``; the default id is its former or a free one.

    Raises:
        UsageError: The key is the owner's or the zero address, or the id belongs to another key.
        ChainGuardError: The log is closed.
    """
    config = project.config
    _check_open(config, node)
    if key == log_owner(config.log):
        raise UsageError(
            Message("operator-key-owns-log", address=format_address(key)),
            hint=Message("operator-other-key-hint"),
        )
    if not any(key):
        raise UsageError(Message("operator-key-zero"), hint=Message("operator-key-hint"))
    if operator_id is None:
        current = agree_on_operator_id(config, node, key)
        operator_id = current or choose_id(project, node, key)
    holder = agree_on_operator_key(config, node, operator_id)
    if holder not in (None, key):
        assert holder is not None
        raise UsageError(
            Message("operator-id-taken", operator=operator_id, address=format_address(holder)),
            hint=Message("operator-id-taken-hint", operator=choose_id(project, node, key)),
        )
    return KeyChange(key=key, id=operator_id, operator_id=operator_id)


def plan_removal(project: OpenProject, node: Node, *, key: Address | None, id: int) -> KeyChange:
    """Return the change that removes a key: ``key``, or if that is None the key of ``id``.

    Raises:
        UsageError: The key is the owner's, or the id names no key.
        ChainGuardError: The log is closed.
    """
    config = project.config
    _check_open(config, node)
    if key == log_owner(config.log) or (key is None and id == 0):
        raise UsageError(
            Message("operator-owner-not-removable"),
            hint=Message("operator-owner-not-removable-hint"),
        )
    if key is None:
        key = agree_on_operator_key(config, node, id)
        if key is None:
            raise UsageError(
                Message("operator-id-unknown", operator=id), hint=Message("operator-list-hint")
            )
        current = agree_on_operator_id(config, node, key)
        if current not in (0, id):
            raise UsageError(
                Message(
                    "operator-id-superseded",
                    address=format_address(key),
                    actual=current,
                    expected=id,
                ),
                hint=Message("operator-id-superseded-hint", actual=current),
            )
    else:
        id = agree_on_operator_id(config, node, key)
    return KeyChange(key=key, id=0, operator_id=id)


def is_done(config: Config, node: Node, change: KeyChange) -> bool:
    """Return whether the newest block shows the change already, so that no call is needed."""
    registry = RegistryReader(config.registry, config.log)
    return registry.operator_id(node, change.key, "latest") == change.id


def apply_change(
    project: OpenProject,
    node: Node,
    change: KeyChange,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
) -> Applied:
    """Bring the change on chain with the owner's key, and wait until it is final.

    An interrupted run is continued: its stored bytes are sent again, never a second call.

    Raises:
        SignerError: The key is not the owner's, or another key's transaction is not settled yet.
        NotFinalError: The call is not included or not final in time; calling again continues.
    """
    config = project.config
    sent: Hash32 | None = None
    for _ in range(_MAX_ROUNDS):
        # An earlier run with the owner's key may have ended before it saw the outcome.
        if not is_done(config, node, change) or find_unsettled(project) == log_owner(config.log):
            sent = _send(project, node, change, open_signer(), clock, report) or sent
        report(Message("operator-change-waiting-final"))
        final_block = _wait_until_final(config, node, change, clock)
        if final_block is not None:
            _let_go(project, node, change, clock, report)
            return Applied(tx_hash=sent, final_block=final_block)
        if is_done(config, node, change):
            raise NotFinalError(
                Message("operator-change-not-final"),
                hint=Message("operator-change-not-final-hint"),
            )
        report(Message("operator-change-reorganised"))
    raise ChainGuardError(Message("registry-not-following"))


def _send(
    project: OpenProject,
    node: Node,
    change: KeyChange,
    signer: Signer,
    clock: Clock,
    report: Callable[[Message], None],
) -> Hash32 | None:
    """Settle open transactions, and send the change unless it is done by then."""
    config = project.config
    check_owner(config, signer.address)
    _let_go(project, node, change, clock, report)
    intent = Intent(to=config.registry, data=change.encode_call(config), head_size=None)
    manager = make_manager(project, node, signer, clock, report)
    inclusion = manager.resume(intent)
    for _ in range(_MAX_ROUNDS):
        if is_done(config, node, change):
            return inclusion.tx_hash if inclusion else None
        inclusion = manager.send(intent)
    raise ChainGuardError(Message("registry-not-following"))


class _Nobody:
    """A signer that never signs, for settling transactions that were signed before."""

    address = Address(bytes(20))

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        """Raise AssertionError: this signer is never asked to sign."""
        raise AssertionError(transaction)


def _let_go(
    project: OpenProject,
    node: Node,
    change: KeyChange,
    clock: Clock,
    report: Callable[[Message], None],
) -> None:
    """Close the journal's open nonce of a removed key, with which no later run will continue.

    The signed transaction stays valid, and reverts once the key has no authority.  If a block
    includes it before that, it anchors a head of this log, which the next run reads back.
    """
    if change.id or find_unsettled(project) != change.key:
        return
    slot = make_manager(project, node, _Nobody(), clock, report).settle_former()
    if slot is not None:
        StoredJournal(project.database, utc_now).settle_slot(slot, GIVEN_UP)
        report(
            Message("nonce-given-up-with-key", nonce=slot.nonce, sender=format_address(slot.sender))
        )


def find_unsettled(project: OpenProject) -> Address | None:
    """Return the sender of the signed transaction that is not settled yet; None without one."""
    slot = StoredJournal(project.database, utc_now).open_slot(project.config.chain_id)
    return slot.sender if slot is not None and slot.attempts else None


def advise(
    project: OpenProject, node: Node, change: KeyChange, listed: OperatorList
) -> list[Message]:
    """Return what the operator should know or do after the change, as sentences."""
    signer = find_key(project.config)
    key = format_address(change.key)
    advice: list[Message] = []
    if not change.id:
        if change.key == signer:
            advice.append(Message("operator-removed-is-signer"))
        newest = project.read(newest_anchored)
        ids = [str(each.id) for each in listed.operators if each.key == change.key]
        if newest is not None and ids:
            advice.append(
                Message(
                    "operator-theft-until-block",
                    operators=join(ids, by="and"),
                    block=newest.block_number,
                )
            )
        return advice
    active = [str(each.id) for each in listed.operators if each.is_active]
    if len(active) > 1:
        advice.append(Message("operator-several-active", count=len(active), operators=join(active)))
    if change.key != signer:
        advice.append(Message("operator-switch-signer"))
    if node.fetch_balance(change.key) == 0:
        advice.append(Message("operator-key-unfunded", address=key))
    return advice


def check_owner(config: Config, key: Address) -> None:
    """Check that ``key`` owns the log."""
    owner = log_owner(config.log)
    if key != owner:
        raise SignerError(
            Message("operator-change-not-owner", address=format_address(key)),
            hint=Message("operator-change-not-owner-hint", owner=format_address(owner)),
        )


def _check_open(config: Config, node: Node) -> None:
    if RegistryReader(config.registry, config.log).newest_root(node, "latest").is_closed:
        raise ChainGuardError(
            Message("operator-log-closed"),
            hint=Message("operator-log-closed-hint"),
        )


def _wait_until_final(config: Config, node: Node, change: KeyChange, clock: Clock) -> int | None:
    """Return the final block that has the change; None on timeout, or if the change is gone again.

    Raises:
        CannotCheckError: The nodes do not report a final block, so that waiting is pointless.
    """
    registry = RegistryReader(config.registry, config.log)
    deadline = clock.monotonic() + config.wait_seconds
    while True:
        final = node.fetch_final_block(config.finality)
        read = partial(registry.operator_id, key=change.key, block=final.hash)
        if node.read_with_quorum(read) == change.id:
            return final.number
        if clock.monotonic() >= deadline or not is_done(config, node, change):
            return None
        clock.sleep(_FINALITY_POLL)
