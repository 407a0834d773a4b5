"""Whether text in Chinese has English left in it that is neither quoted nor a name."""

from __future__ import annotations

import re

# What is quoted, spelled, or a name: code, options, hex, numbers, and words of formats. Hexadecimal
# digits at random are letters too, so a number of a certificate may look like words.
QUOTED = re.compile(
    r"`[^`]*`|'[^']*'|\"[^\"]*\"|--[a-z-]+|0x[0-9a-fA-F]*…?|https?://\S+|([0-9A-Z]{4}-){4}[0-9A-Z]\b"
    r"|\bAC-(\d{8}-)?[0-9A-F]{16}\b"
)
NAMES = re.compile(
    r"\b(RFC \d+|JSON|UTF-8|UTC|RLP|ASCII|HTTP|sha256|sm3|keccak256|nonce|null|format|head|"
    r"recorded_at|media_type|digests|size|name|salt|sequence|block_number|timestamp|finalized|"
    r"OP Mainnet|Ethereum Mainnet|"
    r"result|error|chain\.finality|trust\.toml|final|latest|finality|[0-9a-f]{16,}|v\d+)\b"
)
ENGLISH = re.compile(r"[A-Za-z]{2,}\W+[A-Za-z]{2,}")
CHARACTER = re.compile("[\u4e00-\u9fff]")


def what_is_english(text: str) -> str | None:
    """Return words that are left in English; None where there are none."""
    plain = NAMES.sub("", QUOTED.sub("", text))
    found = ENGLISH.search(plain)
    if found is None and re.search("[a-z]{4,}", plain) and not CHARACTER.search(text):
        return text
    return found and found[0]
