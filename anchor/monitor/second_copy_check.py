"""The check of ``anchor doctor`` for the second copy: the standbys of the store's server."""

from __future__ import annotations

from anchor.errors import CopyMissingError
from anchor.store.database import Database
from anchor.store.replication import Copies, is_counted


def check_second_copy(database: Database) -> tuple[str, str]:
    """Return how many servers hold the store, and a note on what the operator might improve, or "".

    Raises:
        CopyMissingError: Fewer servers hold the store than ``store_copies`` asks for.
    """
    seen = database.read_copies()
    if seen is None:
        return "one: store_copies asks for no other", ""
    if not seen.is_enough:
        raise CopyMissingError(
            f"{seen.count} of {seen.rule.copies} servers hold what is committed: "
            f"{seen.format_standbys()}",
            hint=_explain(seen),
        )
    text = (
        f"{seen.count} of {seen.rule.copies} servers hold what is committed; "
        f"{seen.format_standbys()}"
    )
    return text, "; ".join(_list_notes(seen))


def _explain(seen: Copies) -> str:
    if not seen.standbys:
        return "start the standby, and see that its primary_conninfo leads to this server"
    if not seen.rule.standbys and not seen.waited_for:
        return (
            "no standby counts: name it (its application_name) in store_copies.standbys, or in the "
            "server's synchronous_standby_names"
        )
    return "see whether the standby's disk, or the way to it, is too slow or stopped"


def _list_notes(seen: Copies) -> list[str]:
    counting = [standby for standby in seen.standbys if is_counted(seen.rule, standby)]
    notes = []
    if all(standby.is_near for standby in counting):
        notes.append("the standby seems to be on the server's own machine: one fault takes both")
    if "*" in seen.waited_for and not seen.rule.standbys:
        notes.append("synchronous_standby_names has *, so that whoever connects counts: name it")
    if len(counting) >= seen.rule.copies:
        notes.append(
            "more standbys count than there have to be: in a fail-over, promote the one that has "
            "received most (docs/operating.md)"
        )
    return notes
