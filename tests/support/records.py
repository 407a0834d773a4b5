"""Evidence records made for tests, whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from anchor.base.canonical import JsonValue
from anchor.base.digests import Digests
from anchor.base.system.clock import format_time
from anchor.base.types import LogId
from anchor.evidence.record import Record, encode_record


def build_record(
    *,
    digests: Digests,
    name: str,
    media_type: str | None,
    salt: bytes,
    recorded_at: datetime,
    log: LogId | None = None,
    statements: Mapping[str, JsonValue] | None = None,
) -> Record:
    """Return a record with its canonical bytes, as reading them should give it."""
    written = format_time(recorded_at)
    encoded = encode_record(
        digests=digests,
        name=name,
        media_type=media_type,
        salt=salt,
        recorded_at=written,
        log=log,
        statements=statements,
    )
    return Record(
        encoded=encoded,
        digests=digests,
        name=name,
        media_type=media_type,
        salt=salt,
        recorded_at=datetime.fromisoformat(written),
        log=log,
        statements=tuple(sorted(statements or ())),
    )
