"""Several nodes used as one: reads go to one, transactions to all, and enough of them must agree.

All facts of one decision come from one node, which ``select_primary`` picks.  Whether a block is
final is decided by as many nodes as the operator requires, so that a node that lies, lags or is on
a fork can only cause delay.  All of them may be deceived together; no program can find that out by
asking them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

from anchor.chain.get_proof import FetchedProof
from anchor.chain.node import Answer, Node
from anchor.chain.node_agreement import reached_by_enough
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.errors import (
    AnchorError,
    CannotCheckError,
    FinalityViolatedError,
    NodeRefusedError,
    QuorumError,
    UnknownVersionError,
)
from anchor.messages.message import Message, join
from anchor.types import Address, Block, ChainId, Hash32
from anchor.verification.policy import FinalityRule

MAX_LAG = 4
"""Blocks by which a node may trail the newest one seen, because blocks take time to spread."""

# Refusals of a transaction that the node already has, or has seen included.
_HARMLESS = (Refusal.KNOWN, Refusal.NONCE_USED)


class NodeGroup(Node):
    """A node that represents several: reads go to the first usable one (``select_primary``)."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        needed: int,
        chain_id: ChainId,
        genesis: Hash32 | None,
        report: Callable[[Message], None],
    ) -> None:
        """Prepare to ask ``nodes``, of which ``needed`` have to agree; nothing is sent yet.

        Without a ``genesis`` only the chain id distinguishes chains.
        """
        super().__init__(nodes[0].rpc)
        self._nodes = tuple(nodes)
        self.needed = needed
        self._chain_id = chain_id
        self._genesis = genesis
        self._report = report
        self._told: dict[Node, Message] = {}
        self._newest = 0
        self._final: dict[FinalityRule, Block] = {}
        self._agreed: tuple[Node, ...] = ()
        self._proving = self._nodes[0]
        self._vetted: set[Node] = set()

    def close(self) -> None:
        """Close the connections to all the nodes."""
        for node in self._nodes:
            node.close()

    def select_primary(self) -> None:
        """Select the first usable node for reads, until this method is called again.

        If the first of all nodes is on another chain, it is skipped only if enough others are on
        the pinned one.  Otherwise ``chain.rpc`` is wrong, which the operator has to correct: the
        node is selected, and the next comparison of the pins reports it.

        Raises:
            CannotCheckError: No node can be used: each is down, is syncing, or is behind the newest
                block that this process has seen.
        """
        problems: list[CannotCheckError] = []
        self._vetted.clear()
        for node in self._nodes:
            try:
                self._check_first_pins(node)
                newest = self._fetch_newest(node)
            except CannotCheckError as error:
                problems.append(error)
                if len(self._nodes) > 1:
                    self._mark_unusable(node, error)
                continue
            self._newest = max(self._newest, newest)
            self._mark_usable(node)
            if node.rpc is not self.rpc:
                self._report(Message("node-read-now", name=node.name))
            self.rpc = node.rpc
            return
        if len(problems) == 1:
            raise problems[0]
        waits = [error.retry_after or 0.0 for error in problems]
        raise QuorumError(
            Message("quorum-no-node-readable", reason=_join_messages(problems)),
            retry_after=min(waits),  # the earliest time at which a node may be asked again
        )

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block that is final at enough nodes.

        It is never older than a block returned before.

        Raises:
            QuorumError: Too few nodes can be asked, or two nodes report different blocks of one
                number as final.
            FinalityViolatedError: A block that was final is no longer on the chain.
        """
        agreed, by = self._agree(rule)
        before = self._final.get(rule)
        if before is not None and agreed.number < before.number:
            return before
        if before is not None:
            replacement = (
                agreed if agreed.number == before.number else by[0].fetch_block(before.number)
            )
            if replacement is not None and replacement.hash != before.hash:
                self._agreed = by
                raise FinalityViolatedError(
                    Message(
                        "block-finality-violated",
                        number=before.number,
                        expected=before.hash.hex(),
                        actual=replacement.hash.hex(),
                    ),
                    hint=Message("block-finality-violated-hint"),
                    block_hash=agreed.hash,
                )
        self._final[rule], self._agreed = agreed, by
        return agreed

    def forget_final(self) -> None:
        """Forget which blocks were final, and which nodes agreed on them."""
        self._final.clear()
        self._agreed = ()

    def ask_all(self, read: Callable[[Node], Answer]) -> list[Answer]:
        """Return the results of ``read`` at all nodes that answer.

        Raises:
            QuorumError: Too few nodes answer.
        """
        answers = [answer for _, answer in self._ask(self._agreed or self._nodes, read)]
        values = [answer for answer in answers if not isinstance(answer, CannotCheckError)]
        if len(values) < self.needed:
            problems = [
                answer.message for answer in answers if isinstance(answer, CannotCheckError)
            ]
            raise self._too_few(len(values), problems)
        return values

    def ask_each(self, read: Callable[[Node], Answer]) -> list[Answer]:
        """Return the results of ``read`` at all nodes of the pinned chain that answer.

        Raises:
            QuorumError: Too few nodes answer.  A single node's own error is raised unchanged.
            NodeRefusedError: Too few nodes answer, because enough of them refuse the request.
        """
        if len(self._nodes) == 1:
            return [read(self)]

        def ask(node: Node) -> Answer:
            if node not in self._vetted:
                self._check_pins(node)
                self._vetted.add(node)
            return read(node)

        values, problems = [], []
        for node, answer in self._ask(self._nodes, ask):
            if isinstance(answer, CannotCheckError):
                problems.append(answer)
                if not isinstance(answer, NodeRefusedError):
                    self._mark_unusable(node, answer)
            else:
                values.append(answer)
        if len(values) < self.needed:
            raise _too_few_answers(len(values), self.needed, problems)
        return values

    def read_with_quorum(self, read: Callable[[Node], Answer]) -> Answer:
        """Return the result of ``read`` about the final block, on which enough nodes agree.

        Raises:
            QuorumError: The nodes return different results, or too few answer.
        """
        if len(self._nodes) == 1:
            return read(self)
        groups: list[tuple[Answer, list[str]]] = []
        missing = []
        for node, answer in self._ask(self._agreed or self._nodes, read):
            if isinstance(answer, CannotCheckError):
                missing.append(answer.message)
                continue
            same = next((names for value, names in groups if value == answer), None)
            if same is None:
                groups.append((answer, [node.name]))
            else:
                same.append(node.name)
        if len(groups) > 1:
            sides = reduce(_oppose, (join(names) for _, names in groups))
            raise QuorumError(
                Message("nodes-disagree-final-content", sides=sides), hint=_SPLIT_HINT
            )
        count = sum(len(names) for _, names in groups)
        if count < self.needed:
            raise self._too_few(count, missing)
        return groups[0][0]

    def fetch_state_proof(
        self,
        registry: Address,
        slots: Sequence[Hash32],
        block_hash: Hash32,
        check: Callable[[FetchedProof], Answer],
    ) -> Answer:
        """Fetch a state proof from the first node that gives one; return the result of ``check``.

        The node that gave the last proof is asked first.  One node is enough, because the proof is
        verified against the block's hash.

        Raises:
            CannotCheckError: No node gives a proof that holds; the error is the first node's.
            UnknownVersionError: No node gives a proof that holds, and the first node's header is of
                an unknown form.
        """
        problems: list[AnchorError] = []
        for node in sorted(self._nodes, key=lambda node: node is not self._proving):
            try:
                proof = node.fetch_state_proof(registry, slots, block_hash, check)
            except (CannotCheckError, UnknownVersionError) as error:
                problems.append(error)
                continue
            self._proving = node
            return proof
        raise problems[0]

    def send_raw_transaction(self, raw: bytes) -> None:
        """Send a signed transaction to every node; only the primary node's error is raised."""
        others = [node for node in self._nodes if node.rpc is not self.rpc]
        try:
            super().send_raw_transaction(raw)
        finally:
            for node, answer in self._ask(others, lambda node: node.send_raw_transaction(raw)):
                if isinstance(answer, NodeRefusedError):
                    if classify_refusal(answer.reason) not in _HARMLESS:
                        self._report(
                            Message("node-rejects-tx", name=node.name, reason=answer.reason)
                        )
                elif isinstance(answer, CannotCheckError):
                    self._mark_unusable(node, answer)

    def _agree(self, rule: FinalityRule) -> tuple[Block, tuple[Node, ...]]:
        if len(self._nodes) == 1:
            return self._nodes[0].fetch_final_block(rule), self._nodes
        finals: dict[Node, Block] = {}
        problems = []
        for node, answer in self._ask(self._nodes, lambda node: self._fetch_final(node, rule)):
            if isinstance(answer, CannotCheckError):
                problems.append(answer.message)
                self._mark_unusable(node, answer)
            else:
                finals[node] = answer
                self._mark_usable(node)
        if len(finals) < self.needed:
            raise self._too_few(len(finals), problems)
        number = reached_by_enough((final.number for final in finals.values()), self.needed)
        claims = {node: final for node, final in finals.items() if final.number <= number}
        ahead = [node for node in finals if node not in claims]
        for node, block in self._ask(ahead, lambda node: node.fetch_block(number)):
            if isinstance(block, Block):
                claims[node] = block
            else:
                problems.append(Message("node-lost-block", name=node.name, number=number))
        by = tuple(node for node, block in claims.items() if block.number == number)
        if len(by) < self.needed:
            raise self._too_few(len(by), problems)
        self._check_no_split(claims, by)
        return claims[by[0]], by

    def _check_no_split(self, claims: dict[Node, Block], by: tuple[Node, ...]) -> None:
        """Check that the first node of ``by`` has every claimed block at its number."""
        reference = by[0]
        for node, block in claims.items():
            theirs: Block | None = claims[reference]
            if block.number != claims[reference].number:
                theirs = reference.fetch_block(block.number)
            if theirs is None or theirs.hash != block.hash:
                other_hash = (
                    Message("block-unknown") if theirs is None else f"0x{theirs.hash.hex()}"
                )
                raise QuorumError(
                    Message(
                        "nodes-disagree-final-block",
                        number=block.number,
                        hash=block.hash.hex(),
                        name=node.name,
                        other_hash=other_hash,
                        other=reference.name,
                    ),
                    hint=_SPLIT_HINT,
                )

    def _fetch_final(self, node: Node, rule: FinalityRule) -> Block:
        self._check_pins(node)
        if node.is_syncing():
            raise CannotCheckError(Message("node-still-syncing", name=node.name))
        return node.fetch_final_block(rule)

    def _fetch_newest(self, node: Node) -> int:
        if node.is_syncing():
            raise CannotCheckError(
                Message("node-still-syncing", name=node.name),
                hint=Message("node-still-syncing-hint"),
            )
        number = node.fetch_latest().number
        # A node on another chain passes here: the next comparison of the pins reports it.
        if number < self._newest - MAX_LAG and self._is_pinned(node):
            raise CannotCheckError(
                Message("node-behind", name=node.name, number=number, newest=self._newest),
                hint=Message("node-behind-hint"),
            )
        return number

    def _check_first_pins(self, node: Node) -> None:
        """Check the pins of a node that may become the primary, if another can replace it.

        Raises:
            CannotCheckError: The node is on another chain and, if it is the first of the nodes,
                enough others are on the pinned chain.
        """
        if node is not self._nodes[0]:
            self._check_pins(node)
        elif len(self._nodes) > 1 and not self._is_pinned(node):
            answers = self._ask(self._nodes[1:], self._is_pinned)
            # At least two: a single other node must not decide which of two chains is right.
            if sum(answer is True for _, answer in answers) >= max(self.needed, 2):
                raise CannotCheckError(Message("node-on-other-chain", name=node.name))

    def _check_pins(self, node: Node) -> None:
        if not self._is_pinned(node):
            raise CannotCheckError(Message("node-on-other-chain", name=node.name))

    def _is_pinned(self, node: Node) -> bool:
        if node.fetch_chain_id() != self._chain_id:
            return False
        if self._genesis is None:
            return True
        # A node without a genesis block cannot show which chain it is on.
        return node.known(node.fetch_block(0), Message("block-genesis")).hash == self._genesis

    def _ask(
        self, nodes: Sequence[Node], read: Callable[[Node], Answer]
    ) -> list[tuple[Node, Answer | CannotCheckError]]:
        """Ask all the nodes concurrently, so that one that hangs does not delay the others."""

        def ask(node: Node) -> Answer | CannotCheckError:
            try:
                return read(node)
            except CannotCheckError as error:
                return error

        if not nodes:
            return []
        with ThreadPoolExecutor(len(nodes)) as pool:
            return list(zip(nodes, pool.map(ask, nodes), strict=True))

    def _too_few(self, count: int, problems: Sequence[Message]) -> QuorumError:
        return QuorumError(
            Message(
                "quorum-too-few-agree-because",
                count=count,
                total=len(self._nodes),
                needed=self.needed,
                reason=join(problems, by="semicolon"),
            )
            if problems
            else Message(
                "quorum-too-few-agree", count=count, total=len(self._nodes), needed=self.needed
            ),
            hint=Message("quorum-too-few-agree-hint"),
        )

    def _mark_unusable(self, node: Node, error: CannotCheckError) -> None:
        """Report why a node is not used, once for each reason."""
        if node in self._told and error.retry_after is not None:
            return  # it is resting, for a reason already reported
        if self._told.get(node) != error.message:
            self._told[node] = error.message
            self._report(Message("node-left-out", reason=error.message))

    def _mark_usable(self, node: Node) -> None:
        if self._told.pop(node, None) is not None:
            self._report(Message("node-usable-again", name=node.name))


def _too_few_answers(count: int, needed: int, problems: Sequence[CannotCheckError]) -> AnchorError:
    """Return the error to raise: the refusal, if enough nodes refuse, else that too few answer."""
    refused = [error for error in problems if isinstance(error, NodeRefusedError)]
    if len(refused) >= needed:
        return refused[0]
    return QuorumError(
        Message(
            "quorum-answers-too-few",
            count=count,
            needed=needed,
            reason=_join_messages(problems),
        ),
        hint=Message("quorum-answers-too-few-hint"),
    )


_SPLIT_HINT = Message("quorum-split-hint")


def _join_messages(problems: Sequence[CannotCheckError]) -> Message:
    return join((error.message for error in problems), by="semicolon")


def _oppose(one: Message, other: Message) -> Message:
    return Message("nodes-against", one=one, other=other)
