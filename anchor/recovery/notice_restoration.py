"""The keys by which notices are found, made again from the notices' records in the log.

With them a record that was superseded or withdrawn stays so, whatever was lost beside the records.
"""

from __future__ import annotations

from anchor.evidence.record_notice import read_notice
from anchor.operate.record_notices import notice_key
from anchor.store.file_origins import tenant_of
from anchor.store.idempotency_keys import insert_keys
from anchor.store.runs import load_kept_records
from anchor.store.staging import Writable

_MEMBER = b'"notice":{'


def restore_notice_keys(database: Writable) -> None:
    """Insert the keys of all notices whose records a rebuilt store holds; the first one counts."""
    with database.write() as connection:
        known: dict[bytes, bytes] = {}
        for run, at, record in load_kept_records(connection, _MEMBER):
            # A tenant's record is none, whatever its content.
            notice = read_notice(record) if tenant_of(run.source(at)) is None else None
            if notice is not None:
                known.setdefault(notice_key(notice.subject), run.identity(at))
        insert_keys(connection, list(known.items()))
