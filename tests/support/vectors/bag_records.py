"""bags/records.json: bags with records that are no events or notices, or only just are, offline."""

from __future__ import annotations

import json
from collections.abc import Iterator

import rlp
from support.rfc9162_reference import root as root_of
from support.vectors.bag_files import (
    LISTS,
    ORIGINAL,
    RECEIPT,
    SIZE,
    complete,
    make_case,
    packed,
    receipt_of,
)
from support.vectors.bags import (
    BEFORE,
    FIRST,
    NOTICE,
    SECOND,
    digest_of,
    event_of,
    notice_of,
    record_of,
    with_records,
)
from support.vectors.bags import (
    RULES as BAG_RULES,
)
from support.vectors.cases import Case
from support.vectors.offline_world import (
    INDEX,
    KEYS,
    LOG,
    MAIN,
    OTHER_LOG,
    Json,
    World,
    canonical,
    content_of,
    members_of,
    word_at,
)
from support.vectors.states import slot_of
from support.vectors.submitters import key_slot

RULES = {
    "custody-receipt": BAG_RULES["custody-receipt"],
    "custody-owner": "an event is in a log of the record's owner",
    "custody-order": "along the events of one log, the index grows",
    "notice": BAG_RULES["notice"],
}
EARLY = 3
FOREIGN_LOG = bytes(12) + bytes.fromhex("f0e1600000000000000000000000000000000001")
BENT_FIRST: dict[int, Json] = {FIRST: {"path": []}}


def build_records() -> dict[str, object]:
    return {
        "about": "Bags as in bags.json. What is no event or notice is an enclosure: most cases "
        "have one whose receipt would not verify, or that would withdraw the record.",
        "rules": RULES,
        "bags": [*list_other_records(), *list_other_logs()],
    }


def list_other_records() -> Iterator[Case]:
    """Yield bags with records that are no events or notices, or only just are."""
    whole = json.loads(event_of(0, None))
    event = whole["custody"]
    for name, code, changes in (
        ("an event of another kind, which is none", 0, {"kind": "file"}),
        ("an event of another SHA-256, which is none", 0,
         {"digests": {**whole["digests"], "sha256": "00" * 32}}),
        ("an event of another SM3, which is none", 0,
         {"digests": {**whole["digests"], "sm3": "00" * 32}}),
        ("an event without SM3", 10, {"digests": {"sha256": whole["digests"]["sha256"]}}),
        ("an event beside a notice that is none", 10, {"notice": "withdrawn"}),
    ):  # fmt: skip
        files = with_records("custody", {FIRST: canonical({**whole, **changes})}, BENT_FIRST)
        yield make_case(name, "custody-receipt" if code else "", code, files)
    for name, code, changes in (
        ("a member more", 0, {"name": "x"}),
        ("another word", 0, {"event": "lose"}),
        ("a time that is no date", 0, {"at": "2026-02-30T14:00:00Z"}),
        ("an actor of 1,001 characters", 0, {"actor": "x" * 1_001}),
        ("a blank actor", 0, {"actor": " "}),
        ("a digest cut short", 0, {"digest_after": "00"}),
        ("an actor of 1,000 characters", 10, {"actor": "x" * 1_000}),
        ("every member", 10, {
            **dict.fromkeys(("place", "from", "to", "purpose", "authority", "medium"), "x"),
            "digest_before": BEFORE,
        }),
    ):  # fmt: skip
        text = record_of(FIRST, "custody-event", custody={**event, **changes})
        title = f"an event with {name}" + ("" if code else ", which is none")
        files = with_records("custody", {FIRST: text}, BENT_FIRST)
        yield make_case(title, "custody-receipt" if code else "", code, files)
    files = with_records("custody", {FIRST: event_of(0, None)}, BENT_FIRST)
    moved = {name: text for name, text in files.items() if name not in (*LISTS, "bag-info.txt")}
    moved["custody/7.json"] = moved.pop("custody/7.anchor.json")
    yield make_case("an event in a file of another name", "", 0, complete(moved))
    lasting = {FIRST: event_of(0, None),
               SECOND: event_of(1, digest_of(event_of(0, None)), digest_after=None)}  # fmt: skip
    shown: dict[int, Json] = {FIRST: {}, SECOND: {}}
    files = with_records("custody", lasting, shown)
    yield make_case("an event without a digest", "", 0, files)
    early = {EARLY: record_of(EARLY, "custody-event", custody=event)}
    files = with_records("custody", early, {EARLY: {}})
    yield make_case("an event before the record", "custody-order", 10, files)
    own = {**packed(), "custody/6.anchor.json": receipt_of(World(event_of(0, None)))}
    yield make_case("an event at the record's own index", "custody-order", 10, complete(own))
    members = members_of(INDEX)
    bare = canonical({**members, "digests": {"sm3": members["digests"]["sm3"]}})
    begun = event_of(0, None, subject=digest_of(bare), digest_before="00" * 32)
    shown_bare = with_records("custody", {FIRST: begun}, {FIRST: {}}, bare)
    yield make_case("an event of a record with SM3 alone", "", 0, shown_bare)
    withdrawn = canonical({**json.loads(notice_of("withdraws")), "kind": "file"})
    files = with_records("notices", {NOTICE: withdrawn}, {NOTICE: {}})
    yield make_case("a withdrawal of another kind, which is none", "", 0, files)
    notice = json.loads(notice_of("supersedes"))
    for name, code, changes in (
        ("of another kind, which is none", 0, {"kind": "file"}),
        ("that is a text, which is none", 0, {"notice": "withdrawn"}),
    ):
        text = canonical({**notice, **changes})
        files = with_records("notices", {NOTICE: text}, {NOTICE: {}})
        yield make_case(f"a notice {name}", "notice" if code else "", code, files)
    for name, code, changes in (
        ("with a replacement cut short", 0, {"replacement": "11"}),
        ("with a time of another form", 0, {"at": "yesterday"}),
        ("with a time that is no date", 14, {"at": "2026-99-99T99:99:99Z"}),
        ("with an empty reason", 0, {"reason": ""}),
        ("with a reason that is no text", 0, {"reason": 1}),
        ("with a reason of 1,000 characters", 14, {"reason": "x" * 1_000}),
        ("with a reason of 1,001 characters", 0, {"reason": "x" * 1_001}),
        ("with an unseen character", 0, {"actor": "a\u200bb"}),
        ("with a member more", 14, {"name": "x"}),
    ):
        files = with_records("notices", {NOTICE: notice_of("supersedes", **changes)}, {NOTICE: {}})
        title = f"a notice {name}" + ("" if code else ", which is none")
        yield make_case(title, "notice" if code else "", code, files)


def main_receipt(world: World, log: bytes = LOG) -> str:
    """Return the receipt of a record in a log that the registry of a main chain holds."""
    slot, key = slot_of(log, root_of(world.leaves[:SIZE])), key_slot(log, 2)
    slots = {slot: rlp.encode(word_at(SIZE)), key: rlp.encode(int.from_bytes(KEYS[2], "big"))}
    chain = world.chain(chain_id=MAIN, slots=slots)
    anchor = world.anchor(chain, SIZE)
    anchor["state"]["storage_proof"] = chain.prove_slot(slot)
    anchor["state"]["operator_proof"] = chain.prove_slot(key)
    document = {**world.receipt(anchor), "log": f"0x{log.hex()}"}
    return json.dumps(document, separators=(",", ":"))


def list_other_logs() -> Iterator[Case]:
    """Yield bags with events and notices in other logs; nothing is pinned, and all is accepted."""
    early = record_of(EARLY, "custody-event", custody=json.loads(event_of(0, None))["custody"])
    event, notice = World(early, EARLY), World(notice_of("withdraws"), NOTICE)
    for name, rule, code, file, world, log in (
        ("an event in another log of the same owner", "", 0, "custody/1", event, OTHER_LOG),
        ("an event in another owner's log", "custody-owner", 10, "custody/1", event, FOREIGN_LOG),
        ("a notice in another log of the same owner", "notice", 14, "notices/1", notice, OTHER_LOG),
        ("a notice in another owner's log, which is not believed", "", 0, "notices/1", notice,
         FOREIGN_LOG),
    ):  # fmt: skip
        files = complete({
            ORIGINAL: content_of(INDEX).decode(),
            RECEIPT: main_receipt(World()),
            f"{file}.anchor.json": main_receipt(world, log),
        })  # fmt: skip
        yield make_case(name, rule, code, files, policy=None, accept_unpinned=True)
