"""A chain as the verifier sees it: reads pinned to block hashes, each made once."""

from __future__ import annotations

from anchor.chain.node import Node
from anchor.errors import CannotCheckError, MalformedError, NodeFaultError
from anchor.registry.event_topics import SUCCEEDED, decode_takeover
from anchor.types import Address, Block, ChainId, Hash32, LogId
from anchor.verification.policy import FinalityRule


class ChainReader:
    """Implements ``verifier.ChainView`` over one node, or several that have to agree.

    The final block is asked for once, so that thousands of receipts are judged against one state.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._chain_id: ChainId | None = None
        self._genesis: Hash32 | None = None
        self._final: dict[FinalityRule, Block] = {}
        self._blocks: dict[int, Block] = {}
        self._code: dict[tuple[Address, Hash32], Hash32] = {}
        self._storage: dict[tuple[Address, Hash32, Hash32], Hash32] = {}

    def fetch_chain_id(self) -> ChainId:
        """Return the chain's id."""
        if self._chain_id is None:
            self._chain_id = self._node.read_with_quorum(lambda node: node.fetch_chain_id())
        return self._chain_id

    def fetch_genesis(self) -> Hash32:
        """Return the hash of block 0."""
        if self._genesis is None:
            genesis = self._node.read_with_quorum(lambda node: node.fetch_block(0))
            self._genesis = self._known(genesis, "genesis").hash
        return self._genesis

    @property
    def needed(self) -> int:
        """Return how many nodes have to agree."""
        return self._node.needed

    def fetch_latest_storage(self, address: Address, slot: Hash32) -> list[tuple[Block, Hash32]]:
        """Return each node's newest block, and the storage word in it; never cached."""

        def read(node: Node) -> tuple[Block, Hash32]:
            latest = self._known(node.fetch_block("latest"), "latest")
            return latest, node.fetch_storage(address, slot, latest.hash)

        return self._node.ask_all(read)

    def fetch_latest_code_hash(self, address: Address) -> list[tuple[Block, Hash32]]:
        """Return each node's newest block, and the code hash in it; never cached."""

        def read(node: Node) -> tuple[Block, Hash32]:
            latest = self._known(node.fetch_block("latest"), "latest")
            return latest, node.fetch_code_hash(address, latest.hash)

        return self._node.ask_all(read)

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block that is final by ``rule``."""
        if rule not in self._final:
            self._final[rule] = self._node.fetch_final_block(rule)
        return self._final[rule]

    def fetch_block(self, number: int) -> Block:
        """Return the chain's block of a number that is final."""
        if number not in self._blocks:
            block = self._node.read_with_quorum(lambda node: node.fetch_block(number))
            self._blocks[number] = self._known(block, f"{number}th")
        return self._blocks[number]

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32:
        """Return the code hash at ``address`` in ``block``."""
        key = (address, block.hash)
        if key not in self._code:
            self._code[key] = self._node.read_with_quorum(
                lambda node: node.fetch_code_hash(address, block.hash)
            )
        return self._code[key]

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32:
        """Return the storage word at ``slot`` in ``block``."""
        key = (address, slot, block.hash)
        if key not in self._storage:
            self._storage[key] = self._node.read_with_quorum(
                lambda node: node.fetch_storage(address, slot, block.hash)
            )
        return self._storage[key]

    def fetch_takeovers(
        self, registry: Address, log: LogId, since: int, final: Block
    ) -> list[Hash32]:
        """Return the roots from which events say that the closed ``log`` goes on."""

        def read(node: Node) -> list[bytes]:
            topics = (SUCCEEDED, Hash32(log))
            return node.fetch_event_data(registry, topics, since=since, until=final.number)

        try:
            answers = self._node.ask_all(read)
            roots = [decode_takeover(data) for answer in answers for data in answer]
        except (CannotCheckError, MalformedError):
            return []  # a hint that is not given
        return list(dict.fromkeys(roots))

    def _known(self, block: Block | None, which: str) -> Block:
        if block is None:
            raise NodeFaultError(f"the node {self._node.name} has no {which} block")
        return block
