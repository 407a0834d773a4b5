"""What must not be left of erased evidence, in every form in which a file could hold it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path


def forms_of_bytes(value: bytes) -> dict[str, bytes]:
    """Return bytes as they are, in hex of both cases, and in base64 at each alignment."""
    forms = {
        "raw": value,
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
    }
    for shift in range(3):
        for alphabet, encode in (("base64", base64.b64encode), ("url", base64.urlsafe_b64encode)):
            # Without the characters that bytes before and behind it would change.
            text = encode(b"\0" * shift + value).rstrip(b"=")
            forms[f"{alphabet} {shift}"] = text[4 if shift else 0 : -2]
    return forms


def forms_of_text(value: str) -> dict[str, bytes]:
    """Return text in UTF-8, UTF-16 and as JSON escapes it."""
    return {
        "utf-8": value.encode(),
        "utf-16": value.encode("utf-16-le"),
        "json": json.dumps(value)[1:-1].encode(),
    }


def needles(record: bytes, identity: bytes, others: Iterable[bytes | str] = ()) -> dict[str, bytes]:
    """Return all forms of what a piece of evidence is known by."""
    members = json.loads(record)
    found: dict[str, bytes] = {"record": record}
    values = {
        "salt": bytes.fromhex(members["salt"]),
        "identity": identity,
        "half a digest": identity[:16],
        **{name: bytes.fromhex(digest) for name, digest in members["digests"].items()},
        **{f"other {n}": item for n, item in enumerate(others) if isinstance(item, bytes)},
    }
    texts = [members["name"], *(item for item in others if isinstance(item, str))]
    for name, value in values.items():
        found |= {f"{name}, {form}": data for form, data in forms_of_bytes(value).items()}
    for text in texts:
        found |= {f"{text}, {form}": data for form, data in forms_of_text(text).items()}
    return found


def search(folders: Iterable[Path], wanted: dict[str, bytes]) -> Iterator[tuple[str, Path]]:
    """Yield which of ``wanted`` is in which file below ``folders``, or in its name."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = bytes(path)
            content = path.read_bytes() if path.is_file() else b""
            for what, data in wanted.items():
                if data in content or data in name:
                    yield what, path
