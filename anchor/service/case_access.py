"""Access to a tenant's cases for routes and pages: who sees one, and who may change what in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.people.case_rules import releases_exhibits, viewer_of
from anchor.service.auth import lacks_permission
from anchor.service.caller import Caller
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.worker import Service
from anchor.store.case_exhibits import ExhibitRow, find_exhibit, find_tenant_piece
from anchor.store.cases import CaseRow, find_case
from anchor.store.evidence import StoredEvidence

T = TypeVar("T")


async def find_visible_case(service: Service, caller: Caller, id: str) -> CaseRow:
    """Return a case that the caller sees."""
    viewer = viewer_of(caller.permissions, caller.actor)
    case = await service.query(find_case, caller.tenant, viewer, id)
    if case is None:
        raise Problem(404, Message("case-unknown"))
    return case


async def change_visible_case(
    service: Service,
    caller: Caller,
    id: str,
    change: Callable[[Any, CaseRow], T],
    *,
    lifts: bool = False,
    closes: bool = False,
    removes: bool = False,
) -> T:
    """Return the result of ``change`` on a case that the caller sees, in one transaction.

    The last three say what of a hold's protection the change ends.

    Raises:
        Problem: There is no such case (404), or a hold is in force that the caller may not end
            (403).
    """
    viewer = viewer_of(caller.permissions, caller.actor)

    def work(connection: Any) -> T:
        case = find_case(connection, caller.tenant, viewer, id, is_locked=True)
        if case is None:
            raise Problem(404, Message("case-unknown"))
        releases = releases_exhibits(
            is_in_force=case.is_held, lifts=lifts, closes=closes, removes=removes
        )
        if releases:
            need_owner(caller)
        return change(connection, case)

    return await service.change(work)


def need_owner(caller: Caller) -> None:
    """Check that the caller may do what a tenant's owners may."""
    if "manage" not in caller.permissions:
        raise lacks_permission(caller, "manage")


def need_exhibit(connection: Any, case: CaseRow, id: str) -> ExhibitRow:
    """Return an exhibit of a case."""
    exhibit = find_exhibit(connection, case.id, id)
    if exhibit is None:
        raise Problem(404, Message("exhibit-unknown"))
    return exhibit


async def find_named_evidence(service: Service, caller: Caller, named: str) -> StoredEvidence:
    """Return the tenant's evidence with an id or a number.

    Raises:
        UsageError: There is none, or several, or it is no number.
        Problem: Too much waits for its entry in the index to tell (503).
    """
    try:
        return await service.query(find_tenant_piece, caller.tenant, named)
    except CannotCheckError as error:
        raise Problem(503, error.message, headers=RETRY_LATER) from error
