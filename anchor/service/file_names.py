"""The ``Content-Disposition`` of downloads (RFC 6266)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

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
