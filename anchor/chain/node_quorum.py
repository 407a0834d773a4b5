"""Several nodes as one: one is read, all are offered what is sent, and enough must agree.

All facts of one decision come from one node, which ``select_primary`` picks.  What is to count as
final comes from as many nodes as the operator asks for, so that one that lies, lags or sits on a
fork can delay, and nothing else.  They may all be deceived together; no program finds that out by
asking them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

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
from anchor.types import Address, Block, ChainId, Hash32
from anchor.verification.policy import FinalityRule

MAX_LAG = 4
"""Blocks that a node may be behind the newest one seen: some are on their way, more are stale."""

# Refusals of what a node has already, or has seen included.
_HARMLESS = (Refusal.KNOWN, Refusal.NONCE_USED)


class NodeGroup(Node):
    """A node that stands for several: the first that can be used is read."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        needed: int,
        chain_id: ChainId,
        genesis: Hash32 | None,
        report: Callable[[str], None],
    ) -> None:
        """Prepare to ask ``nodes``, of which ``needed`` have to agree; nothing is sent yet.

        Without a ``genesis`` only the chain id tells chains apart.
        """
        super().__init__(nodes[0].rpc)
        self._nodes = tuple(nodes)
        self.needed = needed
        self._chain_id = chain_id
        self._genesis = genesis
        self._report = report
        self._told: dict[Node, str] = {}
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
        """Read from the first node that can be used, until this is called again.

        A first of all that is on another chain is passed over only where enough others are on the
        pinned one; else a wrong ``chain.rpc`` is for the operator to mend, who is told by whoever
        compares the pins next.

        Raises:
            CannotCheckError: none can be used: down, syncing, or behind what this process has seen.
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
                self._report(f"reading from {node.name} now")
            self.rpc = node.rpc
            return
        if len(problems) == 1:
            raise problems[0]
        waits = [error.retry_after or 0.0 for error in problems]
        raise QuorumError(
            f"no node can be read: {_join([error.message for error in problems])}",
            retry_after=min(waits),  # the first of them may be asked again then
        )

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block of which enough nodes say that it is final.

        Never an older one than was returned before.

        Raises:
            QuorumError: too few can be asked, or two say different blocks of one number are final.
            FinalityViolatedError: a block that was final is not on the chain any more.
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
                    f"finality was violated: block {before.number} was final as "
                    f"0x{before.hash.hex()}, and is 0x{replacement.hash.hex()} now",
                    hint="look at the chain and its nodes: chain.finality may be too low",
                    block_hash=agreed.hash,
                )
        self._final[rule], self._agreed = agreed, by
        return agreed

    def forget_final(self) -> None:
        """Forget which blocks were final, and by whose word."""
        self._final.clear()
        self._agreed = ()

    def ask_all(self, read: Callable[[Node], Answer]) -> list[Answer]:
        """Return what ``read`` finds at each node that answers.

        Raises:
            QuorumError: too few do.
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
        """Return what ``read`` finds at each node of the pinned chain that answers.

        Raises:
            QuorumError: too few do; a single node's own error where it is the only one.
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
        """Return what ``read`` finds about the final block at enough of the nodes that know it.

        Raises:
            QuorumError: they find different things, or too few answer.
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
            sides = " against ".join(", ".join(names) for _, names in groups)
            raise QuorumError(
                f"the nodes disagree about what is in the final block: {sides}", hint=_SPLIT_HINT
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
        """Return the proof of the first node that gives one, the last time's giver first.

        It holds by the block's hash, whoever gives it.

        Raises:
            CannotCheckError: no node does; the error is the first one's.
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
        """Hand a signed transaction to every node; the answer of the one that is read counts."""
        others = [node for node in self._nodes if node.rpc is not self.rpc]
        try:
            super().send_raw_transaction(raw)
        finally:
            for node, answer in self._ask(others, lambda node: node.send_raw_transaction(raw)):
                if isinstance(answer, NodeRefusedError):
                    if classify_refusal(answer.reason) not in _HARMLESS:
                        self._report(f"{node.name} does not take it: {answer.reason}")
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
                problems.append(f"the node {node.name} lost block {number}")
        by = tuple(node for node, block in claims.items() if block.number == number)
        if len(by) < self.needed:
            raise self._too_few(len(by), problems)
        self._check_no_split(claims, by)
        return claims[by[0]], by

    def _check_no_split(self, claims: dict[Node, Block], by: tuple[Node, ...]) -> None:
        """Compare each claim with what the first of ``by`` says of that number."""
        reference = by[0]
        for node, block in claims.items():
            theirs: Block | None = claims[reference]
            if block.number != claims[reference].number:
                theirs = reference.fetch_block(block.number)
            if theirs is None or theirs.hash != block.hash:
                reference_hash = "unknown" if theirs is None else f"0x{theirs.hash.hex()}"
                raise QuorumError(
                    f"the nodes disagree about final block {block.number}: it is "
                    f"0x{block.hash.hex()} to {node.name} and {reference_hash} to {reference.name}",
                    hint=_SPLIT_HINT,
                )

    def _fetch_final(self, node: Node, rule: FinalityRule) -> Block:
        self._check_pins(node)
        if node.is_syncing():
            raise CannotCheckError(f"the node {node.name} is still syncing")
        return node.fetch_final_block(rule)

    def _fetch_newest(self, node: Node) -> int:
        if node.is_syncing():
            raise CannotCheckError(
                f"the node {node.name} is still syncing", hint="wait until it has caught up"
            )
        number = node.fetch_latest().number
        # A first node on another chain is let through to the comparison that stops everything.
        if number < self._newest - MAX_LAG and self._is_pinned(node):
            raise CannotCheckError(
                f"the node {node.name} is at block {number}, and block {self._newest} was seen "
                "already",
                hint="it lags behind, or its chain was rolled back",
            )
        return number

    def _check_first_pins(self, node: Node) -> None:
        """Compare pins where that may lead to another node."""
        if node is not self._nodes[0]:
            self._check_pins(node)
        elif len(self._nodes) > 1 and not self._is_pinned(node):
            answers = self._ask(self._nodes[1:], self._is_pinned)
            # One other alone would decide which of two chains is the right one.
            if sum(answer is True for _, answer in answers) >= max(self.needed, 2):
                raise CannotCheckError(f"the node {node.name} is on another chain")

    def _check_pins(self, node: Node) -> None:
        if not self._is_pinned(node):
            raise CannotCheckError(f"the node {node.name} is on another chain")

    def _is_pinned(self, node: Node) -> bool:
        if node.fetch_chain_id() != self._chain_id:
            return False
        if self._genesis is None:
            return True
        # Without one, nothing tells a chain from another.
        return node.known(node.fetch_block(0), "genesis block").hash == self._genesis

    def _ask(
        self, nodes: Sequence[Node], read: Callable[[Node], Answer]
    ) -> list[tuple[Node, Answer | CannotCheckError]]:
        """Ask them all at once, so that one that hangs costs its own time only."""

        def ask(node: Node) -> Answer | CannotCheckError:
            try:
                return read(node)
            except CannotCheckError as error:
                return error

        if not nodes:
            return []
        with ThreadPoolExecutor(len(nodes)) as pool:
            return list(zip(nodes, pool.map(ask, nodes), strict=True))

    def _too_few(self, count: int, problems: Sequence[str]) -> QuorumError:
        return QuorumError(
            f"{count} of {len(self._nodes)} nodes agree on what is final, and "
            f"{self.needed} have to" + (f": {_join(problems)}" if problems else ""),
            hint="nothing becomes final until enough of them answer; see to those that are named",
        )

    def _mark_unusable(self, node: Node, error: CannotCheckError) -> None:
        """Tell why a node is not used, once for each reason."""
        if node in self._told and error.retry_after is not None:
            return  # it is left alone for what was told
        if self._told.get(node) != error.message:
            self._told[node] = error.message
            self._report(f"left out: {error.message}")

    def _mark_usable(self, node: Node) -> None:
        if self._told.pop(node, None) is not None:
            self._report(f"{node.name} can be used again")


def _too_few_answers(count: int, needed: int, problems: Sequence[CannotCheckError]) -> AnchorError:
    """Return what to raise: what they agree on in refusing, or that too few answer."""
    refused = [error for error in problems if isinstance(error, NodeRefusedError)]
    if len(refused) >= needed:
        return refused[0]
    return QuorumError(
        f"{count} nodes answer, and {needed} have to: "
        f"{_join([error.message for error in problems])}",
        hint="nothing was sent; see to those that are named",
    )


_SPLIT_HINT = "one side is wrong or on a fork: nothing becomes final until they agree"


def _join(problems: Sequence[str]) -> str:
    return "; ".join(problems)
