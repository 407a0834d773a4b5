"""bags/bags.json: bags with originals, receipts, captures, custody events and notices, offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from support.vectors.bag_files import (
    LISTS,
    ORIGINAL,
    RECEIPT,
    Files,
    complete,
    make_case,
    named_blocks,
    packed,
    receipt_of,
    with_second,
    without,
)
from support.vectors.captures import RULES as CAPTURE_RULES
from support.vectors.captures import list_captures
from support.vectors.cases import Case
from support.vectors.offline_world import (
    INDEX,
    Json,
    World,
    canonical,
    content_of,
    entry_of,
    members_of,
    policy_of,
    sha256_hex,
    sm3_hex,
)

RULES = {
    "names": "part 1: the names of files are paths below the bag, and no two are one file",
    "other-list": "part 1: no list is of another algorithm",
    "required": "part 2: every required file is there",
    "declaration": "part 2: bagit.txt has its bytes",
    "tag-manifest": "part 3: tagmanifest-sha256.txt lists exactly the files outside data/",
    "list-form": "parts 3 and 5: a list has its form",
    "info": "part 4: bag-info.txt has its form and a Bag-Format",
    "format": "part 4: the Bag-Format is a known one",
    "payload": "part 5: the lists are of exactly the files below data/",
    "receipts": "part 6: each original has its receipt, and each receipt its original",
    "oxum": "part 6: Payload-Oxum states what is there",
    "file": "step 2: an original has the record's digests and size",
    "pinned": "step 4: something pins the log, and it is what is pinned",
    "block": "step 5: the proof's block is named",
    "custody-receipt": "an event verifies like any receipt",
    "custody-gap": "the events are one chain, and none of it is missing",
    "custody-fork": "no two events name the same event before them",
    "custody-digest": "each event begins with the digest that the one before left",
    "notice": "no notice that is believed is about the record",
    "notice-open": "it can be told whether a notice holds",
    **CAPTURE_RULES,
}
FIRST, SECOND, THIRD, NOTICE = 7, 8, 9, 10
ORIGINAL_RECORD = canonical(members_of(INDEX))
SUBJECT = sha256_hex(ORIGINAL_RECORD.encode())
BEFORE = sha256_hex(content_of(INDEX))


def build_bags() -> dict[str, object]:
    return {
        "about": "Bags (docs/spec/bag.md): files has the text of each file in UTF-8, by its name. "
        "Where a name is none that a folder can hold, only_zip is true. The other inputs are those "
        "of verification/index.json; exit_code is the result of the whole bag.",
        "rules": RULES,
        "bags": list(list_bags()),
    }


def list_bags() -> Iterator[Case]:
    yield from list_honest()
    yield from list_bent()
    yield from list_judged()
    yield from list_custody()
    yield from list_notices()
    yield from list_captures()
    yield from list_more_names()


def list_honest() -> Iterator[Case]:
    yield make_case("an original", "", 0, complete(packed()))
    yield make_case("two originals, one in a folder", "", 0, complete(with_second()))
    enclosed = {**packed(), "letter.txt": "To whom it may concern\n"}
    yield make_case("an enclosure", "", 0, complete(enclosed))
    policy = {**packed(), "policy/trust.toml": "format = 'another'\n"}
    yield make_case("a policy, which is not used", "", 0, complete(policy))


BAD_NAMES = (
    "../x.txt", "/x.txt", "data/originals/../x", "data//x", "a\\b", "C:x",
    "data/originals/EVIDENCE-6.TXT", "bagit.txt/x", "fetch.txt", "x\u0001",
)  # fmt: skip


def list_bent() -> Iterator[Case]:
    bag = complete(packed())
    for name in BAD_NAMES:
        files = complete({**packed(), name: "x"})
        case = make_case(f"a file {name!a}", "names", 2, files)
        # No folder holds these, or not on every system.
        yield {**case, "only_zip": True}
    other = complete({**packed(), "manifest-md5.txt": "x"})
    yield make_case("a list of another algorithm", "other-list", 22, other)
    yield make_case("no bagit.txt", "required", 2, without(bag, "bagit.txt"))
    for name in ("bag-info.txt", *LISTS):
        yield make_case(f"no {name}", "required", 10, without(bag, name))
    declared = bag["bagit.txt"]
    for name, code, text in (
        ("another version of BagIt", 22, declared.replace("1.0", "1.1")),
        ("a declaration with carriage returns", 2, declared.replace("\n", "\r\n")),
        ("a declaration of another encoding", 2, declared.replace("UTF-8", "UTF-16")),
    ):
        yield make_case(name, "declaration", code, complete({**packed(), "bagit.txt": text}))
    enclosed = complete({**packed(), "letter.txt": "a letter\n"})
    tags = "tagmanifest-sha256.txt"
    for name, rule, code, files in (
        ("an enclosure altered", "tag-manifest", 10, {**enclosed, "letter.txt": "another\n"}),
        ("a receipt altered", "tag-manifest", 10, {**bag, RECEIPT: bag[RECEIPT] + " "}),
        ("an enclosure missing", "tag-manifest", 10, without(enclosed, "letter.txt")),
        ("an enclosure that is not listed", "tag-manifest", 10, {**bag, "letter.txt": "x"}),
        ("a tag manifest without its last line feed", "list-form", 2,
         {**bag, tags: bag[tags][:-1]}),
        ("a tag manifest in capitals", "list-form", 2, {**bag, tags: bag[tags].upper()}),
        ("a tag manifest with one space", "list-form", 2,
         {**bag, tags: bag[tags].replace("  ", " ", 1)}),
        ("an original altered", "payload", 10, {**bag, ORIGINAL: "another"}),
        ("an original missing", "receipts", 10, without(bag, ORIGINAL)),
    ):  # fmt: skip
        yield make_case(name, rule, code, files)
    info = bag["bag-info.txt"]
    for name, rule, code, text in (
        ("no Bag-Format", "info", 2, info.replace("Bag-Format", "Format")),
        ("a label twice", "info", 2, info + info),
        ("a label twice, in another case", "info", 2, f"{info}bag-format: anchor-bag/1\n"),
        ("a line without a value", "info", 2, f"{info}Contact\n"),
        ("a later Bag-Format", "format", 22, info.replace("bag/1", "bag/2")),
        ("no Payload-Oxum", "oxum", 2, info.replace("Payload-Oxum", "Oxum")),
        ("a Payload-Oxum of another form", "oxum", 2, info.replace(".1\n", ".01\n")),
        ("another Payload-Oxum", "oxum", 10, info.replace(".1\n", ".2\n")),
    ):
        yield make_case(name, rule, code, complete({**packed(), "bag-info.txt": text}))
    for name in LISTS[1:]:
        for title, rule, code, text in (
            ("with a bent digest", "payload", 10, f"{int(bag[name][0], 16) ^ 1:x}{bag[name][1:]}"),
            ("with a line more", "payload", 10, f"{bag[name]}{'0' * 64}  data/originals/x\n"),
            ("without lines", "payload", 10, ""),
            ("with a line twice", "list-form", 2, bag[name] * 2),
            ("with a path that climbs", "list-form", 2, bag[name].replace("data/", "data/../")),
        ):
            yield make_case(f"{name} {title}", rule, code, complete({**packed(), name: text}))
    lone = complete(without(packed(), RECEIPT))
    yield make_case("no receipts", "receipts", 2, lone)
    for name, code, files in (
        ("a receipt of another name", 2, {**packed(), "receipts/note.txt": "x"}),
        ("a receipt without an original", 10, {**packed(), "receipts/x.anchor.json": "{}"}),
        ("an original without a receipt", 10, {**packed(), "data/originals/x": "x"}),
        ("a file beside the originals", 10, {**packed(), "data/x": "x"}),
    ):
        blocks = named_blocks(packed())
        yield make_case(name, "receipts", code, complete(files), block_hashes=blocks)


def list_judged() -> Iterator[Case]:
    bag = complete(packed())
    altered = complete({**packed(), ORIGINAL: "another"})
    yield make_case("an original altered, and listed anew", "file", 10, altered)
    both = with_second()
    first, second = RECEIPT, "receipts/2/b.txt.anchor.json"
    exchanged = complete({**both, first: both[second], second: both[first]})
    yield make_case("two receipts exchanged", "file", 10, exchanged)
    yield make_case("no block named", "block", 20, bag, block_hashes=[])
    yield make_case("nothing pinned", "pinned", 20, bag, policy=None)
    other = policy_of(entry_of(logs=[5]))
    yield make_case("another log pinned", "pinned", 12, bag, policy=other)
    unproven = complete({**packed(), RECEIPT: receipt_of(World(), state=None)})
    blocks = named_blocks(packed())
    yield make_case("no state proof", "block", 20, unproven, block_hashes=blocks)


def event_of(number: int, previous: str | None, **changes: Any) -> str:
    """Return the record of a custody event about the original."""
    custody = {
        "subject": SUBJECT,
        "previous_event": previous,
        "event": ("collect", "transfer", "copy")[number],
        "at": f"2026-09-21T14:00:0{number}Z",
        "actor": "Li",
        "digest_after": BEFORE,
        **changes,
    }
    custody = {name: value for name, value in custody.items() if value is not None}
    return record_of(FIRST + number, "custody-event", custody=custody)


def record_of(index: int, kind: str, **group: Any) -> str:
    (stated,) = group.values()
    data = canonical(stated).encode()
    members = members_of(index)
    digests = {"sha256": sha256_hex(data), "sm3": sm3_hex(data)}
    members |= {"digests": digests, "size": len(data), "kind": kind, "name": kind, **group}
    return canonical(members)


def digest_of(record: str) -> str:
    return hashlib.sha256(record.encode()).hexdigest()


def with_records(
    folder: str, records: dict[int, str], shown: dict[int, Json], original: str = ORIGINAL_RECORD
) -> Files:
    """Return the bag in whose folder lie the receipts of records of the same log."""
    files = packed(World(original, INDEX, {**records}))
    for index, changes in shown.items():
        others = {**records, INDEX: original}
        world = World(others.pop(index), index, others)
        files[f"{folder}/{index}.anchor.json"] = receipt_of(world, **changes)
    return complete(files)


def list_custody() -> Iterator[Case]:
    first = event_of(0, None)
    second = event_of(1, digest_of(first), digest_before=BEFORE)
    third = event_of(2, digest_of(second))
    chain = {FIRST: first, SECOND: second, THIRD: third}
    whole: dict[int, Json] = {FIRST: {}, SECOND: {}, THIRD: {}}
    yield make_case("three events", "", 0, with_records("custody", chain, whole))
    yield make_case("the first event alone", "", 0, with_records("custody", chain, {FIRST: {}}))
    gap = with_records("custody", chain, {FIRST: {}, THIRD: {}})
    yield make_case("the second of three events missing", "custody-gap", 20, gap)
    headless = with_records("custody", chain, {SECOND: {}, THIRD: {}})
    yield make_case("the first of three events missing", "custody-gap", 20, headless)
    fork = {**chain, THIRD: event_of(2, digest_of(first))}
    forked = with_records("custody", fork, whole)
    yield make_case("two events after the same one", "custody-fork", 10, forked)
    twice = {**chain, SECOND: event_of(1, None)}
    begun = with_records("custody", twice, {FIRST: {}, SECOND: {}})
    yield make_case("two first events", "custody-fork", 10, begun)
    other = {**chain, SECOND: event_of(1, digest_of(first), digest_before="00" * 32)}
    broken = with_records("custody", other, {FIRST: {}, SECOND: {}})
    yield make_case("an event that begins with another digest", "custody-digest", 10, broken)
    left = {**chain, FIRST: event_of(0, None, digest_after="00" * 32)}
    ended = with_records("custody", left, {FIRST: {}})
    yield make_case("an event that ends with another digest", "custody-digest", 10, ended)
    bent = with_records("custody", chain, {FIRST: {"path": []}})
    yield make_case("an event without its path", "custody-receipt", 10, bent)
    unproven = with_records("custody", chain, {FIRST: {"state": None}})
    yield make_case("an event that is not proven", "custody-receipt", 20, unproven)
    about = {**chain, FIRST: event_of(0, None, subject="00" * 32)}
    foreign = with_records("custody", about, {FIRST: {"path": []}})
    yield make_case("an event about another record", "", 0, foreign)


def notice_of(kind: str, **changes: Any) -> str:
    notice = {
        "subject": SUBJECT,
        "replacement": "11" * 32 if kind == "supersedes" else None,
        "reason": "a page is missing",
        "at": "2026-09-21T14:00:08Z",
        "actor": "Li",
        **changes,
    }
    return record_of(
        NOTICE, kind, notice={name: value for name, value in notice.items() if value is not None}
    )


def list_notices() -> Iterator[Case]:
    for name, rule, code, record, changes in (
        ("superseded", "notice", 14, notice_of("supersedes"), {}),
        ("withdrawn", "notice", 14, notice_of("withdraws"), {}),
        ("a notice about another record", "", 0, notice_of("withdraws", subject="00" * 32), {}),
        ("a notice without its path, which is not believed", "", 0, notice_of("withdraws"),
         {"path": []}),
        ("a notice that is not proven", "notice-open", 20, notice_of("withdraws"),
         {"state": None}),
        ("a withdrawal with a replacement, which is no notice", "", 0,
         notice_of("withdraws", replacement="11" * 32), {}),
        ("a notice without a reason, which is none", "", 0, notice_of("withdraws", reason=None),
         {}),
    ):  # fmt: skip
        files = with_records("notices", {NOTICE: record}, {NOTICE: changes})
        yield make_case(name, rule, code, files)
    both = with_records("notices", {NOTICE: notice_of("withdraws")}, {NOTICE: {}})
    altered = complete({**{name: text for name, text in both.items() if name not in LISTS
                           and name != "bag-info.txt"}, ORIGINAL: "another"})  # fmt: skip
    yield make_case("withdrawn, and the original altered", "file", 10, altered)


def list_more_names() -> Iterator[Case]:
    """Yield bags with names that are escaped, long, or not ASCII, and lists that name others."""
    for name in ("50% off.txt", "a\rb.txt", "a\nb.txt", "50%25.txt", "\u8bc1\u636e/\u4e00.txt"):
        case = make_case(f"an enclosure {name!a}", "", 0, complete({**packed(), name: "x"}))
        yield {**case, "only_zip": not name.isprintable()}
    for name in ("data/originals/./x", "./x"):
        case = make_case(f"a file {name!a}", "names", 2, complete({**packed(), name: "x"}))
        yield {**case, "only_zip": True}
    long = "/".join(["x" * 204] * 5) + "x"
    yield make_case("a file of 1,024 bytes", "", 0, complete({**packed(), long[:-1]: "x"}))
    yield make_case("a file of 1,025 bytes", "names", 2, complete({**packed(), long: "x"}))
    bag = complete(packed())
    for name in LISTS[1:]:
        for title, code, old, new in (
            ("with an escape that is none", 2, "evidence-6", "%65vidence-6"),
            ("with a percent sign", 2, "evidence-6", "50% off"),
            ("with an escape in lower case", 2, "evidence-6", "a%0db"),
            ("with a part of one point", 2, "data/", "data/./"),
            ("with a name of 1,025 bytes", 2, "data/originals/evidence-6.txt", long),
            ("with another name", 10, "evidence-6", "evidence-7"),
        ):
            text = bag[name].replace(old, new)
            files = complete({**packed(), name: text})
            yield make_case(f"{name} {title}", "list-form" if code == 2 else "payload", code, files)
    other = bag[LISTS[1]].replace("evidence-6", "evidence-7")
    files = complete({**without(packed(), RECEIPT), LISTS[1]: other})
    yield make_case("a manifest with another name, and no receipts", "payload", 10, files)
