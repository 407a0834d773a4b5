"""The project's own transactions that are missing in its journal, as the chain shows them.

After a restore the journal lacks what was sent since the backup.  If such a nonce of the key
brought a head of this log into the registry, only the key's holder can have sent it, and only as an
anchor of this log: no other program used it.  Each transaction is found in the block that the
registry states for the anchor; if that number is a parent chain's, none is found.
"""

from __future__ import annotations

from functools import partial

from anchor.base.errors import CannotCheckError
from anchor.base.types import Address, Head, LogId
from anchor.chain.node import Node
from anchor.chain.node_agreement import said_by_enough
from anchor.project.project import OpenProject
from anchor.registry.calldata import decode_anchor_call, decode_succeed_call
from anchor.store.tx_journal import load_unsigned_anchors

# Blocks searched in one call, the newest anchors' first.
_MOST_BLOCKS = 1_000


def find_own_nonces(project: OpenProject, node: Node, sender: Address, missing: range) -> set[int]:
    """Return those of the nonces missing in the journal that anchored heads of this log.

    A block that nodes do not have, or disagree about, explains no nonce.
    """
    own: set[int] = set()
    if not missing:
        return own
    config = project.config
    unknown = project.read(load_unsigned_anchors, _MOST_BLOCKS)
    for anchored in unknown:
        read = partial(Node.fetch_calls, number=anchored.block_number, to=config.registry)
        try:
            calls = said_by_enough(node.ask_each(read), node.needed)
        except CannotCheckError:
            continue
        for call in calls or ():
            is_theirs = call.sender != sender or call.nonce not in missing
            if not is_theirs and _is_of(config.log, anchored.head, call.data):
                own.add(call.nonce)
        if len(own) == len(missing):
            break
    return own


def _is_of(log: LogId, head: Head, data: bytes) -> bool:
    """Return whether the calldata makes ``head`` a head of this log."""
    if (succeeded := decode_succeed_call(data)) is not None:
        _, from_root, new = succeeded
        return (new, from_root) == (log, head.root)
    return decode_anchor_call(data) == (log, head)
