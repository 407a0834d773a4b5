"""Searches by routes and pages, of which a tenant has few under way at a time."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.evidence.search_query import SearchQuery
from anchor.people.case_rules import viewer_of
from anchor.service.caller import Caller
from anchor.service.worker import Service
from anchor.store.tenant_search import SearchMatches, search_tenant

# Each takes up to some hundred milliseconds of one of the few threads that read.
_MOST_AT_ONCE = 2


async def search(
    service: Service, caller: Caller, query: SearchQuery, limit: int, before: int | None
) -> SearchMatches:
    """Return what matches a query among what the caller may see.

    Raises:
        Problem: The tenant has too many searches under way (429).
    """
    viewer = viewer_of(caller.permissions, caller.actor)
    with service.take_slot(Message("service-searches"), caller.tenant, _MOST_AT_ONCE):
        return await service.query(search_tenant, caller.tenant, viewer, query, limit, before)
