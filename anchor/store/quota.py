"""Insertion of the evidence of the service's tenants, within their quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from anchor.errors import StoreBusyError, UsageError
from anchor.messages.message import Message
from anchor.store.api_keys import Quota, count_usage, measure_allowance
from anchor.store.evidence import NewEvidence, find_positions
from anchor.store.evidence_insertion import insert_once, insert_reporting


@dataclass(frozen=True, slots=True)
class Admitted:
    """The outcome for evidence that is stored durably."""

    is_new: bool
    # Its place in the log; None until it is sealed, as for all new evidence.
    leaf_index: int | None


class OverQuota:
    """The outcome for evidence beyond the tenant's quota."""


class OtherEvidence:
    """The outcome for evidence whose idempotency key was used for other evidence."""


Outcome: TypeAlias = Admitted | OverQuota | OtherEvidence
_NEW = Admitted(is_new=True, leaf_index=None)


def admit(
    connection: Connection,
    tenant: str,
    limits: Quota,
    items: Sequence[NewEvidence],
    *,
    key: bytes | None,
    at: str,
) -> list[Outcome]:
    """Insert a tenant's evidence up to its quota; return one outcome per item, in order.

    ``key`` is the hash of an idempotency key, which is allowed for a single piece only.

    Raises:
        StoreBusyError: Another process interfered; the transaction can be repeated.
    """
    allowance = measure_allowance(connection, tenant, limits, at)
    outcomes: list[Outcome] = []
    new = 0
    while items:
        part = items if allowance is None else items[: allowance - new]
        if not part:
            break
        if key is not None:
            try:
                is_new = [insert_once(connection, part[0], key)[1]]
            except UsageError:  # raised before anything was written
                return [OtherEvidence()]
        else:
            is_new = insert_reporting(connection, part)
        outcomes += _list_outcomes(connection, part, is_new)
        new += sum(is_new)
        items = items[len(part) :]
    if items:
        outcomes += _list_outcomes_beyond(connection, items)
    count_usage(connection, tenant, new, at)
    return outcomes


def _list_outcomes(
    connection: Connection, items: Sequence[NewEvidence], is_new: Sequence[bool]
) -> list[Outcome]:
    if all(is_new):
        return [_NEW] * len(items)
    known = [submitted.identity for submitted, new in zip(items, is_new, strict=True) if not new]
    places = find_positions(connection, known)
    if len(places) < len(set(known)):
        raise StoreBusyError(
            Message("evidence-erased-meanwhile"), hint=Message("command-run-again-hint")
        )
    return [
        _NEW if new else Admitted(is_new=False, leaf_index=places[submitted.identity])
        for submitted, new in zip(items, is_new, strict=True)
    ]


def _list_outcomes_beyond(connection: Connection, items: Sequence[NewEvidence]) -> list[Outcome]:
    """Return the outcomes of items that exceed the quota, some of which may be stored already."""
    places = find_positions(connection, [submitted.identity for submitted in items])
    return [
        Admitted(is_new=False, leaf_index=places[submitted.identity])
        if submitted.identity in places
        else OverQuota()
        for submitted in items
    ]
