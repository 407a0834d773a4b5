"""What the chain says of the log now, fetched apart from whoever shows it.

Pages and metrics never wait for a node: they show what was last seen, with its age, or say that it
is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from anchor.chain.node import Node
from anchor.errors import AnchorError, CannotCheckError, NodeFaultError
from anchor.pipeline.anchoring import check_chain
from anchor.pipeline.funds import find_key
from anchor.pipeline.project import Project
from anchor.registry.slots import CLOSED_HEAD, head_slot
from anchor.store.figures import load_newest_anchors
from anchor.store.heads import find_head
from anchor.types import Address

FRESH = 15.0
"""Seconds after which what was seen is looked up again: about a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """The chain at one moment.  Times are Unix seconds, amounts wei.

    ``size`` is that of the registry's head: 0 where nothing is anchored, None where that head is
    not in our store, or the log is closed.  ``balance`` is None where the sender is not known,
    ``base_fee`` where the chain has none, ``final_block`` where the nodes do not say.
    """

    block: int
    block_time: int
    final_block: int | None
    size: int | None
    is_closed: bool
    balance: int | None
    base_fee: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was last seen of the chain, and when (Unix seconds); ``trouble`` says what fails now."""

    facts: ChainFacts | None
    seen_at: float | None
    trouble: str | None


NOTHING_SEEN = Sighting(facts=None, seen_at=None, trouble=None)


def fetch_chain_facts(project: Project, node: Node, sender: Address | None) -> ChainFacts:
    """Ask the node where the log stands.

    Raises:
        CannotCheckError: it does not answer, or not properly.
        ChainGuardError: it is on another chain than the project.
    """
    config = project.config
    check_chain(config, node)
    latest = node.fetch_block("latest")
    if latest is None:
        raise NodeFaultError(f"the node {node.name} has no latest block")
    word = node.fetch_storage(config.registry, head_slot(config.log), latest.hash)
    with project.database.read() as connection:
        head = find_head(connection, word) if any(word) else None
    size = 0 if not any(word) else None if head is None else head.size
    try:
        final_block = node.fetch_final_block(config.finality).number
    except CannotCheckError:
        final_block = None
    return ChainFacts(
        block=latest.number,
        block_time=latest.timestamp,
        final_block=final_block,
        size=size,
        is_closed=word == CLOSED_HEAD,
        balance=None if sender is None else node.fetch_balance(sender),
        base_fee=node.fetch_base_fee(),
    )


class ChainWatch:
    """Keeps the last sighting; looking at it starts the next one where it is old."""

    def __init__(self, fetch: Callable[[], ChainFacts], now: Callable[[], float]) -> None:
        """Prepare to ask by ``fetch``, which ends by itself; nothing is asked before ``look``."""
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._last = NOTHING_SEEN
        self._asked_at: float | None = None
        self._asking: threading.Thread | None = None

    def look(self) -> Sighting:
        """Return what was seen last, without waiting for anything."""
        with self._lock:
            is_old = self._asked_at is None or self._now() - self._asked_at >= FRESH
            if is_old and self._asking is None:
                self._asked_at = self._now()
                self._asking = threading.Thread(target=self._ask, name="chain watch", daemon=True)
                self._asking.start()
            return self._last

    def wait(self, seconds: float) -> Sighting:
        """Return what ``look`` does, after waiting so long for an answer that is on its way."""
        self.look()
        with self._lock:
            asking = self._asking
        if asking is not None:
            asking.join(seconds)
        with self._lock:
            return self._last

    def _ask(self) -> None:
        facts: ChainFacts | None = None
        trouble: str | None = "the chain could not be looked at"
        try:
            facts = self._fetch()
            trouble = None
        except AnchorError as error:
            trouble = error.message
        finally:
            with self._lock:
                before = self._last
                self._last = Sighting(
                    facts=facts or before.facts,
                    seen_at=self._now() if facts else before.seen_at,
                    trouble=trouble,
                )
                self._asking = None


def watch_chain(project: Project, node: Node, now: Callable[[], float]) -> ChainWatch:
    """Return a watch over the project's log; the node is asked by one thread at a time."""
    return ChainWatch(lambda: fetch_chain_facts(project, node, find_sender(project)), now)


def find_sender(project: Project) -> Address | None:
    """Return who sends: the project's key, or where its file does not say, who did last."""
    key = find_key(project.config)
    if key is not None:
        return key
    with project.database.read() as connection:
        rows = load_newest_anchors(connection, project.config.chain_id, 1)
    return rows[0].sender if rows else None
