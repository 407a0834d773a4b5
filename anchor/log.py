"""The sequencer: gives accepted leaves their place in the log, once and for ever.

A seal is one transaction: indices, right edge and head are there together or not at all.
"""

from __future__ import annotations

from anchor.errors import ChainGuardError
from anchor.merkle import RightEdge, Tree
from anchor.store.database import Database
from anchor.store.evidence import assign_indices, load_leaves, load_unsealed
from anchor.store.heads import SealedHead, insert_head, newest_head
from anchor.types import Head


def seal(database: Database, now: str) -> tuple[Head, int] | None:
    """Append every accepted leaf to the log; return the new head and how many leaves it added.

    None where nothing was waiting.  Leaves keep the order in which they were accepted.
    """
    with database.write() as connection:
        waiting = load_unsealed(connection)
        if not waiting:
            return None
        before = newest_head(connection)
        edge = before.right_edge if before else RightEdge()
        first_index = edge.size
        for _, leaf in waiting:
            edge.append(leaf)
        assign_indices(connection, first_index, [row_id for row_id, _ in waiting])
        head = Head(root=edge.root(), size=edge.size)
        insert_head(connection, SealedHead(head=head, right_edge=edge), now)
        # A crash before this commit leaves every leaf unsealed; the next run seals the same order.
    return head, len(waiting)


def load_tree(database: Database, head: Head) -> Tree:
    """Build the tree of ``head`` from the stored leaves, and check that they still lead to it.

    Raises:
        ChainGuardError: they do not: the store was damaged or altered.
    """
    with database.read() as connection:
        leaves = load_leaves(connection, head.size)
    if len(leaves) != 32 * head.size:
        raise ChainGuardError(
            f"the store holds {len(leaves) // 32} of the log's {head.size} leaves",
            hint="restore the store from a backup; nothing was sent",
        )
    tree = Tree(leaves)
    if tree.root(head.size) != head.root:
        raise ChainGuardError(
            f"the stored leaves no longer lead to the root of size {head.size}",
            hint="the store was damaged or altered: restore it from a backup; nothing was sent",
        )
    return tree
