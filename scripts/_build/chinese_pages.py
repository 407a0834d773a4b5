"""Note from which English page each Chinese page was written.

python scripts/_build/chinese_pages.py            print the Chinese pages that fell behind
python scripts/_build/chinese_pages.py PAGE...    note that these fit the English pages as they are
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The SHA-256 of the verifier page, which scripts/_build/build_docs.py writes into pages of both languages.
PAGE_HASH = re.compile(r"^[0-9a-f]{64}(?=  verify\.html$)", re.MULTILINE)
_NOTE = re.compile(r"\A<!-- of the English page with SHA-256 ([0-9a-f]{64}) -->\n\n?")


def find_behind(docs: Path) -> Iterator[Path]:
    """Yield the Chinese pages whose English page is not the noted one."""
    for page in sorted(docs.rglob("*.zh.md")):
        note = _NOTE.match(page.read_text("utf-8"))
        if note is None or note[1] != hash_english(page):
            yield page


def hash_english(page: Path) -> str | None:
    """Return the SHA-256 of a Chinese page's English page, or None if there is none.

    The verifier page's hash is left out of it: nothing is to be revised when that changes.
    """
    english = page.with_name(page.name.removesuffix(".zh.md") + ".md")
    if not english.is_file():
        return None
    return hashlib.sha256(PAGE_HASH.sub("", english.read_text("utf-8")).encode()).hexdigest()


def main() -> None:
    for page in map(Path, sys.argv[1:]):
        text = _NOTE.sub("", page.read_text("utf-8"))
        note = f"<!-- of the English page with SHA-256 {hash_english(page)} -->\n\n"
        page.write_text(note + text, "utf-8")
    if behind := [str(page.relative_to(ROOT)) for page in find_behind(ROOT / "docs")]:
        print("\n".join(behind))
        sys.exit(1)


if __name__ == "__main__":
    main()
