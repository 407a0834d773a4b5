"""bags/evidence.json: bags that are one piece of evidence, with receipts beside them, offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from support.vectors.bag_files import Files, complete, make_case, named_blocks, receipt_of, without
from support.vectors.cases import Case
from support.vectors.offline_world import (
    INDEX,
    Json,
    World,
    canonical,
    entry_of,
    members_of,
    policy_of,
    sha256_hex,
    sm3_hex,
)

FORM = "anchor-evidence-bag/1"
MANIFEST, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
PAYLOAD = {"data/page.txt": "A page\n", "data/pictures/1.txt": "A picture\n"}
OTHER_PAYLOAD = {"data/page.txt": "Another page\n"}
RULES = {
    "other-list": "part 1: no list is of another algorithm",
    "required": "part 2: every required file is there",
    "tag-manifest": "part 3: tagmanifest-sha256.txt lists exactly the files outside data/",
    "info": "part 4: bag-info.txt has its form and a Bag-Format",
    "format": "part 4: the Bag-Format is a known one",
    "covered": "part 4: there are no other files outside data/ than the required ones",
    "payload": "part 5: the lists are of exactly the files below data/",
    "oxum": "part 6: Payload-Oxum states what is there",
    "receipt": "the receipt is beside the bag, or named",
    "receipt-form": "step 1: receipt and record are well formed",
    "items": "step 2: the payload is exactly what the record lists",
    "file": "step 2: the manifest has the record's digests and size",
    "pinned": "step 4: something pins the log, and it is what is pinned",
    "block": "step 5: the proof's block is named",
}


# Members with which an item, or a manifest, has another form than its group.
OTHER_FORMS: dict[str, Json] = {
    "items without digests": {"digests": {}},
    "items with another digest": {"digests": {"sha256": "00" * 32, "md5": "00" * 16}},
    "items with a digest cut short": {"digests": {"sha256": "00" * 31}},
    "items with a digest in capitals": {"digests": {"sha256": "AA" * 32}},
    "items with a list of digests": {"digests": []},
    "items with a size of text": {"size": "1"},
    "items with a size below 0": {"size": -1},
    "items with a path that is none": {"path": 1},
    "items with an empty path": {"path": ""},
    "items with a path of 4,097 characters": {"path": "x" * 4_097},
    "items with a format of 1,001 characters": {"media_type": "x" * 1_001},
    "items with an unseen character": {"derivation": "a\u200bb"},
    "items with a line separator": {"derivation": "a\u2028b"},
}
OTHER_MANIFESTS: dict[str, Json] = {
    "of another format": {"format": "bagit-0.97"},
    "with another digest": {"sha256": "00"},
    "with files below 0": {"files": -1},
    "with a member more": {"name": "x"},
}


def build_evidence() -> dict[str, object]:
    return {
        "about": "Bags that are one piece of evidence (docs/spec/bag.md): files has the text of "
        "each file in UTF-8, by its name; receipt is the text of the receipt beside the bag, null "
        "where there is none. The other inputs are those of verification/index.json.",
        "rules": RULES,
        "evidence_bags": list(list_evidence()),
    }


def evidence_bag(payload: Files) -> Files:
    return complete(payload, FORM)


def digests_of(text: str) -> Json:
    return {"sha256": sha256_hex(text.encode()), "sm3": sm3_hex(text.encode())}


def items_of(payload: Files) -> list[Json]:
    return [
        {"path": name, "digests": digests_of(text), "size": len(text.encode())}
        for name, text in payload.items()
    ]


def manifest_of(bag: Files) -> Json:
    """Return the group ``manifest`` of a bag's record."""
    payload = [text for name, text in bag.items() if name.startswith("data/")]
    size = sum(len(text.encode()) for text in payload)
    digest = sha256_hex(bag[MANIFEST].encode())
    return {"format": "bagit-1.0", "sha256": digest, "files": len(payload), "bytes": size}


def record_of_bag(bag: Files, index: int = INDEX, **groups: Any) -> str:
    """Return the record of a bag's manifest, with these groups."""
    text = bag[MANIFEST]
    members = {**members_of(index), "name": MANIFEST, "kind": "bundle"}
    members |= {"digests": digests_of(text), "size": len(text.encode())}
    return canonical({**members, **groups})


def receipt_of_bag(bag: Files, **groups: Any) -> str:
    return receipt_of(World(record_of_bag(bag, **groups)))


def make_evidence(
    name: str, rule: str, code: int, files: Files, receipt: str | None, **inputs: Any
) -> Case:
    if "block_hashes" not in inputs:
        inputs["block_hashes"] = named_blocks({".anchor.json": receipt or ""})
    case = make_case(name, rule, code, files, **inputs)
    del case["only_zip"]
    place = list(case).index("files") + 1
    fields = list(case.items())
    return dict([*fields[:place], ("receipt", receipt), *fields[place:]])


def list_evidence() -> Iterator[Case]:
    yield from list_honest()
    yield from list_bent()
    yield from list_listed()
    yield from list_judged()


def list_honest() -> Iterator[Case]:
    bag = evidence_bag(PAYLOAD)
    items = items_of(PAYLOAD)
    alone = [{**each, "digests": {"sm3": each["digests"]["sm3"]}} for each in items]
    described = [{**each, "media_type": "text/plain", "derivation": "copied"} for each in items]
    wrong = [{**each, "size": 1} for each in items]
    for name, groups in (
        ("a record that lists the files", {"items": items}),
        ("a record that lists them in another order", {"items": items[::-1]}),
        ("a record that lists them with SM3 alone", {"items": alone}),
        ("a record that lists one of them twice", {"items": [*items, items[0]]}),
        ("a record that lists them with more members", {"items": described}),
        ("a record without items", {}),
        ("a record that describes the manifest", {"manifest": manifest_of(bag)}),
        ("items of another form, which are a statement",
         {"items": [{**each, "length": 1} for each in wrong]}),
        ("items without a size, which are a statement",
         {"items": [{"path": each["path"], "digests": each["digests"]} for each in items[:1]]}),
        *((f"{title}, which are a statement", {"items": [{**wrong[0], **members}]})
          for title, members in OTHER_FORMS.items()),
        ("200 items, which is a form", {"items": items * 100}),
        ("201 items, which is none", {"items": [*wrong * 100, wrong[0]]}),
        *((f"items and a manifest {title}",
           {"items": items, "manifest": {**manifest_of(bag), **members}})
          for title, members in OTHER_MANIFESTS.items()),
        ("an empty list of items, which is a statement", {"items": []}),
        ("items and a manifest, which are statements",
         {"items": wrong, "manifest": manifest_of(bag)}),
    ):  # fmt: skip
        yield make_evidence(name, "", 0, bag, receipt_of_bag(bag, **groups))
    empty = evidence_bag({})
    yield make_evidence("no files below data/", "", 0, empty, receipt_of_bag(empty))
    info = bag["bag-info.txt"] + "Contact-Name: Somebody\n"
    other = evidence_bag({**PAYLOAD, "bag-info.txt": info})
    receipt = receipt_of_bag(bag, items=items)
    yield make_evidence("another bag-info.txt, which no receipt covers", "", 0, other, receipt)


def list_bent() -> Iterator[Case]:
    bag = evidence_bag(PAYLOAD)
    receipt = receipt_of_bag(bag, items=items_of(PAYLOAD))
    page = "data/page.txt"

    def relisted(more: Files) -> Files:
        return evidence_bag({**PAYLOAD, **more})

    renamed = {**without(bag, page), "data/Page.txt": bag[page]}
    info = bag["bag-info.txt"]
    for name, rule, code, files in (
        ("a list of another algorithm", "other-list", 22, relisted({"manifest-md5.txt": "x"})),
        ("no bagit.txt", "required", 2, without(bag, "bagit.txt")),
        ("no sm3sums.txt", "required", 10, without(bag, "sm3sums.txt")),
        ("a file outside data/", "tag-manifest", 10, {**bag, "note.txt": "x"}),
        ("bag-info.txt altered", "tag-manifest", 10, {**bag, "bag-info.txt": f"A: b\n{info}"}),
        ("no Bag-Format", "info", 2, relisted({"bag-info.txt": info.replace("Bag-", "")})),
        ("a later Bag-Format", "format", 22,
         relisted({"bag-info.txt": info.replace("bag/1", "bag/2")})),
        ("a file outside data/, and listed", "covered", 10, relisted({"note.txt": "x"})),
        ("a folder receipts/", "covered", 10, relisted({"receipts/page.txt.anchor.json": "{}"})),
        ("a folder captures/", "covered", 10, relisted({f"captures/a/{MANIFEST}": "x"})),
        ("a file missing", "payload", 10, without(bag, page)),
        ("a file altered", "payload", 10, {**bag, page: "Another page\n"}),
        ("a file added", "payload", 10, {**bag, "data/more.txt": "x"}),
        ("a file renamed", "payload", 10, renamed),
        ("a file altered, and listed but in sm3sums.txt", "payload", 10,
         relisted({page: "Another page\n", "sm3sums.txt": bag["sm3sums.txt"]})),
        ("a file altered, and listed but in the manifest", "payload", 10,
         relisted({page: "Another page\n", MANIFEST: bag[MANIFEST]})),
        ("another Payload-Oxum", "oxum", 10,
         relisted({"bag-info.txt": info.replace(".2\n", ".3\n")})),
        ("no Payload-Oxum", "oxum", 2, relisted({"bag-info.txt": info.replace("Payload-", "")})),
    ):  # fmt: skip
        yield make_evidence(name, rule, code, files, receipt)
    yield make_evidence("no receipt", "receipt", 2, bag, None)
    for name, code, text in (
        ("a receipt cut short", 2, receipt[:-1]),
        ("a later version of the receipt", 22, receipt.replace("receipt/1", "receipt/2")),
        ("a record that is none", 2, receipt_of(World("{}"))),
    ):
        yield make_evidence(name, "receipt-form", code, bag, text, block_hashes=[])
    yield make_evidence(
        "no Payload-Oxum, and the receipt of another manifest", "oxum", 2,
        relisted({"bag-info.txt": info.replace("Payload-", "")}),
        receipt_of_bag(evidence_bag(OTHER_PAYLOAD)),
    )  # fmt: skip
    yield make_evidence(
        "a file altered, and a receipt cut short", "payload", 10,
        {**bag, page: "Another page\n"}, receipt[:-1], block_hashes=[],
    )  # fmt: skip


def list_listed() -> Iterator[Case]:
    """Yield bags whose lists are made anew, or whose record lists other files."""
    bag = evidence_bag(PAYLOAD)
    items = items_of(PAYLOAD)
    first, *rest = items
    altered = evidence_bag({**PAYLOAD, "data/page.txt": "Another page\n"})
    moved = {"data/Page.txt": PAYLOAD["data/page.txt"], **without(PAYLOAD, "data/page.txt")}
    for name, files in (
        ("a file altered, and listed anew", altered),
        ("a file missing, and listed anew", evidence_bag(without(PAYLOAD, "data/page.txt"))),
        ("a file added, and listed anew", evidence_bag({**PAYLOAD, "data/more.txt": "x"})),
        ("a file renamed, and listed anew", evidence_bag(moved)),
    ):
        listed = receipt_of_bag(bag, items=items)
        yield make_evidence(name, "items", 10, files, listed)
        yield make_evidence(f"{name}, without items", "file", 10, files, receipt_of_bag(bag))
        described = receipt_of_bag(bag, manifest=manifest_of(bag))
        yield make_evidence(f"{name}, by its manifest", "file", 10, files, described)

    def changed(**members: Any) -> list[Json]:
        return [{**first, **members}, *rest]

    other = digests_of("another")
    own = first["digests"]
    lists: Sequence[tuple[str, list[Json]]] = (
        ("another size", changed(size=first["size"] + 1)),
        ("another size and a path of 4,096 characters", changed(derived_from="x" * 4_096, size=1)),
        ("another size and a format of 1,000 characters", changed(media_type="x" * 1_000, size=1)),
        ("another size and a path of blanks", changed(derived_from=" ", size=1)),
        ("another size and a path of two lines", changed(derived_from="a\nb", size=1)),
        ("another size and a format of Chinese", changed(media_type="\u7f51\u9875 \u00e9", size=1)),
        ("a missing file of no bytes", [*items, {**first, "path": "data/none", "size": 0}]),
        ("another SHA-256", changed(digests={**own, "sha256": other["sha256"]})),
        ("another SM3", changed(digests={**own, "sm3": other["sm3"]})),
        ("another SM3 alone", changed(digests={"sm3": other["sm3"]})),
        ("another path", changed(path="data/other.txt")),
        ("the path without data/", changed(path="page.txt")),
        ("a file more", [*items, {**first, "path": "data/more.txt"}]),
        ("a file fewer", rest),
        ("a file twice, once with another size", [*items, {**first, "size": 1}]),
    )
    for name, stated in lists:
        title = f"a record that states {name}"
        yield make_evidence(title, "items", 10, bag, receipt_of_bag(bag, items=stated))
    wrong = receipt_of_bag(bag, items=changed(size=1))
    for name, inputs in (
        ("no block named", {"block_hashes": []}),
        ("nothing pinned", {"policy": None}),
    ):
        title = f"a record that states another size, and {name}"
        yield make_evidence(title, "items", 10, bag, wrong, **inputs)


def list_judged() -> Iterator[Case]:
    bag = evidence_bag(PAYLOAD)
    receipt = receipt_of_bag(bag, items=items_of(PAYLOAD))
    foreign = receipt_of_bag(evidence_bag(OTHER_PAYLOAD))
    yield make_evidence("the receipt of another manifest", "file", 10, bag, foreign)
    plain = receipt_of(World())
    yield make_evidence("the receipt of a file", "file", 10, bag, plain)
    yield make_evidence("no block named", "block", 20, bag, receipt, block_hashes=[])
    yield make_evidence("nothing pinned", "pinned", 20, bag, receipt, policy=None)
    other = policy_of(entry_of(logs=[5]))
    yield make_evidence("another log pinned", "pinned", 12, bag, receipt, policy=other)
    blocks = named_blocks({".anchor.json": receipt})
    unproven = receipt_of(World(record_of_bag(bag)), state=None)
    yield make_evidence("no state proof", "block", 20, bag, unproven, block_hashes=blocks)
