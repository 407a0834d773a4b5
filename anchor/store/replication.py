"""The rule on how many servers must hold a commit before it is acknowledged.

A standby counts if the operator named it or, without any named standby, if the server itself waits
for it (``synchronous_standby_names``).  The position that it has *flushed* counts, not the one it
received or replayed.  A program that receives the write-ahead log (``pg_receivewal``) counts by
name only; a running base backup (``pg_basebackup``) and a logical subscription never count,
because neither can take over.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.messages.message import Message, join

SECOND_SERVER_NEEDED = Message("store-copies-need-postgresql")
"""The message about the option for a store in a SQLite file."""

_WAITED_FOR = frozenset({"sync", "quorum"})
_TOOLS = frozenset({"pg_basebackup", "pg_receivewal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRule:
    """The rule that ``copies`` servers, including the primary, hold every acknowledged commit.

    A commit waits up to ``seconds`` for the copies.  After that it fails or, with ``degrade``, is
    acknowledged with fewer.  ``standbys`` are the names (``application_name``) of those that count.
    """

    copies: int
    degrade: bool = False
    seconds: float = 10.0
    standbys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """A replication client as seen by the server; ``flushed`` is a position in the server's log.

    ``is_near``: the client is reached without a network, for example on the same machine.
    """

    name: str
    sync_state: str
    flushed: int | None
    is_logical: bool
    is_backup: bool
    is_near: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position in the server's write-ahead log on a timeline."""

    timeline: str
    lsn: int

    def continues(self, earlier: Position) -> bool:
        """Return whether this log contains ``earlier``, which is not so after a fail-over."""
        return self.timeline == earlier.timeline and self.lsn >= earlier.lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The servers that hold a position of the log, compared with the rule.

    ``waited_for`` is the server's ``synchronous_standby_names``.
    """

    rule: CopyRule
    position: Position
    standbys: tuple[Standby, ...]
    waited_for: str

    @property
    def count(self) -> int:
        """Return how many servers hold the position, at most the number required by the rule."""
        return self.count_at(self.position)

    def count_at(self, position: Position) -> int:
        """Return how many servers hold the log up to ``position``."""
        holding = [
            standby
            for standby in self.standbys
            if is_counted(self.rule, standby)
            and standby.flushed is not None
            and standby.flushed >= position.lsn
        ]
        return min(1 + len(holding), self.rule.copies)

    @property
    def is_enough(self) -> bool:
        """Return whether as many servers hold the position as the rule requires."""
        return self.count >= self.rule.copies

    def format_standbys(self) -> Message:
        """Return which standbys are connected, and which of them count."""
        if not self.standbys:
            return Message("standby-none")
        named = (
            Message(
                "standby-with-role",
                name=standby.name or Message("standby-unnamed"),
                role=_format_role(self.rule, standby),
            )
            for standby in self.standbys
        )
        return Message("standby-list", standbys=join(named))


def is_counted(rule: CopyRule, standby: Standby) -> bool:
    """Return whether this standby counts as a copy."""
    if standby.is_logical or standby.is_backup:
        return False
    if rule.standbys:
        return standby.name in rule.standbys
    return standby.sync_state in _WAITED_FOR and standby.name not in _TOOLS


def _format_role(rule: CopyRule, standby: Standby) -> Message:
    if is_counted(rule, standby):
        return Message("standby-counted")
    if standby.is_logical:
        return Message("standby-logical")
    if standby.is_backup:
        return Message("standby-base-backup")
    return Message("standby-not-counted", sync_state=standby.sync_state)
