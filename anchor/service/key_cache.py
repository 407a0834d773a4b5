"""API keys that were good a moment ago."""

from __future__ import annotations

from collections import OrderedDict

from anchor.store.api_keys import ApiKey

# For so many seconds a key that was good is taken to be: revoking it takes that long to be heard.
_TRUST_SECONDS = 1.0
_MOST_KEPT = 1_000


class KeyCache:
    """Keys that were good a moment ago, by the hash of what was sent; times are monotonic."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[ApiKey, float]] = OrderedDict()

    def find(self, token: bytes, now: float) -> ApiKey | None:
        """Return the key, if it was good within the last second."""
        found = self._kept.get(token)
        return found[0] if found is not None and now < found[1] else None

    def keep(self, token: bytes, key: ApiKey, now: float) -> None:
        """Remember a key that is good now."""
        self._kept[token] = (key, now + _TRUST_SECONDS)
        self._kept.move_to_end(token)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
