"""Record groups and custody events bent at random, most of them no longer of their form."""

from __future__ import annotations

import copy
import random
from typing import Any

from support.custodies import COMPLETE, encode
from support.group_examples import DIGEST

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, digest_bytes
from anchor.evidence.custody_event import name_event
from anchor.evidence.record_groups import PROFILES

EVENT: dict[str, Any] = {
    "subject": DIGEST,
    "previous_event": DIGEST,
    "event": "transfer",
    "at": "2026-01-02T03:04:05Z",
    "place": "杭州",
    "from": "a",
    "to": "b",
    "actor": "c",
    "digest_before": DIGEST,
    "digest_after": DIGEST,
}
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 4, 255, 256, 2**53 - 1, "", " ", "\u3000", "x", "x" * 1_000,
    "x" * 1_001, "\U00020000" * 1_000, "a\u202eb", "a\u2028b", "a\nb", "a\tb", "\ufeff", "\ue000",
    [], {}, ["x"], ["x"] * 100, ["x"] * 101, [""], [None], [["x"]], {"x": "x"}, [{}],
    [{"name": "x"}], [{"name": "x"}] * 50, [{"name": "x"}] * 51, DIGEST, DIGEST.upper(),
    DIGEST + "\n", DIGEST[1:], "none-declared", "pass", "fail", "yes", "agree", "custody-event",
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.25Z", "2026-01-02T03:04:05.2500001Z",
    "2026-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
    "2026-01-02T24:00:00Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05+00:00",
    "2026-01-02t03:04:05Z", "2026-01-02T03:04:05Z\n", "\u0662026-01-02T03:04:05Z",
    "2026-01-02T03:04:04.999999Z",
)  # fmt: skip


# Changes of a complete collection (None: without the member), and whether it is complete then.
COLLECTIONS: tuple[tuple[dict[str, str | None], bool], ...] = (
    ({}, True),
    ({"witnesses": None, "refusal_reason": "nobody was there"}, True),
    ({"witnesses": None}, False),
    ({"started_at": "2026-01-02T03:04:05.6Z"}, False),
    ({"started_at": "2026-01-02T03:04:05.50Z"}, True),
)


def change_collection(changes: dict[str, str | None]) -> dict[str, Any]:
    """Return a complete record's groups with such changes."""
    collection = COMPLETE["collection"] | changes
    kept = {name: value for name, value in collection.items() if value is not None}
    return COMPLETE | {"collection": kept}


def bend(chance: random.Random, members: dict[str, Any]) -> dict[str, Any]:
    """Return the members with one to three changes, each anywhere in them."""
    bent = copy.deepcopy(members)
    for _ in range(chance.randint(1, 3)):
        _change(chance, bent)
    return bent


def _change(chance: random.Random, members: dict[str, Any]) -> None:
    place: Any = members
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = chance.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.75:
            place = place[key]
            continue
        match chance.randrange(4):
            case 0:
                del place[key]
            case 1 if isinstance(place, dict):
                place[chance.choice(["x", "name", "from", "handed_over_by", key])] = "x"
            case _:
                place[key] = copy.deepcopy(chance.choice(VALUES))
        return


def bend_groups(chance: random.Random) -> dict[str, Any]:
    """Return a complete record's groups, with any profile and bent."""
    return bend(chance, COMPLETE | {"profile": chance.choice(PROFILES)})


def bend_event(chance: random.Random) -> bytes:
    """Return the record of a bent event, with the digests of its bytes."""
    event, kind = bend(chance, EVENT), "custody-event"
    if chance.random() < 0.05:
        kind = chance.choice(["file", "x"])
    made = digest_bytes(encode_canonical(event, subject="the event"), (SHA256, SM3))
    if chance.random() < 0.05:
        made = digest_bytes(b"other bytes", (SHA256, SM3))
    return encode(made, name_event(bytes(32)), {"kind": kind, "custody": event})
