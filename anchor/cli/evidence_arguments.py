"""The evidence that ``anchor erase`` and ``anchor hold`` are given."""

from __future__ import annotations

import re
from pathlib import Path

from anchor.base.digests import Digests, parse_digest
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.record import source_of
from anchor.operate.evidence_selection import Selection

_HASH = re.compile(r"[0-9A-Fa-f]{64}")


def parse_selection(
    names: list[str] | None,
    digests: list[str] | None,
    leaves: list[str] | None,
    tenant: str | None,
) -> Selection:
    """Return the selection of evidence that the arguments name."""
    ids, wanted_digests, sources = [], [], []
    for text in names or ():
        path = Path(text)
        if path.exists():
            wanted_digests.append(digest_file(path))
        elif _HASH.fullmatch(text):
            ids.append(bytes.fromhex(text))
        else:
            sources.append(source_of(path))
    wanted_digests += [Digests.bare(*parse_digest(text)) for text in digests or ()]
    for text in leaves or ():
        if not _HASH.fullmatch(text):
            raise UsageError(Message("leaf-hash-malformed", actual=text[:80]))
    return Selection(
        ids=ids,
        digests=wanted_digests,
        sources=sources,
        leaves=[bytes.fromhex(text) for text in leaves or ()],
        tenant=tenant,
    )
