"""Sources of evidence: its tenant, or the file that it was accepted from."""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import Connection, func, literal_column, or_, select

from anchor.evidence.digests import Digests
from anchor.store.schema import evidence

IS_FILE = func.substr(
    evidence.c.source, literal_column("1"), literal_column("1")
) == literal_column("'/'")
"""Whether a row's source is a file, as in the partial index; any other source is a label."""

_HAS_DIGEST = or_(evidence.c.sha256.is_not(None), evidence.c.sm3.is_not(None))


def tenant_of(source: str) -> str | None:
    """Return the tenant named in a source; None if the evidence was not accepted by the service."""
    label, slash, _ = source.partition("/")
    return label.removeprefix("tenant:") if slash and label.startswith("tenant:") else None


def load_files(connection: Connection, after: str, count: int) -> list[tuple[str, list[Digests]]]:
    """Return the next ``count`` absolute paths that sort after ``after``.

    Each path comes with the digests of all evidence accepted from it.
    """
    names = connection.scalars(
        select(evidence.c.source)
        .distinct()
        .where(IS_FILE, _HAS_DIGEST, evidence.c.source > after)
        .order_by(evidence.c.source)
        .limit(count)
    ).all()
    if not names:
        return []
    rows = connection.execute(
        select(evidence.c.source, evidence.c.sha256, evidence.c.sm3)
        .where(IS_FILE, _HAS_DIGEST, evidence.c.source.between(names[0], names[-1]))
        .order_by(evidence.c.source, evidence.c.id)
    )
    return [
        (source, [Digests(sha256=row.sha256, sm3=row.sm3, size=None) for row in group])
        for source, group in groupby(rows, key=lambda row: str(row.source))
    ]
