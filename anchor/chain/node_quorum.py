"""Several nodes used as one: reads go to one, transactions to all, and enough of them must agree.

The facts of one decision come from one node, which ``select_primary`` picks, or from the next one
if that fails meanwhile.  Whether a block is final is decided by as many nodes as the operator
requires, so that a node that lies, lags or is on a fork can only cause delay, and only while it
does: what is remembered was said by enough nodes, or is replaced by the node's next answer.  All of
them may be deceived together; no program can find that out by asking them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce, wraps
from typing import Concatenate, ParamSpec

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    FinalityViolatedError,
    NodeRefusedError,
    QuorumError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message, join
from anchor.base.types import Address, Block, ChainId, Hash32
from anchor.chain.get_proof import FetchedProof
from anchor.chain.node import Answer, Node
from anchor.chain.node_agreement import reached_by_enough
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.verification.policy import FinalityRule

MAX_LAG = 4
"""Blocks by which a node may trail those that others showed: blocks take time to spread."""

# Refusals of a transaction that the node already has, or has seen included.
_HARMLESS = (Refusal.KNOWN, Refusal.NONCE_USED)

_Params = ParamSpec("_Params")


def _at_primary(
    read: Callable[Concatenate[Node, _Params], Answer],
) -> Callable[Concatenate[NodeGroup, _Params], Answer]:
    """Return a method of ``NodeGroup`` that reads at the primary, or at the next usable node."""

    @wraps(read)
    def method(group: NodeGroup, /, *args: _Params.args, **kwargs: _Params.kwargs) -> Answer:
        def ask(node: Node) -> Answer:
            answer: Answer = getattr(node, read.__name__)(*args, **kwargs)
            return answer

        return group.read_at_primary(ask)

    return method


class NodeGroup(Node):
    """A node that represents several: reads go to the first usable one (``select_primary``)."""

    fetch_chain_id = _at_primary(Node.fetch_chain_id)
    fetch_block = _at_primary(Node.fetch_block)
    fetch_latest = _at_primary(Node.fetch_latest)
    fetch_base_fee = _at_primary(Node.fetch_base_fee)
    fetch_priced_block = _at_primary(Node.fetch_priced_block)
    fetch_code = _at_primary(Node.fetch_code)
    fetch_storage = _at_primary(Node.fetch_storage)
    fetch_event_data = _at_primary(Node.fetch_event_data)
    fetch_header = _at_primary(Node.fetch_header)
    fetch_balance = _at_primary(Node.fetch_balance)
    fetch_nonce = _at_primary(Node.fetch_nonce)
    fetch_receipt = _at_primary(Node.fetch_receipt)

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
        self._primary = self._read_last = self._nodes[0]
        self._told: dict[Node, Message] = {}
        # The nodes of which a read failed, until they are the primary without a failure.
        self._failing: set[Node] = set()
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
            CannotCheckError: No node can be used: each is down, is syncing, or is behind the block
                that enough others showed last.
        """
        problems: list[CannotCheckError] = []
        self._vetted.clear()
        self._failing.discard(self._primary)
        for node in self._nodes:
            try:
                self._check_first_pins(node)
                self._check_newest(node)
            except CannotCheckError as error:
                problems.append(error)
                self._mark_unusable(node, error)
                continue
            self._mark_usable(node)
            self._read_from(node)
            return
        if len(problems) == 1:
            raise problems[0]
        waits = [error.retry_after or 0.0 for error in problems]
        raise QuorumError(
            Message("quorum-no-node-readable", reason=_join_messages(problems)),
            retry_after=min(waits),  # the earliest time at which a node may be asked again
        )

    def read_at_primary(self, read: Callable[[Node], Answer]) -> Answer:
        """Return the result of ``read`` at the primary; if that fails, at the next usable node.

        The node that answered is the primary from then on.

        Raises:
            CannotCheckError: ``read`` fails at every node; the error is the primary's.
        """
        primary, problems = self._primary, []
        for node in sorted(self._nodes, key=lambda node: node is not primary):
            try:
                if node is not primary:
                    self._vet(node)
                    self._check_newest(node)
                answer = read(node)
            except CannotCheckError as error:
                problems.append(error)
                self._mark_unusable(node, error)
                self._failing.add(node)
                continue
            self._read_from(node)
            return answer
        raise problems[0]

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block that is final at enough nodes.

        It is never older than a block returned before, unless one node's word is enough and that
        node no longer has this block.
        """
        agreed, by = self._agree(rule)
        before = self._final.get(rule)
        if before is not None and agreed.number < before.number:
            if self.needed > 1 or by[0].fetch_block(before.number) is not None:
                return before
        elif before is not None:
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
        """Return the results of ``read`` at all nodes that answer."""
        answers = [answer for _, answer in self._ask_agreed(read)]
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
            self._vet(node)
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
        """Return the result of ``read`` about the final block, on which enough nodes agree."""
        if len(self._nodes) == 1:
            return read(self)
        groups: list[tuple[Answer, list[str]]] = []
        missing = []
        for node, answer in self._ask_agreed(read):
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
        """Send a signed transaction to every node.

        Only the primary node's error is raised, and only if fewer nodes took the transaction than
        have to agree.
        """
        taken, problem = 0, None
        for node, answer in self._ask(self._nodes, lambda node: node.send_raw_transaction(raw)):
            if not isinstance(answer, CannotCheckError) or _is_harmless(answer):
                taken += 1
            elif node is self._primary:
                problem = answer
            elif isinstance(answer, NodeRefusedError):
                self._report(Message("node-rejects-tx", name=node.name, reason=answer.reason))
            else:
                self._mark_unusable(node, answer)
        if problem is not None and taken < self.needed:
            raise problem

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

    def _check_newest(self, node: Node) -> None:
        """Check that a node is not syncing, and not behind what enough others showed last."""
        if node.is_syncing():
            raise CannotCheckError(
                Message("node-still-syncing", name=node.name),
                hint=Message("node-still-syncing-hint"),
            )
        number = node.fetch_latest().number
        seen = [each.newest for each in self._nodes if each is not node and each.newest is not None]
        # Of three nodes or more, what one showed rules out no other.
        needed = min(max(self.needed, 2), len(self._nodes) - 1)
        newest = reached_by_enough(seen, needed) if 0 < needed <= len(seen) else 0
        # A node on another chain passes here: the next comparison of the pins reports it.
        if number < newest - MAX_LAG and self._is_pinned(node):
            raise CannotCheckError(
                Message("node-behind", name=node.name, number=number, newest=newest),
                hint=Message("node-behind-hint"),
            )

    def _read_from(self, node: Node) -> None:
        """Make a node the primary; report it, unless it fails too often to be reported again."""
        self._primary, self.rpc = node, node.rpc
        if node is not self._read_last and node not in self._failing:
            self._read_last = node
            self._report(Message("node-read-now", name=node.name))

    def _vet(self, node: Node) -> None:
        """Check a node's pins, once for each ``select_primary``."""
        if node not in self._vetted:
            self._check_pins(node)
            self._vetted.add(node)

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

    def _ask_agreed(
        self, read: Callable[[Node], Answer]
    ) -> list[tuple[Node, Answer | CannotCheckError]]:
        """Ask the nodes that agreed on the final block, and if too few answer, the others too."""
        answers = self._ask(self._agreed or self._nodes, read)
        if sum(not isinstance(answer, CannotCheckError) for _, answer in answers) >= self.needed:
            return answers

        def ask(node: Node) -> Answer:
            self._vet(node)
            return read(node)

        asked = [node for node, _ in answers]
        return answers + self._ask([node for node in self._nodes if node not in asked], ask)

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
        """Report why one of several nodes is not used, once for each reason."""
        if len(self._nodes) == 1:
            return
        node.newest = None  # it cannot correct now what it showed
        if node in self._told and error.retry_after is not None:
            return  # it is resting, for a reason already reported
        if self._told.get(node) != error.message:
            self._told[node] = error.message
            self._report(Message("node-left-out", reason=error.message))

    def _mark_usable(self, node: Node) -> None:
        if node not in self._failing and self._told.pop(node, None) is not None:
            self._report(Message("node-usable-again", name=node.name))


def _is_harmless(error: CannotCheckError) -> bool:
    """Return whether a refusal of a transaction says that the node has it already."""
    return isinstance(error, NodeRefusedError) and classify_refusal(error.reason) in _HARMLESS


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
