"""The changelog's unreleased part, which a release gives a version and a date."""

from __future__ import annotations

import re

_UNRELEASED = "## Unreleased\n"


def cut(text: str, version: str, date: str) -> str:
    """Return the changelog with its unreleased part under a version and a date (YYYY-MM-DD).

    Raises:
        SystemExit: There is no unreleased part, it is empty, or the version has a part already.
    """
    before, heading, rest = text.partition(_UNRELEASED)
    if not heading:
        raise SystemExit("CHANGELOG.md has no part `## Unreleased`")
    if re.search(rf"^## \[?{re.escape(version)}\b", text, re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md has a part for {version} already")
    if not rest.partition("\n## ")[0].strip():
        raise SystemExit("CHANGELOG.md has nothing unreleased")
    return f"{before}{heading}\n## {version} - {date}\n{rest}"
