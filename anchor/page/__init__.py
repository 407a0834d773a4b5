"""The verifier page: one HTML file that verifies a receipt in a browser, by itself.

``web/`` holds its sources; ``scripts/build_page.py --check`` rebuilds it byte for byte.
"""

from __future__ import annotations

from importlib import resources


def load_page() -> bytes:
    """Read the page from the package, byte for byte."""
    return (resources.files("anchor.page") / "verify.html").read_bytes()
