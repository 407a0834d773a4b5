"""Being told to stop before the work has begun; loaded first, so that it is light.

SIGTERM and SIGINT end ``anchor run`` and ``anchor serve`` with 0 at any time.  Until the command
has handlers of its own these do it: nothing is under way yet that would have to be finished.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def exit_on_signal() -> None:
    """Exit with 0 on the signals to stop, until other handlers are set."""
    for name in STOP_SIGNALS:
        signal.signal(name, _end)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    # At once: an exception would be lost, or printed, in a finalizer.
    os._exit(0)
