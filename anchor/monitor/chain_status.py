"""Status outside the store: the log on chain, and its publication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, FinalityViolatedError
from anchor.base.types import Address
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.log.checkpoint import open_checkpoint
from anchor.log.publication import CHECKPOINT, open_reader
from anchor.monitor.background_poll import BackgroundPoll, Sighting
from anchor.operate.anchor_watch import Watched
from anchor.operate.funds import find_key
from anchor.operate.preconditions import check_chain
from anchor.project.project import OpenProject
from anchor.store.heads import find_head
from anchor.store.statistics import load_newest_anchors


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """The chain at one moment.  Times are Unix seconds, amounts wei.

    ``size`` is the size of the registry's head: 0 if the log is not anchored yet, None if that head
    is not in this store, or the log is closed.  ``balance`` is None if the sender is unknown,
    ``base_fee`` if the chain has none, ``final_block`` if the nodes do not report one.
    """

    block: int
    block_time: int
    final_block: int | None
    size: int | None
    is_closed: bool
    balance: int | None
    base_fee: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalStatus:
    """What was last seen of the chain, and how many leaves are published.

    ``published`` is None if no target for publication is configured, ``watched`` if no process
    compares the log with the chain.
    """

    chain: Sighting[ChainFacts]
    published: Sighting[int] | None
    watched: Watched | None = None


class StatusPoller:
    """Polls the chain and the published log in the background."""

    def __init__(
        self,
        project: OpenProject,
        node: Node,
        current_time: Callable[[], float],
        read_watch: Callable[[], Watched | None] = lambda: None,
    ) -> None:
        """Prepare to poll; ``node`` is asked by one thread at a time.

        ``read_watch`` returns the state of the anchor watch, without waiting.
        """
        self._read_watch = read_watch
        self._chain = BackgroundPoll(
            lambda: fetch_chain_facts(project, node, find_sender(project)), current_time
        )
        target = project.config.publish
        self._published = (
            None
            if target is None
            else BackgroundPoll(lambda: fetch_published_size(target), current_time)
        )

    def snapshot(self, wait: float = 0.0) -> ExternalStatus:
        """Return what was seen last, and start polling again if it is old.

        Each of the two polls is waited for up to ``wait`` seconds.
        """
        published = None if self._published is None else self._published.snapshot(wait)
        return ExternalStatus(
            chain=self._chain.snapshot(wait), published=published, watched=self._read_watch()
        )


def fetch_published_size(target: str) -> int:
    """Return the size that the checkpoint published at ``target`` states."""
    note = open_reader(target).read(CHECKPOINT)
    return 0 if note is None else open_checkpoint(note, None).head.size


def fetch_chain_facts(project: OpenProject, node: Node, sender: Address | None) -> ChainFacts:
    """Read the log's state on chain from the node."""
    config = project.config
    check_chain(config, node)
    latest = node.fetch_latest()
    newest = RegistryReader(config.registry, config.log).newest_root(node, latest.hash)
    with project.database.read() as connection:
        head = None if newest.root is None else find_head(connection, newest.root)
    is_empty = newest.root is None and not newest.is_closed
    size = 0 if is_empty else None if head is None else head.size
    try:
        final_block = node.fetch_final_block(config.finality).number
    except CannotCheckError:
        final_block = None
    except FinalityViolatedError:
        # The anchor watch acts on violated finality; this only shows the present state.
        node.forget_final()
        final_block = None
    return ChainFacts(
        block=latest.number,
        block_time=latest.timestamp,
        final_block=final_block,
        size=size,
        is_closed=newest.is_closed,
        balance=None if sender is None else node.fetch_balance(sender),
        base_fee=node.fetch_base_fee(),
    )


def find_sender(project: OpenProject) -> Address | None:
    """Return the sender: the project's key, or if its file states no address, the last sender."""
    key = find_key(project.config)
    if key is not None:
        return key
    rows = project.read(load_newest_anchors, 1)
    return rows[0].sender if rows else None
