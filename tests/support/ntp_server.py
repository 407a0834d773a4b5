"""NTP servers on this machine that answer what a test wants."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EPOCH = 2_208_988_800


def ntp_time(seconds: float) -> bytes:
    return struct.pack("!Q", int((seconds + EPOCH) * 2**32) % 2**64)


def answer(
    nonce: bytes,
    now: float,
    *,
    first: int = 0x24,
    stratum: int = 2,
    dispersion: float = 0.01,
    left: float | None = None,
) -> bytes:
    root = struct.pack("!iI", int(0.004 * 65_536), int(dispersion * 65_536))
    head = bytes([first, stratum, 6, 0xE9]) + root + b"TEST" + ntp_time(now - 10)
    return head + nonce + ntp_time(now) + ntp_time(now if left is None else left)


Reply = Callable[[bytes], bytes | None]


@contextmanager
def serve(reply: Reply) -> Iterator[str]:
    """Answer UDP packets on a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                try:
                    packet, address = server.recvfrom(512)
                except TimeoutError:
                    continue
                sent = reply(packet)
                if sent is not None:
                    server.sendto(sent, address)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def off_by(seconds: float) -> Reply:
    return lambda packet: answer(packet[40:48], time.time() + seconds)
