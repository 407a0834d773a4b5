"""Signs of work of ``anchor run``, in a file beside the configuration.

A process that hangs keeps the store's lease; the file shows those who look that it does no work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from anchor.base.canonical import JsonValue
from anchor.base.errors import StorageError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, StoppableClock
from anchor.project.config import Config
from anchor.project.sightings import load_sighting, save_sighting

MAX_SILENCE: Final = 600.0
"""Seconds without a sign after which something is wrong; no call to a node takes so long."""

_FORMAT: Final = "anchor-heartbeat/1"
_SUBJECT: Final = Message("heartbeat-subject")
# Seconds between two signs.
_PAUSE = 15.0
# Seconds by which a sign may be in the future, by another clock.
_TOLERANCE = 60.0


class Heartbeat:
    """The signs of work of one process while it holds the lease."""

    def __init__(self, config: Config, epoch: int, clock: Clock, wall: Callable[[], float]) -> None:
        """Prepare; ``epoch`` is that of the lease, ``wall`` returns Unix seconds."""
        self._path = heartbeat_path(config)
        self._epoch = epoch
        self._clock = clock
        self._wall = wall
        self._next = clock.monotonic()

    def beat(self) -> None:
        """Write a sign of work if one is due; without room for it there is none."""
        time = self._clock.monotonic()
        if time < self._next:
            return
        self._next = time + _PAUSE
        members: dict[str, JsonValue] = {
            "format": _FORMAT,
            "epoch": str(self._epoch),
            "at": int(self._wall()),
        }
        try:
            save_sighting(self._path, members, subject=_SUBJECT)
        except (StorageError, UsageError):
            # An old sign would say that this process does no work.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


@contextmanager
def keep_beating(
    config: Config, epoch: int, clock: StoppableClock, wall: Callable[[], float]
) -> Iterator[None]:
    """Give a sign of work now and with each sleep of ``clock``, until the block ends."""
    heartbeat = Heartbeat(config, epoch, clock, wall)
    heartbeat.beat()
    clock.on_sleep = heartbeat.beat
    try:
        yield
    finally:
        clock.on_sleep = None


def find_silence(config: Config, epoch: int, wall_time: float) -> float | None:
    """Return for how many seconds the holder of the lease has shown no sign of work.

    None if this cannot be told: the lease of ``epoch`` is not held by an ``anchor run`` of this
    folder, or the clock was set back.
    """
    members = load_sighting(heartbeat_path(config), form=_FORMAT, subject=_SUBJECT)
    if members is None or members.get("epoch") != str(epoch):
        return None
    at = members.get("at")
    if type(at) is not int or at > wall_time + _TOLERANCE:
        return None
    return max(0.0, wall_time - at)


def heartbeat_path(config: Config) -> Path:
    """Return the path of the file with the latest sign of work."""
    return config.file.with_name("heartbeat.json")
