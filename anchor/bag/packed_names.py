"""Names of files in a bag, which every file system, ZIP program and checksum tool takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from anchor.bag.bag_format import fold_name

# Windows refuses these; sha256sum and BagIt programs differ on how they escape % and \.
_UNUSUAL = frozenset('<>:"/\\|?*%')
# Control and format characters (such as direction overrides), surrogates, line separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICES = frozenset(
    ("CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)))
)
# File systems accept 255 bytes; a suffix is added to some names.
_MAX_BYTES = 200
_MAX_SUFFIX_BYTES = 20


def assign_names(names: Sequence[str]) -> list[str]:
    """Return a path for each file name, in order: of equal names, all but the first get a folder.

    The folders are numbered: ``contract.pdf``, ``2/contract.pdf``, ``3/contract.pdf``.
    """
    plain = [_to_safe(name) for name in names]
    taken = {fold_name(name) for name in plain}
    assigned: list[str] = []
    numbers: dict[str, int] = {}
    for name in plain:
        number = numbers.get(fold_name(name), 0) + 1
        # A file may have the number as its name.
        while number > 1 and str(number) in taken:
            number += 1
        numbers[fold_name(name)] = number
        assigned.append(name if number == 1 else f"{number}/{name}")
    return assigned


def _to_safe(name: str) -> str:
    """Return one file name, as much like ``name`` as is safe; characters may become ``_``."""
    composed = unicodedata.normalize("NFC", name)
    cleaned = _shorten("".join(_clean(composed)))
    if cleaned != cleaned.rstrip(" ."):  # Windows drops these
        cleaned = cleaned.rstrip(" .") + "_"
    if not cleaned.strip("._ ") or cleaned.partition(".")[0].upper() in _DEVICES:
        cleaned = f"_{cleaned}"
    return cleaned


def _clean(name: str) -> Iterable[str]:
    for character in name:
        is_odd = character in _UNUSUAL or unicodedata.category(character) in _UNPRINTABLE
        yield "_" if is_odd else character


def _shorten(name: str) -> str:
    stem, point, suffix = name.rpartition(".")
    if not stem or len(suffix.encode("utf-8")) > _MAX_SUFFIX_BYTES:
        stem, point, suffix = name, "", ""
    while len(f"{stem}{point}{suffix}".encode()) > _MAX_BYTES:
        stem = stem[:-1]
    return f"{stem}{point}{suffix}"
