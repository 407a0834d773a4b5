"""The nodes that a verifier asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from anchor.errors import CannotCheckError

if TYPE_CHECKING:
    from anchor.types import ChainId
    from anchor.verify import ChainView


class Nodes:
    """Reaches a chain: by ``--rpc``, else the policy's node, else the project's.

    One view for each URL, so that many files cost few questions.  ``asked`` names them.
    """

    def __init__(self, rpc: str | None, project_rpc: Callable[[ChainId], str | None]) -> None:
        if rpc is not None:
            from anchor.chain.urls import describe_url

            describe_url(rpc)  # bad usage, and no finding about any evidence
        self._rpc = rpc
        self._project_rpc = project_rpc
        self._views: dict[str, ChainView] = {}
        self.asked: list[str] = []

    def connect(self, chain_id: ChainId, urls: Sequence[str]) -> ChainView:
        from anchor.chain.views import ChainReader
        from anchor.cli.session import open_node

        url = self._rpc or next(iter(urls), None) or self._project_rpc(chain_id)
        if url is None:
            raise CannotCheckError(
                f"no node of chain {chain_id} is known",
                hint="name one you trust with --rpc, or in a trust policy with --trust",
            )
        if url not in self._views:
            node = open_node(url)
            self._views[url] = ChainReader(node)
            self.asked.append(node.name)
        return self._views[url]
