"""The project's nodes, opened as the configuration names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from anchor.base.messages.message import Message
from anchor.chain.node import Node
from anchor.chain.node_quorum import NodeGroup
from anchor.chain.verifier_nodes import open_node

if TYPE_CHECKING:  # a verifier opens nodes without a project
    from anchor.project.config import Config


def open_chain(config: Config, report: Callable[[Message], None]) -> Node:
    """Return the project's nodes as one, which reads from the first usable node."""
    return NodeGroup(
        [open_node(url) for url in (config.rpc, *config.witnesses)],
        needed=config.quorum,
        chain_id=config.chain_id,
        genesis=config.genesis,
        report=report,
    )
