"""choices.json: which receipt of a bundle is a file's."""

from __future__ import annotations

import json
from collections.abc import Iterator

from support.rfc9162_reference import inclusion_path
from support.rfc9162_reference import root as root_of
from support.vectors.bundles import LOG
from support.vectors.cases import Case, invalid, valid
from support.vectors.offline_world import Json, canonical, members_of, sha256_hex, sm3_hex

RULES = {"none": "the record of one receipt has the file's digests and size, or its name"}

# Name and content of each record; the last two are no file's.
RECORDED = (
    ("a.txt", b"A"), ("folder/a.txt", b"B"), ("b.txt", b"A"), ("a.txt", b"C"), ("d.txt", b""),
    ("later.txt", b"later"), ("odd.txt", b"odd"),
)  # fmt: skip


def build_choices() -> dict[str, object]:
    """Return choices.json."""
    return {
        "about": "Which receipt of this bundle is the file's (docs/spec/receipt.md)? index is that "
        "of its leaf.",
        "rules": RULES,
        "choices": list(list_choices()),
    }


def list_choices() -> Iterator[Case]:
    for title, name, content, index in (
        ("its name and digests", "a.txt", b"A", 0),
        ("its name after the last slash", "a.txt", b"B", 1),
        ("its name and digests, after another of its digests", "b.txt", b"A", 2),
        ("its name and digests, after another of its name", "a.txt", b"C", 3),
        ("the first of its digests", "x.txt", b"A", 0),
        ("an empty file", "d.txt", b"", 4),
        ("altered: the first of its name", "a.txt", b"other", 0),
        ("altered: the only one of its name", "b.txt", b"other", 2),
    ):
        yield valid(title, **fields(name, content), index=index)
    for title, name, content in (
        ("neither name nor digests", "x.txt", b"other"),
        ("a name in capitals", "A.TXT", b"other"),
        ("a name with its folder", "folder/a.txt", b"other"),
        ("a record of a later version", "later.txt", b"later"),
        ("a record that is not canonical", "odd.txt", b"odd"),
    ):
        yield invalid(title, "none", **fields(name, content))


def fields(name: str, content: bytes) -> Json:
    evidence = {"sha256": sha256_hex(content), "sm3": sm3_hex(content), "size": len(content)}
    return {"bundle": BUNDLE, "file_name": name, "evidence": evidence}


def record_at(index: int) -> str:
    name, content = RECORDED[index]
    digests = {"sha256": sha256_hex(content), "sm3": sm3_hex(content)}
    members = {**members_of(index), "digests": digests, "size": len(content), "name": name}
    if name == "later.txt":
        members["schema"] = "evidence-record/2"
    text = canonical(members)
    return text.replace(":", ": ", 1) if name == "odd.txt" else text


def make_bundle() -> str:
    records = [record_at(index) for index in range(len(RECORDED))]
    leaves = tuple(record.encode() for record in records)
    head = {"size": len(leaves), "root": root_of(leaves).hex()}
    lines: list[Json] = [
        {"format": "anchor-receipts/1", "log": LOG, "count": len(leaves)}, {"head": head},
    ]  # fmt: skip
    for index, record in enumerate(records):
        path = [node.hex() for node in inclusion_path(index, leaves)]
        if index:
            # What the receipt before does not give: all below the node that both have in common.
            shared = len(inclusion_path(index - 1, leaves)) - (index ^ (index - 1)).bit_length() + 1
            path = path[: len(path) - shared]
        lines.append({"record": record, "index": index, "path": path})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


BUNDLE = make_bundle()
