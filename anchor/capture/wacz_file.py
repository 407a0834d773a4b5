"""A capture as WACZ 1.1.1 (https://specs.webrecorder.net/wacz/1.1.1/): WARC, index and pages."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchor.capture.wacz_signing import WaczKey

WARC_NAME = "capture.warc.gz"

_VERSION = "1.1.1"
_PAGES_HEADER = {"format": "json-pages-1.0", "id": "pages", "title": "Pages", "hasText": True}
# The earliest time that a ZIP file can state.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaczPage:
    """A page that a reader can start from."""

    url: str
    title: str
    text: str
    captured_at: str


def write_wacz(
    path: Path,
    *,
    warc: Path,
    index: bytes,
    pages: Iterable[WaczPage],
    software: str,
    created_at: str,
    title: str,
    key: WaczKey | None = None,
) -> None:
    """Write the file, signed if there is a key.

    Nothing in it is compressed again, as replay of the WARC demands.
    """
    parts: dict[str, bytes | Path] = {
        f"archive/{WARC_NAME}": warc,
        "indexes/index.cdx": index,
        "pages/pages.jsonl": _encode_pages(pages),
    }
    package = {
        "profile": "data-package",
        "wacz_version": _VERSION,
        "title": title,
        "software": software,
        "created": created_at,
        "resources": [_describe(name, part) for name, part in parts.items()],
    }
    encoded = _encode(package)
    parts["datapackage.json"] = encoded
    digest = f"sha256:{hashlib.sha256(encoded).hexdigest()}"
    stated: dict[str, Any] = {"path": "datapackage.json", "hash": digest}
    if key is not None:
        stated["signedData"] = key.sign(digest, created_at=created_at, software=software)
    parts["datapackage-digest.json"] = _encode(stated)
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, _read(part))


def _encode_pages(pages: Iterable[WaczPage]) -> bytes:
    lines: list[Mapping[str, Any]] = [_PAGES_HEADER]
    for page in pages:
        identity = hashlib.sha256(f"{page.captured_at} {page.url}".encode()).hexdigest()[:32]
        lines.append(
            {
                "id": identity,
                "url": page.url,
                "ts": page.captured_at,
                "title": page.title,
                "text": page.text,
            }
        )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(
        "utf-8", "replace"
    )


def _describe(name: str, part: bytes | Path) -> dict[str, object]:
    data = _read(part)
    return {
        "name": name.rpartition("/")[2],
        "path": name,
        "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "bytes": len(data),
    }


def _read(part: bytes | Path) -> bytes:
    return part if isinstance(part, bytes) else part.read_bytes()


def _encode(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, indent=2, ensure_ascii=False).encode("utf-8", "replace")
