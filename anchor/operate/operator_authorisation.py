"""The owner's call that authorises an operator's key, or removes one.

It goes through the transaction journal like any other.  Whether it is done is read from the
registry: a call that was made before, by any sender, is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from anchor.chain.call_simulation import Intent
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer import Signer, UnsignedTransaction
from anchor.errors import ChainGuardError, NotFinalError, SignerError, UsageError
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
from anchor.system.clock import Clock, utc_now
from anchor.types import Address, Hash32, log_owner

# How many transactions one call may need: an earlier run's, then ours.
_MAX_ROUNDS = 3
# Seconds between two checks while waiting for finality.
_FINALITY_POLL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """The owner's request that ``key`` may anchor under ``id``, or no longer where ``id`` is 0.

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
            f"{format_address(key)} owns this log, and may always anchor in it",
            hint="name the address of another key",
        )
    if not any(key):
        raise UsageError("the zero address is no key", hint="name the address of a key")
    if operator_id is None:
        current = agree_on_operator_id(config, node, key)
        operator_id = current or choose_id(project, node, key)
    holder = agree_on_operator_key(config, node, operator_id)
    if holder not in (None, key):
        assert holder is not None
        raise UsageError(
            f"the id {operator_id} names {format_address(holder)} for ever",
            hint=f"leave --id out, or choose another: {choose_id(project, node, key)} will do",
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
            "the owner of a log cannot be removed from it",
            hint="`anchor succeed` closes the log; another owner needs a log of its own",
        )
    if key is None:
        key = agree_on_operator_key(config, node, id)
        if key is None:
            raise UsageError(
                f"the id {id} names no key in this log", hint="`anchor operator list` shows them"
            )
        current = agree_on_operator_id(config, node, key)
        if current not in (0, id):
            raise UsageError(
                f"{format_address(key)} anchors under the id {current} now, not {id}",
                hint=f"to remove it, name the key or the id {current}",
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
    report: Callable[[str], None],
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
        report("waiting until it is final")
        final_block = _wait_until_final(config, node, change, clock)
        if final_block is not None:
            _let_go(project, node, change, clock, report)
            return Applied(tx_hash=sent, final_block=final_block)
        if is_done(config, node, change):
            raise NotFinalError(
                "the change is included, but not in a final block yet",
                hint="run the same command again: it sends nothing twice",
            )
        report("a reorganisation took it back; sending it again")
    raise ChainGuardError("the registry does not follow our transactions; run again later")


def _send(
    project: OpenProject,
    node: Node,
    change: KeyChange,
    signer: Signer,
    clock: Clock,
    report: Callable[[str], None],
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
    raise ChainGuardError("the registry does not follow our transactions; run again later")


class _Nobody:
    """A signer that never signs, for settling transactions that were signed before."""

    address = Address(bytes(20))

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        """Raise AssertionError: this signer is never asked to sign."""
        raise AssertionError(transaction)


def _let_go(
    project: OpenProject, node: Node, change: KeyChange, clock: Clock, report: Callable[[str], None]
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
        report(f"nonce {slot.nonce} of {format_address(slot.sender)} is given up with its key")


def find_unsettled(project: OpenProject) -> Address | None:
    """Return the sender of the signed transaction that is not settled yet; None without one."""
    slot = StoredJournal(project.database, utc_now).open_slot(project.config.chain_id)
    return slot.sender if slot is not None and slot.attempts else None


def advise(project: OpenProject, node: Node, change: KeyChange, listed: OperatorList) -> list[str]:
    """Return what the operator should know or do after the change, as sentences."""
    signer = find_key(project.config)
    key = format_address(change.key)
    advice = []
    if not change.id:
        if change.key == signer:
            advice.append(
                "It is this project's signer: name another key in [signer] of anchor.toml."
            )
        newest = project.read(newest_anchored)
        ids = [str(each.id) for each in listed.operators if each.key == change.key]
        if newest is not None and ids:
            advice.append(
                f"After a theft, let until_block of operator {' and '.join(ids)} end before it: "
                f"this store's newest anchor is in block {newest.block_number}."
            )
        return advice
    active = [str(each.id) for each in listed.operators if each.is_active]
    if len(active) > 1:
        advice.append(
            f"{len(active)} operators may anchor now ({', '.join(active)}): let only one program "
            "send at a time, and remove the keys that are not used any more."
        )
    if change.key != signer:
        advice.append(
            "To anchor with it, name its keystore in [signer] of anchor.toml once nothing of the "
            "present key is unsettled (`anchor operator list` says so)."
        )
    if node.fetch_balance(change.key) == 0:
        advice.append(f"{key} has no ether yet, and needs some before it can anchor.")
    return advice


def check_owner(config: Config, key: Address) -> None:
    """Check that ``key`` owns the log.

    Raises:
        SignerError: The key does not own the log.
    """
    owner = log_owner(config.log)
    if key != owner:
        raise SignerError(
            f"{format_address(key)} does not own this log, and only the owner can authorise or "
            "remove operators",
            hint=f"name the keystore of {format_address(owner)} with --owner-keystore, or print "
            "the call for it with --show-call",
        )


def _check_open(config: Config, node: Node) -> None:
    if RegistryReader(config.registry, config.log).newest_root(node, "latest").is_closed:
        raise ChainGuardError(
            "this log was closed with `succeed`: nobody anchors in it any more",
            hint="operators are per log: run this in its successor's project",
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
