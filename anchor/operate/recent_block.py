"""The final block that new records name, so that they cannot be older than it (``not_before``).

It is read from the project's nodes by the project's finality rule, and shared by all records of at
most ten minutes: a small file beside the configuration keeps it for every process.  An older one is
never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from anchor.base.canonical import JsonValue
from anchor.base.errors import AnchorError, CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import unix_now
from anchor.chain.node import Node
from anchor.ethereum.known_chains import has_block_history
from anchor.evidence.not_before import NotBefore, parse_not_before
from anchor.operate.incident_handling import fetch_final
from anchor.operate.preconditions import check_chain
from anchor.project.config import Config, NotBeforeRule
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.project.sightings import load_sighting, save_sighting

SHARED_SECONDS = 600
"""Seconds for which records name the same block."""

_FORMAT = "anchor-recent-block/1"
_SUBJECT = Message("recent-block-subject")

NameBlock = Callable[[], NotBefore | None]
"""A function that returns the block which records made now name; None: they name none."""


def name_no_block() -> None:
    """Return no block, for records that name none."""


def choose_block(
    project: OpenProject, option: bool | None, report: Callable[[Message], None]
) -> NameBlock:
    """Return what names blocks, by an option or else by the configuration."""
    return RecentBlock(
        project, project.config.not_before if option is None else option, report
    ).name


class RecentBlock:
    """The block that records of this project name, read when it is needed."""

    def __init__(
        self,
        project: OpenProject,
        rule: NotBeforeRule,
        report: Callable[[Message], None],
        *,
        open_node: Callable[[Config, Callable[[Message], None]], Node] = open_chain,
        wall: Callable[[], float] = unix_now,
    ) -> None:
        """Prepare; no node is opened before a block is needed."""
        self._project = project
        self._rule = rule
        self._report = report
        self._open_node = open_node
        self._wall = wall
        self._node: Node | None = None
        self._failed_at: float | None = None

    def name(self) -> NotBefore | None:
        """Return the block that records made now name; None if the rule allows none.

        Raises:
            UsageError: Blocks of the chain cannot be proven later.
            CannotCheckError: The rule demands a block, and the nodes do not tell the final one.
        """
        if self._rule is False:
            return None
        if self._rule is True:
            return self._find()
        if self._failed_at is not None and 0 <= self._wall() - self._failed_at < SHARED_SECONDS:
            return None  # a node that is down must not delay each of many files
        try:
            return self._find()
        except AnchorError as error:
            self._failed_at = self._wall()
            self._report(Message("records-name-no-block", reason=error.message))
            return None

    def _find(self) -> NotBefore:
        config = self._project.config
        if not has_block_history(config.chain_id):
            raise UsageError(
                Message("record-block-not-provable", chain=config.chain_id),
                hint=Message("record-block-not-read-hint"),
            )
        block = self._load()
        if block is not None:
            return block
        try:
            block = self._read()
        except CannotCheckError as error:
            raise CannotCheckError(
                Message("record-block-not-read", reason=error.message),
                hint=Message("record-block-not-read-hint"),
            ) from error
        members: Mapping[str, JsonValue] = {
            "format": _FORMAT,
            "read_at": int(self._wall()),
            "block": {
                "chain_id": block.chain_id,
                "block_number": block.block_number,
                "block_hash": "0x" + block.block_hash.hex(),
            },
        }
        save_sighting(self._path, members, subject=_SUBJECT)
        return block

    def _read(self) -> NotBefore:
        project = self._project
        if self._node is None:
            self._node = self._open_node(project.config, self._report)
        check_chain(project.config, self._node)
        return NotBefore.of(project.config.chain_id, fetch_final(project, self._node))

    def _load(self) -> NotBefore | None:
        """Return the block that a process read at most ten minutes ago, by this clock."""
        members = load_sighting(self._path, form=_FORMAT, subject=_SUBJECT)
        if members is None:
            return None
        block, read_at = parse_not_before(members.get("block")), members.get("read_at")
        if block is None or type(read_at) is not int:
            return None
        is_recent = 0 <= self._wall() - read_at < SHARED_SECONDS
        return block if is_recent and block.chain_id == self._project.config.chain_id else None

    @property
    def _path(self) -> Path:
        return self._project.config.file.with_name("recent-block.json")
