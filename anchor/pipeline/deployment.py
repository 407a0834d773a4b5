"""Deploying the registry through the CREATE2 proxy: the same address on every chain, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.chain.txmgr import Clock, Intent
from anchor.errors import ChainGuardError
from anchor.pipeline.anchoring import check_chain, is_deployed, make_manager
from anchor.pipeline.project import Project
from anchor.registry.artifact import CREATE2_PROXY, CREATE2_PROXY_CODE_HASH
from anchor.registry.codec import encode_deployment
from anchor.registry.keccak import format_address
from anchor.types import Address, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where the registry is; ``tx_hash`` is None when it was there already."""

    registry: Address
    code_hash: Hash32
    tx_hash: Hash32 | None
    gas_used: int | None


def deploy(
    project: Project,
    node: Node,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[str], None],
) -> Deployment:
    """Deploy the registry unless it is there; the key is opened only when it is needed.

    Raises:
        ChainGuardError: wrong chain, no CREATE2 proxy, or other code at the registry's address.
    """
    config = project.config
    check_chain(config, node)
    if is_deployed(config, node):
        return Deployment(
            registry=config.registry, code_hash=config.code_hash, tx_hash=None, gas_used=None
        )
    if node.fetch_code_hash(CREATE2_PROXY, "latest") != CREATE2_PROXY_CODE_HASH:
        raise ChainGuardError(
            f"chain {config.chain_id} has no CREATE2 proxy at {format_address(CREATE2_PROXY)}",
            hint="github.com/Arachnid/deterministic-deployment-proxy says how to put it there",
        )
    manager = make_manager(project, node, open_signer(), clock, report)
    inclusion = manager.resume()
    if inclusion is None or not is_deployed(config, node):
        intent = Intent(to=CREATE2_PROXY, data=encode_deployment(), head_size=None)
        inclusion = manager.send(intent)
    if not is_deployed(config, node):
        raise ChainGuardError(
            f"the deployment was included, but the registry is not at "
            f"{format_address(config.registry)}"
        )
    receipt = node.fetch_receipt(inclusion.tx_hash)
    return Deployment(
        registry=config.registry,
        code_hash=config.code_hash,
        tx_hash=inclusion.tx_hash,
        gas_used=receipt.gas_used if receipt else None,
    )
