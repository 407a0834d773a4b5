"""Bags that are evidence, such as web captures, with their receipts; bent, and judged by three.

Case ``number`` of a campaign depends on its seed, the bag and the number alone.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from support.bag_campaign import BYTES, bend_line
from support.bags import Files, complete, write_folder, write_zip
from support.bent_receipts import named_hashes
from support.page_script import PageScript, run_page_script
from support.world import LOG_SIZE, MAIN, World, make_record
from support.zip_bends import make_zip, to_entries

from anchor.bag.bag_contents import OriginalFile, complete_bag
from anchor.base.digests import SHA256, SM3, digest_bytes
from anchor.base.errors import AnchorError
from anchor.base.types import Hash32, make_log_id
from anchor.cli.bag_inputs import list_bag, names_bag_zip
from anchor.evidence.bundle_manifest import describe_contents
from anchor.evidence.discovery import SourceFile
from anchor.evidence.file_hashing import FileDigest
from anchor.evidence.record import encode_record
from anchor.evidence.record_groups import RecordGroups
from anchor.receipt.format import encode_receipt
from anchor.standalone import verify as standalone
from anchor.verification.pinning import encode_policy
from anchor.verification.verifier import judge

MANIFEST, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
LISTS = (MANIFEST, TAGS, "sm3sums.txt", "bag-info.txt", "bagit.txt")
_TOGETHER = 100
_SUFFIX = ".anchor.json"


class EvidenceBag(NamedTuple):
    """A bag's files, the receipt of its manifest, and what a verifier pins."""

    files: Files
    receipt: bytes
    world: World
    blocks: frozenset[Hash32]


class Case(NamedTuple):
    """A bent bag; ``touched`` are the files of which one has to be named."""

    kind: str
    files: Files
    touched: frozenset[str]


class Outcome(NamedTuple):
    """A verifier's exit code, and what it says of it."""

    code: int
    said: str


class Tally(NamedTuple):
    """How many cases were of each kind and ended with each code, and what was wrong."""

    codes: Counter[int]
    kinds: Counter[str]
    troubles: list[str]


def small_payload(number: int) -> Files:
    """Return files as a capture has them, of a few bytes that differ with ``number``."""
    rng = Random(f"payload:{number}")
    names = [
        "capture.json", "capture.wacz", "cleanliness.json", "dns.json", "dom.html", "network.har",
        "page.mhtml", "page.pdf", "page.txt", "screenshot-1280x800.png",
        f"tls/{rng.randbytes(16).hex()}.der", f"downloads/报告 {number}.bin",
        f"pages/{1 + number % 3:03}/page.txt", "downloads/50% off",
    ]  # fmt: skip
    return {f"data/{name}": rng.randbytes(20 + rng.randrange(60)) for name in names}


def complete_evidence(payload: Files) -> tuple[Files, Mapping[str, Any]]:
    """Return a bag of these files as a capture's is written, and the members that list them."""
    digested = {name: digest_bytes(data, (SHA256, SM3)) for name, data in payload.items()}
    parts = {
        name: OriginalFile(path=Path(name), digests=digests) for name, digests in digested.items()
    }
    info = {"Bagging-Date": "2026-09-21", "External-Description": "http://localhost/"}
    bag = complete_bag(parts, info, form="anchor-evidence-bag/1")
    files = {name: part if isinstance(part, bytes) else payload[name] for name, part in bag.items()}
    sources = [
        FileDigest(source=SourceFile(path=Path(name), name=name), digests=digests)
        for name, digests in digested.items()
    ]
    listed = RecordGroups.model_validate(describe_contents(sources, files[MANIFEST]))
    return files, listed.members()


def make_bags(payloads: Sequence[Files]) -> list[EvidenceBag]:
    """Return a bag of each payload with its receipt, which proves its record in a final block."""
    made = [complete_evidence(payload) for payload in payloads]
    bags: list[EvidenceBag] = []
    for start in range(0, len(made), LOG_SIZE):
        part = made[start : start + LOG_SIZE]
        records = [
            _record(index, files[MANIFEST], members) for index, (files, members) in enumerate(part)
        ]
        rest = [make_record(index, b"another") for index in range(len(part), LOG_SIZE)]
        world = World([*records, *rest])
        for index, (files, _) in enumerate(part):
            anchor = world.prove(world.anchor(index, LOG_SIZE, MAIN))
            blocks = frozenset(map(Hash32, named_hashes([anchor])))
            receipt = encode_receipt(world.receipt(index, anchor))
            bags.append(EvidenceBag(files, receipt, world, blocks))
    return bags


def _record(index: int, manifest: bytes, members: Mapping[str, Any]) -> bytes:
    return encode_record(
        digests=digest_bytes(manifest, (SHA256, SM3)),
        name=f"capture-{index}/{MANIFEST}",
        media_type="text/plain",
        salt=bytes([index]) * 32,
        recorded_at=f"2026-09-21T14:00:{index:02}Z",
        statements={"kind": "web-capture", **members},
    )


# ------------------------------------------------------------------------------------------------
# Bends.


def _edit_bytes(rng: Random, data: bytes) -> bytes:
    if not data:
        return b"x"
    at = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            return data[:at] + bytes([rng.randrange(256)]) + data[at:]
        case 1:
            return data[: min(at, len(data) - 1)] + data[min(at, len(data) - 1) + 1 :]
        case 2:
            return data[: rng.choice((0, max(0, len(data) - 1), min(at, len(data) - 1)))]
        case 3:
            place = min(at, len(data) - 1)
            return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        case _:
            return rng.choice(BYTES)(rng, data)


def bend_bytes(rng: Random, files: Files, name: str) -> Case:
    """Flip, insert or delete bytes of a file, or cut it off."""
    return _with_file("bytes", files, name, _edit_bytes(rng, files[name]))


def _with_file(kind: str, files: Files, name: str, data: bytes) -> Case:
    """Return a case of another file; of a list, the names that it did not have may be named."""
    touched = {name}
    if name in LISTS:
        known = set(files[name].splitlines())
        new = [line for line in data.splitlines() if line not in known]
        touched |= {line[66:].decode("utf-8", "replace") for line in new if len(line) > 66}
    return Case(kind, {**files, name: data}, frozenset(touched))


def relist_bytes(rng: Random, files: Files, name: str) -> Case:
    """Do so with a payload file, and make all lists anew as its captor would."""
    payload = {each: data for each, data in files.items() if each.startswith("data/")}
    bent, _ = complete_evidence({**payload, name: _edit_bytes(rng, files[name])})
    return Case("relisted bytes", bent, frozenset({name}))


def _rename(rng: Random, files: Files, name: str) -> Case:
    other = name + rng.choice((".bak", "!", "é", " "))
    bent = {other if each == name else each: data for each, data in files.items()}
    return Case("renamed", bent, frozenset({name, other}))


def _remove(rng: Random, files: Files, name: str) -> Case:
    bent = {each: data for each, data in files.items() if each != name}
    return Case("removed", bent, frozenset({name}))


def _add(rng: Random, files: Files, name: str) -> Case:
    other = rng.choice(("data/more", f"{name}.2", "more.txt", "receipts/x.anchor.json", ".hidden"))
    return Case("added", {**files, other: rng.choice((b"", b"x"))}, frozenset({other}))


def _swap(rng: Random, files: Files, name: str) -> Case:
    other = rng.choice([each for each in files if files[each] != files[name]])
    bent = {**files, name: files[other], other: files[name]}
    return Case("swapped", bent, frozenset({name, other}))


def _bend_list(rng: Random, files: Files, _: str) -> Case:
    name = rng.choice(LISTS)
    return _with_file("list", files, name, bend_line(rng, files[name]))


def _relist_added(rng: Random, files: Files, _: str) -> Case:
    payload = {each: data for each, data in files.items() if each.startswith("data/")}
    other = rng.choice(("data/more", "data/tls/more.der"))
    bent, _members = complete_evidence({**payload, other: b"x"})
    return Case("relisted addition", bent, frozenset({other}))


def _relist_removed(rng: Random, files: Files, _: str) -> Case:
    payload = {each: data for each, data in files.items() if each.startswith("data/")}
    name = rng.choice(sorted(payload))
    bent, _members = complete_evidence({e: data for e, data in payload.items() if e != name})
    return Case("relisted removal", bent, frozenset({name}))


BENDS: tuple[Callable[[Random, Files, str], Case], ...] = (
    bend_bytes, _rename, _remove, _add, _swap, _bend_list, _relist_added, _relist_removed,
)  # fmt: skip


def make_cases(seed: str, files: Files, *, rounds: int) -> Iterator[Case]:
    """Yield bent bags: for each file its bytes, then ``rounds`` of every other bend."""
    rng = Random(seed)
    cases = []
    for name in files:
        cases.append(bend_bytes(rng, files, name))
        if name.startswith("data/"):
            cases.append(relist_bytes(rng, files, name))
    for _ in range(rounds):
        cases += [bend(rng, files, rng.choice(sorted(files))) for bend in BENDS]
    return (case for case in cases if case.files != files)


# ------------------------------------------------------------------------------------------------
# Verdicts.


def by_package(path: Path, bag: EvidenceBag, receipt: Path) -> Outcome:
    """Return the verdict of ``anchor verify`` on a bag with its receipt."""
    assert path.is_dir() or names_bag_zip(path, receipt)
    try:
        ((_, load),) = list_bag(path, None, lambda _: None, lambda *_: bag.receipt)
        given, digests = load()
        policy = bag.world.policy()
        report = judge(given, digests, policy=policy, connect=None, block_hashes=bag.blocks)
    except AnchorError as error:
        return Outcome(int(error.exit_code), str(error))
    return Outcome(int(report.exit_code), str(report.error or "") + f" {MANIFEST}")


def by_standalone(path: Path, bag: EvidenceBag, receipt: Path) -> Outcome:
    """Return the verdict of ``verify.py BAG --receipt RECEIPT``."""
    pins = _make_pins(bag)
    reports = list(standalone.report_alone(str(path), pins, (), str(receipt)))
    code = standalone.find_gravest({report.exit_code() for _, report in reports})
    said = [text for name, report in reports for _, _, text in report.lines]
    return Outcome(code, " ".join([*said, *(name for name, _ in reports)]))


def _make_pins(bag: EvidenceBag) -> standalone.Pins:
    entry = bag.world.entry()
    return standalone.Pins(
        block_hashes=sorted(bag.blocks),
        chain_ids=[entry.chain_id],
        registry=entry.registry,
        code_hash=entry.code_hash,
        log=make_log_id(entry.owner, entry.logs[0]),
        time_slack=entry.time_slack,
        recorded_at_tolerance=entry.recorded_at_tolerance,
        accept_unpinned=False,
    )


def by_page(script: PageScript, archives: Sequence[tuple[bytes, EvidenceBag]]) -> list[Outcome]:
    """Return the page's verdict on ZIP files of bags, each with its receipt."""
    given = [
        {
            "bag": base64.b64encode(data).decode(),
            "receipt": base64.b64encode(bag.receipt).decode(),
            "policy": encode_policy(bag.world.policy().entries).decode(),
            "block_hashes": sorted("0x" + named.hex() for named in bag.blocks),
        }
        for data, bag in archives
    ]
    return [Outcome(code, said) for code, said in script.ask("evidence_bags", bags=given)]


def by_all(script: PageScript, files: Files, bag: EvidenceBag, folder: Path) -> list[Outcome]:
    """Return each verifier's verdict on these files as a bag, with the receipt of ``bag``."""
    with TemporaryDirectory(dir=folder) as place:
        bent, receipt = write_folder(Path(place) / "bag", files), Path(place) / "receipt.json"
        receipt.write_bytes(bag.receipt)
        (page,) = by_page(script, [(make_zip(to_entries(files)), bag)])
        return [page, by_package(bent, bag, receipt), by_standalone(bent, bag, receipt)]


CASE_BAG = "captures/host-20260921T140000Z/"


def pack_for_court(bag: EvidenceBag, *more: EvidenceBag) -> Files:
    """Return the files of a folder for court with captures, each an original by its manifest."""
    parts: Files = {}
    for number, each in enumerate((bag, *more)):
        name = f"{number}/{MANIFEST}" if number else MANIFEST
        folder = CASE_BAG.replace("host", f"host{number}") if number else CASE_BAG
        parts[f"data/originals/{name}"] = each.files[MANIFEST]
        parts[f"receipts/{name}{_SUFFIX}"] = each.receipt
        parts |= {folder + inner: data for inner, data in each.files.items()}
    return complete(parts)


def court_by_all(
    script: PageScript, files: Files, bag: EvidenceBag, folder: Path
) -> list[tuple[int, list[int], str]]:
    """Return each verifier's code of a folder for court, those of its originals, and the words."""
    path = write_zip(folder / "case.zip", files)
    policy = encode_policy(bag.world.policy().entries).decode()
    blocks = sorted("0x" + named.hex() for named in bag.blocks)
    ((code, codes, *words),) = script.ask_bags([path.read_bytes()], policy=policy, blocks=blocks)
    return [
        (code, codes, str(words[-1])),
        _court_by_package(path, bag),
        _court_by_standalone(path, bag),
    ]


def _court_by_package(path: Path, bag: EvidenceBag) -> tuple[int, list[int], str]:
    codes, said = [], []
    for name, load in list_bag(path, None, lambda _: None, lambda *_: b""):
        try:
            receipt, digests = load()
            policy, blocks = bag.world.policy(), bag.blocks
            report = judge(receipt, digests, policy=policy, connect=None, block_hashes=blocks)
            codes.append(int(report.exit_code))
        except AnchorError as error:
            if name == str(path):
                return int(error.exit_code), [], str(error)
            codes.append(int(error.exit_code))
            said.append(str(error))
    return 0, codes, " ".join(said)


def _court_by_standalone(path: Path, bag: EvidenceBag) -> tuple[int, list[int], str]:
    reports = list(standalone.report_alone(str(path), _make_pins(bag), (), None))
    said = " ".join(text for _, report in reports for _, code, text in report.lines if code)
    if [name for name, _ in reports] == [str(path)]:
        return reports[0][1].exit_code(), [], said
    return 0, [report.exit_code() for _, report in reports], said


def names_one(said: str, names: frozenset[str]) -> bool:
    """Return whether a verifier names one of the files, as it is or escaped."""
    starts = {name[:60] for name in names}  # long names are cut
    return any(name in said or ascii(name)[1:-1] in said for name in starts)


def run_campaign(bags: Sequence[EvidenceBag], folder: Path, *, seed: int, rounds: int) -> Tally:
    """Bend each bag, and judge the ZIP files by all three, and every fifth as a folder by two.

    A trouble is a disagreement, a bent bag that passes, or a refusal that names no file of it.
    """
    tally = Tally(Counter(), Counter(), [])
    with run_page_script() as script:
        for at, bag in enumerate(bags):
            cases = [
                Case("honest", bag.files, frozenset({MANIFEST})),
                *make_cases(f"{seed}:{at}", bag.files, rounds=rounds),
            ]
            for start in range(0, len(cases), _TOGETHER):
                part = cases[start : start + _TOGETHER]
                archives = [make_zip(to_entries(case.files)) for case in part]
                pages = by_page(script, [(data, bag) for data in archives])
                for number, (case, data, page) in enumerate(
                    zip(part, archives, pages, strict=True), start
                ):
                    place = folder / f"{at}-{number}"
                    _judge_case(case, data, bag, page, place, tally, number % 5 == 0)
    return tally


def _judge_case(
    case: Case, data: bytes, bag: EvidenceBag, page: Outcome, place: Path, tally: Tally,
    as_folder: bool,
) -> None:  # fmt: skip
    archive, receipt = place.with_suffix(".zip"), place.with_suffix(".json")
    archive.write_bytes(data)
    receipt.write_bytes(bag.receipt)
    outcomes = [page, by_package(archive, bag, receipt), by_standalone(archive, bag, receipt)]
    if as_folder and can_be_folder(case.files):
        written = write_folder(place, case.files)
        outcomes += [by_package(written, bag, receipt), by_standalone(written, bag, receipt)]
    archive.unlink()
    name = f"{place.name} ({case.kind}, {sorted(case.touched)[:2]})"
    tally.kinds[case.kind] += 1
    tally.codes[page.code] += 1
    if len({outcome.code for outcome in outcomes}) > 1:
        tally.troubles.append(f"{name}: {outcomes}")
    if (case.kind == "honest") != (page.code == 0):
        tally.troubles.append(f"{name}: {page}")
    for outcome in outcomes:
        if outcome.code and not names_one(outcome.said, case.touched):
            tally.troubles.append(f"{name} is not named: {outcome}")


def can_be_folder(files: Files) -> bool:
    """Return whether a file system takes all names."""
    return all("\0" not in name and len(name) < 200 for name in files)


def read_capture(bag: Path) -> Files:
    """Return the payload of a capture."""
    return {
        path.relative_to(bag).as_posix(): path.read_bytes()
        for path in sorted((bag / "data").rglob("*"))
        if path.is_file()
    }


def vary_capture(payload: Files, number: int) -> Files:
    """Return the files of another page: other words in those that are text, and one more file."""
    words = f"page {number} of another site".encode()
    varied = {
        name: data.replace(b"localhost", b"host%d.test" % number) + words
        if name.endswith((".txt", ".html", ".mhtml", ".der"))
        else data
        for name, data in payload.items()
    }
    for name in ("data/capture.json", "data/network.har"):
        document = json.loads(payload[name])
        varied[name] = json.dumps({**document, "number": number}).encode()
    return varied | {f"data/downloads/file {number}.bin": words * (1 + number % 40)}
