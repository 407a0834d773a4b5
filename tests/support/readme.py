"""The Python examples of the README and of ``docs/examples.md``, by what they show."""

from __future__ import annotations

import re

from support.paths import ROOT

KINDS = ("verify", "operate", "web3", "ape")


def readme_examples() -> dict[str, str]:
    """Return the README's one example and the three of the page that it links to."""
    text = "".join((ROOT / page).read_text("utf-8") for page in ("README.md", "docs/examples.md"))
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(KINDS), "an example was added or removed: look at what runs it"
    return dict(zip(KINDS, blocks, strict=True))
