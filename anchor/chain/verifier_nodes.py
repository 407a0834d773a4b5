"""The nodes that a verifier asks: those of the command line, the policy or the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.urls import are_distinct, redact_url
from anchor.verification.quorum_rules import find_conflict, verifier_quorum

if TYPE_CHECKING:
    from anchor.base.types import ChainId, Hash32
    from anchor.chain.chain_reader import ChainReader
    from anchor.chain.node import Node
    from anchor.verification.policy import FinalityRule
    from anchor.verification.steps import VerificationTarget


def open_node(url: str) -> Node:
    """Return a client for the node at ``url``; nothing is sent yet."""
    from anchor.chain.json_rpc import Rpc
    from anchor.chain.node import Node

    return Node(Rpc(url))


class Nodes:
    """The nodes for each chain: those of ``--rpc``, else the policy's, else the project's.

    If several chains are involved, each uses those nodes of the command line that are on it.  Equal
    targets share one view, so that many files cost few requests.  ``asked`` lists the names of all
    nodes used, and ``asked_now`` those used since the caller last cleared it.
    """

    def __init__(
        self,
        rpc: Sequence[str],
        quorum: int | None,
        project_rpc: Callable[[ChainId], tuple[Sequence[str], int]],
        report: Callable[[Message], None],
    ) -> None:
        for url in rpc:
            redact_url(url)  # a bad URL is a usage error, not a finding about evidence
        if quorum is not None and quorum < 1:
            raise UsageError(Message("quorum-too-small", quorum=quorum))
        fault = find_conflict(rpc, quorum or 1) if rpc else None
        if fault is not None:
            raise UsageError(
                Message("rpc-nodes-conflict", reason=fault), hint=Message("rpc-nodes-conflict-hint")
            )
        self._rpc = tuple(rpc)
        self._quorum = quorum
        self._project_rpc = project_rpc
        self._report = report
        self._views: dict[object, tuple[ChainReader, list[str]]] = {}
        self._chain_ids: dict[str, ChainId | None] = {}
        # One client for each URL, so that all uses share its knowledge that the node is down.
        self._nodes: dict[str, Node] = {}
        self.asked: list[str] = []
        self.asked_now: list[str] = []

    def connect(self, target: VerificationTarget) -> ChainReader:
        """Return the view of the target's chain.

        Raises:
            CannotCheckError: No node of the chain is known, two URLs name the same node, or there
                are fewer nodes than have to agree.
        """
        urls: Sequence[str] = self._on_chain_of(target) or target.rpc
        quorum = target.quorum
        if not urls:
            urls, least = self._project_rpc(target.chain_id)
            quorum = max(quorum, least)
        if not urls:
            raise CannotCheckError(
                Message("chain-nodes-unknown", chain=target.chain_id),
                hint=Message("chain-nodes-unknown-hint"),
            )
        if not are_distinct(urls):
            raise CannotCheckError(
                Message("chain-node-named-twice", chain=target.chain_id),
                hint=Message("chain-node-named-twice-hint"),
            )
        # The policy's quorum is never lowered here.
        needed = max(quorum, self.needed)
        if needed > len(urls):
            raise CannotCheckError(
                Message(
                    "chain-nodes-too-few", needed=needed, count=len(urls), chain=target.chain_id
                ),
                hint=Message("chain-nodes-too-few-hint"),
            )
        return self._open(tuple(urls), needed, target.chain_id, target.genesis, target.finality)

    def close(self) -> None:
        """Close the connections to all nodes that were asked."""
        for node in self._nodes.values():
            node.close()

    @property
    def needed(self) -> int:
        """Return how many nodes of the command line have to agree: ``--quorum``, or else two."""
        # The same for every chain: a node could otherwise lower it by claiming to be on another.
        return self._quorum or verifier_quorum(len(self._rpc))

    def _on_chain_of(self, target: VerificationTarget) -> Sequence[str]:
        """Return the nodes of the command line without those on chains of other targets.

        A node on an unrelated chain, or one that does not answer, stays: the user named it as one
        of those that have to agree, and its fault is reported when it is asked.
        """
        if not self._rpc or not target.other_chains:
            return self._rpc
        urls = [url for url in self._rpc if self._fetch_chain_id(url) not in target.other_chains]
        if not urls:
            raise CannotCheckError(
                Message("chain-nodes-of-others", chain=target.chain_id),
                hint=Message("chain-nodes-of-others-hint"),
            )
        return urls

    def _fetch_chain_id(self, url: str) -> ChainId | None:
        if url not in self._chain_ids:
            try:
                self._chain_ids[url] = self._open_node(url).fetch_chain_id()
            except CannotCheckError:
                self._chain_ids[url] = None
        return self._chain_ids[url]

    def _open_node(self, url: str) -> Node:
        if url not in self._nodes:
            self._nodes[url] = open_node(url)
        return self._nodes[url]

    def open(self) -> ChainReader:
        """Return the view of the chain that the first node on the command line is on."""
        chain_id = self._open_node(self._rpc[0]).fetch_chain_id()
        return self._open(self._rpc, self.needed, chain_id, None, "finalized")

    def _open(
        self,
        urls: tuple[str, ...],
        needed: int,
        chain_id: ChainId,
        genesis: Hash32 | None,
        finality: FinalityRule,
    ) -> ChainReader:
        from anchor.chain.chain_reader import ChainReader
        from anchor.chain.node_quorum import NodeGroup

        # Results agreed under other rules, or about another chain, are not reused.
        key = (urls, needed, chain_id, genesis, finality)
        if key not in self._views:
            nodes = [self._open_node(url) for url in urls]
            group = NodeGroup(
                nodes, needed=needed, chain_id=chain_id, genesis=genesis, report=self._report
            )
            reader = ChainReader(nodes[0] if len(nodes) == 1 else group)
            self._views[key] = reader, [node.name for node in nodes]
        view, names = self._views[key]
        for asked in (self.asked, self.asked_now):
            asked += [name for name in names if name not in asked]
        return view
