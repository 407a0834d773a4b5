"""The module in C, which an installation without a compiler lacks."""

from __future__ import annotations

from typing import Any

import pytest

try:
    from anchor import _sha256
except ImportError:
    NATIVE: Any = None
else:
    NATIVE = _sha256

native = pytest.mark.skipif(NATIVE is None, reason="the extension is not built here")
