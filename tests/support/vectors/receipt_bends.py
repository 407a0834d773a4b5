"""verification/index.json: what shows a verifier that leaves out one check, or bends one.

tests/repository/test_bent_verifier.py bends a verifier in every place, and asks for a vector that
ends otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import rlp
from support.tries import keccak256
from support.vectors.beacons import WINDOW
from support.vectors.headers import VALUES
from support.vectors.offline_world import (
    DEVELOPMENT,
    INDEX,
    LOG,
    MAIN,
    NAMED,
    Given,
    Json,
    beacon_of,
    bent,
    canonical,
    closing,
    given,
    hashes_of,
    header_at,
    honest_world,
    members_of,
    sha256_hex,
    simple,
    sm3_hex,
    successor_of,
    word_at,
    world_of,
    write,
)
from support.vectors.receipt_forms import form, of_record, raw, with_members
from support.vectors.receipt_rows import WIDE, A, Row, S, absent_root, named, on, put_at, with_entry
from support.vectors.states import slot_of

LAST_SECOND = 253_402_300_799


def list_spellings() -> Iterator[Row]:
    """Step 1: JSON that a careless reader takes for the receipt, and odd JSON that is one."""
    data = write(simple())
    text = data.decode()
    member = '"index": 6'

    def change(old: str, new: str) -> bytes:
        assert old in text, old
        return text.replace(old, new, 1).encode()

    for name, bad in {
        "an equals sign for a colon": change(member, '"index"= 6'),
        "a semicolon for a comma": change(member + ",", member + ";"),
        "a name whose first quote is another": change('"index"', "'index\""),
        "an escape of another letter than u": change("anchor-receipt", "\\v0061nchor-receipt"),
        "an escape with a g": change("anchor-receipt", "\\u006gnchor-receipt"),
        "an escape with a control character": change("anchor-receipt", "\\u006\x11nchor-receipt"),
        "an escape at the end": b'{"format":"\\u00',
    }.items():
        yield raw(f"bytes: {name}", "strict-json", 2, bad)
    record = honest_world().record
    capitals = '"' + "".join(f"\\u{ord(each):04X}" for each in record) + '"'
    for name, good in {
        "white space before and after": b" \r\n\t" + data + b"\t \n",
        "white space before a colon": change(member, '"index" \n: 6'),
        "the record in escapes of capital digits": change(json.dumps(record), capitals),
    }.items():
        yield raw(f"bytes: {name}", "", 0, good)
    yield form("a hash of 31 bytes: anchors.0.hints.block_hash", f"{A}.hints.block_hash",
               "0x" + "00" * 31)  # fmt: skip
    yield from list_surrogates()


def list_surrogates() -> Iterator[Row]:
    """Escapes of the receipt that stand for a character of the record, and some that do not."""
    for character, spelled, code in (
        ("\U0001f600", "\\ud83d\\ude00", 0),
        ("\U0001f600", "\\ud83d/ude00", 2),
        ("\ufffd", "\\ud800", 2),
        ("\ufffd", "\\ud83d\\u0041", 2),
    ):
        world = world_of(name=f"picture {character}")
        document = simple(world.chain(), world=world)
        data = json.dumps(document, ensure_ascii=False).encode()
        changed = data.replace(character.encode(), spelled.encode())
        assert changed != data
        yield (
            f"bytes: {ascii(character)[1:-1]} in the record as {spelled}",
            "strict-json" if code else "",
            code,
            [1] if code else [],
            Given(receipt=changed, block_hashes=hashes_of(document)),
        )


def list_record_bends() -> Iterator[Row]:
    """Step 1: records."""
    members = members_of(INDEX)
    yield with_members("literals", 0, "", z=[True, False, None])
    for name, number in (("2^53", 2**53), ("-2^53", -(2**53)), ("17 digits", 10**16)):
        yield with_members(f"a member nobody knows, of {name}", 2, z=number)
    yield with_members("17 levels of objects", 2, z=nest(16))
    yield with_members("16 levels of objects", 0, "", z=nest(15))
    text = canonical(members)
    salt, schema = (f'"{name}":"{members[name]}"' for name in ("salt", "schema"))
    assert f"{salt},{schema}" in text
    exchanged = text.replace(f"{salt},{schema}", f"{schema},{salt}")
    yield of_record("record: two members of the same first letter exchanged", exchanged, 2)
    longer = canonical({**members, "z": 1, "zz": 2}).replace('"z":1,"zz":2', '"zz":2,"z":1')
    yield of_record("record: a name before what it begins with", longer, 2)
    spare = 65_535 - len(canonical({**members, "z": ""}))
    yield with_members("65,535 bytes", 0, "", z="x" * spare)
    yield with_members("65,536 bytes", 2, z="x" * (spare + 1))


def nest(levels: int) -> Any:
    return {"a": nest(levels - 1)} if levels else 1


def list_order() -> Iterator[Row]:
    """Two results at once: of each two that can meet, the graver counts."""
    other = {"sha256": sha256_hex(b"x"), "sm3": sm3_hex(b"x"), "size": 1}
    nobody = with_entry(operators=[])
    both = given(simple(), evidence=other, policy=nobody)
    yield "another file, and a sender not accepted", "file", 10, [2, 9], both
    absent = honest_world().receipt(*(
        anchor["anchors"][0] for anchor in (absent_root(), simple())
    ))  # fmt: skip
    yield (
        "not anchored, and a sender not accepted",
        "operator",
        12,
        [7, 9],
        given(absent, policy=nobody),
    )
    chain = honest_world().chain(slots=closing(honest_world(), 4))
    closed = simple(chain)
    closed["anchors"][0]["state"]["successor"] = successor_of(chain, 4)
    unanchored = honest_world().receipt(
        *(each["anchors"][0] for each in (closed, absent_root(MAIN)))
    )
    yield (
        "abandoned, and not anchored elsewhere",
        "anchored",
        11,
        [7, 9],
        given(unanchored, policy=WIDE),
    )
    header = simple()["anchors"][0]["state"]["header"]
    long = f"{header}00"
    fork = simple(honest_world().chain(items=19))["anchors"][0]["state"]["header"]
    for name, rule, code, steps, document, header in (
        ("abandoned, and no header elsewhere", "abandoned", 13, [5, 9], closed, long),
        ("a header of no fork, and no header elsewhere", "header", 2, [5],
         bent(simple(), lambda copied: put_at(copied, f"{S}.header", fork)), long),
        ("not proven, and a header of no fork elsewhere", "fork", 22, [5],
         bent(simple(), lambda copied: put_at(copied, S, ...)), fork),
    ):  # fmt: skip
        second = bent(on(MAIN), lambda copied, h=header: put_at(copied, f"{S}.header", h))
        two = honest_world().receipt(document["anchors"][0], second["anchors"][0])
        yield name, rule, code, steps, given(two, policy=WIDE)


def list_left_aside() -> Iterator[Row]:
    """Step 4: a pinned anchor on a chain that is not named counts for nothing."""
    wrong = bent(on(DEVELOPMENT, MAIN), lambda copied: put_at(copied, "anchors.1.timestamp", 0))
    aside = given(wrong, policy=WIDE, chain_ids=(DEVELOPMENT,))
    yield "a bad anchor that is pinned, on a chain that is not named", "", 0, [], aside


def list_bounds() -> Iterator[Row]:
    """Step 11: chains without block hashes, and times at the ends of the calendar."""
    for chain_id in (42_161, 42_170, 421_614):
        world = world_of(not_before=named(chain_id=chain_id))
        yield f"a block of chain {chain_id}, without block hashes", "", 0, [], with_beacon(world)
    # Not before 1970, whatever the slack: the bound is 0, and the record is 310 seconds earlier.
    header = header_at(NAMED, 20, VALUES[3])
    block = named(block_hash=f"0x{keccak256(header).hex()}")
    world = world_of(not_before=block, recorded_at="1969-12-31T23:54:50Z")
    yield "recorded too early for 1970", "early", 20, [11], with_beacon(world, header=header)
    world = world_of(not_before=block, recorded_at="1969-12-31T23:55:00Z")
    yield "recorded as early as 1970 tolerates", "", 0, [], with_beacon(world, header=header)
    for name, rule, steps, time in (
        ("a named block at the end of the year 9999", "date", [10], LAST_SECOND + 30),
        ("a named block after the year 9999", "date", [10, 11], LAST_SECOND + 31),
    ):
        header = header_at(NAMED, time, VALUES[3])
        block = named(block_hash=f"0x{keccak256(header).hex()}")
        world = world_of(not_before=block, recorded_at="9999-12-31T23:59:59Z")
        anchored = time + 10
        slots = {slot_of(LOG, root(world)): rlp.encode(word_at(9, time=anchored))}
        late = with_beacon(world, header=header, stated=anchored, time=anchored, slots=slots)
        yield name, rule, 20, steps, late


def root(world: Any) -> bytes:
    return bytes.fromhex(world.head(9)["root"])


def with_beacon(
    world: Any, *, header: bytes | None = None, stated: int | None = None, **changes: Any
) -> Given:
    """The receipt of a record that names a block, with the proof of it."""
    if header is not None:
        changes["history"] = {NAMED % WINDOW: keccak256(header)}
    chain = world.chain(**changes)
    document: Json = simple(chain, world=world)
    beacon = beacon_of(chain) if header is None else beacon_of(chain, header)
    document["anchors"][0]["state"]["beacon"] = beacon
    if stated is not None:
        document["anchors"][0]["timestamp"] = stated
    return given(document)
