"""Results of captures made by hand, as a worker would give them or a hostile one might."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_format import EVIDENCE_FORMAT, MANIFEST
from anchor.bag.bag_writer import write_bag
from anchor.capture.capture_spool import CaptureOrder, CaptureSpool
from anchor.evidence.file_hashing import digest_file

NAME = f"example.org-20260102T030405Z/{MANIFEST}"
PICTURE = b"\x89PNG not really one"
INFO = {"Bagging-Date": "2026-01-02", "External-Description": "x", "Bag-Software-Agent": "x"}


def read_order(spool: CaptureSpool, id: str) -> CaptureOrder:
    """Return the order that waits in the folder."""
    return CaptureOrder.parse((spool.folder / "orders" / f"{id}.json").read_bytes())


def make_result(id: str, url: str, **files: bytes) -> tuple[dict[str, Any], dict[str, BagPart]]:
    """Return the document and the bag of a good result; ``files`` are further ones."""
    payload: dict[str, bytes] = {
        "data/page.txt": b"text",
        "data/screenshot-1280x800.png": PICTURE,
        **{f"data/{name}": data for name, data in files.items()},
    }
    groups = {
        "profile": "plain",
        "kind": "web-capture",
        "items": [
            {
                "path": name,
                "digests": {"sha256": hashlib.sha256(data).hexdigest()},
                "size": len(data),
            }
            for name, data in sorted(payload.items())
        ],
        "capture": {
            "mode": "cdp-reconstructed",
            "url": url,
            "final_url": url,
            "started_at": "2026-01-02T03:04:05Z",
            "ended_at": "2026-01-02T03:04:15Z",
            "status": 200,
            "address": "93.184.215.14",
            "screenshot_sha256": hashlib.sha256(PICTURE).hexdigest(),
            "requests": 1,
            "not_captured": 1,
            "cookies": "redacted",
        },
    }
    missing = [{"subject": "ws://x/", "reason": {"en": "a <b>stream</b>", "zh": "流"}}]
    document = {
        "id": id, "name": NAME, "groups": groups, "missing": missing, "robots": "allowed",
    }  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="anchor-made-"))
    parts: dict[str, BagPart] = {}
    for number, (name, data) in enumerate(payload.items()):
        path = folder / str(number)
        path.write_bytes(data)
        parts[name] = OriginalFile(path=path, digests=digest_file(path))
    return document, complete_bag(parts, INFO, form=EVIDENCE_FORMAT)


def put_made(
    spool: CaptureSpool, id: str, document: dict[str, Any], bag: dict[str, BagPart] | None
) -> None:
    """Put a result into the folder, as the worker does."""
    results = spool.folder / "results"
    if bag is not None:
        made = spool.folder / f"{id}.zip"
        write_bag(made, bag)
        made.rename(results / f"{id}.zip")
    temporary = spool.folder / f"{id}.json"
    temporary.write_text(json.dumps(document))
    (spool.folder / "orders" / f"{id}.json").unlink(missing_ok=True)
    temporary.rename(results / f"{id}.json")


def count_left(spool: Path) -> int:
    """Return how many files of orders and results there are."""
    return sum(len(list((spool / name).glob("*.*"))) for name in ("orders", "results"))
