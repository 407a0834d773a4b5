"""What axe-core finds amiss on a page: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.paths import ROOT
from support.tools import miss

if TYPE_CHECKING:
    from playwright.sync_api import Page

_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


def find_violations(tab: Page) -> list[str]:
    """Return the rules that the page in ``tab`` breaks as it is now, and where."""
    if not _AXE.is_file():
        miss("npm", "npm ci --ignore-scripts in web/")
    # Evaluated by the browser's debugger: the page's own policy would let no script in.
    tab.evaluate(_AXE.read_text("utf-8"))
    found = tab.evaluate("() => axe.run().then(result => result.violations)")
    return [
        f"{violation['id']}: {node['html'][:120]}"
        for violation in found
        for node in violation["nodes"]
    ]
