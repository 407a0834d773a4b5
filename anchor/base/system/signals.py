"""Stop signals before the work has begun; loaded first, so it imports little.

SIGTERM and SIGINT end ``anchor run`` and ``anchor serve`` with 0 at any time.  This handler does so
until the command installs its own: no work is under way yet that would have to be finished.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def exit_on_signal() -> None:
    """Exit with 0 on SIGTERM and SIGINT until other handlers are installed."""
    for name in STOP_SIGNALS:
        signal.signal(name, _end)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    # At once: an exception would be lost, or printed, in a finalizer.
    os._exit(0)
