"""The chains that this release lists: the kind of each, its genesis block and its time slack.

A trust policy may add to this table, or set a time slack of its own.  Each genesis hash is cited
from two independent sources in ``docs/verification.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId, Hash32

ChainKind = Literal["main", "test", "development", "unlisted"]
"""A chain's value as a witness of time; ``unlisted``: unknown to this release."""

# A block's time is the start of its slot, set by protocol since the merge.
_SLOT = 12
_GNOSIS_SLOT = 5
# The OP Stack's derivation accepts a batch up to 3,600 blocks (12 h) after the Ethereum block that
# it names as its origin; one hour is added for slots without a block.
_SEQUENCER_WINDOW = 13 * 3600
# Arbitrum's inbox accepts a batch up to 24 h after the times of its blocks, by the time of the
# Ethereum block that holds the batch, which is one slot long.
_INBOX_WINDOW = 24 * 3600 + _SLOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One chain, as listed in this release.

    ``network`` is the name by which commands know the chain; None if it is unlisted.  ``genesis``
    is the hash of block 0.  ``finality``: the tag of the newest final block.  ``time_slack`` is the
    possible error of a block's time in seconds; None if no rule is known.  ``is_sequenced``: a
    single sequencer sets the times of its blocks.  ``explorers`` are addresses of block explorers,
    for people only; the page of a block is below them (EIP-3091).  ``tested``: this release was run
    against the chain itself.
    """

    id: ChainId
    network: str | None
    name: str
    kind: ChainKind
    genesis: Hash32 | None
    time_slack: int | None
    finality: Literal["finalized"] = "finalized"
    is_sequenced: bool = False
    explorers: tuple[str, ...] = ()
    tested: bool = False


def _hash(digits: str) -> Hash32:
    return Hash32(bytes.fromhex(digits))


CHAINS: tuple[Chain, ...] = (
    Chain(
        id=ChainId(1),
        network="ethereum",
        name=Message("network-ethereum-mainnet"),
        kind="main",
        genesis=_hash("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
        time_slack=_SLOT,
        explorers=("https://etherscan.io", "https://eth.blockscout.com"),
    ),
    Chain(
        id=ChainId(10),
        network="op",
        name=Message("network-op-mainnet"),
        kind="main",
        genesis=_hash("7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b"),
        time_slack=_SEQUENCER_WINDOW,
        is_sequenced=True,
        explorers=("https://optimistic.etherscan.io", "https://explorer.optimism.io"),
    ),
    Chain(
        id=ChainId(8453),
        network="base",
        name="Base",
        kind="main",
        genesis=_hash("f712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd"),
        time_slack=_SEQUENCER_WINDOW,
        is_sequenced=True,
        explorers=("https://basescan.org", "https://base.blockscout.com"),
    ),
    Chain(
        id=ChainId(42161),
        network="arbitrum",
        name="Arbitrum One",
        kind="main",
        genesis=_hash("7ee576b35482195fc49205cec9af72ce14f003b9ae69f6ba0faef4514be8b442"),
        time_slack=_INBOX_WINDOW,
        is_sequenced=True,
        explorers=("https://arbiscan.io", "https://arbitrum.blockscout.com"),
    ),
    Chain(
        id=ChainId(100),
        network="gnosis",
        name="Gnosis Chain",
        kind="main",
        genesis=_hash("4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756"),
        time_slack=_GNOSIS_SLOT,
        explorers=("https://gnosisscan.io", "https://gnosis.blockscout.com"),
    ),
    Chain(
        id=ChainId(560048),
        network="hoodi",
        name="Hoodi",
        kind="test",
        genesis=_hash("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"),
        time_slack=_SLOT,
        explorers=("https://hoodi.etherscan.io",),
    ),
    Chain(
        id=ChainId(11155111),
        network="sepolia",
        name="Sepolia",
        kind="test",
        genesis=_hash("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"),
        time_slack=_SLOT,
        explorers=("https://sepolia.etherscan.io", "https://eth-sepolia.blockscout.com"),
    ),
    Chain(
        id=ChainId(11155420),
        network="op-sepolia",
        name="OP Sepolia",
        kind="test",
        genesis=_hash("102de6ffb001480cc9b8b548fd05c34cd4f46ae4aa91759393db90ea0409887d"),
        time_slack=_SEQUENCER_WINDOW,
        is_sequenced=True,
        explorers=("https://optimism-sepolia.blockscout.com",),
    ),
    Chain(
        id=ChainId(84532),
        network="base-sepolia",
        name="Base Sepolia",
        kind="test",
        genesis=_hash("0dcc9e089e30b90ddfc55be9a37dd15bc551aeee999d2e2b51414c54eaf934e4"),
        time_slack=_SEQUENCER_WINDOW,
        is_sequenced=True,
        explorers=("https://sepolia.basescan.org", "https://base-sepolia.blockscout.com"),
    ),
    Chain(
        id=ChainId(421614),
        network="arbitrum-sepolia",
        name="Arbitrum Sepolia",
        kind="test",
        genesis=_hash("77194da4010e549a7028a9c3c51c3e277823be6ac7d138d0bb8a70197b5c004c"),
        time_slack=_INBOX_WINDOW,
        is_sequenced=True,
        explorers=("https://sepolia.arbiscan.io",),
    ),
    Chain(
        id=ChainId(31337),
        network="devnet",
        name=Message("chain-name-development"),
        kind="development",
        genesis=None,
        time_slack=_SLOT,
        tested=True,
    ),
)

_BY_ID = {chain.id: chain for chain in CHAINS}
NETWORKS: Mapping[str, Chain] = {chain.network: chain for chain in CHAINS if chain.network}
"""The listed chains by the names that commands know."""

WITHOUT_BLOCK_HISTORY = (ChainId(42161), ChainId(42170), ChainId(421614))
"""Chains on which a block's hash is not proven by EIP-2935's contract, as of this release.

Arbitrum One, Nova and Sepolia: contracts there see another number than that of the chain's blocks,
and keep another contract at that address.
"""

KIND_SENTENCES: Mapping[ChainKind, Message] = {
    "test": Message("chain-kind-test"),
    "development": Message("chain-kind-development"),
    "unlisted": Message("chain-kind-unlisted"),
}
"""The description of each kind of chain other than ``main``, for use in every output."""

HEADLINES: Mapping[ChainKind, Message] = {
    "main": Message("verdict-verified"),
    "test": Message("verdict-verified-test-chain"),
    "development": Message("verdict-verified-development-chain"),
    "unlisted": Message("verdict-verified-unlisted-chain"),
}
"""The shortest true summary of a verification that passed on such a chain."""

# The kinds of chain whose block times count as real time: a test network may be started anew or
# left to few, and whoever runs a development chain chooses its times.
_WITH_REAL_TIME: tuple[ChainKind, ...] = ("main", "unlisted")

# From the kind that proves most to the one that proves least; those with real time come first.
_WORTH: tuple[ChainKind, ...] = ("main", "unlisted", "test", "development")


def find_chain(chain_id: ChainId) -> Chain:
    """Return this release's entry for a chain; for an unlisted chain, one with its id only."""
    return _BY_ID.get(chain_id) or Chain(
        id=chain_id,
        network=None,
        name=Message("chain-by-number", chain=chain_id),
        kind="unlisted",
        genesis=None,
        time_slack=None,
    )


def proves_time(kind: ChainKind) -> bool:
    """Return whether the times of such a chain's blocks prove real time."""
    return kind in _WITH_REAL_TIME


def check_genesis(chain: Chain, genesis: Hash32) -> None:
    """Check the hash of a node's block 0 against the listed one, if the chain has one."""
    if chain.genesis not in (None, genesis):
        raise ChainGuardError(
            Message("node-genesis-not-of-chain", actual=genesis.hex(), name=chain.name),
            hint=Message("node-of-right-chain-hint"),
        )


def label_chain(chain_id: ChainId) -> str:
    """Return a chain's id, with its name if this release lists it."""
    chain = find_chain(chain_id)
    if chain.network is None:
        return str(chain_id)
    return Message("chain-number-with-name", number=chain_id, name=chain.name)


def has_block_history(chain_id: ChainId) -> bool:
    """Return whether hashes of a chain's earlier blocks can be proven by EIP-2935's contract.

    Whether the chain has that contract is shown by the proof itself.
    """
    return chain_id not in WITHOUT_BLOCK_HISTORY


def best_kind(kinds: list[ChainKind]) -> ChainKind:
    """Return the kind that proves most, which decides if there are anchors on several chains."""
    return min(kinds, key=_WORTH.index)
