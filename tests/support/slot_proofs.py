"""The proof of one slot of a registry, as a node gives it, checked like any other."""

from __future__ import annotations

from anchor.base.types import Address, Hash32
from anchor.chain.get_proof import FetchedProof
from anchor.chain.node import Node
from anchor.receipt.state_proof import StateProof, check_account
from anchor.receipt.storage_proof import prove_word


def fetch_slot_proof(
    node: Node, registry: Address, slot: Hash32, block_hash: Hash32, *, code_hash: Hash32
) -> StateProof:
    def check(fetched: FetchedProof) -> StateProof:
        proof = StateProof(
            header=fetched.header,
            account_proof=fetched.account_proof,
            storage_proof=fetched.slot_proofs[0],
        )
        _, storage_root = check_account(
            proof, block_hash=block_hash, registry=registry, code_hash=code_hash
        )
        prove_word("storage", storage_root, slot, proof.storage_proof)
        return proof

    return node.fetch_state_proof(registry, [slot], block_hash, check)
