"""Ports for servers that cannot say which one they got."""

from __future__ import annotations

import socket
from random import SystemRandom

# Below the range from which the kernel gives ports to whoever names none, and above those that
# browsers refuse.
_FIRST, _END = 20_000, 32_000


def free_port() -> int:
    """Return a port that nobody listens on, and that nobody gets who asks for any."""
    while True:
        port = SystemRandom().randrange(_FIRST, _END)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
