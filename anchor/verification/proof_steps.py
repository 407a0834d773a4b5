"""Steps 5, 6, 7 and 9 by the state proof in a receipt, which proves the registry's storage.

Only the hash of the proof's block has to come from elsewhere: from the verifier, who read it off a
block explorer or pinned it in the policy, or from nodes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from anchor.base.errors import (
    CannotCheckError,
    NotAnchoredError,
    NotFinalError,
)
from anchor.base.messages.message import Message, join
from anchor.base.types import Address, Anchor, Assurance, Block, Hash32
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.keccak import format_address
from anchor.receipt.state_proof import StateProof, check_account, check_anchor, check_submitter
from anchor.verification.abandonment import (
    AnchorStanding,
    ask_standing,
    check_proven_standing,
    read_standing,
)
from anchor.verification.report import Findings
from anchor.verification.steps import (
    ChainView,
    Connect,
    VerificationTarget,
    check_chain,
    check_operator,
    format_submitter,
)
from anchor.verification.steps import check_submitter as check_submitter_key

# A policy may name a thousand hashes.
_SHOWN_HASHES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenBlock:
    """A block whose hash is vouched for: by the verifier if ``is_asserted``, else by nodes.

    If ``is_asserted``, the assurance is ``proof`` for a hash that the policy lists, and
    ``asserted`` for one that the verifier named for this run.
    """

    header: Header
    assurance: Assurance
    is_asserted: bool

    @property
    def block(self) -> Block:
        """Return the block's number, hash and time."""
        return Block(
            number=self.header.number, hash=self.header.hash, timestamp=self.header.timestamp
        )


def check_block(
    proof: StateProof,
    target: VerificationTarget,
    named: Collection[Hash32],
    connect: Connect | None,
) -> tuple[ProvenBlock, Message]:
    """Step 5: check that the verifier, the policy or nodes vouch for the proof's block as final.

    ``named`` are hashes that the verifier names, in addition to the policy's.  Where any is named
    by either, it is one of them that counts: nodes are asked only where none is, or where the
    policy requires more than the word of who named it.  Without ``connect`` no node is asked.

    Raises:
        CannotCheckError: The block is not vouched for, or is not the nodes' block of that number.
    """
    header = parse_header(proof.header)
    shown = Message("block-with-hash", number=header.number, hash=header.hash.hex())
    by: tuple[Assurance, Message] | None = None
    if header.hash in target.block_hashes:
        by = "proof", Message("block-source-policy")
    elif header.hash in named and target.assurance != "proof":
        by = "asserted", Message("block-source-you")
    if by is not None:
        assurance, source = by
        proven = ProvenBlock(header=header, assurance=assurance, is_asserted=True)
        detail = Message("block-named-as-final", block=shown, source=source)
        return proven, _add_unknown_items(detail, header)
    if connect is None and header.hash in named:
        raise CannotCheckError(
            Message("policy-block-not-observed", block=shown),
            hint=Message("policy-block-not-observed-hint"),
        )
    # No node's word takes the place of what the verifier named.
    all_named = list_named(target, named)
    if all_named and header.hash not in named:
        raise CannotCheckError(
            Message("block-hashes-of-others", named=all_named, block=shown),
            hint=Message("block-hashes-of-others-hint"),
        )
    if connect is None:
        raise CannotCheckError(
            Message("block-not-vouched-for", block=shown),
            hint=Message("block-not-vouched-for-hint"),
        )
    view = connect(target)
    assurance = "rpc" if view.needed == 1 else "proof"
    _, chain = check_chain(view, target, assurance)
    final = view.fetch_final_block(target.finality)
    if header.number > final.number:
        raise NotFinalError(
            Message("block-not-final-yet", block=shown, final=final.number),
            hint=Message("block-not-final-yet-hint"),
            chain_id=target.chain_id,
            block_number=header.number,
            final_number=final.number,
        )
    block = view.fetch_block(header.number)
    if block.hash != header.hash:
        raise CannotCheckError(
            Message("block-differs-at-nodes", block=shown, actual=block.hash.hex()),
            hint=Message("block-differs-at-nodes-hint"),
        )
    proven = ProvenBlock(header=header, assurance=assurance, is_asserted=False)
    detail = Message("block-final-to-nodes", chain=chain, block=shown)
    if target.final_after is not None:
        finality = Message("finality-by-depth", count=target.final_after)
        detail = Message("block-treated-as-final", chain=chain, block=shown, finality=finality)
    return proven, _add_unknown_items(detail, header)


def list_named(target: VerificationTarget, named: Collection[Hash32]) -> Message:
    """Return the hashes that the policy names for the target or ``named`` holds; empty for none."""
    hashes = [f"0x{each.hex()}" for each in sorted({*target.block_hashes, *named})]
    return join([*hashes[:_SHOWN_HASHES], *(["…"] if len(hashes) > _SHOWN_HASHES else [])])


def _add_unknown_items(detail: Message, header: Header) -> Message:
    match header.unknown_items:
        case 0:
            return detail
        case 1:
            return Message("header-item-unknown", detail=detail)
        case count:
            return Message("header-items-unknown", detail=detail, count=count)


def check_proven_code(
    proof: StateProof, target: VerificationTarget, proven: ProvenBlock
) -> tuple[Hash32, Message]:
    """Step 6: prove the registry's account and its code; return its storage root."""
    header, storage_root = check_account(
        proof,
        block_hash=proven.header.hash,
        registry=target.registry,
        code_hash=target.code_hash,
    )
    where = Message(
        "registry-in-block", registry=format_address(target.registry), block=header.number
    )
    return storage_root, Message(
        "registry-code-proven", hash=target.code_hash.hex()[:16], place=where
    )


def check_proven_anchor(
    proof: StateProof, target: VerificationTarget, proven: ProvenBlock, storage_root: Hash32
) -> tuple[Anchor, Message]:
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
            Message(
                "receipt-proves-root-absent",
                registry=format_address(target.registry),
                root=target.head.root.hex(),
                block=proven.header.number,
            ),
            chain_id=target.chain_id,
            root=target.head.root,
            block_number=proven.header.number,
        )
    number = proven.header.number
    if proven.is_asserted:
        return anchor, Message("anchor-proven-in-asserted-block", block=number)
    if target.final_after is not None:
        finality = Message("finality-by-depth", count=target.final_after)
        return anchor, Message("anchor-proven-in-treated-block", block=number, finality=finality)
    return anchor, Message("anchor-proven-in-final-block", block=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """The submitter of an anchor; ``standing`` is a phrase on whether the owner stands by it.

    ``standing`` is None if that is unknown.  ``note`` gives the reason if nodes were asked for it
    and did not answer.
    """

    key: Address
    standing: Message | None
    note: Message | None = None

    def describe(self, operator_id: int) -> Message:
        """Return the report's line about step 9."""
        submitter = format_submitter(operator_id, self.key)
        if self.standing is None:
            return submitter
        return Message("submitter-with-standing", submitter=submitter, standing=self.standing)


def check_proven_submitter(
    proof: StateProof,
    target: VerificationTarget,
    stored: Anchor,
    proven: ProvenBlock,
    storage_root: Hash32,
    connect: Connect | None,
) -> tuple[Submitter, Message]:
    """Step 9: return the proven submitter, if it is accepted and the owner stands by the anchor.

    The proof may be old, so nodes are asked, if available, whether the owner still stands by it.
    The severest of several findings is raised: an unproven key must not hide an abandonment.
    """
    findings = Findings()
    findings.make(lambda: check_operator(target, stored))
    key = findings.make(
        lambda: check_submitter(
            proof,
            storage_root,
            registry=target.registry,
            log=target.log,
            operator_id=stored.operator_id,
        )
    )
    asked = connect and findings.make(lambda: ask_standing(target, stored, connect))
    newer, note = asked or (None, None)
    standing = findings.make(
        lambda: _prove_standing(proof, target, stored, proven, storage_root, newer)
    )
    findings.settle()
    assert key is not None, "what was not found was raised"
    submitter = Submitter(key=key, standing=newer.said if newer else standing, note=note)
    return submitter, submitter.describe(stored.operator_id)


def _prove_standing(
    proof: StateProof,
    target: VerificationTarget,
    stored: Anchor,
    proven: ProvenBlock,
    storage_root: Hash32,
    newer: AnchorStanding | None,
) -> Message | None:
    """Return the anchor's standing by the proof or, if the proof leaves it open, by the nodes.

    A proof may leave open which head the successor of a closed log continues from.  Nodes that then
    report the log as not closed are behind or wrong, and do not count.
    """
    try:
        return check_proven_standing(proof, target, stored, storage_root, proven.header.number)
    except CannotCheckError:
        if newer is None or not newer.is_closed:
            raise
        return newer.said


def check_read_submitter(
    view: ChainView, target: VerificationTarget, stored: Anchor, final: Block
) -> tuple[Submitter, Message]:
    """Step 9: return the submitter as nodes report it, if the same conditions hold."""
    findings = Findings()
    submitter_key = findings.make(lambda: check_submitter_key(view, target, stored, final))
    standing = findings.make(lambda: read_standing(view, target, stored, final))
    findings.settle()
    assert submitter_key is not None, "what was not found was raised"
    assert standing is not None, "what was not found was raised"
    submitter = Submitter(key=submitter_key[0], standing=standing.said)
    return submitter, submitter.describe(stored.operator_id)
