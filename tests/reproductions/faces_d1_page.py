"""Faces D1 on the verifier page: a development chain must not get the words of a real one.

Ends with 0 where nothing of it reproduces.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from support.bent_receipts import honest_receipts, world
from support.browser import open_browser
from support.desk import open_desk

import anchor.page
from anchor.types import Hash32
from anchor.verification.pinning import encode_policy

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()
WORDS = {
    "English": "whoever runs it chooses its blocks and their times",
    "中文": "开发链",
}


def main() -> int:
    """Return how much of the page says less than it has to."""
    honest = honest_receipts()[0]
    (block,) = honest.given.block_hashes
    entry = dataclasses.replace(world().entry(), rpc=(), block_hashes=(Hash32(block),))
    missing = []
    with tempfile.TemporaryDirectory() as name, open_browser() as browser:
        folder = Path(name)
        file, receipt, policy = folder / "f", folder / "f.anchor.json", folder / "trust.toml"
        file.write_bytes(world().files[6])
        receipt.write_text(json.dumps(honest.document))
        policy.write_bytes(encode_policy([entry]))
        desk = open_desk(browser)
        desk.open(PAGE)
        desk.give(file=file, receipt=receipt, policy=policy)
        document = desk.verify()
        if {anchor["chain"]["kind"] for anchor in document["files"][0]["anchors"]} != {
            "development"
        }:
            missing.append("JSON")
        if desk.tab.inner_text(".word") == "VERIFIED":
            missing.append("plain headline")
        if desk.tab.locator(".verdict.pass").count():
            missing.append("green")
        for language, words in WORDS.items():
            desk.tab.get_by_role("button", name=language).click()
            if words not in desk.tab.inner_text("#headline"):
                missing.append(f"headline, {language}")
    print(", ".join(missing), end="")
    return len(missing)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
