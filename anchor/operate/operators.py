"""The keys that may anchor in the log, as the registry's storage has them.

State gives the key of an id, and whether it may anchor; it does not list the ids.  Ids are
therefore found by hints: the first few, those of this project's own calls, and those in the
registry's events.  Since when a key may anchor is recorded in events only, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from anchor.base.errors import (
    CannotCheckError,
    ChainGuardError,
    NodeUnreachableError,
    QuorumError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import Address, Block, LogId
from anchor.chain.node import Node
from anchor.chain.node_agreement import Value, said_by_enough
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.tx_decoding import read_call_data
from anchor.ethereum.keccak import format_address
from anchor.operate.deployment import read_record
from anchor.operate.operator_events import (
    MAX_ID,
    OperatorChange,
    fetch_changes,
    fetch_named_ids,
)
from anchor.project.config import Config
from anchor.project.project import OpenProject, trust_entry
from anchor.registry.calldata import decode_set_operator_call
from anchor.store.tx_journal import StoredJournal
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustedOperator

FIRST_IDS = 16
"""Ids up to this one are always checked, whatever the hints are."""

# An upper bound, because each hint costs a request to every node; a real log has fewer.
_MOST_HINTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An id and the key that it names for ever.

    ``is_final_active`` is None if the nodes do not report a final block, or it does not have the id
    yet.  ``periods`` are the blocks of its anchors that a policy should accept.
    """

    id: int
    key: Address
    is_active: bool
    is_final_active: bool | None
    periods: tuple[TrustedOperator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorList:
    """The operators that were found, by id, and the blocks that were searched.

    ``changes`` None: no node serves the registry's events, so that other ids may exist, and the
    periods are wider than necessary.
    """

    operators: tuple[Operator, ...]
    final: Block | None
    changes: tuple[OperatorChange, ...] | None
    from_block: int


def load_operators(project: OpenProject, node: Node) -> OperatorList:
    """Return the log's operators; call ``check_chain`` and ``check_registry`` before."""
    config = project.config
    final = _find_final(config, node)
    from_block = _find_start(config)
    changes = None if final is None else fetch_changes(config, config.log, node, from_block, final)
    named = {change.id for change in changes or ()} | _named_by_journal(project)
    named |= fetch_named_ids(config, config.log, node, from_block)
    candidates = {*range(1, FIRST_IDS + 1), *sorted(named)[-_MOST_HINTS:]} - {0}
    operators = [_look_at(config, node, number, final, changes) for number in sorted(candidates)]
    return OperatorList(
        operators=tuple(operator for operator in operators if operator is not None),
        final=final,
        changes=changes,
        from_block=from_block,
    )


def agree_on_operator_key(config: Config, node: Node, operator_id: int) -> Address | None:
    """Return the key that an id names in the newest block, if enough nodes agree.

    Raises:
        QuorumError: Too few nodes agree: one alone does not decide whose key a call is about.
    """
    registry = RegistryReader(config.registry, config.log)
    read = partial(registry.operator_key, operator_id=operator_id, block="latest")
    return _agree(node, read, Message("operator-id-named", operator=operator_id))


def agree_on_operator_id(config: Config, node: Node, key: Address) -> int:
    """Return the id under which ``key`` may anchor now, if enough nodes agree; 0 for no id."""
    registry = RegistryReader(config.registry, config.log)
    read = partial(registry.operator_id, key=key, block="latest")
    return _agree(node, read, Message("key-named", address=format_address(key)))


def _agree(node: Node, read: Callable[[Node], Value], topic: Message) -> Value:
    agreed = _find_shared(node, read)
    if agreed is None:
        raise QuorumError(
            Message("node-registry-disagreement", topic=topic),
            hint=Message("node-registry-disagreement-hint"),
        )
    return agreed[0]


def _find_shared(node: Node, read: Callable[[Node], Value]) -> tuple[Value] | None:
    """Return the answer that enough nodes share; None if they disagree.

    It is in a tuple, because nodes may also agree on None.
    """
    return said_by_enough(node.ask_each(lambda one: (read(one),)), node.needed)


def choose_id(project: OpenProject, node: Node, key: Address) -> int:
    """Return the former id of ``key``, or one above all ids known of this log and the previous one.

    Ids count log by log, but a policy's entry may name several logs and applies to all of them.
    """
    config = project.config
    operators = load_operators(project, node).operators
    own = [operator.id for operator in operators if operator.key == key]
    if own:
        return own[-1]
    used = {operator.id for operator in operators}
    log = RegistryReader(config.registry, config.log).predecessor(node, "latest")
    # One step back is enough: the previous log chose its ids by the same rule.
    if any(log):
        hints = fetch_named_ids(config, log, node, _find_start(config))
        for number in {*range(1, FIRST_IDS + 1), *sorted(hints)[-_MOST_HINTS:]}:
            if node.read_with_quorum(partial(_has_key, config, log, number)):
                used.add(number)
    free = max(used, default=0) + 1
    if free > MAX_ID:
        raise UsageError(
            Message("operator-ids-exhausted"), hint=Message("operator-ids-exhausted-hint")
        )
    return free


def spell_policy(config: Config, listed: OperatorList) -> str:
    """Return the lines of a trust policy that accept the anchors of the owner and the operators.

    A policy without such lines accepts every key that the registry allowed to anchor.
    """
    owner = TrustedOperator(id=0, from_block=0, until_block=None)
    periods = [period for operator in listed.operators for period in operator.periods]
    entry = replace(trust_entry(config), operators=(owner, *periods))
    text = encode_policy([entry]).decode("utf-8")
    return text[text.index("[[trust.operators]]") :]


def _find_final(config: Config, node: Node) -> Block | None:
    try:
        return node.fetch_final_block(config.finality)
    except NodeUnreachableError:
        raise
    except CannotCheckError:
        return None


def _find_start(config: Config) -> int:
    """Return the first block that can hold events: the registry's by its record, else 0."""
    try:
        transaction = read_record(config)
    except (OSError, UsageError, UnknownVersionError, ChainGuardError):
        return 0
    return 0 if transaction is None else transaction.block_number


def _look_at(
    config: Config,
    node: Node,
    operator_id: int,
    final: Block | None,
    changes: Sequence[OperatorChange] | None,
) -> Operator | None:
    registry = RegistryReader(config.registry, config.log)
    read_key = partial(registry.operator_key, operator_id=operator_id)
    # A key that a single node shows in the newest block does not count as an operator.
    newest_key = _find_shared(node, partial(read_key, block="latest"))
    final_key, is_final_active = None, None
    if final is not None:
        final_key = node.read_with_quorum(partial(read_key, block=final.hash))
    key = final_key or (newest_key and newest_key[0])
    if key is None:
        return None
    read_id = partial(registry.operator_id, key=key)
    if final is not None and final_key is not None:
        final_id = node.read_with_quorum(partial(read_id, block=final.hash))
        is_final_active = final_id == operator_id
    is_active = _find_shared(node, partial(read_id, block="latest")) == (operator_id,)
    return Operator(
        id=operator_id,
        key=key,
        is_active=is_active,
        is_final_active=is_final_active,
        periods=_periods(operator_id, key, is_active, is_final_active, final, changes),
    )


def _periods(
    operator_id: int,
    key: Address,
    is_active: bool,
    is_final_active: bool | None,
    final: Block | None,
    changes: Sequence[OperatorChange] | None,
) -> tuple[TrustedOperator, ...]:
    """Return the blocks in which the id may have anchored, by its events, else by the state."""
    periods: list[TrustedOperator] = []
    for change in changes or ():
        if change.key != key:
            continue
        if periods and periods[-1].until_block is None:
            periods[-1] = replace(periods[-1], until_block=change.block_number)
        if change.id == operator_id:
            periods.append(
                TrustedOperator(id=operator_id, from_block=change.block_number, until_block=None)
            )
    if periods and (periods[-1].until_block is None) == (is_final_active is not False):
        return tuple(periods)
    # No events, or some that contradict the state.  An id that the final block does not have has
    # no anchor up to that block, and a key that was removed by then has none after it.
    from_block, until = 0, None
    if final is not None and is_final_active is None:
        from_block = final.number + 1
    if final is not None and is_final_active is False and not is_active:
        until = final.number
    return (TrustedOperator(id=operator_id, from_block=from_block, until_block=until),)


def _named_by_journal(project: OpenProject) -> set[int]:
    """Return the ids in this project's own calls."""
    config = project.config
    ids = set()
    for slot in StoredJournal(project.database, utc_now).load_deployments(config.chain_id):
        for attempt in slot.attempts:
            call = decode_set_operator_call(read_call_data(attempt.raw))
            if call is not None and call[0] == config.log:
                ids.add(call[2])
    return ids


def _has_key(config: Config, log: LogId, operator_id: int, node: Node) -> bool:
    return (
        RegistryReader(config.registry, log).operator_key(node, operator_id, "latest") is not None
    )
