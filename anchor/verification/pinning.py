"""A trust policy's entry: a registry that the verifier checked, pinned as nodes show it."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.errors import NotTrustedError
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain
from anchor.registry.artifact import expected_code_hash
from anchor.types import Address, Assurance, Hash32
from anchor.verification.policy import FinalityRule, TrustEntry
from anchor.verification.steps import ChainView, assurance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PinOptions:
    """What the verifier pins; ``code_hash`` None stands for this release's own contract.

    ``assurance`` None asks for as much as the nodes are worth, and ``time_slack`` None for the
    chain's rule, where the release has one.
    """

    registry: Address
    code_hash: Hash32 | None
    owner: Address
    logs: tuple[int, ...]
    finality: FinalityRule
    time_slack: int | None
    assurance: Assurance | None
    block_hashes: tuple[Hash32, ...]


def pin_registry(
    view: ChainView, options: PinOptions, *, rpc: tuple[str, ...], quorum: int
) -> TrustEntry:
    """Return the policy entry that pins the registry as of the newest final block.

    Raises:
        NotTrustedError: The address has other code, or none.
        CannotCheckError: The nodes do not answer, or disagree.
    """
    chain_id = view.fetch_chain_id()
    genesis = view.fetch_genesis()
    chain = find_chain(chain_id)
    if chain.genesis not in (None, genesis):
        raise NotTrustedError(
            f"the node's genesis block is 0x{genesis.hex()}, which is not that of {chain.name}: "
            "another chain with the same chain id",
            hint="point --rpc at a node of the right chain",
        )
    final = view.fetch_final_block(options.finality)
    code_hash = view.fetch_code_hash(options.registry, final)
    expected = options.code_hash or expected_code_hash(chain_id)
    if code_hash != expected:
        whose = "the one you name" if options.code_hash else "that of this release's registry"
        raise NotTrustedError(
            f"the code at {format_address(options.registry)} in final block {final.number} of "
            f"chain {chain_id} has hash 0x{code_hash.hex()}, not 0x{expected.hex()}, {whose}",
            hint="check the address and the chain; another contract that you checked yourself is "
            "pinned with --code-hash",
        )
    return TrustEntry(
        chain_id=chain_id,
        genesis=genesis,
        registry=options.registry,
        code_hash=code_hash,
        owner=options.owner,
        logs=options.logs,
        operators=None,
        time_slack=chain.time_slack if options.time_slack is None else options.time_slack,
        finality=options.finality,
        rpc=rpc,
        quorum=quorum,
        assurance=options.assurance or assurance_of(view),
        block_hashes=options.block_hashes,
    )
