"""The choice of each file's receipt from a bundle, by the record's digests and name."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from anchor.base.canonical import MAX_DEPTH, check_depth
from anchor.base.digests import Digests
from anchor.base.errors import AnchorError
from anchor.evidence.record import Record, parse_record
from anchor.receipt.format import Receipt
from anchor.verification.steps import check_file

_SAME_NAME, _SAME_CONTENT, _SAME_BOTH = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Evidence whose receipt is looked for; ``name`` is empty if it has none."""

    name: str
    digests: Digests


def choose_receipts(receipts: Iterable[Receipt], wanted: Sequence[Wanted]) -> list[Receipt | None]:
    """Return the receipt of each piece of evidence, or None; read all ``receipts``, keep those.

    A receipt is of a file if step 2 passes: of several the first whose record has the file's name,
    else the first.  If there is none, the file may have been altered: its receipt is then the first
    whose record has its name, so that a verification reports the difference.
    """
    places = _Places(wanted)
    chosen: list[tuple[int, Receipt | None]] = [(0, None)] * len(wanted)
    for receipt in receipts:
        candidates = places.find(receipt.record)
        if not candidates:
            continue
        with suppress(AnchorError):  # a malformed record is no file's
            record = parse_record(receipt.record)
            for place in candidates:
                rank = _rank(wanted[place], record)
                if rank > chosen[place][0]:
                    chosen[place] = rank, receipt
    return [receipt for _, receipt in chosen]


class _Places:
    """Which of the wanted files a record may be of, found without parsing it strictly."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, file in enumerate(wanted):
            for name in ("sha256", "sm3"):
                digest = getattr(file.digests, name)
                if digest is not None:
                    self._places[name, digest.hex()].append(place)
            if file.name:
                self._places["name", file.name].append(place)

    def find(self, record: bytes) -> set[int]:
        try:
            if record.count(b"{") + record.count(b"[") > MAX_DEPTH:
                check_depth(record, subject="")
            members: Any = json.loads(record)
            digests: dict[str, str] = members["digests"]
            keys = [(name, digests.get(name, "")) for name in ("sha256", "sm3")]
            keys.append(("name", _last_part(members["name"])))
            return {place for key in keys for place in self._places.get(key, ())}
        except (AnchorError, ValueError, TypeError, KeyError, AttributeError):
            return set()  # not a record


def _rank(file: Wanted, record: Record) -> int:
    has_name = file.name != "" and _last_part(record.name) == file.name
    try:
        check_file(file.digests, record)
    except AnchorError:
        return _SAME_NAME if has_name else 0
    return _SAME_BOTH if has_name else _SAME_CONTENT


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1]
