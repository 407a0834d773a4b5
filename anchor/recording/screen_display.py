"""The display that can be recorded: an X server's, which shows its whole screen to every client."""

from __future__ import annotations

from collections.abc import Mapping

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message


def choose_display(environment: Mapping[str, str]) -> str:
    """Return the display that the environment names.

    Raises:
        UsageError: There is none, or it is Wayland's, which shows no program the screen.
    """
    is_wayland = environment.get("XDG_SESSION_TYPE") == "wayland"
    if is_wayland or environment.get("WAYLAND_DISPLAY"):
        raise UsageError(Message("screen-wayland"), hint=Message("screen-wayland-hint"))
    display = environment.get("DISPLAY", "")
    if not display:
        raise UsageError(Message("screen-display-missing"))
    return display
