"""Bags of captures without a browser: an account, views, and the lists of a real bag."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_format import EVIDENCE_FORMAT
from anchor.bag.bag_writer import write_bag
from anchor.evidence.file_hashing import digest_file

URL = "https://example.org/page"


def make_account(**members: Any) -> dict[str, Any]:
    """Return the account of a page with two resources."""
    return {
        "format": "anchor-capture-account/1",
        "mode": "cdp-reconstructed",
        "url": URL,
        "final_url": URL,
        "title": "Title",
        "status": 200,
        "started_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:04:06Z",
        "browser": {"version": "Chromium 1"},
        "options": {"viewports": ["10x10"], "language": None},
        "followed": [],
        "requests": [
            make_request(URL, "aa", kind="Document"),
            make_request("https://example.org/style.css", "bb"),
        ],
        "certificates": [
            {
                "origin": "https://example.org",
                "chain": [{"sha256": "c1", "issuer": "CN=One", "not_after": "2027-01-01"}],
            }
        ],
    } | members


def make_request(
    url: str, digest: str | None, *, status: int = 200, kind: str = "Other"
) -> dict[str, Any]:
    """Return a request of an account."""
    return {
        "url": url, "method": "GET", "kind": kind, "status": status, "address": "192.0.2.1",
        "body_sha256": digest,
    }  # fmt: skip


def make_png(
    size: tuple[int, int], *, boxes: tuple[tuple[int, int, int, int], ...] = (), mode: str = "RGB"
) -> bytes:
    """Return a white picture with black boxes."""
    picture = Image.new(mode, size, "white")
    for box in boxes:
        picture.paste("black", box)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def make_capture(folder: Path, account: Mapping[str, Any], views: Mapping[str, bytes]) -> Path:
    """Write the bag of a capture to ``folder``; ``views`` are its other files below ``data/``."""
    scratch = folder.with_name(f"{folder.name}-files")
    parts: dict[str, BagPart] = {}
    for name, data in {"capture.json": json.dumps(account).encode(), **views}.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        parts[f"data/{name}"] = OriginalFile(path=path, digests=digest_file(path))
    write_bag(folder, complete_bag(parts, {}, form=EVIDENCE_FORMAT))
    return folder
