"""Makes ``support`` importable.

By its own name, because site-packages may well hold a package ``tests`` of others.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:
    sys.path.append(_HERE)
