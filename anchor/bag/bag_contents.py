"""The files of a bag to be: originals on disk, everything else in memory, and the lists of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from anchor.bag.bag_format import (
    BAGIT,
    DECLARATION,
    FORMAT,
    FORMAT_LABEL,
    INFO,
    MANIFEST,
    OXUM_LABEL,
    PAYLOAD,
    SM3_SUMS,
    TAG_MANIFEST,
    check_names,
    describe_oxum,
    encode_list,
)
from anchor.base.digests import Digests


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalFile:
    """A file on disk with the digests that it has to have when it is copied."""

    path: Path
    digests: Digests


BagPart: TypeAlias = bytes | OriginalFile


def complete_bag(
    parts: Mapping[str, BagPart], info: Mapping[str, str], *, form: str = FORMAT
) -> dict[str, BagPart]:
    """Return a bag's files in their order, with its lists; ``info`` is for ``bag-info.txt``.

    ``form`` is the format that the bag names.
    The same parts and info give the same bag.
    """
    payload = {
        name: part.digests
        for name, part in parts.items()
        if name.startswith(PAYLOAD) and isinstance(part, OriginalFile)
    }
    sizes = {name: _size(part) for name, part in parts.items()}
    lines = {FORMAT_LABEL: form, **info, OXUM_LABEL: describe_oxum(sizes)}
    bag: dict[str, BagPart] = {
        **parts,
        BAGIT: DECLARATION,
        INFO: "".join(f"{label}: {value}\n" for label, value in lines.items()).encode(),
        MANIFEST: encode_list({name: each.sha256 or b"" for name, each in payload.items()}),
        SM3_SUMS: encode_list({name: each.sm3 or b"" for name, each in payload.items()}),
    }
    tags = {name: _hash(part) for name, part in bag.items() if not name.startswith(PAYLOAD)}
    bag[TAG_MANIFEST] = encode_list(tags)
    check_names({name: _size(part) for name, part in bag.items()})
    return dict(sorted(bag.items(), key=lambda entry: entry[0].encode("utf-8")))


def _hash(part: BagPart) -> bytes:
    return hashlib.sha256(part).digest() if isinstance(part, bytes) else part.digests.sha256 or b""


def _size(part: BagPart) -> int:
    return len(part) if isinstance(part, bytes) else part.digests.size or 0
