"""On how many servers a commit has to be before it is acknowledged, and which standbys count.

A standby counts where the operator named it, or, where none is named, where the server itself
waits for it (``synchronous_standby_names``).  What it has *flushed* counts, not what it received
or replayed.  A program that receives the write-ahead log (``pg_receivewal``) counts by name only;
a base backup under way (``pg_basebackup``) and a logical subscription never: they can take nothing
over.
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND_SERVER_NEEDED = (
    "store_copies.copies needs a store in PostgreSQL with a standby; a SQLite file is kept twice "
    "by a replicated block device below it"
)
"""What is said of the option beside a SQLite file."""

_WAITED_FOR = frozenset({"sync", "quorum"})
_TOOLS = frozenset({"pg_basebackup", "pg_receivewal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRule:
    """``copies`` servers hold what is acknowledged, the first one among them.

    A commit waits ``seconds`` for that.  Then it is an error, or with ``degrade`` acknowledged with
    the copies there are.  ``standbys`` are the names (``application_name``) of those that count.
    """

    copies: int
    degrade: bool = False
    seconds: float = 10.0
    standbys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """One who follows the server, as the server sees it; ``flushed`` is a place in its log.

    ``is_near``: it is reached without a network, as one on the same machine is.
    """

    name: str
    sync_state: str
    flushed: int | None
    is_logical: bool
    is_backup: bool
    is_near: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the write-ahead log of the server on this timeline."""

    timeline: str
    lsn: int

    def continues(self, earlier: Position) -> bool:
        """Say whether the log of ``earlier`` is part of this one's, as after no fail-over."""
        return self.timeline == earlier.timeline and self.lsn >= earlier.lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How many servers hold a position of the log, of how many that are to.

    ``waited_for`` is the server's ``synchronous_standby_names``.
    """

    rule: CopyRule
    position: Position
    standbys: tuple[Standby, ...]
    waited_for: str

    @property
    def count(self) -> int:
        """Return how many servers hold it, as far as they are wanted."""
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
        """Whether as many hold it as the rule wants."""
        return self.count >= self.rule.copies

    def format_standbys(self) -> str:
        """Return which standbys are connected, and which of them count."""
        if not self.standbys:
            return "no standby is connected"
        named = [
            f"{standby.name or 'one without a name'} ({_format_role(self.rule, standby)})"
            for standby in self.standbys
        ]
        return f"connected: {', '.join(named)}"


def is_counted(rule: CopyRule, standby: Standby) -> bool:
    """Return whether this standby counts as a copy."""
    if standby.is_logical or standby.is_backup:
        return False
    if rule.standbys:
        return standby.name in rule.standbys
    return standby.sync_state in _WAITED_FOR and standby.name not in _TOOLS


def _format_role(rule: CopyRule, standby: Standby) -> str:
    if is_counted(rule, standby):
        return "counts"
    if standby.is_logical:
        return "a logical subscription, which is no copy"
    if standby.is_backup:
        return "a base backup under way, which is no copy"
    return f"{standby.sync_state}, does not count"
