"""The ``Content-Disposition`` of downloads (RFC 6266)."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final
from urllib.parse import quote

from anchor.evidence.record import parse_record

# File systems take names of 255 bytes, the ending of a receipt's included.
_MOST_BYTES = 240

NAMED_FILE: Final[dict[str, Any]] = {
    "Content-Disposition": {
        "description": "A name to save the file under (RFC 6266).",
        "schema": {"type": "string"},
    }
}
"""The description of that header in an OpenAPI document."""


def name_download(name: str, plain: str = "") -> dict[str, str]:
    """Return the header that names a file to be saved.

    ``name`` may have any characters (RFC 8187); ``plain`` is a name in ASCII for programs that do
    not know that form, needed if ``name`` is not in ASCII or has other signs than ``a-z0-9._-``.
    """
    if not plain:
        return {"Content-Disposition": f'attachment; filename="{name}"'}
    if not name:
        return name_download(plain)
    encoded = quote(name, safe="")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"}


def name_recorded_file(record: bytes | None, plain: str, ending: str = "") -> dict[str, str]:
    """Return the header that names a file as the record does, without folders, with an ending.

    ``plain`` is the name in ASCII, which counts alone where the record has no name.
    """
    recorded = "" if record is None else parse_record(record).name
    name = PureWindowsPath(PurePosixPath(recorded).name).name
    name = "".join(character for character in name if character.isprintable())
    name = name.encode()[:_MOST_BYTES].decode(errors="ignore")
    return name_download(f"{name}{ending}" if name.strip(".") else "", f"{plain}{ending}")
