"""The cases of bags/bags.json with bags that are one piece of evidence in ``captures/``."""

from __future__ import annotations

from collections.abc import Iterator

from support.vectors.bag_files import Files, complete, make_case, packed, receipt_of, without
from support.vectors.cases import Case
from support.vectors.evidence import (
    MANIFEST,
    OTHER_PAYLOAD,
    PAYLOAD,
    TAGS,
    evidence_bag,
    items_of,
    record_of_bag,
)
from support.vectors.offline_world import INDEX, World

RULES = {
    "capture-match": "part 6: the manifest of each folder in captures/ is an original",
    "capture": "step 2: a capture is a bag that is evidence, and its payload what its record lists",
}
FOLDER, SECOND_FOLDER = "captures/one/", "captures/two/"
ORIGINAL, SECOND = f"data/originals/{MANIFEST}", f"data/originals/2/{MANIFEST}"
OTHER_INDEX = 2


def within(folder: str, files: Files) -> Files:
    return {folder + name: text for name, text in files.items()}


def with_capture(capture: Files, manifest: str, record: str, folder: str = FOLDER) -> Files:
    """Return a bag whose original is the manifest of the capture in a folder of it."""
    files = {
        ORIGINAL: manifest,
        f"receipts/{MANIFEST}.anchor.json": receipt_of(World(record)),
        **within(folder, capture),
    }
    return complete(files)


def list_captures() -> Iterator[Case]:
    own, other = evidence_bag(PAYLOAD), evidence_bag(OTHER_PAYLOAD)
    listed = record_of_bag(own, items=items_of(PAYLOAD))
    plain = record_of_bag(own)

    def case(name: str, rule: str, code: int, capture: Files, record: str = listed) -> Case:
        return make_case(name, rule, code, with_capture(capture, own[MANIFEST], record))

    yield case("a capture", "", 0, own)
    yield case("a capture whose record lists no files", "", 0, own, plain)
    yield case("an original that is a manifest, without its capture", "", 0, {})
    yield case("a capture without its manifest", "capture-match", 10, without(own, MANIFEST))
    yield case("a capture of no original", "capture-match", 10, other)
    yield case("a capture with another manifest", "capture-match", 10,
               {**own, MANIFEST: other[MANIFEST]})  # fmt: skip
    beside = with_capture(own, own[MANIFEST], listed, "captures/")
    yield make_case("a capture in no folder of its own", "capture-match", 10, beside)
    direct = complete({**packed(), "captures/note.txt": "x"})
    yield make_case("a file directly in captures/", "capture-match", 10, direct)
    inner = complete(packed())
    receipts = with_capture(inner, inner[MANIFEST], record_of_bag(inner))
    yield make_case("a capture that is a whole bag with receipts", "capture", 10, receipts)
    deeper = with_capture(own, own[MANIFEST], listed, "captures/one/two/")
    yield make_case("a capture in a folder too deep", "capture-match", 10, deeper)

    page = "data/page.txt"
    altered = evidence_bag({**PAYLOAD, page: "Another page\n"})
    covered = evidence_bag({**PAYLOAD, "receipts/page.txt.anchor.json": "{}"})
    info = own["bag-info.txt"]
    bags = complete({**PAYLOAD, MANIFEST: own[MANIFEST]})
    for name, capture in (
        ("a file altered", {**own, page: "Another page\n"}),
        ("a file missing", without(own, page)),
        ("a file more", {**own, "data/more.txt": "x"}),
        ("a file more outside data/", {**own, "note.txt": "x"}),
        ("a file more outside data/, and listed", covered),
        ("no list of tags", without(own, TAGS)),
        ("no bagit.txt", without(own, "bagit.txt")),
        ("a list of another algorithm", evidence_bag({**PAYLOAD, "manifest-md5.txt": "x"})),
        ("fetch.txt", evidence_bag({**PAYLOAD, "fetch.txt": "x"})),
        ("a later Bag-Format",
         evidence_bag({**PAYLOAD, "bag-info.txt": info.replace("bag/1", "bag/2")})),
        ("no Payload-Oxum",
         evidence_bag({**PAYLOAD, "bag-info.txt": info.replace("Payload-", "")})),
        ("the format of a bag with receipts", bags),
        ("all lists made anew but the manifest", {**altered, MANIFEST: own[MANIFEST]}),
        ("the manifest alone", {MANIFEST: own[MANIFEST]}),
    ):  # fmt: skip
        yield case(f"a capture with {name}", "capture", 10, capture)
    yield make_case("a capture relisted, with its new manifest as the original", "file", 10,
                    with_capture(altered, altered[MANIFEST], plain))  # fmt: skip
    fewer = record_of_bag(own, items=items_of(PAYLOAD)[:1])
    yield case("a capture whose record lists fewer files", "capture", 10, own, fewer)
    more = record_of_bag(own, items=items_of({**PAYLOAD, "data/more.txt": "x"}))
    yield case("a capture whose record lists more files", "capture", 10, own, more)
    sizes = [{**each, "size": 1} for each in items_of(PAYLOAD)]
    size = record_of_bag(own, items=sizes)
    yield case("a capture whose record lists other sizes", "capture", 10, own, size)
    yield from list_two(own, other, listed)


def list_two(own: Files, other: Files, listed: str) -> Iterator[Case]:
    """Yield bags with two captures."""
    second = record_of_bag(other, OTHER_INDEX, items=items_of(OTHER_PAYLOAD))
    world = World(listed, INDEX, {OTHER_INDEX: second})
    other_world = World(second, OTHER_INDEX, {INDEX: listed})
    both: Files = {
        ORIGINAL: own[MANIFEST],
        SECOND: other[MANIFEST],
        f"receipts/{MANIFEST}.anchor.json": receipt_of(world),
        f"receipts/2/{MANIFEST}.anchor.json": receipt_of(other_world),
    }
    captures = {**within(FOLDER, own), **within(SECOND_FOLDER, other)}
    yield make_case("two captures", "", 0, complete({**both, **captures}))
    bent = {**captures, f"{SECOND_FOLDER}data/page.txt": "A third page\n"}
    yield make_case("two captures, the second bent", "capture", 10, complete({**both, **bent}))
    lone = {**both, **within(FOLDER, own)}
    yield make_case("two manifests, one with its capture", "", 0, complete(lone))
    exchanged = {**both, ORIGINAL: other[MANIFEST], SECOND: own[MANIFEST]}
    yield make_case("two captures, the manifests exchanged", "file", 10,
                    complete({**exchanged, **captures}))  # fmt: skip
    one = with_capture({}, own[MANIFEST], listed)
    del one["tagmanifest-sha256.txt"]
    twice = {**one, **within(FOLDER, own), **within(SECOND_FOLDER, own)}
    yield make_case("the same capture twice", "", 0, complete(twice))
    twice |= within(SECOND_FOLDER, {**own, "data/page.txt": "Another page\n"})
    yield make_case("the same capture twice, one bent", "capture", 10, complete(twice))
