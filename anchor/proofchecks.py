"""Steps 5, 6, 7 and 9 by the state proof in a receipt: the chain itself says what it holds.

Only the hash of the proof's block has to come from elsewhere: from the verifier, who read it off a
block explorer or pinned it in the policy, or from nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from anchor.checks import (
    Block,
    ChainView,
    Target,
    check_chain,
    check_operator,
    describe_submitter,
)
from anchor.errors import (
    CannotCheckError,
    NotAnchoredError,
    NotFinalError,
)
from anchor.header import Header, parse_header
from anchor.registry.keccak import format_address
from anchor.stateproof import StateProof, check_account, check_anchor, check_submitter
from anchor.types import Address, Anchor, Assurance, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenBlock:
    """A block whose hash somebody answers for; ``is_asserted``: the verifier, not nodes."""

    header: Header
    assurance: Assurance
    is_asserted: bool

    @property
    def block(self) -> Block:
        """Return the block's names."""
        return Block(
            number=self.header.number, hash=self.header.hash, timestamp=self.header.timestamp
        )


def check_block(
    proof: StateProof,
    target: Target,
    named: Collection[Hash32],
    connect: Callable[[Target], ChainView] | None,
) -> tuple[ProvenBlock, str]:
    """Step 5: find who answers for the hash of the proof's block, as one that is final.

    ``named`` are hashes that the verifier names, beside the policy's; without ``connect`` no node
    is asked.

    Raises:
        CannotCheckError: nobody does, or the nodes know another block of that number.
        NotFinalError: it is not final yet.
    """
    header = parse_header(proof.header)
    shown = f"block {header.number}, 0x{header.hash.hex()}"
    if header.hash in named or header.hash in target.block_hashes:
        whose = "you name" if header.hash in named else "the policy names"
        proven = ProvenBlock(header=header, assurance="proof", is_asserted=True)
        return proven, f"{shown}, is one that {whose} as final"
    if connect is None:
        raise CannotCheckError(
            f"nobody answers for {shown}, by which the receipt proves its anchor",
            hint="if block explorers show this hash for a final block, name it with --block-hash; "
            "or ask nodes, without --offline",
        )
    view = connect(target)
    assurance: Assurance = "rpc" if view.needed == 1 else "proof"
    _, chain = check_chain(view, target, assurance)
    final = view.fetch_final_block(target.finality)
    if header.number > final.number:
        raise NotFinalError(
            f"the receipt proves its anchor by {shown}, and to the nodes block {final.number} is "
            "the newest that is final",
            hint="verify again once they have caught up",
        )
    there = view.fetch_block(header.number)
    if there.hash != header.hash:
        raise CannotCheckError(
            f"the receipt proves its anchor by {shown}, and to the nodes that block is "
            f"0x{there.hash.hex()}",
            hint="one side is on a fork, or wrong: ask other nodes, or for an upgraded receipt",
        )
    proven = ProvenBlock(header=header, assurance=assurance, is_asserted=False)
    return proven, f"{chain}; {shown}, is final to them"


def check_proven_code(proof: StateProof, target: Target, proven: ProvenBlock) -> tuple[Hash32, str]:
    """Step 6: prove the registry's account and its code; return its storage root."""
    header, storage_root = check_account(
        proof,
        block_hash=proven.header.hash,
        registry=target.registry,
        code_hash=target.code_hash,
    )
    where = f"{format_address(target.registry)} in block {header.number}"
    return storage_root, f"code hash 0x{target.code_hash.hex()[:16]}… proven at {where}"


def check_proven_anchor(
    proof: StateProof, target: Target, proven: ProvenBlock, storage_root: Hash32
) -> tuple[Anchor, str]:
    """Step 7: prove the root's anchor in the registry's storage."""
    anchor = check_anchor(
        proof,
        storage_root,
        header=proven.header,
        registry=target.registry,
        log=target.log,
        root=target.head.root,
    )
    if anchor is None:
        raise NotAnchoredError(
            f"the receipt's own proof shows that the registry {format_address(target.registry)} "
            f"does not hold root {target.head.root.hex()} in block {proven.header.number}"
        )
    how = "final, as is asserted and not observed" if proven.is_asserted else "final"
    return anchor, f"proven in block {proven.header.number}, which is {how}"


def check_proven_submitter(
    proof: StateProof, target: Target, stored: Anchor, storage_root: Hash32
) -> tuple[Address, str]:
    """Step 9: return the address behind the anchor's operator id, proven, if it is accepted."""
    check_operator(target, stored)
    key = check_submitter(
        proof,
        storage_root,
        registry=target.registry,
        log=target.log,
        operator_id=stored.operator_id,
    )
    return key, describe_submitter(stored.operator_id, key)
