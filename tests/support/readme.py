"""The Python examples of the README, by what they show."""

from __future__ import annotations

import re

from support.paths import ROOT

KINDS = ("verify", "operate", "web3", "ape")


def readme_examples() -> dict[str, str]:
    """Return the four examples of the section "From Python"."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.partition("\n## From Python\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(KINDS), "an example was added or removed: look at what runs it"
    return dict(zip(KINDS, blocks, strict=True))
