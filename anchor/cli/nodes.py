"""The nodes that a verifier asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from anchor.errors import CannotCheckError, UsageError

if TYPE_CHECKING:
    from anchor.checks import ChainView, Target
    from anchor.trust import FinalityRule
    from anchor.types import ChainId, Hash32


class Nodes:
    """Reaches a chain: by ``--rpc``, else the policy's nodes, else the project's.

    One view for the same question, so that many files cost few.  ``asked`` names the nodes, and
    ``asked_now`` those of the last view.
    """

    def __init__(
        self,
        rpc: Sequence[str],
        quorum: int | None,
        project_rpc: Callable[[ChainId], tuple[Sequence[str], int]],
        report: Callable[[str], None],
    ) -> None:
        from anchor.chain.urls import are_distinct, describe_url
        from anchor.trust import MAX_NODES

        for url in rpc:
            describe_url(url)  # bad usage, and no finding about any evidence
        if not are_distinct(rpc):
            raise UsageError("--rpc names one node twice", hint="each is to be another operator's")
        if len(rpc) > MAX_NODES:
            raise UsageError(f"--rpc names {len(rpc)} nodes; {MAX_NODES} are asked at most")
        if quorum is not None and rpc and quorum > len(rpc):
            raise UsageError(f"--quorum is {quorum}, and --rpc names {len(rpc)} nodes")
        self._rpc = tuple(rpc)
        self._quorum = quorum
        self._project_rpc = project_rpc
        self._report = report
        self._views: dict[object, tuple[ChainView, list[str]]] = {}
        self.asked: list[str] = []
        self.asked_now: list[str] = []

    def connect(self, target: Target) -> ChainView:
        """Return the view of the target's chain.

        Raises:
            CannotCheckError: no node is known, or fewer than have to agree.
        """
        from anchor.chain.urls import are_distinct

        urls: Sequence[str] = self._rpc or target.rpc
        quorum = target.quorum
        if not urls:
            urls, least = self._project_rpc(target.chain_id)
            quorum = max(quorum, least)
        if not urls:
            raise CannotCheckError(
                f"no node of chain {target.chain_id} is known",
                hint="name one you trust with --rpc, or in a trust policy with --trust",
            )
        if not are_distinct(urls):
            raise CannotCheckError(
                f"of chain {target.chain_id} one node is named twice, and would agree with itself",
                hint="name nodes of different operators",
            )
        # What the policy asks for is never lowered here.
        needed = max(quorum, self.needed)
        if needed > len(urls):
            raise CannotCheckError(
                f"{needed} nodes have to agree, and {len(urls)} of chain {target.chain_id} are "
                "named",
                hint="name more with --rpc, each of another operator",
            )
        return self._open(tuple(urls), needed, target.chain_id, target.genesis, target.finality)

    @property
    def needed(self) -> int:
        """Return how many of those on the command line have to agree: two, unless it says more."""
        return self._quorum or max(1, min(2, len(self._rpc)))

    def open(self) -> ChainView:
        """Return the view of the chain that the first node on the command line is on."""
        from anchor.cli.session import open_node

        chain_id = open_node(self._rpc[0]).fetch_chain_id()
        return self._open(self._rpc, self.needed, chain_id, None, "finalized")

    def _open(
        self,
        urls: tuple[str, ...],
        needed: int,
        chain_id: ChainId,
        genesis: Hash32 | None,
        finality: FinalityRule,
    ) -> ChainView:
        from anchor.chain.quorum import NodeGroup
        from anchor.chain.views import ChainReader
        from anchor.cli.session import open_node

        # Nothing that was agreed about by other rules, or of another chain, is used again.
        key = (urls, needed, chain_id, genesis, finality)
        if key not in self._views:
            nodes = [open_node(url) for url in urls]
            group = NodeGroup(
                nodes, needed=needed, chain_id=chain_id, genesis=genesis, report=self._report
            )
            view = ChainReader(nodes[0] if len(nodes) == 1 else group)
            self._views[key] = view, [node.name for node in nodes]
        found, self.asked_now = self._views[key]
        self.asked += [name for name in self.asked_now if name not in self.asked]
        return found
