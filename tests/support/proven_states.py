"""What a state proof proves, asked in one call."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.types import Address, Anchor, Hash32, LogId
from anchor.ethereum.header import Header
from anchor.receipt.state_proof import StateProof, check_account, check_anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenState:
    """What a state proof proves: at ``header``'s block, the registry holds ``anchor``, or none."""

    header: Header
    anchor: Anchor | None


def check_state(
    proof: StateProof,
    *,
    block_hash: Hash32,
    registry: Address,
    code_hash: Hash32,
    log: LogId,
    root: Hash32,
) -> ProvenState:
    """Return what the registry holds for ``root`` in ``log`` at the block of ``block_hash``."""
    header, storage_root = check_account(
        proof, block_hash=block_hash, registry=registry, code_hash=code_hash
    )
    anchor = check_anchor(proof, storage_root, header=header, registry=registry, log=log, root=root)
    return ProvenState(header=header, anchor=anchor)
