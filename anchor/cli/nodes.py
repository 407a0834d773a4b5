"""The nodes that a verifier asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from anchor.errors import CannotCheckError, UsageError

if TYPE_CHECKING:
    from anchor.checks import ChainView, Target
    from anchor.types import ChainId


class Nodes:
    """Reaches a chain: by ``--rpc``, else the policy's nodes, else the project's.

    One view for the same URLs, so that many files cost few questions.  ``asked`` names the nodes.
    """

    def __init__(
        self,
        rpc: Sequence[str],
        quorum: int | None,
        project_rpc: Callable[[ChainId], Sequence[str]],
        report: Callable[[str], None],
    ) -> None:
        from anchor.chain.urls import describe_url

        for url in rpc:
            describe_url(url)  # bad usage, and no finding about any evidence
        if len(set(rpc)) < len(rpc):
            raise UsageError("--rpc names one node twice", hint="each is to be another operator's")
        if quorum is not None and rpc and quorum > len(rpc):
            raise UsageError(f"--quorum is {quorum}, and --rpc names {len(rpc)} nodes")
        self._rpc = tuple(rpc)
        self._quorum = quorum
        self._project_rpc = project_rpc
        self._report = report
        self._views: dict[tuple[tuple[str, ...], int], ChainView] = {}
        self.asked: list[str] = []

    def connect(self, target: Target) -> ChainView:
        """Return the view of the target's chain.

        Raises:
            CannotCheckError: no node is known, or fewer than have to agree.
        """
        from anchor.chain.quorum import NodeGroup
        from anchor.chain.views import ChainReader
        from anchor.cli.session import open_node

        urls = self._rpc or target.rpc or tuple(self._project_rpc(target.chain_id))
        if not urls:
            raise CannotCheckError(
                f"no node of chain {target.chain_id} is known",
                hint="name one you trust with --rpc, or in a trust policy with --trust",
            )
        # Of those named on the command line two agree at least, without more being said.
        least = min(2, len(self._rpc)) if self._rpc else 1
        needed = self._quorum or max(target.quorum, least)
        if needed > len(urls):
            raise CannotCheckError(
                f"{needed} nodes have to agree, and {len(urls)} of chain {target.chain_id} are "
                "named",
                hint="name more with --rpc, each of another operator",
            )
        key = (urls, needed)
        if key not in self._views:
            nodes = [open_node(url) for url in urls]
            self.asked += [node.name for node in nodes if node.name not in self.asked]
            group = NodeGroup(
                nodes,
                needed=needed,
                chain_id=target.chain_id,
                genesis=target.genesis,
                report=self._report,
            )
            self._views[key] = ChainReader(nodes[0] if len(nodes) == 1 else group)
        return self._views[key]
