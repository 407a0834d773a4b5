"""Steps 5, 6, 7 and 9 by the state proof in a receipt, which proves the registry's storage.

Only the hash of the proof's block has to come from elsewhere: from the verifier, who read it off a
block explorer or pinned it in the policy, or from nodes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from anchor.errors import (
    CannotCheckError,
    NotAnchoredError,
    NotFinalError,
)
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.keccak import format_address
from anchor.receipt.state_proof import StateProof, check_account, check_anchor, check_submitter
from anchor.types import Address, Anchor, Assurance, Block, Hash32
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenBlock:
    """A block whose hash is vouched for: by the verifier if ``is_asserted``, else by nodes.

    The assurance shows whether the policy lists the hash, or the verifier gave it for this run.
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
) -> tuple[ProvenBlock, str]:
    """Step 5: check that the verifier, the policy or nodes vouch for the proof's block as final.

    ``named`` are hashes that the verifier names, in addition to the policy's; without ``connect``
    no node is asked.

    Raises:
        CannotCheckError: The block is not vouched for, or the nodes have another of that number.
        NotFinalError: The block is not final yet.
    """
    header = parse_header(proof.header)
    shown = f"block {header.number}, 0x{header.hash.hex()}"
    later = _format_unknown_items(header)
    by: tuple[Assurance, str] | None = None
    if header.hash in target.block_hashes:
        by = "proof", "the policy names"
    elif header.hash in named and target.assurance != "proof":
        by = "asserted", "you name"
    if by is not None:
        assurance, whose = by
        proven = ProvenBlock(header=header, assurance=assurance, is_asserted=True)
        return proven, (
            f"{shown}, is one that {whose} as final; the chain's genesis block was not compared"
            f"{later}"
        )
    if connect is None and header.hash in named:
        raise CannotCheckError(
            f"the policy asks for the assurance 'proof', and for {shown}, there is your word only",
            hint="ask several nodes, without --offline; or put the hash into the policy's "
            "block_hashes",
        )
    if connect is None:
        raise CannotCheckError(
            f"nobody answers for {shown}, by which the receipt proves its anchor",
            hint="if block explorers show this hash for a final block, name it with --block-hash; "
            "or ask nodes, without --offline",
        )
    view = connect(target)
    assurance = "rpc" if view.needed == 1 else "proof"
    _, chain = check_chain(view, target, assurance)
    final = view.fetch_final_block(target.finality)
    if header.number > final.number:
        raise NotFinalError(
            f"the receipt proves its anchor by {shown}, and to the nodes block {final.number} is "
            "the newest that is final",
            hint="verify again once they have caught up",
            chain_id=target.chain_id,
            block_number=header.number,
            final_number=final.number,
        )
    block = view.fetch_block(header.number)
    if block.hash != header.hash:
        raise CannotCheckError(
            f"the receipt proves its anchor by {shown}, and to the nodes that block is "
            f"0x{block.hash.hex()}",
            hint="one side is on a fork, or wrong: ask other nodes, or for an upgraded receipt",
        )
    proven = ProvenBlock(header=header, assurance=assurance, is_asserted=False)
    return proven, f"{chain}; {shown}, is final to them{later}"


def _format_unknown_items(header: Header) -> str:
    count = header.unknown_items
    if not count:
        return ""
    items = "1 header item is" if count == 1 else f"{count} header items are"
    return f"; {items} of a fork that this release does not know; the block's hash covers them"


def check_proven_code(
    proof: StateProof, target: VerificationTarget, proven: ProvenBlock
) -> tuple[Hash32, str]:
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
    proof: StateProof, target: VerificationTarget, proven: ProvenBlock, storage_root: Hash32
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
            f"does not hold root {target.head.root.hex()} in block {proven.header.number}",
            chain_id=target.chain_id,
            root=target.head.root,
            block_number=proven.header.number,
        )
    how = "final, as is asserted and not observed" if proven.is_asserted else "final"
    return anchor, f"proven in block {proven.header.number}, which is {how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """The submitter of an anchor; ``standing`` is a phrase on whether the owner stands by it.

    ``standing`` is None if that is unknown.  ``note`` gives the reason if nodes were asked for it
    and did not answer.
    """

    key: Address
    standing: str | None
    note: str | None = None

    def describe(self, operator_id: int) -> str:
        """Return the line about step 9."""
        said = "" if self.standing is None else f"; {self.standing}"
        return f"{format_submitter(operator_id, self.key)}{said}"


def check_proven_submitter(
    proof: StateProof,
    target: VerificationTarget,
    stored: Anchor,
    proven: ProvenBlock,
    storage_root: Hash32,
    connect: Connect | None,
) -> tuple[Submitter, str]:
    """Step 9: return the proven submitter, if it is accepted and the owner stands by the anchor.

    The proof may be old: if nodes are available they are asked whether the owner still does. The
    gravest of several findings counts: an unproven key must not hide an abandonment.
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
) -> str | None:
    """Return the anchor's standing by the proof or, if the proof leaves it open, by the nodes.

    A proof may leave open which head the successor of a closed log continues from.  Nodes for which
    the log is not closed are then behind, or lie.
    """
    try:
        return check_proven_standing(proof, target, stored, storage_root, proven.header.number)
    except CannotCheckError:
        if newer is None or not newer.is_closed:
            raise
        return newer.said


def check_read_submitter(
    view: ChainView, target: VerificationTarget, stored: Anchor, final: Block
) -> tuple[Submitter, str]:
    """Step 9: return the submitter as nodes report it, on the same conditions."""
    findings = Findings()
    submitter_key = findings.make(lambda: check_submitter_key(view, target, stored, final))
    standing = findings.make(lambda: read_standing(view, target, stored, final))
    findings.settle()
    assert submitter_key is not None, "what was not found was raised"
    assert standing is not None, "what was not found was raised"
    submitter = Submitter(key=submitter_key[0], standing=standing.said)
    return submitter, submitter.describe(stored.operator_id)
