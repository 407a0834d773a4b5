"""Insertion of the evidence of the service's tenants, within their quotas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from sqlalchemy import Connection

from anchor.base.canonical import JsonValue
from anchor.notifications.quota_levels import find_level
from anchor.store.announcements import announce
from anchor.store.api_keys import Quota, count_usage, find_usage, measure_allowance
from anchor.store.columns import NewEvidence, Run
from anchor.store.evidence import find_by_key
from anchor.store.evidence_insertion import append_new
from anchor.store.new_pieces import NEW, Admitted, NewPieces, OverQuota
from anchor.store.runs import lock_intake


class TenantSubmission(Protocol):
    """A tenant's evidence: rows, and runs of this tenant's alone.

    ``key`` is the hash of the idempotency key of a single piece, which is a row.
    """

    @property
    def tenant(self) -> str: ...
    @property
    def limits(self) -> Quota: ...
    @property
    def items(self) -> Sequence[NewEvidence | Run]: ...
    @property
    def key(self) -> bytes | None: ...


class OtherEvidence:
    """The outcome for evidence whose idempotency key was used for other evidence."""


Outcome: TypeAlias = Admitted | OverQuota | OtherEvidence


def admit(
    connection: Connection, submissions: Sequence[TenantSubmission], at: str
) -> list[list[Outcome]]:
    """Insert evidence up to each tenant's quota; return one outcome per piece, in order."""
    # First, because a transaction that held the intake could wait for the row of the usage.
    lock_intake(connection)
    admission = _Admission(connection, submissions, at)
    outcomes = [admission.admit(submission) for submission in submissions]
    admission.finish()
    return outcomes


class _Admission:
    """The admission of some submissions by one transaction."""

    def __init__(
        self, connection: Connection, submissions: Sequence[TenantSubmission], at: str
    ) -> None:
        self._connection = connection
        self._at = at
        items = [part for each in submissions for part in each.items]
        self._pieces = NewPieces(connection, items)
        self._keys: dict[bytes, bytes] = {}
        self._quotas = {each.tenant: each.limits for each in submissions}
        # By tenant, in an order in which two processes cannot wait for each other.
        self._allowances = {
            each.tenant: measure_allowance(connection, each.tenant, each.limits, at)
            for each in sorted(submissions, key=lambda each: each.tenant)
        }
        self._added = dict.fromkeys(self._allowances, 0)

    def admit(self, submission: TenantSubmission) -> list[Outcome]:
        key, items = submission.key, submission.items
        first = items[0]
        if isinstance(first, Run):
            key = None
        elif key is not None and self._is_of_other_evidence(key, first.identity):
            return [OtherEvidence()]
        outcomes: list[Outcome] = []
        for part in items:
            taken = self._pieces.take(part, self._room(submission.tenant))
            self._added[submission.tenant] += taken.count(NEW)
            outcomes += taken
        if key is not None and not isinstance(first, Run) and outcomes[0] is NEW:
            self._keys[key] = first.identity
        return outcomes

    def _is_of_other_evidence(self, key: bytes, identity: bytes) -> bool:
        if key in self._keys:
            return self._keys[key] != identity
        known = find_by_key(self._connection, key)
        return known is not None and known.identity != identity

    def _room(self, tenant: str) -> int | None:
        """Return how many more new pieces the tenant may submit; None without a limit."""
        allowance = self._allowances[tenant]
        return None if allowance is None else allowance - self._added[tenant]

    def finish(self) -> None:
        """Insert the new evidence and count it."""
        append_new(self._connection, self._pieces.new, self._keys)
        for tenant, added in self._added.items():
            count_usage(self._connection, tenant, added, self._at)
            per_day = self._quotas[tenant].per_day
            if added and per_day is not None:
                self._announce_level(tenant, added, per_day)

    def _announce_level(self, tenant: str, added: int, per_day: int) -> None:
        used = find_usage(self._connection, tenant, self._at[:10])
        level = find_level(used - added, used, per_day)
        if level is not None:
            data: dict[str, JsonValue] = {"per_cent": level, "accepted": used, "per_day": per_day}
            announce(self._connection, tenant, "quota.reached", data, at=self._at)
