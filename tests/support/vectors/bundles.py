"""bundles.json: receipts of one log in one file, each said to lead to its root."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from support.rfc9162_reference import hash_leaf
from support.vectors.cases import Case, invalid, squeeze, unknown, valid
from support.vectors.trees import MAX_SIZE, record_of, tree_of

Line = dict[str, Any]
Lines = list[Line]

LOG = "0x" + "00" * 12 + "a11ce00000000000000000000000000000000001"
# Each byte of such an index is ASCII, so that its record is text.
LARGE = (0x1234_5678_0000, 0x1234_5678_0001, 0x1234_5678_7F7F, 0x7F00_0000_0001)

RULES = {
    "line": "every line is a JSON object of at most 1 MiB, strictly as a receipt is read, and ends "
    "with a line feed",
    "header": "the first line has format, log and count, and no other line does",
    "members": "a line has all members of its kind and no others, within their bounds",
    "anchor": "an anchor or a head precedes each receipt, and a receipt follows each of them",
    "order": "each receipt's index is greater than the one before, whatever their anchors",
    "index": "an index is below the size of its anchor's tree",
    "path": "a line has the hashes of the path that the receipt before it does not give: all of "
    "them after an anchor, else those below the node that both leaves have in common",
    "root": "each record and its path lead to the root of the anchor before it",
    "count": "as many receipts follow as the header says, and nothing after them",
    "version": "the format is anchor-receipts/1",
}


def build_bundles() -> dict[str, object]:
    return {
        "about": "Bundles of receipts (docs/spec/receipt.md): the text of each file, and the "
        "receipts in it with their whole paths. The records are not evidence records, and the "
        "anchors without state proofs: what a receipt is worth is not judged here.",
        "rules": RULES,
        "bundles": [with_code(case) for case in (*list_valid(), *list_invalid())],
    }


def with_code(case: Case) -> Case:
    """Return a case with the result that its rule asks for."""
    codes = {None: 0, "version": 22, "root": 10}
    return {**case, "exit_code": codes.get(case.get("rule"), 2)}


def anchor(size: int, sequence: int, *known: int) -> Line:
    members = {
        "chain_id": 31337,
        "registry": "0x" + "11" * 20,
        "size": size,
        "root": tree_of(size, *known).root(0, size).hex(),
        "sequence": sequence,
        "block_number": 10 * sequence,
        "timestamp": 1_790_000_000 + 120 * sequence,
    }
    return {"anchor": members}


def head(size: int, *known: int) -> Line:
    return {"head": {"size": size, "root": tree_of(size, *known).root(0, size).hex()}}


def text_of(index: int) -> str:
    return record_of(index).decode("utf-8")


def path_of(index: int, size: int, *known: int) -> list[str]:
    return [node.hex() for node in tree_of(size, *known).inclusion(index, size).proof]


def receipts_of(indices: Sequence[int], size: int, *known: int) -> Lines:
    """Return the lines of receipts that follow their anchor."""
    lines: Lines = []
    for place, index in enumerate(indices):
        path = path_of(index, size, *known)
        if place:
            # Above the lowest common node both paths are the same; below it the one before ends
            # in a complete tree, which is the sibling of this one.
            joint = (index ^ indices[place - 1]).bit_length()
            path = path[: len(path) - (len(path_of(indices[place - 1], size, *known)) - joint + 1)]
        lines.append({"record": text_of(index), "index": index, "path": path})
    return lines


def header(count: int) -> Line:
    return {"format": "anchor-receipts/1", "log": LOG, "count": count}


def bundle(*parts: Lines) -> Lines:
    lines = [line for part in parts for line in part]
    return [header(sum("record" in line for line in lines)), *lines]


def write(lines: Lines) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def said(groups: Sequence[tuple[int, Sequence[int], tuple[int, ...]]]) -> list[Case]:
    return [
        {
            "index": index,
            "record": text_of(index),
            "size": size,
            "root": tree_of(size, *known).root(0, size).hex(),
            "path": path_of(index, size, *known),
        }
        for size, indices, known in groups
        for index in indices
    ]


def list_valid() -> Iterator[Case]:
    for name, size, indices in (
        ("the only leaf", 1, [0]),
        ("both leaves of two", 2, [0, 1]),
        ("all leaves of a complete tree", 8, range(8)),
        ("all leaves of a ragged tree", 7, range(7)),
        ("leaves with gaps between them", 13, [1, 2, 7, 8, 12]),
        ("the first and the last leaf", 13, [0, 12]),
        ("only the last leaf of a ragged tree", 9, [8]),
    ):
        lines = bundle([anchor(size, 1)], receipts_of(indices, size))
        yield valid(name, bundle=write(lines), receipts=said([(size, indices, ())]))
    lines = bundle([anchor(MAX_SIZE, 1, *LARGE)], receipts_of(LARGE, MAX_SIZE, *LARGE))
    groups = [(MAX_SIZE, LARGE, LARGE)]
    yield valid("leaves of the largest tree", bundle=write(lines), receipts=said(groups))
    yield valid("two anchors and a promise", bundle=write(honest()), receipts=said(HONEST))
    text = write(honest()).replace(",", " , ").replace("\n", " \r\n")
    yield valid("blanks between the members", bundle=text, receipts=said(HONEST))
    filled, padding = fill_line(1 << 20)
    yield valid("a line of 1,048,576 bytes", bundle=filled, padding=padding, receipts=said(HONEST))
    turned = [dict(reversed(line.items())) for line in honest()]
    yield valid("members in another order", bundle=write(turned), receipts=said(HONEST))


def fill_line(size: int) -> tuple[str, Case]:
    """Return a bundle whose third line has ``size`` bytes, and what fills it."""
    parts = write(honest()).splitlines(keepends=True)
    times = size - len(parts[2])
    parts[2] = parts[2].replace("}\n", " " * times + "}\n")
    assert len(parts[2].encode()) == size
    return squeeze("".join(parts), " ", times)


def long_record(characters: int) -> tuple[str, Case]:
    """Return the bundle of one record of so many characters, and what fills it."""
    record = "x" * characters
    root = hash_leaf(record.encode()).hex()
    receipt: Line = {"record": record, "index": 0, "path": []}
    lines = [header(1), {"head": {"size": 1, "root": root}}, receipt]
    return squeeze(write(lines), "x", characters)


HONEST: list[tuple[int, Sequence[int], tuple[int, ...]]] = [
    (4, [0, 1, 3], ()),
    (9, [5, 8], ()),
    (13, [9, 12], ()),
]


def honest() -> Lines:
    """Lines 0: header, 1: anchor, 2 to 4: receipts, 5: anchor, 6, 7: receipts, 8: head, 9, 10."""
    return bundle(
        [anchor(4, 1)], receipts_of([0, 1, 3], 4),
        [anchor(9, 2)], receipts_of([5, 8], 9),
        [head(13)], receipts_of([9, 12], 13),
    )  # fmt: skip


def with_line(place: int, change: Callable[[Line], object]) -> str:
    lines = honest()
    change(lines[place])
    return write(lines)


def without(name: str) -> Callable[[Line], object]:
    return lambda line: line.pop(name)


def having(**members: object) -> Callable[[Line], object]:
    return lambda line: line.update(members)


def within(name: str, change: Callable[[Any], object]) -> Callable[[Line], object]:
    return lambda line: change(line[name])


def list_invalid() -> Iterator[Case]:
    text, lines = write(honest()), honest()
    parts = text.splitlines(keepends=True)
    bent = {
        "a line that is no JSON": ("line", parts[0] + "{\n"),
        "a list for a line": ("line", text.replace(parts[2], "[]\n")),
        "a number for a line": ("line", text.replace(parts[2], "5\n")),
        "an empty line": ("line", "\n".join([parts[0], *parts[1:]])),
        "an empty line before the last": ("line", "".join([*parts[:-1], "\n", parts[-1]])),
        "a member twice": ("line", text.replace('"index":1', '"index":1,"index":1')),
        "a number with a point": ("line", text.replace('"index":1,', '"index":1.0,')),
        "no line feed at the end": ("line", text[:-1]),
        "the last line cut in half": ("line", text[: -len(parts[-1]) // 2]),
        "nothing": ("line", ""),
        "version 2, cut off in the header": ("line", parts[0][:-1].replace("ts/1", "ts/2")),
        "no header": ("header", "".join(parts[1:])),
        "a receipt for a header": ("header", parts[2] + text),
        "two headers": ("members", parts[0] + text),
        "no anchor": ("anchor", "".join([parts[0], *parts[2:]])),
        "an anchor twice": ("anchor", "".join([*parts[:2], *parts[1:]])),
        "a promise twice": ("anchor", "".join([*parts[:9], *parts[8:]])),
        "an index twice": ("order", "".join([*parts[:3], *parts[2:]])),
        "two receipts exchanged": ("path", "".join([*parts[:2], parts[3], parts[2], *parts[4:]])),
        "a receipt's line removed": ("path", "".join([*parts[:2], *parts[3:]])),
        "an anchor's line removed": ("index", "".join([*parts[:5], *parts[6:]])),
        "an anchor at the end": ("count", text + parts[1]),
        "only the header": ("count", parts[0]),
        "cut off after an anchor": ("count", "".join(parts[:6])),
        "cut off before the last receipt": ("count", "".join(parts[:-1])),
        "a receipt more than the count": ("count", text.replace('"count":7', '"count":6')),
        "a receipt less than the count": ("count", text.replace('"count":7', '"count":8')),
        "another bundle after the first": ("count", text + text),
    }
    for name, (rule, bundle) in bent.items():
        yield invalid(name, rule, bundle=bundle)
    filled, padding = fill_line((1 << 20) + 1)
    yield invalid("a line of 1,048,577 bytes", "line", bundle=filled, padding=padding)
    filled, padding = long_record(65_536)
    yield invalid("a record of 65,536 characters", "members", bundle=filled, padding=padding)
    yield unknown("version 2", "version", bundle=text.replace("receipts/1", "receipts/2"))
    for name, rule, place, change in (*list_member_bends(lines), *BENDS):
        yield invalid(name, rule, bundle=with_line(place, change))


Bend = tuple[str, str, int, Callable[[Line], object]]


def list_member_bends(lines: Lines) -> Iterator[Bend]:
    for place, names in ((0, ("log", "count")), (2, ("record", "index", "path"))):
        yield f"line {place} with a member more", "members", place, having(more=1)
        for name in names:
            yield f"line {place} without {name}", "members", place, without(name)
            yield f"line {place} with {name} null", "members", place, having(**{name: None})
    for place, name in ((1, "anchor"), (8, "head")):
        yield f"{name} with a path", "members", place, within(name, having(path=[]))
        yield f"{name} without a root", "members", place, within(name, without("root"))
        yield f"{name} that is a list", "members", place, having(**{name: []})
        yield f"{name} beside a record", "members", place, having(record="")
    yield "an anchor beside a head", "members", 1, having(**lines[8])


BENDS: tuple[Bend, ...] = (
    ("a count of 0", "members", 0, having(count=0)),
    ("a count of 2^48", "members", 0, having(count=2**48)),
    ("a count of true", "members", 0, having(count=True)),
    ("a negative index", "members", 2, having(index=-1)),
    ("an index of 2^48 - 1", "members", 10, having(index=2**48 - 1)),
    ("a hash in capitals", "members", 2, having(path=["AB" * 32, "00" * 32])),
    ("a hash that is null", "members", 2, having(path=[None, "00" * 32])),
    ("an index below another anchor's", "order", 6, having(index=3)),
    ("an index equal to the size", "index", 4, having(index=4)),
    ("an index far beyond the size", "index", 4, having(index=2**40)),
    ("a hash too many after an anchor", "path", 2, within("path", lambda p: p.append("00" * 32))),
    ("a hash missing after an anchor", "path", 2, within("path", lambda p: p.pop())),
    ("a hash missing after another anchor", "path", 6, within("path", lambda p: p.pop())),
    ("a whole path, of which the one before gives a part", "path", 3, having(path=path_of(1, 4))),
    ("a hash altered", "root", 2, within("path", lambda p: p.append(p.pop(0)))),
    ("a record altered", "root", 3, having(record="another")),
    ("the last record altered", "root", 10, having(record="another")),
    ("a record that is a number", "members", 2, having(record=5)),
    ("a root altered", "root", 1, within("anchor", having(root="00" * 32))),
    ("a promised root altered", "root", 8, within("head", having(root="00" * 32))),
)
