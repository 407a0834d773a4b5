"""Proofs of earlier blocks' hashes, built from proofs that nodes return; each is verified once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from anchor.base.errors import AnchorError, CannotCheckError, MalformedError, MismatchError
from anchor.base.types import Block, ChainId
from anchor.chain.get_proof import FetchedProof
from anchor.chain.node import Node
from anchor.ethereum.header import parse_header
from anchor.evidence.not_before import NotBefore
from anchor.receipt.history_proof import HISTORY_CONTRACT, check_beacon, history_slot
from anchor.receipt.state_proof import BeaconProof

# The slots of one question: nodes limit them, and an answer takes some 4 KiB for each.
_MOST_SLOTS = 32

Earlier = tuple[NotBefore, bytes]
"""A named block, and its header."""


def fetch_beacon_proofs(
    node: Node, named: Sequence[NotBefore], *, chain_id: ChainId, block: Block
) -> dict[NotBefore, BeaconProof]:
    """Return verified proofs, in ``block``, of the named blocks that are the chain's.

    The caller names blocks of that chain which are in the window of ``block``.
    """
    earlier = list(_fetch_headers(node, named))
    proofs: dict[NotBefore, BeaconProof] = {}
    for start in range(0, len(earlier), _MOST_SLOTS):
        part = earlier[start : start + _MOST_SLOTS]
        slots = [history_slot(each.block_number) for each, _ in part]
        check = _make_check(part, chain_id)
        proofs |= node.fetch_state_proof(HISTORY_CONTRACT, slots, block.hash, check)
    return proofs


def _fetch_headers(node: Node, named: Sequence[NotBefore]) -> Iterator[Earlier]:
    """Yield the headers of the named blocks; a block that the nodes do not have is left out."""
    for each in named:
        with suppress(CannotCheckError):
            yield each, node.fetch_header(each.block_hash)


def _make_check(
    part: Sequence[Earlier], chain_id: ChainId
) -> Callable[[FetchedProof], dict[NotBefore, BeaconProof]]:
    def check(fetched: FetchedProof) -> dict[NotBefore, BeaconProof]:
        header = parse_header(fetched.header)
        proofs: dict[NotBefore, BeaconProof] = {}
        first: AnchorError | None = None
        for (named, encoded), slot_proof in zip(part, fetched.slot_proofs, strict=True):
            beacon = BeaconProof(
                header=encoded, account_proof=fetched.account_proof, storage_proof=slot_proof
            )
            try:
                check_beacon(
                    beacon, named, header=header, chain_id=chain_id, anchored_at=header.timestamp
                )
            except (MalformedError, MismatchError) as error:
                first = first or error
                continue
            proofs[named] = beacon
        if first is not None and not proofs:
            raise first
        return proofs

    return check
