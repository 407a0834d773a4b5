"""Simulation of a call before it is signed: its gas limit, and whether it succeeds with that limit.

An estimate is only a node's claim.  It is accepted as far as enough nodes agree with it, at most up
to the limits of a block and of one transaction, and only if the call succeeds with it at enough of
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import (
    AnchorError,
    ChainGuardError,
    FundsError,
    NodeFaultError,
    NodeRefusedError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId
from anchor.chain.fees import gas_limit
from anchor.chain.node import Node, PricedBlock
from anchor.chain.node_agreement import asked_by_enough
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.chain.tx_cost import bound_gas
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import label_chain
from anchor.registry.calldata import describe_revert

# The JSON-RPC error code of a call that reverts (geth internal/ethapi/errors.go, and others).
_REVERTED = 3

FUNDS_HINT = Message("sender-funds-missing-hint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A call to be included in the chain.

    ``head_size`` is the size of the head that it anchors, None for a deployment.  With ``to`` None,
    the call creates a contract from ``data``.
    """

    to: Address | None
    data: bytes
    head_size: int | None


def estimate_gas(
    node: Node, chain_id: ChainId, sender: Address, intent: Intent, block: PricedBlock
) -> int:
    """Return a gas limit with which ``intent`` was simulated successfully.

    ``block`` is the newest block that the nodes agree on.

    Raises:
        ChainGuardError: The call reverts.
    """
    most = bound_gas(block)
    try:
        estimates = node.ask_each(lambda one: _ask_estimate(one, sender, intent))
    except NodeRefusedError as error:
        raise _would_fail(error, sender, chain_id) from error
    estimate = asked_by_enough(estimates, node.needed)
    if estimate > most:
        raise NodeFaultError(
            Message(
                "node-gas-estimate-too-high",
                name=node.name,
                estimate=estimate,
                limit=most,
                number=block.number,
            ),
            hint=Message("node-retry-nothing-signed-hint"),
        )
    gas = min(gas_limit(estimate), most)
    try:
        # Run it with that limit: a transaction that runs out of gas fails and still pays for it.
        node.ask_each(lambda one: _run(one, sender, intent, gas))
    except NodeRefusedError as error:
        if error.data:  # the chain's state has changed since the estimate
            raise _would_fail(error, sender, chain_id) from error
        raise NodeFaultError(
            Message("node-gas-estimate-contradicted", name=node.name, gas=gas, reason=error.reason),
            hint=Message("node-retry-nothing-sent-hint"),
        ) from error
    return gas


def lacks_funds(sender: Address, chain_id: ChainId) -> Message:
    """Return the message that the sender cannot pay for the transaction on a chain."""
    return Message(
        "sender-funds-missing", sender=format_address(sender), chain=label_chain(chain_id)
    )


def _ask_estimate(node: Node, sender: Address, intent: Intent) -> int:
    try:
        return node.estimate_gas(sender=sender, to=intent.to, data=intent.data)
    except NodeRefusedError as error:
        if error.data or classify_refusal(error.reason) is Refusal.FUNDS:
            raise
        _run(node, sender, intent)  # raises with the reason if the call itself fails
        raise NodeFaultError(
            Message("node-refuses-gas-estimate", name=node.name, reason=error.reason),
            hint=Message("node-retry-nothing-sent-hint"),
        ) from error


def _run(node: Node, sender: Address, intent: Intent, gas: int | None = None) -> bytes:
    return node.call(sender=sender, to=intent.to, data=intent.data, gas=gas)


def _would_fail(error: NodeRefusedError, sender: Address, chain_id: ChainId) -> AnchorError:
    refusal = classify_refusal(error.reason)
    if refusal is Refusal.FUNDS:
        return FundsError(lacks_funds(sender, chain_id), hint=FUNDS_HINT)
    if not (error.data or error.code == _REVERTED or refusal is Refusal.REVERTED):
        return error  # the node could not run the call; the registry did not refuse it
    return ChainGuardError(
        Message("registry-would-refuse-call", reason=_revert_reason(error)),
        hint=Message("registry-would-refuse-call-hint"),
    )


def _revert_reason(error: NodeRefusedError) -> str:
    try:
        data = bytes.fromhex((error.data or "").removeprefix("0x"))
    except ValueError:
        data = b""
    return describe_revert(data) if data else error.reason
