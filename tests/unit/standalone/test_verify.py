"""The second verifier: alone, on the vectors, and against the package's on bent receipts."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import io
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import rlp
from setuptools import find_packages
from support.bent_receipts import (
    KINDS,
    TIMES,
    Given,
    Honest,
    honest_receipts,
    is_true,
    named_hashes,
    world,
)
from support.named_bends import DISHONEST, NAMED, RECORD, TEXT
from support.paths import ROOT, VECTORS
from support.tries import keccak256
from support.two_faults import tower
from support.two_verifiers import (
    judge_alone,
    judge_by_package,
    judge_with,
    make_pins,
    run_campaign,
)
from support.vectors.cases import fill
from support.world import MAIN, REGISTRY, World

from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.messages.message import Message, translate
from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.known_chains import CHAINS, HEADLINES, KIND_SENTENCES, ChainKind, best_kind
from anchor.receipt.format import encode_receipt
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.standalone import verify as standalone
from anchor.verification.policy import DEFAULT_TOLERANCE
from anchor.verification.verifier import TITLES, judge

FILE = ROOT / "anchor" / "standalone" / "verify.py"

SEED = 20260921

# ------------------------------------------------------------------------------------------------
# One file.


def test_it_imports_nothing_but_the_standard_library() -> None:
    for node in ast.walk(ast.parse(FILE.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert str(node.module).split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("name", ["__future__", "argparse", "hashlib", "json", "re", "typing"])
def test_what_lies_beside_it_is_not_imported(tmp_path: Path, name: str) -> None:
    """Who copies it into a folder that came with evidence runs nothing of that folder's."""
    shutil.copy(FILE, tmp_path / "verify.py")
    (tmp_path / f"{name}.py").write_text(
        "import os\nos.write(1, b'VERIFIED (exit code 0)')\nos._exit(0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "verify.py", "receipt", "file"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (2, "NOT VERIFIED (exit code 2)")


def test_its_comments_have_every_step_by_its_number() -> None:
    numbers = re.findall(r"Steps? (\d+)(?: to (\d+))?", FILE.read_text("utf-8"))
    named = {n for low, high in numbers for n in range(int(low), int(high or low) + 1)}
    assert named == set(range(1, 12))


def test_the_package_ships_it() -> None:
    assert "anchor.standalone" in find_packages(str(ROOT), include=["anchor", "anchor.*"])


def test_its_constants_are_this_releases_and_the_contract_page_lists_them() -> None:
    assert registry_address() == standalone.REGISTRY
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    listed = re.findall(r"^\| (\d+) \| [^|]+ \| `0x([0-9a-f]{64})` \|$", page, re.MULTILINE)
    pinned = {int(chain_id): bytes.fromhex(code_hash) for chain_id, code_hash in listed}
    assert pinned == {chain_id: chain.code_hash for chain_id, chain in standalone.CHAINS.items()}
    assert pinned == {chain_id: expected_code_hash(ChainId(chain_id)) for chain_id in pinned}


def test_its_table_of_chains_is_the_packages_and_says_the_same_of_each() -> None:
    assert {
        chain.id: standalone.Chain(
            name=chain.name,
            kind=chain.kind,
            genesis=chain.genesis.hex() if chain.genesis else None,
            code_hash=expected_code_hash(chain.id),
            time_slack=chain.time_slack,
            is_sequenced=chain.is_sequenced,
        )
        for chain in CHAINS
    } == standalone.CHAINS
    assert standalone.KIND_SENTENCES == KIND_SENTENCES
    assert standalone.HEADLINES == HEADLINES
    kinds: list[ChainKind] = ["main", "unlisted", "test", "development"]
    for best in range(len(kinds)):
        report = standalone.Report(kinds=set(kinds[best:]))
        text = HEADLINES[best_kind(kinds[best:])].replace("verified", "VERIFIED")
        assert report.headline().startswith(f"{text}, by a block that only you vouch for")


def test_its_tolerance_is_the_packages() -> None:
    assert standalone.RECORDED_AT_TOLERANCE == DEFAULT_TOLERANCE


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 119, 120, 135, 136, 137, 271, 272, 1000])
def test_its_hashes_are_those_of_others(length: int) -> None:
    data = bytes(index % 251 for index in range(length))
    assert standalone.keccak256(data) == keccak256(data)
    sm3 = standalone.Sm3()
    sm3.update(data[: length // 3])
    sm3.update(data[length // 3 :])
    expected = digest_bytes(data, (SHA256, SM3)).sm3
    assert expected is not None
    assert sm3.hexdigest() == expected.hex()


def test_a_file_is_hashed_the_same_without_openssls_sm3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"evidence" * 1000)
    expected = standalone.hash_file(str(tmp_path / "file"))

    def refuse(name: str) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", refuse)
    assert isinstance(standalone.make_sm3(), standalone.Sm3)
    assert standalone.hash_file(str(tmp_path / "file")) == expected


# ------------------------------------------------------------------------------------------------
# The command line, where nothing else of the package is.


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    shutil.copy(FILE, folder / "verify.py")
    (folder / "file").write_bytes(world().files[6])
    for name, honest in (
        ("proven", "an operator's"),
        ("two", "two chains'"),
        ("unproven", "nothing proven"),
        ("promise", "a promise"),
        ("abandoned", "abandoned"),
        ("late", "recorded a little late"),
    ):
        document = named(honest).document
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    return folder


def named(name: str) -> Honest:
    (found,) = (honest for honest in honest_receipts() if honest.name == name)
    return found


def run_alone(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "verify.py", *arguments],
        cwd=folder, capture_output=True, encoding="utf-8", timeout=60, env=environment,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def block_of(name: str) -> str:
    return " ".join(sorted(f"0x{block.hex()}" for block in named(name).given.block_hashes))


BLOCK = block_of("an operator's")
SIDE_BLOCK = block_of("two chains'").replace(BLOCK, "").strip()
LOG = f"0x{world().log.hex()}"
DEPLOYED = f"0x{REGISTRY.hex()}"
CODE = f"--code-hash 0x{expected_code_hash(MAIN).hex()}"
OTHER = "0x" + "77" * 32
PINNED = f"--chain-id 31337 --log {LOG}"
LATE = f"late.json file --block-hash {block_of('recorded a little late')} {PINNED}"
BOTH = f"--chain-id 31337 --chain-id 10 --log {LOG}"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, f"proven.json file --block-hash {BLOCK} {PINNED}"),
        (0, f"proven.json file --block-hash {OTHER} --block-hash {BLOCK} {PINNED}"),
        (0, f"proven.json file --block-hash {BLOCK} {PINNED} --registry {DEPLOYED} {CODE}"),
        (0, f"proven.json file --block-hash {BLOCK} --chain-id 31337 --accept-unpinned"),
        (0, f"two.json file --block-hash {BLOCK} --block-hash {SIDE_BLOCK} {BOTH}"),
        (0, f"two.json file --block-hash {BLOCK} {PINNED}"),
        (0, f"two.json file --block-hash {SIDE_BLOCK} --chain-id 10 --accept-unpinned"),
        (2, "proven.json file --block-hash 0x12"),
        (2, "proven.json"),
        (2, "proven.json file --chain-id -1"),
        (2, f"proven.json file --chain-id 1 --chain-id 2 {CODE}"),
        (2, "proven.json file --recorded-at-tolerance 86401"),
        (2, f"file file --block-hash {BLOCK}"),
        (2, f"proven.json missing --block-hash {BLOCK}"),
        (2, f"missing file --block-hash {BLOCK}"),
        (10, f"proven.json verify.py --block-hash {BLOCK} {PINNED}"),
        (12, f"proven.json file --block-hash {BLOCK} --log {OTHER}"),
        (12, f"proven.json file --block-hash {BLOCK} {PINNED} --code-hash {OTHER}"),
        (12, f"proven.json file --block-hash {BLOCK} {PINNED} --registry {OTHER[:42]}"),
        (12, f"proven.json file --block-hash {BLOCK} --chain-id 1 --log {LOG}"),
        (13, f"abandoned.json file --block-hash {block_of('abandoned')} {PINNED}"),
        # Nothing is pinned, or not enough: whatever else holds, nothing is verified.
        (20, f"proven.json file --block-hash {BLOCK}"),
        (20, f"proven.json file --block-hash {BLOCK} --accept-unpinned"),
        (20, f"proven.json file --block-hash {BLOCK} --log {LOG}"),
        (20, f"proven.json file --block-hash {BLOCK} --chain-id 31337"),
        (20, f"two.json file --block-hash {SIDE_BLOCK} --chain-id 10"),
        (20, f"proven.json file {PINNED}"),
        (20, f"proven.json file --block-hash {OTHER} {PINNED}"),
        (20, f"two.json file --block-hash {BLOCK} {BOTH}"),
        (20, f"unproven.json file --block-hash {BLOCK} {PINNED}"),
        (20, f"promise.json file {PINNED}"),
        (20, "promise.json file"),
        (20, f"promise.json file --log {LOG}"),
        (21, "promise.json file --accept-unpinned"),
        # Recorded 148 s after what the devnet's own slack gives.
        (0, LATE),
        (20, f"{LATE} --recorded-at-tolerance 147"),
        (0, f"{LATE} --recorded-at-tolerance 147 --time-slack 13"),
    ],
)  # fmt: skip
def test_the_command_line_ends_with_the_code(alone: Path, code: int, arguments: str) -> None:
    returned, printed = run_alone(alone, *arguments.split())
    assert returned == code, printed
    if printed:
        last = printed.splitlines()[-1]
        assert last.endswith(f" (exit code {code})")
        assert last.startswith("NOT VERIFIED (" if code else "VERIFIED")


def test_it_prints_every_step_with_its_number(alone: Path) -> None:
    _, printed = run_alone(alone, *f"proven.json file --block-hash {BLOCK} {PINNED}".split())
    numbers = [int(n) for n in re.findall(r"^step +(\d+)  passed: ", printed, re.MULTILINE)]
    assert numbers == sorted(numbers)
    assert {*numbers} == {*range(1, 11)}
    assert "existed no later than 2026-09-21T14:17:32Z" in printed
    assert "the record says it was made 1046 s before that" in printed
    assert "leaf 6 of a log of 9 leaves" in printed
    assert "key 0x" + "11" * 20 in printed


def test_a_development_chain_and_a_typed_block_are_never_plainly_verified(alone: Path) -> None:
    for words in (PINNED, "--chain-id 31337 --accept-unpinned"):
        _, printed = run_alone(alone, *f"proven.json file --block-hash {BLOCK} {words}".split())
        assert printed.splitlines()[-1] == (
            "VERIFIED on a development chain (proves nothing about real time), by a block that "
            "only you vouch for (exit code 0)"
        )
        assert f"chain 31337 is {KIND_SENTENCES['development']}" in printed
        assert "(asserted; " in printed
    assert f"accepted as the receipt claims: the log's owner 0x{LOG[26:]}" in printed


VERDICTS = {
    standalone.VERIFIED: Message("verdict-pass"),
    standalone.NOT_FINAL: Message("verdict-not-final"),
    standalone.CANNOT_CHECK: Message("verdict-cannot-tell"),
}


def test_its_chinese_texts_are_the_packages() -> None:
    assert {number: translate(title, "zh") for number, title in TITLES.items()} == standalone.STEPS
    said = {text: translate(HEADLINES[kind], "zh") for kind, text in standalone.HEADLINES.items()}
    said |= {
        standalone.MEANINGS[code]: translate(message, "zh") for code, message in VERDICTS.items()
    }
    said["not present"] = translate(Message("verdict-not-present"), "zh")
    said[standalone.REFUSED] = translate(Message("verdict-not-verified"), "zh")
    assert {text: standalone.CHINESE[text] for text in said} == said
    assert {*standalone.MEANINGS.values()} <= standalone.CHINESE.keys()
    asserted = Message("verdict-by-your-block", headline=HEADLINES["main"])
    assert translate(asserted, "zh") == (
        standalone.CHINESE[standalone.HEADLINES["main"]]
        + standalone.CHINESE[standalone.BY_YOUR_BLOCK]
    )


@pytest.mark.parametrize(
    ("options", "environment", "is_chinese"),
    [
        ("--lang zh", {"LANGUAGE": "en"}, True),
        ("--lang en", {"LANGUAGE": "zh"}, False),
        ("", {"LANGUAGE": "zh_CN"}, True),
        ("", {"LANGUAGE": "", "LANG": "zh_CN.UTF-8"}, True),
        ("", {"LANGUAGE": "de", "LANG": "zh_CN.UTF-8"}, False),
        ("", {}, False),
    ],
)
def test_verdicts_are_in_the_language_asked_for(
    alone: Path, options: str, environment: dict[str, str], is_chinese: bool
) -> None:
    arguments = f"proven.json file --block-hash {BLOCK} {PINNED} {options}".split()
    code, printed = run_alone(alone, *arguments, environment=environment)
    *lines, last = printed.splitlines()
    assert code == 0
    if is_chinese:
        assert lines[1].startswith("步骤  2  【通过】文件与记录一致：the file has sha256 ")
        assert last == "在开发链上核验通过（不能证明真实时间），所依据的区块仅由您指明（退出码 0）"
        assert not any(line.startswith(("step", "note", "number")) for line in lines)
    else:
        assert lines[0].startswith("step  1  passed: ")
        assert last.startswith("VERIFIED on a development chain")
    wrong = f"proven.json verify.py --block-hash {BLOCK} {PINNED} --lang zh".split()
    assert run_alone(alone, *wrong)[1].splitlines()[-1] == "未通过核验（退出码 10）"


@pytest.mark.parametrize(
    ("name", "encoding", "shown"),
    [
        ("合同.txt", "utf-8", "'合同.txt'"),
        ("合同.txt", "gb18030", "'合同.txt'"),
        ("合同.txt", "ascii", "'\\u5408\\u540c.txt'"),
        ("bad\u202etxt.exe", "utf-8", "'bad\\u202etxt.exe'"),
    ],
)
def test_names_are_readable_where_the_output_can_hold_them(
    alone: Path, name: str, encoding: str, shown: str
) -> None:
    """What would turn the direction of a line is escaped everywhere."""
    (alone / name).write_bytes(b"another")
    done = subprocess.run(
        [sys.executable, "-S", "verify.py", "proven.json", name, "file"],
        cwd=alone, capture_output=True, timeout=60, check=False,
        env={"PYTHONIOENCODING": f"{encoding}:strict", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, b"")
    assert done.stdout.decode(encoding).splitlines()[0] == f"file     {shown}"


def test_it_says_what_is_not_checked() -> None:
    honest = named("a record that names another log of the owner's")
    report = judge_alone(json.dumps(honest.document).encode(), honest.given)
    said = " ".join([*report.notes, *(text for _, _, text in report.lines)])
    assert "that nothing here checks, as the operator states them" in said
    assert "observed them: 'more'" in said
    assert "another one of the same owner" in said
    assert "sm3 covers the file only, the log rests on sha256 alone, and nothing was" in said
    assert "not proven: whether the log's owner has abandoned an anchor since" in said
    honest = named("a later fork's header")
    report = judge_alone(json.dumps(honest.document).encode(), honest.given)
    (line,) = (text for step, _, text in report.lines if step == 5)
    assert "1 header items are of a fork that this release does not know" in line
    assert "not compared" in line


def test_on_a_rollup_the_sequencer_dates_the_block() -> None:
    honest = named("nothing pinned, accepted")
    report = judge_alone(json.dumps(honest.document).encode(), honest.given)
    (line,) = (text for step, _, text in report.lines if step == 10)
    assert "46800 s it may be off, as the chain's sequencer dates its blocks" in line
    pins = dataclasses.replace(make_pins(honest.given), time_slack=12)
    entry = standalone.Entry(size=1, sequence=1, block_number=1, timestamp=0, operator_id=0)
    _, basis = standalone.find_bound(entry, 10, pins.time_slack)
    assert "by this file's own rule for the chain it would be 46800 s" in basis


def test_each_anchor_has_its_own_time() -> None:
    honest = named("two chains'")
    printed = judge_alone(json.dumps(honest.document).encode(), honest.given).lines
    times = [text for step, _, text in printed if step == 10]
    assert [text.split(":")[0] for text in times] == ["anchor 1", "anchor 2"]


def test_an_unlisted_chain_has_to_be_named_with_its_code_and_its_slack() -> None:
    honest = named("an operator's")
    receipt, named_block = json.dumps(honest.document).encode(), list(honest.given.block_hashes)
    listed = standalone.CHAINS.pop(MAIN)
    try:
        for more, code in (
            ({}, 20),
            ({"time_slack": 30}, 20),
            ({"code_hash": expected_code_hash(MAIN)}, 20),
            ({"code_hash": expected_code_hash(MAIN), "time_slack": 30}, 0),
            ({"code_hash": bytes(32), "time_slack": 30}, 12),
        ):
            pins = standalone.Pins(
                block_hashes=named_block, chain_ids=[MAIN], log=world().log, **more
            )
            report = judge_with(receipt, pins)
            assert report.exit_code() == code, report.lines
        assert (
            "on a chain that this release does not list"
            in standalone.Report(kinds={standalone.UNLISTED}).headline()
        )
    finally:
        standalone.CHAINS[MAIN] = listed


def test_one_anchor_in_a_foreign_registry_hides_nothing_about_another() -> None:
    """Crypto D9: each anchor is judged by itself, and the gravest finding counts."""
    honest = named("two chains', nothing pinned")
    document = json.loads(json.dumps(honest.document))
    document["anchors"][0]["sequence"] += 1
    document["anchors"][1]["registry"] = "0x" + "77" * 20
    report = judge_alone(json.dumps(document).encode(), honest.given)
    assert {code for _, code, _ in report.lines} == {0, 10, 12}
    assert report.exit_code() == 10


# ------------------------------------------------------------------------------------------------
# The vectors.


def as_bytes(text: str) -> bytes:
    assert text.startswith("0x")
    return bytes.fromhex(text[2:])


def read_trie(case: dict[str, Any]) -> dict[str, Any]:
    nodes = [as_bytes(node) for node in case["proof"]]
    value = standalone.prove(as_bytes(case["root"]), as_bytes(case["key"]), nodes, "the proof")
    return {"value": None if value is None else f"0x{value.hex()}"}


def read_header(case: dict[str, Any]) -> dict[str, Any]:
    encoded = as_bytes(case["header"])
    header = standalone.read_header(encoded)
    return {
        "hash": f"0x{standalone.keccak256(encoded).hex()}",
        "number": header.number,
        "timestamp": header.timestamp,
        "state_root": f"0x{header.state_root.hex()}",
    }


def read_state(case: dict[str, Any]) -> dict[str, Any]:
    header = standalone.check_block(as_bytes(case["header"]), [as_bytes(case["block_hash"])])
    storage_root = standalone.prove_account(
        header,
        as_bytes(case["registry"]),
        as_bytes(case["code_hash"]),
        [as_bytes(node) for node in case["account_proof"]],
    )
    nodes = [as_bytes(node) for node in case["storage_proof"]]
    log, root = as_bytes(case["log"]), bytes.fromhex(case["root"])
    try:
        entry = standalone.prove_entry(header, storage_root, log, root, nodes)
    except standalone.Refusal as refusal:
        if refusal.code != standalone.NOT_ANCHORED:
            raise
        word = None
    else:
        packed = (
            entry.size
            | entry.sequence << 48
            | entry.block_number << 88
            | entry.timestamp << 136
            | entry.operator_id << 184
        )
        word = f"0x{packed:064x}"
    return {"number": header.number, "timestamp": header.timestamp, "word": word}


def read_submitter(case: dict[str, Any]) -> dict[str, Any]:
    header = standalone.check_block(as_bytes(case["header"]), [as_bytes(case["block_hash"])])
    nodes = {
        name: [as_bytes(node) for node in case[name] or []]
        for name in ("account_proof", "storage_proof", "operator_proof")
    }
    storage_root = standalone.prove_account(
        header, as_bytes(case["registry"]), as_bytes(case["code_hash"]), nodes["account_proof"]
    )
    log, root = as_bytes(case["log"]), bytes.fromhex(case["root"])
    entry = standalone.prove_entry(header, storage_root, log, root, nodes["storage_proof"])
    state = standalone.State(
        header=b"",
        account_proof=[],
        storage_proof=[],
        operator_proof=None if case["operator_proof"] is None else nodes["operator_proof"],
        successor=None,
    )
    text = standalone.check_operator(storage_root, log, entry, state)
    return {"operator_id": hex(entry.operator_id), "submitter": text.split()[-1]}


def read_inclusion(case: dict[str, Any]) -> dict[str, Any]:
    leaf = standalone.get_hash(case["leaf"], "leaf")
    if "record" in case:
        assert hashlib.sha256(b"\0" + bytes.fromhex(case["record"])).digest() == leaf
    head = standalone.Head(
        size=case["size"],
        root=standalone.get_hash(case["root"], "root"),
        path=[standalone.get_hash(node, "path") for node in case["path"]],
    )
    standalone.fold_path(leaf, case["index"], head)
    return {}


def read_beacon(case: dict[str, Any]) -> dict[str, Any]:
    named = standalone.read_not_before(case["not_before"])
    if named is None:
        raise standalone.Refusal(standalone.CANNOT_CHECK, "the record names no block")
    entry = standalone.Entry(
        size=1, sequence=1, block_number=1, timestamp=case["anchored_at"], operator_id=0
    )
    earlier = standalone.check_beacon(
        standalone.read_beacon(case["beacon"], "beacon"),
        named,
        standalone.read_header(as_bytes(case["header"])),
        case["chain_id"],
        entry,
    )
    return {"number": earlier.number, "timestamp": earlier.timestamp}


def read_bundle_with_beacons(case: dict[str, Any]) -> dict[str, Any]:
    said = read_bundle(case)
    receipts = standalone.read_bundle(io.BytesIO(fill(case, "bundle").encode("utf-8")))
    for members, receipt in zip(said["receipts"], receipts, strict=True):
        states = [anchor.state for anchor in receipt.anchors if anchor.state is not None]
        beacon = states[0].beacon if states else None
        members["beacon"] = beacon and f"0x{standalone.keccak256(beacon.header).hex()}"
    return said


def read_numbered(case: dict[str, Any]) -> dict[str, Any]:
    number = standalone.number_record(case["record"].encode())
    if number != case["number"]:
        raise standalone.Refusal(standalone.MISMATCH, "the number is of another record")
    return {"number": number}


def read_bundle(case: dict[str, Any]) -> dict[str, Any]:
    found = []
    for receipt in standalone.read_bundle(io.BytesIO(fill(case, "bundle").encode("utf-8"))):
        head = receipt.promise or receipt.anchors[0].head
        found.append(
            {
                "index": receipt.index,
                "record": receipt.record.decode("utf-8"),
                "size": head.size,
                "root": head.root.hex(),
                "path": [node.hex() for node in head.path],
            }
        )
    return {"receipts": found}


@pytest.mark.parametrize(
    ("name", "kind", "reader"),
    [
        ("state/trie.json", "proofs", read_trie),
        ("state/headers.json", "headers", read_header),
        ("state/states.json", "states", read_state),
        ("state/submitters.json", "submitters", read_submitter),
        ("log/inclusion.json", "inclusion", read_inclusion),
        ("state/beacons.json", "beacons", read_beacon),
        ("bundles/beacons.json", "bundles", read_bundle_with_beacons),
        ("bundles/bundles.json", "bundles", read_bundle),
        ("numbers/numbers.json", "records", read_numbered),
    ],
    ids=[
        *("trie", "headers", "states", "submitters", "inclusion", "beacons", "bundle beacons"),
        *("bundles", "numbers"),
    ],
)
def test_every_vector_ends_as_its_label_says(
    name: str, kind: str, reader: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    wrong = {}
    for case in json.loads((VECTORS / name).read_text("ascii"))[kind]:
        try:
            said, result = reader(case), "valid"
        except standalone.Refusal as refusal:
            # A header that nobody vouches for is refused here; a key that is not proven is not.
            unproven = kind in ("submitters", "beacons") and refusal.code == standalone.CANNOT_CHECK
            is_unknown = unproven or refusal.code == standalone.UNKNOWN
            said, result = {}, "unknown" if is_unknown else "invalid"
        if result != case["result"] or said != {field: case[field] for field in said}:
            wrong[case["name"]] = (result, said)
    assert wrong == {}


@pytest.mark.parametrize(
    "encoded",
    ["", "8105", "817f", "8180ff", "b800", "b837" + "11" * 55, "b90038" + "11" * 56, "8211",
     "c101c0", "c28105", "c3", "c28211", "f800", "f90001", "bf", "ff" * 9, "bf" + "ff" * 8, "0500",
     "c1" * 40 + "c0"],
)  # fmt: skip
def test_an_item_has_one_encoding(encoded: str) -> None:
    with pytest.raises(standalone.Refusal) as refused:
        standalone.read_rlp(bytes.fromhex(encoded), "it")
    assert refused.value.code == standalone.MALFORMED


def test_an_item_is_read_as_others_read_it() -> None:
    def plain(item: standalone.Item) -> Any:
        return item if isinstance(item, bytes) else [plain(entry) for entry in item.items]

    strings = (b"", b"\0", b"\x7f", b"\x80", b"x" * 55, b"x" * 56, b"x" * 70_000)
    lists = ([], [b""], [[], [b"a"]], [b"x" * 54], [b"x" * 55], [[b"y"] * 300, b"\x81"])
    for item in (*strings, *lists):
        assert plain(standalone.read_rlp(rlp.encode(item), "it")) == item


def golden() -> list[tuple[str, dict[str, Any]]]:
    found = [
        (path.stem, json.loads(path.read_bytes()))
        for path in VECTORS.glob("receipts/anchor-*.json")
    ]
    return sorted(found)


@pytest.mark.parametrize(("name", "document"), golden(), ids=[name for name, _ in golden()])
def test_both_end_alike_on_the_golden_receipts(name: str, document: dict[str, Any]) -> None:
    receipt, here = json.dumps(document).encode(), World()
    record = json.loads(document["record"])
    digests = Digests(
        sha256=Hash32(bytes.fromhex(record["digests"]["sha256"])),
        sm3=Hash32(bytes.fromhex(record["digests"]["sm3"])),
        size=record["size"],
    )
    anchors = document["anchors"]
    states = [anchor["state"] for anchor in anchors if "state" in anchor]
    named = [Hash32(keccak256(as_bytes(state["header"]))) for state in states]
    registry = Address(as_bytes(anchors[0]["registry"])) if anchors else REGISTRY
    # They are of a made-up world, in which records are written later than they are anchored.
    for tolerance in (300, 86_400):
        entry = dataclasses.replace(
            here.entry(), registry=registry, recorded_at_tolerance=tolerance
        )
        by_package = judge(
            receipt, digests, policy=here.policy(entry), connect=None, block_hashes=named
        )
        pins = make_pins(Given(0, here.policy(entry), frozenset(named)))
        report = standalone.verify(receipt, record["digests"], record["size"], pins)
        is_in_time = tolerance == 86_400 or name.endswith("not-before")
        expected = 0 if anchors and is_in_time else 20
        assert report.exit_code() == int(by_package.exit_code) == expected


# ------------------------------------------------------------------------------------------------
# Both on honest receipts, dishonest registries and bent receipts.


@pytest.mark.parametrize("honest", honest_receipts(), ids=[h.name for h in honest_receipts()])
def test_both_end_alike_on_honest_receipts(honest: Honest) -> None:
    receipt = json.dumps(honest.document).encode()
    assert judge_alone(receipt, honest.given).exit_code() == honest.code
    assert judge_by_package(receipt, honest.given) == honest.code


@pytest.mark.parametrize("name", DISHONEST)
def test_both_end_alike_on_what_a_registry_cannot_hold(name: str) -> None:
    code, bend = DISHONEST[name]
    here = World()
    bend(here)
    anchor = here.prove(here.anchor(6, 9))
    receipt = encode_receipt(here.receipt(6, anchor))
    given = Given(6, here.policy(), named_hashes([anchor]))
    assert (judge_alone(receipt, given).exit_code(), judge_by_package(receipt, given)) == (
        code,
        code,
    )


def test_both_take_no_other_registry_than_this_releases_where_none_is_pinned() -> None:
    here, other = World(), Address(b"\x77" * 20)
    here.copy_registry(other)
    anchor = here.prove(dataclasses.replace(here.anchor(6, 9), registry=other))
    receipt, named = encode_receipt(here.receipt(6, anchor)), named_hashes([anchor])
    pinned = here.policy(dataclasses.replace(here.entry(), registry=other))
    for policy, code in ((None, 12), (here.policy(), 12), (pinned, 0)):
        given = Given(6, policy, named, (MAIN,), accept_unpinned=True)
        assert judge_alone(receipt, given).exit_code() == judge_by_package(receipt, given) == code


@pytest.mark.parametrize("wrong", ["sha256", "sm3", "size"])
def test_each_digest_and_the_size_has_to_be_the_files(wrong: str) -> None:
    honest = honest_receipts()[0]
    record = json.loads(RECORD)
    digests, size = dict(record["digests"]), record["size"]
    if wrong == "size":
        size += 1
    else:
        digests[wrong] = "0" * 64
    report = standalone.verify(TEXT.encode(), digests, size, make_pins(honest.given))
    assert [step for step, code, _ in report.lines if code] == [2]
    assert report.exit_code() == 10


@pytest.mark.parametrize(
    ("items", "code"),
    [(14, 22), (15, 0), (16, 0), (17, 0), (18, 22), (19, 22), (20, 0), (21, 0), (22, 0), (40, 0)],
)
def test_both_take_headers_of_known_forks_and_those_with_more_items(items: int, code: int) -> None:
    honest = honest_receipts()[0]
    document = json.loads(json.dumps(honest.document))
    state = document["anchors"][0]["state"]
    header = rlp.decode(as_bytes(state["header"]))
    encoded = rlp.encode((header * 2)[:items])
    state["header"] = f"0x{encoded.hex()}"
    given = honest.given._replace(block_hashes=frozenset({keccak256(encoded)}))
    receipt = json.dumps(document).encode()
    assert judge_alone(receipt, given).exit_code() == judge_by_package(receipt, given) == code


@pytest.mark.parametrize(
    ("item", "code"),
    [("c0", 0), ("c3c20180", 0), ("a0" + "11" * 32, 0), ("8100", 2), ("b80101", 2), ("c201", 2),
     *[(rlp.encode(tower(levels)).hex(), 0 if levels < 8 else 2) for levels in (6, 7, 8, 9, 40)],
     *[(rlp.encode(tower(levels, b"x")).hex(), 0 if levels < 7 else 2) for levels in (6, 7)]],
)  # fmt: skip
def test_what_a_later_fork_adds_to_a_header_has_to_be_rlp(item: str, code: int) -> None:
    honest = honest_receipts()[0]
    document = json.loads(json.dumps(honest.document))
    state = document["anchors"][0]["state"]
    payload = b"".join(map(rlp.encode, rlp.decode(as_bytes(state["header"]))))
    payload += bytes.fromhex(item)
    encoded = b"\xf9" + len(payload).to_bytes(2, "big") + payload
    state["header"] = f"0x{encoded.hex()}"
    given = honest.given._replace(block_hashes=frozenset({keccak256(encoded)}))
    receipt = json.dumps(document).encode()
    assert judge_alone(receipt, given).exit_code() == judge_by_package(receipt, given) == code


@pytest.mark.parametrize("recorded_at", TIMES)
def test_both_end_alike_on_the_spelling_of_a_time(recorded_at: str) -> None:
    honest = honest_receipts()[0]
    record = json.loads(honest.document["record"]) | {"recorded_at": recorded_at}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    receipt = json.dumps(honest.document | {"record": text}).encode()
    code = judge_alone(receipt, honest.given).exit_code()
    assert code == judge_by_package(receipt, honest.given)
    assert code in ((0,) if text == honest.document["record"] else (2, 10))


@pytest.mark.parametrize("name", NAMED)
def test_both_end_alike_on_a_bend_with_a_name(name: str) -> None:
    code, bend = NAMED[name]
    honest = honest_receipts()[0]
    receipt = bend(TEXT).encode()
    alone = judge_alone(receipt, honest.given).exit_code()
    assert (alone, judge_by_package(receipt, honest.given)) == (code, code)


def check_tally(codes: Counter[int], kinds: Counter[str], troubles: list[str]) -> None:
    assert troubles == []
    assert set(codes) == {0, 2, 10, 11, 12, 13, 20, 21, 22}
    assert set(kinds) == set(KINDS)


def test_both_end_alike_on_two_thousand_bent_receipts_and_none_that_says_other_things_passes():
    check_tally(*run_campaign(SEED, 0, 2_000))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_both_end_alike_on_a_million_bent_receipts() -> None:
    part, total = 5_000, 1_000_000
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        tallies = pool.map(partial(run_campaign, SEED, count=part), range(0, total, part))
        codes, kinds, troubles = Counter[int](), Counter[str](), list[str]()
        for tally in tallies:
            codes += tally.codes
            kinds += tally.kinds
            troubles += tally.troubles
    assert codes.total() == total
    check_tally(codes, kinds, troubles)


# ------------------------------------------------------------------------------------------------
# What the campaign rests on.


def test_what_is_true_is_told_from_what_is_not() -> None:
    honest = honest_receipts()[0]
    document = json.loads(json.dumps(honest.document))
    assert is_true(document, honest)
    document["anchors"][0].pop("hints")
    document["anchors"][0]["state"].pop("operator_proof")
    assert is_true(document, honest)
    for member in ("chain_id", "size", "sequence", "block_number", "timestamp"):
        bent = json.loads(json.dumps(document))
        bent["anchors"][0][member] += 1
        assert not is_true(bent, honest)


BOMBS: dict[str, bytes] = {
    "lists": b"[" * (1 << 20),
    "objects": b'{"a":' * 200_000,
    "digits": b"1" * (1 << 20),
    "a float": b"1." + b"1" * ((1 << 20) - 2),
    "an exponent": b"1e" + b"1" * ((1 << 20) - 2),
    "quotes": b'"' * (1 << 20),
    "escaped quotes": b'\\"' * (1 << 19),
    "a string that is not closed": b'"' + b'\\"' * ((1 << 19) - 1),
    "backslashes": b'"' + b"\\" * ((1 << 20) - 1),
    "names": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "blanks": b" " * (1 << 20),
    "100 MB": b" " * 100_000_000,
    "nothing": b"",
}


@pytest.mark.parametrize("name", BOMBS)
def test_it_refuses_what_is_made_to_hang_it(name: str) -> None:
    start = time.process_time()  # however busy the machine is
    assert judge_alone(BOMBS[name], honest_receipts()[0].given).exit_code() == 2
    assert time.process_time() - start < 5
