"""The verifier's view of a chain: cached reads, each pinned to a block hash."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from anchor.base.errors import CannotCheckError, MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block, ChainId, Hash32, LogId
from anchor.chain.anchoring_transaction import ShownTransaction, find_transaction
from anchor.chain.node import Answer, Node
from anchor.registry.event_topics import SUCCEEDED, decode_takeover
from anchor.verification.policy import FinalityRule
from anchor.verification.report import ProvenAnchor


class ChainReader:
    """An implementation of ``verifier.ChainView`` over one node, or several that have to agree.

    The final block is fetched once, so that thousands of receipts are judged against one state.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._answers: dict[Hashable, Any] = {}

    def fetch_chain_id(self) -> ChainId:
        """Return the chain's id."""
        return self._agree_once("chain id", lambda node: node.fetch_chain_id())

    def fetch_genesis(self) -> Hash32:
        """Return the hash of block 0."""
        return self._fetch_known(0, Message("block-genesis")).hash

    @property
    def needed(self) -> int:
        """Return how many nodes have to agree."""
        return self._node.needed

    def fetch_latest_storage(self, address: Address, slot: Hash32) -> list[tuple[Block, Hash32]]:
        """Return each node's newest block and the storage word as of that block; never cached."""
        return self._ask_latest(lambda node, block: node.fetch_storage(address, slot, block))

    def fetch_latest_code_hash(self, address: Address) -> list[tuple[Block, Hash32]]:
        """Return each node's newest block and the code hash as of that block; never cached."""
        return self._ask_latest(lambda node, block: node.fetch_code_hash(address, block))

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block that is final by ``rule``."""
        return self._once(("final", rule), lambda: self._node.fetch_final_block(rule))

    def fetch_block(self, number: int) -> Block:
        """Return the block with this number, which has to be final."""
        return self._fetch_known(number, Message("block-by-number", number=number))

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32:
        """Return the code hash at ``address`` in ``block``."""
        return self._agree_once(
            ("code", address, block.hash), lambda node: node.fetch_code_hash(address, block.hash)
        )

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32:
        """Return the storage word at ``slot`` in ``block``."""
        return self._agree_once(
            ("storage", address, slot, block.hash),
            lambda node: node.fetch_storage(address, slot, block.hash),
        )

    def fetch_takeovers(
        self, registry: Address, log: LogId, since: int, final: Block
    ) -> list[Hash32]:
        """Return the roots from which the closed ``log`` continues, according to events.

        They are hints: the list is empty where nodes do not return the events.
        """

        def read(node: Node) -> list[bytes]:
            topics = (SUCCEEDED, Hash32(log))
            return node.fetch_event_data(registry, topics, since=since, until=final.number)

        try:
            answers = self._node.ask_all(read)
            roots = [decode_takeover(data) for answer in answers for data in answer]
        except (CannotCheckError, MalformedError):
            return []  # events are hints only
        return list(dict.fromkeys(roots))

    def find_transaction(self, proven: ProvenAnchor) -> ShownTransaction | None:
        """Return the transaction that made the anchor, if enough nodes show it."""
        place = (proven.registry, proven.log, proven.root)
        return self._once(("transaction", place), lambda: find_transaction(self._node, proven))

    def _once(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return the answer of ``ask`` to this question, from the cache after the first time."""
        if question not in self._answers:
            self._answers[question] = ask()
        answer: Answer = self._answers[question]
        return answer

    def _agree_once(self, question: Hashable, read: Callable[[Node], Answer]) -> Answer:
        return self._once(question, lambda: self._node.read_with_quorum(read))

    def _fetch_known(self, number: int, which: Message) -> Block:
        def ask() -> Block:
            block = self._node.read_with_quorum(lambda node: node.fetch_block(number))
            return self._node.known(block, which)

        return self._once(("block", number), ask)

    def _ask_latest(self, read: Callable[[Node, Hash32], Hash32]) -> list[tuple[Block, Hash32]]:
        def ask(node: Node) -> tuple[Block, Hash32]:
            latest = node.fetch_latest()
            return latest, read(node, latest.hash)

        return self._node.ask_all(ask)
