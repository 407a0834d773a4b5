"""verification/index.json, step 1: receipts and records that break their form, and odd ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from support.vectors.offline_world import (
    INDEX,
    Given,
    Json,
    World,
    beacon_of,
    bent,
    canonical,
    given,
    hashes_of,
    honest_world,
    members_of,
    sha256_hex,
    simple,
    successor_of,
    world_of,
    write,
)
from support.vectors.receipt_rows import A, Row, S, named, put_at

MAX_RECEIPT = 1 << 20


def full() -> Json:
    """A receipt with every member that one may have."""
    document = simple()
    chain = honest_world().chain()
    state = document["anchors"][0]["state"]
    state["successor"] = successor_of(chain, 9)
    state["beacon"] = beacon_of(chain)
    return document


def unproven(world: World) -> Json:
    return world.receipt(world.anchor(world.chain(), is_proven=False))


def raw(name: str, rule: str, code: int, data: bytes) -> Row:
    base = simple()
    steps = [1] if code else []
    return name, rule, code, steps, Given(receipt=data, block_hashes=hashes_of(base))


def list_texts() -> Iterator[Row]:
    """Bytes that are no strict JSON, and some that are."""
    data = write(simple())
    text = data.decode()
    record = json.dumps(honest_world().record)

    def change(old: str, new: str) -> bytes:
        assert old in text, old
        return text.replace(old, new, 1).encode("utf-8", "surrogatepass")

    member = '"index": 6'
    for name, bad in {
        "no bytes": b"",
        "a space": b" ",
        "not JSON": b"receipt",
        "a byte order mark": b"\xef\xbb\xbf" + data,
        "UTF-16": text.encode("utf-16-le"),
        "a byte 0xff": data.replace(b"anchors", b"anchor\xff", 1),
        "an overlong slash": data.replace(b"anchors", b"anchor\xc0\xaf", 1),
        "an encoded surrogate": change(member, '"index": 6, "x": "\ud800"'),
        "a lone surrogate, escaped": change(member, '"index": 6, "x": "\\ud800"'),
        "surrogates in the wrong order": change(member, '"index": 6, "x": "\\udc00\\ud800"'),
        "a second document": data + b"{}",
        "a NUL at the end": data + b"\0",
        "a form feed as white space": b"\x0c" + data,
        "U+00A0 as white space": "\u00a0".encode() + data,
        "a trailing comma": change(member, '"index": 6,, "x": 1'),
        "a comma before the brace": text.rstrip().removesuffix("}").encode() + b",}",
        "single quotes": text.replace('"', "'").encode(),
        "a comment": b"// a receipt\n" + data,
        "cut short": data[: len(data) // 2],
        "an unescaped line feed in a string": change("anchor-receipt/1", "anchor-receipt/\n1"),
        "an unknown escape": change("anchor-receipt/1", "\\anchor-receipt/1"),
        "a short escape": change("anchor-receipt/1", "anchor-receipt/1\\u12"),
        "a member twice": change(member, '"index": 6, "index": 6'),
        "a member twice, once escaped": change(member, '"index": 6, "\\u0069ndex": 6'),
        "a number with a fraction": change(member, '"index": 6.0'),
        "a number with an exponent": change(member, '"index": 6e0'),
        "a number with a plus": change(member, '"index": +6'),
        "a number with a leading zero": change(member, '"index": 06'),
        "-0": change(member, '"index": -0'),
        "NaN": change(member, '"index": NaN'),
        "Infinity": change(member, '"index": Infinity'),
        "a hexadecimal number": change(member, '"index": 0x6'),
        "a number of 2^53": change(member, '"index": 9007199254740992'),
        "a number of 400 digits": change(member, f'"index": {"9" * 400}'),
        "the literal True": change(member, '"index": True'),
        "17 levels": change(member, '"index": 6, "x": ' + "[" * 16 + "]" * 16),
        "1,000 levels": b"[" * 1_000 + b"]" * 1_000,
        "a list": b"[" + data + b"]",
        "a string": b'"anchor-receipt/1"',
        "null": b"null",
        "1,048,577 bytes": data + b" " * (MAX_RECEIPT + 1 - len(data)),
    }.items():
        yield raw(f"bytes: {name}", "strict-json", 2, bad)
    for name, good in {
        "1,048,576 bytes": data + b" " * (MAX_RECEIPT - len(data)),
        "no white space": json.dumps(simple(), separators=(",", ":")).encode(),
        "tabs and carriage returns": text.replace("\n", "\r\n\t").encode(),
        "members in another order": write(dict(reversed(simple().items()))),
        "escapes of what needs none": change("anchor-receipt/1", "\\u0061nchor-receipt\\/1"),
        "a member's name in escapes": change('"index"', '"\\u0069\\u006E\\u0064ex"'),
        "the record in escapes": change(
            record, '"' + "".join(f"\\u{ord(each):04x}" for each in honest_world().record) + '"'
        ),
    }.items():
        yield raw(f"bytes: {name}", "", 0, good)


def form(name: str, path: str, value: Any, *, rule: str = "members", code: int = 2) -> Row:
    # What is refused by its form needs no proof.
    base = full() if code == 0 or path.startswith(S) else unproven(honest_world())
    changed = bent(base, lambda document: put_at(document, path, value))
    steps = [1] if code else []
    return name, rule, code, steps, Given(receipt=write(changed), block_hashes=hashes_of(base))


REQUIRED = (
    "record", "log", "index", "anchors", *(f"{A}.{name}" for name in (
        "chain_id", "registry", "size", "root", "path", "sequence", "block_number", "timestamp"
    )),
    f"{A}.hints.tx_hash", f"{A}.hints.block_hash",
    *(f"{S}.{name}" for name in ("header", "account_proof", "storage_proof")),
    f"{S}.successor.proof", f"{S}.successor.takeover.root", f"{S}.successor.takeover.proof",
    *(f"{S}.beacon.{name}" for name in ("header", "account_proof", "storage_proof")),
)  # fmt: skip
OPTIONAL = (
    f"{A}.hints", S, f"{S}.operator_proof", f"{S}.successor", f"{S}.successor.takeover",
    f"{S}.beacon", "head",
)  # fmt: skip
OBJECTS = (
    "", f"{A}.", f"{A}.hints.", f"{S}.", f"{S}.successor.", f"{S}.successor.takeover.",
    f"{S}.beacon.",
)  # fmt: skip
NODE = "0x" + "00" * 40
BOUNDS: dict[str, tuple[Any, ...]] = {
    "index": (-1, 2**48 - 1, "6", True, [6]),
    f"{A}.chain_id": (0, 2**53 - 1 + 1, "31337", False),
    f"{A}.size": (0, 2**48, -1),
    f"{A}.sequence": (0, 2**40),
    f"{A}.block_number": (-1, 2**48),
    f"{A}.timestamp": (-1, 2**48),
    f"{A}.path": (["00" * 32] * 49, {}, [["00" * 32]], ["0x" + "00" * 32], ["00" * 31]),
    f"{A}.root": ("00" * 31, "00" * 33, "0x" + "00" * 32, "AA" * 32, "0" * 63, 0, ""),
    f"{A}.registry": ("00" * 20, "0x" + "00" * 19, "0x" + "00" * 21, "0X" + "00" * 20),
    "log": ("00" * 32, "0x" + "00" * 31, "0x" + "AB" * 32, "0x" + "00" * 32 + "\n"),
    f"{A}.hints.tx_hash": ("0x" + "00" * 31, "00" * 32),
    f"{S}.header": ("0x", "0x0", "0x" + "00" * 8_193, "c0", "0xC0", None),
    f"{S}.account_proof": ([], [NODE] * 66, ["0x"], ["0x" + "00" * 533], NODE, [NODE[2:]]),
    f"{S}.storage_proof": ([],),
    f"{S}.operator_proof": ([],),
    f"{S}.successor.proof": ([],),
    f"{S}.successor.takeover.root": ("0x" + "00" * 32,),
    f"{S}.beacon.header": ("0x",),
    f"{S}.beacon.storage_proof": ([], [NODE] * 66),
    "anchors": ({}, None, "[]"),
    A: (None, [], 1),
    "record": (None, {}, "x" * 65_536, ""),
}  # fmt: skip


def list_members() -> Iterator[Row]:
    for path in REQUIRED:
        yield form(f"without {path}", path, ...)
    for path in OPTIONAL:
        yield form(f"{path} is null", path, None)
    for path in OBJECTS:
        yield form(f"a member more: {path}status", f"{path}status", "final")
    for path, values in BOUNDS.items():
        for number, value in enumerate(values, 1):
            yield form(f"out of its form, {number}: {path}", path, value)
    anchor = unproven(honest_world())["anchors"][0]
    yield form("17 anchors", "anchors", [anchor] * 17)
    yield form("head beside an anchor", "head", honest_world().head(9))
    yield form("an empty list of anchors, and no head", "anchors", [])
    promise = honest_world().receipt()
    for path, value in {"size": 0, "root": "00", "path": [0], "x": 1}.items():
        changed = bent(promise, lambda document, p=path, v=value: put_at(document, f"head.{p}", v))
        yield f"a promise: {path} of no form", "members", 2, [1], Given(receipt=write(changed))
    for value in ("anchor-receipt/2", "anchor-receipt/1 ", "Anchor-receipt/1", None, 1, [], {}):
        shown = json.dumps(value)
        yield form(f"format {shown}", "format", value, rule="version", code=22)
    yield form("no format", "format", ...)
    future = {"format": "anchor-receipt/2", "evidence": [1]}
    yield raw("a later format of other members", "version", 22, write(future))
    yield raw("a later format twice", "strict-json", 2, b'{"format":"a/2","format":"a/2"}')
    yield raw("no format, and nothing else", "members", 2, b"{}")


def of_record(name: str, record: str, code: int, rule: str = "record") -> Row:
    """The receipt of a record that may be none, in a log of its own."""
    world = World(record)
    steps = [1] if code else []
    document = unproven(world) if code else simple(world.chain(), world=world)
    return name, rule, code, steps, given(document)


def with_members(name: str, code: int, rule: str = "record", /, **members: Any) -> Row:
    return of_record(f"record: {name}", world_of(**members).record, code, rule)


def list_records() -> Iterator[Row]:
    text = honest_world().record
    members = members_of(INDEX)
    last_first = json.dumps(dict(sorted(members.items(), reverse=True)), separators=(",", ":"))
    texts: dict[str, str] = {
        "not JSON": "evidence",
        "a list": f"[{text}]",
        "a blank": text.replace(":", ": ", 1),
        "a line feed at its end": text + "\n",
        "members in another order": last_first,
        "a needless escape": text.replace("evidence-6", "evidence-\\u0036"),
        "an escaped slash": text.replace("text/plain", "text\\/plain"),
        "a control character in capitals": text.replace("evidence-6", "\\u001F"),
        "a control character in four digits": text.replace("evidence-6", "\\u000a"),
        "U+007F escaped": text.replace("evidence-6", "\\u007f"),
        "a lone surrogate": text.replace("evidence-6", "\\ud800"),
        "a member twice": text.replace('"size"', '"size":17,"size"'),
        "a number with a fraction": text.replace(":17", ":17.0"),
        "-0": text.replace(":17", ":-0"),
        "a number of 2^53": text.replace(":17", ":9007199254740992"),
        "17 levels": text.replace('"size":17', '"size":17,"z":' + "[" * 16 + "]" * 16),
        "65,536 bytes in fewer characters": canonical({**members, "z": "\u00e8" * 32_700}),
    }
    for name, record in texts.items():
        yield of_record(f"record: {name}", record, 2)
    for name in ("schema", "digests", "name", "salt", "recorded_at"):
        yield with_members(f"no {name}", 2, **{name: None})
    for value in ("evidence-record/2", "", 1, [], {}):
        shown = json.dumps(value)
        yield with_members(f"schema {shown}", 22, "version", schema=value)
    yield of_record("record: schema null", canonical({**members, "schema": None}), 22, "version")
    yield with_members(
        "a later schema, and no salt", 22, "version", schema="evidence-record/2", salt=None
    )
    for name in ("size", "media_type", "log", "name", "salt", "digests", "recorded_at"):
        yield of_record(f"record: {name} null", canonical({**members, name: None}), 2)
    digest = sha256_hex(b"x")
    for member, values in {
        "digests": ({}, [], digest, {"sha256": digest.upper()}, {"sha256": digest[:-2]},
                    {"sha256": "0x" + digest}, {"sm3": None, "sha256": digest}),
        "size": (-1, True, "17", [17]),
        "name": ("", "x" * 4_097, 6, ["x"]),
        "media_type": (1, {}),
        "salt": ("00" * 31, "00" * 33, "0x" + "00" * 32, "AA" * 32, 0),
        "log": ("00" * 32, "0x" + "00" * 31, "0x" + "AA" * 32, 0),
        "recorded_at": (
            "2026-09-21T14:00:06", "2026-09-21T14:00:06z", "2026-09-21t14:00:06Z",
            "2026-09-21 14:00:06Z", "2026-09-21T14:00:06+00:00", "2026-09-21T14:00:06.Z",
            "2026-09-21T14:00:06.1234567Z", "2026-09-21T14:00:60Z", "2026-09-21T24:00:00Z",
            "2026-09-21T14:60:00Z", "2026-13-21T14:00:06Z", "2026-09-31T14:00:06Z",
            "2027-02-29T14:00:06Z", "1900-02-29T14:00:06Z", "0000-01-01T00:00:00Z",
            "2026-9-21T14:00:06Z", "2026-00-21T14:00:06Z", "2026-09-00T14:00:06Z",
            "2026-09-21T14:00:0\u0666Z", "20260921T140006Z", 1_790_000_000,
        ),
    }.items():  # fmt: skip
        for number, value in enumerate(values, 1):
            shown = json.dumps(value)[:40]
            yield with_members(f"{member}, {number}: {shown}", 2, **{member: value})
    for name in ("a b", "", "caf\u00e8", "\u007f", "x\u0000"):
        yield with_members(f"a member {json.dumps(name)}", 2, **{name: 1})
        yield with_members(f"within another, a member {json.dumps(name)}", 2, note=[{name: 1}])
    others = {"blake3": digest}
    yield with_members("digests of other algorithms", 22, "algorithm", digests=others)
    yield with_members("other algorithms, and no time", 2, digests=others, recorded_at="today")
    odd: dict[str, Json] = {
        "without size": {"size": None},
        "without media_type": {"media_type": None},
        "an empty media_type": {"media_type": ""},
        "SHA-256 alone": {"digests": {"sha256": members["digests"]["sha256"]}},
        "SM3 alone": {"digests": {"sm3": members["digests"]["sm3"]}},
        "a digest of another algorithm beside": {"digests": {**members["digests"], "blake3": None}},
        "a name of 4,096 characters": {"name": "\U0001f4c4" * 4_096},
        "a name of every control character": {"name": "".join(map(chr, range(32))) + "\x7f\u2028"},
        "quotes and backslashes": {"name": '"\\/'},
        "members that nobody knows": {"example.org.case": {"number": [1, None, True, {"x": "y"}]}},
        "a group of another form": {"collection": "by hand"},
        "16 levels": {"z": json.loads("[" * 15 + "]" * 15)},
        "the largest integers": {"z": [2**53 - 1, -(2**53) + 1]},
        "a time with six digits": {"recorded_at": "2026-09-21T14:00:06.123456Z"},
        "a leap day": {"recorded_at": "2024-02-29T23:59:59Z"},
        "the year 1": {"recorded_at": "0001-01-01T00:00:00Z"},
        "almost 65,535 bytes": {"z": "x" * 65_000},
    }
    for name, changes in odd.items():
        yield with_members(name, 0, "", **changes)
    for name, value in {
        "text": "block 19900", "a list": [], "an empty object": {}, "null": None,
        "a member more": {**named(), "time": 1}, "a hash of 31 bytes": {**named(), "block_hash":
        "0x" + "00" * 31}, "a chain of 0": {**named(), "chain_id": 0},
        "a number that is text": {**named(), "block_number": "1"},
    }.items():  # fmt: skip
        # The record passes; the beacon in its receipt, which is bent, is not looked at.
        record = canonical({**members, "not_before": value})
        world = World(record)
        document = simple(world.chain(), world=world)
        beacon = {**beacon_of(world.chain()), "header": "0x80"}
        document["anchors"][0]["state"]["beacon"] = beacon
        yield f"record: not_before of another form: {name}", "", 0, [], given(document)
