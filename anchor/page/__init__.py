"""The verifier page: one self-contained HTML file that verifies a receipt in a browser.

``web/`` holds its sources; ``scripts/_build/build_page.py --check`` rebuilds it byte for byte.
"""

from __future__ import annotations

from importlib import resources


def load_page() -> bytes:
    """Return the page's bytes from the package, unchanged."""
    return (resources.files("anchor.page") / "verify.html").read_bytes()
