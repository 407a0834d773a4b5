"""Build the verifier page from web/, or check that the one in the package is what web/ gives.

    python scripts/build_page.py [--check]

Needs Node 20 or later, and what ``npm ci`` installs in web/.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from anchor.ethereum.known_chains import CHAINS, KIND_SENTENCES, Chain
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.verification.report import NOT_PROVEN
from anchor.verification.report_words import CHINESE, ENGLISH, Words
from anchor.verification.translation import order_templates
from anchor.verification.verifier import CLAIMS, TITLES

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
RELEASE = WEB / "src" / "release.json"
PAGE = ROOT / "anchor" / "page" / "verify.html"
ABOUT_FORM = ("{what} ", "is ", "has a ", "holds a ", "the header's", "the account's")
CHINESE_SENTENCES = ROOT / "anchor" / "verification" / "chinese.json"
MAX_PAGE_BYTES = 76_000


def main() -> int:
    release = json.dumps(describe_release(), ensure_ascii=False, indent=1).encode() + b"\n"
    if "--check" not in sys.argv[1:]:
        RELEASE.write_bytes(release)
        PAGE.parent.mkdir(exist_ok=True)
        build(WEB, PAGE)
    elif RELEASE.read_bytes() != release:
        return complain(f"{RELEASE.relative_to(ROOT)} is not what the package says")
    elif build_elsewhere() != PAGE.read_bytes():
        return complain(f"{PAGE.relative_to(ROOT)} is not what web/ gives")
    page = PAGE.read_bytes()
    if len(page) > MAX_PAGE_BYTES:
        return complain(f"the page has {len(page):,} bytes; it may have {MAX_PAGE_BYTES:,}")
    print(f"{hashlib.sha256(page).hexdigest()}  {PAGE.relative_to(ROOT)} ({len(page):,} bytes)")
    return 0


def describe_release() -> dict[str, Any]:
    """Return what the page takes over from the package: the registry, and the report's words."""
    return {
        "registry": registry_address().hex(),
        "chains": {str(chain.id): describe_chain(chain) for chain in CHAINS},
        "claims": [
            {"id": claim_id, "title": title, "steps": list(steps)}
            for claim_id, title, steps in CLAIMS
        ],
        "en": describe_words(ENGLISH)
        | {
            "verdicts": {},
            "steps": {str(number): title for number, title in TITLES.items()},
            "claims": {claim_id: title for claim_id, title, _ in CLAIMS},
            "not_proven": list(NOT_PROVEN),
        },
        "zh": describe_words(CHINESE),
        "chinese": list_chinese(),
    }


def describe_chain(chain: Chain) -> dict[str, Any]:
    """Return what the page knows of a chain; on others a policy has to name the registry's code."""
    return {
        "name": chain.name,
        "kind": chain.kind,
        "genesis": chain.genesis and chain.genesis.hex(),
        "slack": chain.time_slack,
        "sequenced": chain.is_sequenced,
        "tested": chain.tested,
        "code": expected_code_hash(chain.id).hex(),
    }


def list_chinese() -> list[list[str]]:
    """Return the sentences that the page can say, with their Chinese, in the order to try them.

    How exactly a document or a proof breaks its form stays in English, for want of room.
    """
    sources = "".join(path.read_text("utf-8") for path in sorted(WEB.glob("src/**/*.ts")))
    sources += "".join(KIND_SENTENCES.values())
    spoken = re.sub(r"""["`]\s*\+\s*["`]""", "", sources)  # what is written in pieces

    def is_said(sentence: str) -> bool:
        # The page may put a sentence together from its clauses.
        parts = (part.strip() for part in re.split(r"\{[a-z]+\}|[;:,()]", sentence))
        return all(part in spoken for part in parts if len(part) > 2)

    pairs: list[list[str]] = json.loads(CHINESE_SENTENCES.read_text("utf-8"))
    ordered = [pair for pair in order_templates(pairs) if not pair[0].startswith(ABOUT_FORM)]
    return [pair for pair in ordered if is_said(pair[0])]


def describe_words(words: Words) -> dict[str, Any]:
    # The command line names a policy's file, is brief with many files, and translates in Python.
    unused = {"policy", "more_with_steps", "brief", "brief_existed_by", "brief_unpinned", "say"}
    names = [field.name for field in dataclasses.fields(words) if field.name not in unused]
    return {name: getattr(words, name) for name in names}


def build(web: Path, page: Path) -> None:
    subprocess.run(["node", "build.mjs", str(page)], cwd=web, check=True)


def build_elsewhere() -> bytes:
    """Build in another folder, for a page that depended on where it is built would differ."""
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        folder = Path(name) / "elsewhere" / "web"
        folder.mkdir(parents=True)
        for path in (*WEB.glob("*.*"), *WEB.glob("src/**/*.*")):
            if path.is_file():
                target = folder / path.relative_to(WEB)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        (folder / "node_modules").symlink_to(WEB / "node_modules")
        build(folder, folder / "verify.html")
        return (folder / "verify.html").read_bytes()


def complain(text: str) -> int:
    print(f"{text}: run `python scripts/build_page.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
