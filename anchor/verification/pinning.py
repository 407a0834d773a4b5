"""Creation of trust policies, with the registry pinned as nodes report it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import tomlkit

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    NodeUnreachableError,
    NotTrustedError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, Assurance, Block, Hash32, make_log_id
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import check_genesis, find_chain
from anchor.registry.artifact import expected_code_hash
from anchor.registry.storage import head_slot
from anchor.signatures.trusted_signer import TrustedSigner
from anchor.timestamps.trusted_tsa import TrustedTsa, encode_roots
from anchor.verification.policy import FORMAT, FinalityRule, TrustEntry
from anchor.verification.steps import ChainView, assurance_of

_ADVICE = """\
# What this verifier trusts, independent of any receipt.  Check each value against a
# source of your own before you rely on it: docs/trust-policy.md says how.
"""


class BlockSource(Protocol):
    """One node or several, asked for the newest final block."""

    def fetch_final_block(self, rule: FinalityRule) -> Block: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PinOptions:
    """Options of `anchor trust pin`; ``code_hash=None`` is the code of this release's contract.

    ``finality=None``: ``finalized``, or what ``find_devnet_finality`` returns for a devnet.
    ``assurance=None``: ``rpc`` with one node, ``quorum`` with several.  ``time_slack=None``: the
    release's rule for the chain, if it has one.
    """

    registry: Address
    code_hash: Hash32 | None
    owner: Address
    logs: tuple[int, ...]
    finality: FinalityRule | None
    time_slack: int | None
    assurance: Assurance | None
    block_hashes: tuple[Hash32, ...]


def pin_registry(
    view: ChainView, options: PinOptions, *, rpc: tuple[str, ...], quorum: int
) -> TrustEntry:
    """Return the policy entry that pins the registry as of the newest final block.

    Raises:
        ChainGuardError: The chain id is that of a listed chain, whose genesis block is another one.
    """
    chain_id = view.fetch_chain_id()
    genesis = view.fetch_genesis()
    chain = find_chain(chain_id)
    check_genesis(chain, genesis)
    finality = options.finality
    if finality is None:
        finality = find_devnet_finality(view) if chain.kind == "development" else "finalized"
    final = view.fetch_final_block(finality)
    code_hash = view.fetch_code_hash(options.registry, final)
    expected = options.code_hash or expected_code_hash(chain_id)
    if code_hash != expected:
        source = (
            Message("code-hash-named")
            if options.code_hash
            else Message("code-hash-of-this-release")
        )
        raise NotTrustedError(
            Message(
                "registry-code-not-expected",
                registry=format_address(options.registry),
                block=final.number,
                chain=chain_id,
                actual=code_hash.hex(),
                expected=expected.hex(),
                source=source,
            ),
            hint=Message("registry-code-not-expected-hint"),
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
        finality=finality,
        rpc=rpc,
        quorum=quorum,
        assurance=options.assurance or assurance_of(view),
        block_hashes=options.block_hashes,
    )


def find_devnet_finality(node: BlockSource) -> FinalityRule:
    """Return ``finalized``, or 0 (the latest block) for a devnet of which no block gets final."""
    try:
        node.fetch_final_block("finalized")
    except NodeUnreachableError:
        raise
    except CannotCheckError:
        return 0
    return "finalized"


def find_empty_logs(view: ChainView, entry: TrustEntry) -> list[int]:
    """Return the numbers of those pinned logs that hold no anchor in the newest final block."""
    final = view.fetch_final_block(entry.finality)
    empty = Hash32(bytes(32))
    return [
        number
        for number in entry.logs
        if view.fetch_storage(entry.registry, head_slot(make_log_id(entry.owner, number)), final)
        == empty
    ]


def encode_policy(
    entries: Sequence[TrustEntry],
    tsas: Sequence[TrustedTsa] = (),
    signers: Sequence[TrustedSigner] = (),
) -> bytes:
    """Encode a policy file that ``parse_policy`` reads back.

    Raises:
        MalformedError: The URL of a node holds unprintable characters.
    """
    if not all(url.isprintable() for entry in entries for url in entry.rpc):
        raise MalformedError(Message("node-url-unprintable"))
    document: dict[str, object] = {
        "format": FORMAT,
        "trust": [_list_members(entry) for entry in entries],
    }
    if tsas:
        document["tsa"] = [{"name": tsa.name, "roots": encode_roots(tsa.roots)} for tsa in tsas]
    if signers:
        document["signer"] = [_list_signer_members(signer) for signer in signers]
    return (_ADVICE + tomlkit.dumps(document)).encode("utf-8")


def _list_signer_members(signer: TrustedSigner) -> dict[str, object]:
    members: dict[str, object] = {
        "name": signer.name,
        "ssh_key": signer.ssh_key,
        "roots": encode_roots(signer.roots) or None,
        "subject": signer.subject,
    }
    return _leave_out_none(members)


def _list_members(entry: TrustEntry) -> dict[str, object]:
    members: dict[str, object] = {
        "chain_id": entry.chain_id,
        "genesis": f"0x{entry.genesis.hex()}",
        "registry": format_address(entry.registry),
        "code_hash": f"0x{entry.code_hash.hex()}",
        "owner": format_address(entry.owner),
        "logs": list(entry.logs),
        "time_slack": entry.time_slack,
        "recorded_at_tolerance": entry.recorded_at_tolerance,
        "exclusive_logs": entry.exclusive_logs or None,
        "finality": entry.finality,
        "rpc": list(entry.rpc),
        "quorum": entry.quorum,
        "assurance": entry.assurance,
        "block_hashes": [f"0x{known.hex()}" for known in entry.block_hashes] or None,
        # An empty list accepts no operator; a missing member would accept all.
        "operators": None
        if entry.operators is None
        else [_leave_out_none(asdict(operator)) for operator in entry.operators],
    }
    return _leave_out_none(members)


def _leave_out_none(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
