"""Trying a call out before it is signed: how much gas it takes, and that it works with that.

An estimate is a node's word.  It counts as far as enough nodes say so, at most what a block and one
transaction may have, and only when the call works with it at enough of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.chain.fees import gas_limit
from anchor.chain.node import Node, PricedBlock
from anchor.chain.node_agreement import asked_by_enough
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.chain.tx_cost import bound_gas
from anchor.errors import AnchorError, ChainGuardError, FundsError, NodeFaultError, NodeRefusedError
from anchor.ethereum.keccak import format_address
from anchor.registry.calldata import describe_revert
from anchor.types import Address

# The JSON-RPC error code of a call that reverts (geth internal/ethapi/errors.go, and others).
_REVERTED = 3

FUNDS_HINT = "send ether to that address; what is recorded and sealed stays, run again then"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One call to bring on chain; ``head_size`` is the head it anchors, None for a deployment.

    ``to`` None creates a contract from ``data``.
    """

    to: Address | None
    data: bytes
    head_size: int | None


def estimate_gas(node: Node, sender: Address, intent: Intent, block: PricedBlock) -> int:
    """Return the gas limit for ``intent``, tried out with it; ``block`` is the newest agreed one.

    Raises:
        ChainGuardError: the call reverts.
        FundsError: the sender cannot pay for it.
        CannotCheckError: the nodes do not run it, or say what cannot be.
    """
    most = bound_gas(block)
    try:
        estimates = node.ask_each(lambda one: _ask_estimate(one, sender, intent))
    except NodeRefusedError as error:
        raise _would_fail(error, sender) from error
    estimate = asked_by_enough(estimates, node.needed)
    if estimate > most:
        raise NodeFaultError(
            f"the node {node.name} says that the call takes {estimate:,} gas, and a transaction "
            f"may have {most:,} in block {block.number}",
            hint="nothing was signed; run again, or ask another node",
        )
    gas = min(gas_limit(estimate), most)
    try:
        # One that is too low costs all of it.
        node.ask_each(lambda one: _run(one, sender, intent, gas))
    except NodeRefusedError as error:
        if error.data:  # the chain has moved on since the estimate
            raise _would_fail(error, sender) from error
        raise NodeFaultError(
            f"the node {node.name} says that {gas} gas will do, and then that it will not: "
            f"{error.reason}",
            hint="nothing was sent; run again, or ask another node",
        ) from error
    return gas


def lacks_funds(sender: Address) -> str:
    """Return the sentence that says so."""
    return f"{format_address(sender)} cannot pay for the transaction"


def _ask_estimate(node: Node, sender: Address, intent: Intent) -> int:
    try:
        return node.estimate_gas(sender=sender, to=intent.to, data=intent.data)
    except NodeRefusedError as error:
        if error.data or classify_refusal(error.reason) is Refusal.FUNDS:
            raise
        _run(node, sender, intent)  # says why, where the call itself fails
        raise NodeFaultError(
            f"the node {node.name} does not estimate a call that works: {error.reason}",
            hint="nothing was sent; run again, or ask another node",
        ) from error


def _run(node: Node, sender: Address, intent: Intent, gas: int | None = None) -> bytes:
    return node.call(sender=sender, to=intent.to, data=intent.data, gas=gas)


def _would_fail(error: NodeRefusedError, sender: Address) -> AnchorError:
    refusal = classify_refusal(error.reason)
    if refusal is Refusal.FUNDS:
        return FundsError(lacks_funds(sender), hint=FUNDS_HINT)
    if not (error.data or error.code == _REVERTED or refusal is Refusal.REVERTED):
        return error  # the node could not run the call: nothing of the registry's doing
    return ChainGuardError(
        f"the registry would refuse this call: {_revert_reason(error)}",
        hint="nothing was sent; look at the log and the registry with `anchor status`",
    )


def _revert_reason(error: NodeRefusedError) -> str:
    try:
        data = bytes.fromhex((error.data or "").removeprefix("0x"))
    except ValueError:
        data = b""
    return describe_revert(data) if data else error.reason
