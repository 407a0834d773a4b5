"""Rate limits by address for requests without a usable key, kept in this worker's memory.

Requests with a usable key have the quotas of its tenant instead: each request takes a token, and
one whose key is accepted gets it back.  Each worker counts for itself, so
that a service of two workers allows twice as much.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping

from fastapi import Request

from anchor.base.messages.message import Message
from anchor.service.client_address import group_address
from anchor.service.problems import CLOSE, Problem
from anchor.service.settings import Settings
from anchor.store.limited_addresses import MOST_LIMITED

COUNTED = "anchor.counted"
"""In the scope: whether the request has taken a token of those without a key."""

# Addresses that are remembered; a client that has more addresses than this evades the limits.
_MOST_ADDRESSES = 10_000


class TokenBuckets:
    """One token bucket per address: ``burst`` tokens at once, then ``rate`` per second."""

    def __init__(
        self,
        rate: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Create the buckets; a rate of 0 means no limit.  ``note`` gets who has too few tokens."""
        self._note = note
        self.burst = burst
        self._rate = rate
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str, count: int = 1) -> float:
        """Return the seconds until this address has so many tokens; 0 if it has them."""
        missing = count - self._count(address)
        if not self._rate or missing <= 0:
            return 0.0
        self._note(address)
        return missing / self._rate

    def take(self, address: str, count: int = 1) -> float:
        """Take so many tokens and return 0, or return the seconds until they are available."""
        seconds = self.wait(address, count)
        if seconds or not self._rate:
            return seconds
        group = group_address(address)
        self._tokens[group] = (self._count(address) - count, self._clock())
        self._tokens.move_to_end(group)
        if len(self._tokens) > _MOST_ADDRESSES:
            self._tokens.popitem(last=False)
        return 0.0

    def give_back(self, address: str) -> None:
        """Give a token back that was taken."""
        group = group_address(address)
        if group in self._tokens:
            self._tokens[group] = (self._count(address) + 1, self._clock())

    def is_too_many(self, count: int) -> bool:
        """Return whether no address ever has so many tokens at once."""
        return bool(self._rate) and count > self.burst

    def count_left(self, address: str) -> int | None:
        """Return how many tokens this address has; None if there is no limit."""
        return int(self._count(address)) if self._rate else None

    def _count(self, address: str) -> float:
        kept = self._tokens.get(group_address(address))
        if kept is None:
            return float(self.burst)
        tokens, at = kept
        return min(float(self.burst), tokens + (self._clock() - at) * self._rate)


class LimitedCounts:
    """How often each address was refused since the counts were taken, of a bounded number."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, address: str) -> None:
        """Count a refusal; beyond the bound, only those of addresses that are counted already."""
        group = group_address(address)
        if group in self._counts or len(self._counts) < MOST_LIMITED:
            self._counts[group] += 1

    def take(self) -> dict[str, int]:
        """Return the counts, and begin again."""
        counts, self._counts = self._counts, Counter()
        return dict(counts)

    def give_back(self, counts: Mapping[str, int]) -> None:
        """Count what was taken and not written."""
        if len(self._counts) + len(counts) <= 2 * MOST_LIMITED:
            self._counts.update(counts)


class AddressLimits:
    """The limits of one worker: on requests without a key, and on refused keys."""

    def __init__(self, settings: Settings, limited: LimitedCounts) -> None:
        self.limited = limited
        self.anonymous = TokenBuckets(
            settings.anonymous_rate, settings.anonymous_burst, note=limited.note
        )
        self.refused = TokenBuckets(
            settings.refused_rate, settings.refused_burst, note=limited.note
        )


def limits_of(request: Request) -> AddressLimits:
    """Return the worker's limits."""
    limits: AddressLimits = request.scope["state"]["throttle"]
    return limits


def too_many(seconds: float) -> Problem:
    """Return the answer to a client whose address has exceeded a limit (429)."""
    headers = {"Retry-After": str(math.ceil(seconds))} | CLOSE
    return Problem(429, Message("address-too-many-requests"), headers=headers)
