"""The rules by which systemd starts a unit's process again, read from the unit.

Rules: systemd.service(5), `Restart=` and what follows, and systemd.unit(5), `StartLimit…`.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Signals whose end counts as a success.
_CLEAN = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
# What systemd takes where a unit says nothing.
_DEFAULTS = {
    "Restart": "no",
    "RestartSec": "100ms",
    "RestartSteps": "0",
    "RestartMaxDelaySec": "infinity",
    "TimeoutStopSec": "90s",
    "StartLimitIntervalSec": "10s",
    "StartLimitBurst": "5",
}


@dataclass(frozen=True)
class Ended:
    """How a unit's main process ended: with an exit code, or by a signal (a negative code)."""

    code: int
    timed_out: bool = False
    """It had to be killed because it did not stop, or did not start, in time."""

    def is_clean(self, success: frozenset[int]) -> bool:
        """Say whether systemd calls it a success."""
        if self.timed_out:
            return False
        if self.code < 0:
            return -self.code in _CLEAN or self.code in success
        return self.code == 0 or self.code in success


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What of a unit decides how its process is started, stopped and started again."""

    command: tuple[str, ...]
    restart: str
    restart_seconds: float
    restart_steps: int
    longest_restart_seconds: float
    prevent: frozenset[int]
    force: frozenset[int]
    success: frozenset[int]
    stop_seconds: float
    limit_seconds: float
    limit_burst: int

    def next_start(
        self, ended: Ended, restarts: int, starts: Sequence[float], now: float
    ) -> float | None:
        """Return when the process is started again, None where it is not.

        ``restarts`` is how often it was already since somebody started it by hand; ``starts`` are
        the times of all starts so far.
        """
        if not self.is_restarted(ended):
            return None
        at = now + self.delay(restarts)
        if self.limit_seconds > 0:
            recent = [start for start in starts if start > at - self.limit_seconds]
            if len(recent) >= self.limit_burst:
                return None
        return at

    def is_restarted(self, ended: Ended) -> bool:
        """Say whether the end is one after which the process is started again."""
        if ended.code in self.prevent:
            return False
        if ended.code in self.force:
            return True
        clean = ended.is_clean(self.success)
        return {
            "no": False,
            "always": True,
            "on-success": clean,
            "on-failure": not clean,
            "on-abnormal": ended.timed_out or (ended.code < 0 and not clean),
            "on-abort": ended.code < 0 and not clean and not ended.timed_out,
            "on-watchdog": False,
        }[self.restart]

    def delay(self, restarts: int) -> float:
        """Return the seconds before the next start: from the first value to the longest in steps.

        systemd's `service_restart_usec_next`: exponential, and the longest from the last step on.
        """
        first, longest = self.restart_seconds, self.longest_restart_seconds
        if restarts == 0 or self.restart_steps == 0 or longest in (0.0, float("inf")):
            return first
        if first >= longest or restarts >= self.restart_steps:
            return longest
        return float(first * (longest / first) ** (restarts / self.restart_steps))


def read_unit(path: Path) -> Unit:
    """Read a unit's file."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())

    def last(key: str) -> str:
        return found.get(key, [_DEFAULTS[key]])[-1]

    def codes(key: str) -> frozenset[int]:
        return frozenset(
            _parse_status(word) for line in found.get(key, ()) for word in line.split()
        )

    return Unit(
        command=tuple(shlex.split(found["ExecStart"][-1])),
        restart=last("Restart"),
        restart_seconds=parse_seconds(last("RestartSec")),
        restart_steps=int(last("RestartSteps")),
        longest_restart_seconds=parse_seconds(last("RestartMaxDelaySec")),
        prevent=codes("RestartPreventExitStatus"),
        force=codes("RestartForceExitStatus"),
        success=codes("SuccessExitStatus"),
        stop_seconds=parse_seconds(last("TimeoutStopSec")),
        limit_seconds=parse_seconds(last("StartLimitIntervalSec")),
        limit_burst=int(last("StartLimitBurst")),
    )


def parse_seconds(text: str) -> float:
    """Read a time span as systemd writes it (systemd.time(7)), as far as these units need it."""
    if text == "infinity":
        return float("inf")
    parts = _SPAN.findall(text)
    assert parts and "".join(f"{number}{unit}" for number, unit in parts) == text.replace(" ", "")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _parse_status(word: str) -> int:
    """Return an exit code, or a signal as a negative one."""
    return int(word) if word.isdigit() else -int(signal.Signals[word])
