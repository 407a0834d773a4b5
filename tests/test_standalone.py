"""The second verifier: alone, on the vectors, and against the package's on bent receipts."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
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
from support.tries import keccak256
from support.two_verifiers import judge_alone, judge_by_package, run_campaign
from support.world import MAIN, REGISTRY, World

from anchor.digest import SHA256, SM3, Digests, digest_bytes
from anchor.receipt import encode_receipt
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.slots import operator_key_slot
from anchor.standalone import verify as standalone
from anchor.types import Address, Hash32
from anchor.verify import judge

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "anchor" / "standalone" / "verify.py"
VECTORS = ROOT / "tests" / "vectors"

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


def test_its_comments_have_every_step_by_its_number() -> None:
    numbers = re.findall(r"Steps? (\d+)(?: to (\d+))?", FILE.read_text("utf-8"))
    named = {n for low, high in numbers for n in range(int(low), int(high or low) + 1)}
    assert named == set(range(1, 11))


def test_the_package_ships_it() -> None:
    assert "anchor.standalone" in find_packages(str(ROOT), include=["anchor", "anchor.*"])


def test_its_constants_are_this_releases_and_the_contract_page_lists_them() -> None:
    assert registry_address() == standalone.REGISTRY
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    listed = re.findall(r"^\| (\d+) \| [^|]+ \| `0x([0-9a-f]{64})` \|$", page, re.MULTILINE)
    pinned = {int(chain_id): bytes.fromhex(code_hash) for chain_id, code_hash in listed}
    assert pinned == standalone.CODE_HASHES
    assert pinned == {chain_id: expected_code_hash(chain_id) for chain_id in pinned}


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
    for name, honest in (("proven", 0), ("two", 4), ("unproven", 10), ("promise", 13)):
        document = honest_receipts()[honest].document
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    return folder


def run_alone(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


(BLOCK,) = (f"0x{named.hex()}" for named in honest_receipts()[0].given.block_hashes)
SIDE_BLOCK = "0x" + next(
    iter(honest_receipts()[4].given.block_hashes - honest_receipts()[0].given.block_hashes)
).hex()  # fmt: skip
LOG = f"0x{world().log.hex()}"
CODE = f"0x{expected_code_hash(MAIN).hex()}"
OTHER = "0x" + "77" * 32


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["proven.json", "file", "--block-hash", BLOCK]),
        (0, ["proven.json", "file", "--block-hash", OTHER, "--block-hash", BLOCK]),
        (0, ["proven.json", "file", "--block-hash", BLOCK, "--chain-id", "31337", "--log", LOG,
             "--registry", f"0x{REGISTRY.hex()}", "--code-hash", CODE]),
        (0, ["two.json", "file", "--block-hash", BLOCK, "--block-hash", SIDE_BLOCK]),
        (0, ["two.json", "file", "--block-hash", BLOCK, "--chain-id", "31337"]),
        (2, ["proven.json", "file", "--block-hash", "0x12"]),
        (2, ["proven.json"]),
        (2, ["proven.json", "file", "--chain-id", "-1"]),
        (2, ["proven.json", "file", "--chain-id", "1", "--chain-id", "2", "--code-hash", CODE]),
        (2, ["file", "file", "--block-hash", BLOCK]),
        (2, ["proven.json", "missing", "--block-hash", BLOCK]),
        (2, ["missing", "file", "--block-hash", BLOCK]),
        (10, ["proven.json", "verify.py", "--block-hash", BLOCK]),
        (12, ["proven.json", "file", "--block-hash", BLOCK, "--log", OTHER]),
        (12, ["proven.json", "file", "--block-hash", BLOCK, "--code-hash", OTHER]),
        (12, ["proven.json", "file", "--block-hash", BLOCK, "--registry", OTHER[:42]]),
        (12, ["proven.json", "file", "--block-hash", BLOCK, "--chain-id", "1"]),
        (20, ["proven.json", "file"]),
        (20, ["proven.json", "file", "--block-hash", OTHER]),
        (20, ["two.json", "file", "--block-hash", BLOCK]),
        (20, ["unproven.json", "file", "--block-hash", BLOCK]),
        (20, ["promise.json", "file", "--log", LOG]),
        (21, ["promise.json", "file"]),
    ],
)  # fmt: skip
def test_the_command_line_ends_with_the_code(alone: Path, code: int, arguments: list[str]) -> None:
    returned, printed = run_alone(alone, *arguments)
    assert returned == code
    if printed:
        verdict = "NOT VERIFIED" if code else "VERIFIED"
        assert printed.splitlines()[-1] == f"{verdict} (exit code {code})"


def test_it_prints_every_step_with_its_number(alone: Path) -> None:
    _, printed = run_alone(alone, "proven.json", "file", "--block-hash", BLOCK)
    assert [int(n) for n in re.findall(r"^step +(\d+)  passed: ", printed, re.MULTILINE)] == [
        *range(1, 11)
    ]
    assert "existed no later than 2026-09-21T14:17:32Z" in printed
    assert "key 0x" + "11" * 20 in printed


def test_of_two_anchors_the_earlier_time_counts_and_a_failure_leaves_none() -> None:
    honest = honest_receipts()[4]
    printed = judge_alone(json.dumps(honest.document).encode(), honest.given).lines
    assert [step for step, _, _ in printed].count(10) == 1
    document = json.loads(json.dumps(honest.document))
    document["anchors"][1]["sequence"] += 1
    report = judge_alone(json.dumps(document).encode(), honest.given)
    assert report.exit_code() == 10
    assert 10 not in [step for step, _, _ in report.lines]


def test_another_chains_code_has_to_be_named() -> None:
    honest = honest_receipts()[0]
    listed = standalone.CODE_HASHES.pop(MAIN)
    try:
        given = Given(6, None, honest.given.block_hashes)
        assert judge_alone(json.dumps(honest.document).encode(), given).exit_code() == 12
        assert judge_alone(json.dumps(honest.document).encode(), honest.given).exit_code() == 0
    finally:
        standalone.CODE_HASHES[MAIN] = listed


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


@pytest.mark.parametrize(
    ("name", "kind", "reader"),
    [
        ("state/trie.json", "proofs", read_trie),
        ("state/headers.json", "headers", read_header),
        ("state/states.json", "states", read_state),
        ("state/submitters.json", "submitters", read_submitter),
        ("log/inclusion.json", "inclusion", read_inclusion),
    ],
    ids=["trie", "headers", "states", "submitters", "inclusion"],
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
            unproven = kind == "submitters" and refusal.code == standalone.CANNOT_CHECK
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
    found = [(path.stem, json.loads(path.read_bytes())) for path in VECTORS.glob("receipts/*.json")]
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
    policy = here.policy(dataclasses.replace(here.entry(), registry=registry))
    by_package = judge(receipt, digests, policy=policy, connect=None, block_hashes=named)
    pins = standalone.Pins(
        block_hashes=named,
        chain_ids=[MAIN],
        registry=registry,
        code_hash=expected_code_hash(MAIN),
        log=here.log,
    )
    report = standalone.verify(receipt, record["digests"], record["size"], pins)
    assert report.exit_code() == int(by_package.exit_code) == (0 if anchors else 20)


# ------------------------------------------------------------------------------------------------
# Both on honest receipts, dishonest registries and bent receipts.


@pytest.mark.parametrize("honest", honest_receipts(), ids=[h.name for h in honest_receipts()])
def test_both_end_alike_on_honest_receipts(honest: Honest) -> None:
    receipt = json.dumps(honest.document).encode()
    assert judge_alone(receipt, honest.given).exit_code() == honest.code
    assert judge_by_package(receipt, honest.given) == honest.code


def with_key(word: bytes) -> Callable[[World], None]:
    def bend(here: World) -> None:
        here.main.storage[REGISTRY, operator_key_slot(here.log, 1)] = [(6, word)]

    return bend


def late(here: World, time: int) -> None:
    """Let the anchor's block be of that time."""
    here.main.genesis_time = time - 12 * 20
    here.rewrite(here.word())


DISHONEST: dict[str, tuple[int, Callable[[World], None]]] = {
    "honest": (0, lambda here: None),
    "another code": (12, lambda here: here.main.code.update({REGISTRY: (5, Hash32(b"\1" * 32))})),
    "the root is not held": (11, lambda here: here.rewrite(None)),
    "another size": (10, lambda here: here.rewrite(here.word(size=10))),
    "another sequence": (10, lambda here: here.rewrite(here.word(sequence=3))),
    "another block": (10, lambda here: here.rewrite(here.word(block_number=21))),
    "another time": (10, lambda here: here.rewrite(here.word(timestamp=1))),
    "no size": (12, lambda here: here.rewrite(here.word(size=0))),
    "no sequence": (12, lambda here: here.rewrite(here.word(sequence=0))),
    "a later block": (10, lambda here: here.rewrite(here.word(block_number=41))),
    "a time after 9999": (20, lambda here: late(here, 253_402_300_800)),
    "the last seconds of 9999": (20, lambda here: late(here, 253_402_300_799)),
    "the last minute of 9999": (0, lambda here: late(here, 253_402_300_769)),
    "a later time": (12, lambda here: here.rewrite(here.word(timestamp=1 << 40))),
    "the owner's, with an operator's key": (2, lambda here: here.rewrite(here.word(operator_id=0))),
    "another operator's": (10, lambda here: here.rewrite(here.word(operator_id=2))),
    "an operator without a key": (12, with_key(bytes(32))),
    "an operator with a long key": (12, with_key(b"\1" * 32)),
    "an operator with a key of 20 bytes": (0, with_key(bytes(12) + b"\xff" * 20)),
}  # fmt: skip


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
        given = Given(6, policy, named)
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
    pins = standalone.Pins(block_hashes=list(honest.given.block_hashes))
    report = standalone.verify(TEXT.encode(), digests, size, pins)
    assert [step for step, code, _ in report.lines if code] == [2]
    assert report.exit_code() == 10


@pytest.mark.parametrize("items", [14, 18, 22])
def test_both_cannot_tell_anything_of_a_later_forks_header(items: int) -> None:
    honest = honest_receipts()[0]
    document = json.loads(json.dumps(honest.document))
    state = document["anchors"][0]["state"]
    header = rlp.decode(as_bytes(state["header"]))
    encoded = rlp.encode((header * 2)[:items])
    state["header"] = f"0x{encoded.hex()}"
    given = honest.given._replace(block_hashes=frozenset({keccak256(encoded)}))
    receipt = json.dumps(document).encode()
    assert judge_alone(receipt, given).exit_code() == judge_by_package(receipt, given) == 22


@pytest.mark.parametrize("recorded_at", TIMES)
def test_both_end_alike_on_the_spelling_of_a_time(recorded_at: str) -> None:
    honest = honest_receipts()[0]
    record = json.loads(honest.document["record"]) | {"recorded_at": recorded_at}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    receipt = json.dumps(honest.document | {"record": text}).encode()
    code = judge_alone(receipt, honest.given).exit_code()
    assert code == judge_by_package(receipt, honest.given)
    assert code in ((0,) if text == honest.document["record"] else (2, 10))


def with_text(old: str, new: str) -> Callable[[str], str]:
    def bend(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return bend


def with_record(**members: Any) -> Callable[[str], str]:
    def bend(text: str) -> str:
        document = json.loads(text)
        record = json.loads(document["record"]) | members
        in_order = dict(sorted(record.items(), key=lambda pair: pair[0].encode("utf-16-be")))
        document["record"] = json.dumps(in_order, ensure_ascii=False, separators=(",", ":"))
        return json.dumps(document)

    return bend


def with_record_of(length: int) -> Callable[[str], str]:
    return with_record(filler="x" * (length - len(RECORD) - len(',"filler":""')))


def without_operator_proof(text: str) -> str:
    document = json.loads(text)
    del document["anchors"][0]["state"]["operator_proof"]
    return json.dumps(document)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


RECORD: str = honest_receipts()[0].document["record"]
TEXT = json.dumps(honest_receipts()[0].document)

NAMED: dict[str, tuple[int, Callable[[str], str]]] = {
    "as it is": (0, lambda text: text),
    "1 MiB": (0, lambda text: text + " " * ((1 << 20) - len(text))),
    "a byte more than 1 MiB": (2, lambda text: text + " " * ((1 << 20) + 1 - len(text))),
    "a character as an escape": (0, with_text("anchor-receipt/1", "anchor\\u002dreceipt/1")),
    "minus zero": (2, with_text('"index": 6', '"index": -0')),
    "zero": (10, with_text('"index": 6', '"index": 0')),
    "a float": (2, with_text('"index": 6', '"index": 6.0')),
    "an exponent": (2, with_text('"index": 6', '"index": 6e0')),
    "no number": (2, with_text('"index": 6', '"index": NaN')),
    "true": (2, with_text('"sequence": 2', '"sequence": true')),
    "a digit too many": (2, with_text('"index": 6', '"index": ' + "6" * 5000)),
    "a name twice": (2, with_text('"index": 6', '"index": 6, "index": 6')),
    "a member unknown": (2, with_text('"index": 6', '"index": 6, "status": "final"')),
    "a promise beside anchors": (2, with_text('"index": 6', '"index": 6, "head": {}')),
    "another version": (22, with_text("anchor-receipt/1", "anchor-receipt/2")),
    "a version that is none": (22, with_text('"anchor-receipt/1"', "false")),
    "no version": (2, with_text('"format"', '"Format"')),
    "upper-case hex": (2, with_text("a11ce", "A11CE")),
    "no prefix": (2, with_text('"log": "0x', '"log": "')),
    "a newline after hex": (2, with_text('0001", "index"', '0001\\n", "index"')),
    "an index beyond the tree": (10, with_text('"index": 6', '"index": 9')),
    "an index as long as can be": (10, with_text('"index": 6', f'"index": {(1 << 48) - 2}')),
    "an index longer than that": (2, with_text('"index": 6', f'"index": {(1 << 48) - 1}')),
    "a record of another version": (22, with_record(schema="evidence-record/2")),
    "a record of another version with a name that is not ASCII": (
        22, with_record(schema="evidence-record/2", **{"a b": 1, "\uff5e": 1, "\U0001f600": 2}),
    ),
    "a record of another version that is not canonical": (
        2, with_text('\\"schema\\":\\"evidence-record/1', '\\"schema\\": \\"evidence-record/2'),
    ),
    "a record with more in it": (10, with_record(more=None)),
    "a record with a digest more": (10, with_record(digests={"sha256": "00" * 32, "x": 1})),
    "a record with other digests only": (22, with_record(digests={"sha512": "00"})),
    "a record without digests": (2, with_record(digests={})),
    "a record with a space in a name": (2, with_record(**{"a b": 1})),
    "a record with a name that is not ASCII": (2, with_record(é=1)),
    "a record with null for the size": (2, with_record(size=None)),
    "a record of another size": (10, with_record(size=18)),
    "a record 16 levels deep": (10, with_record(z=nested(15))),
    "a record 17 levels deep": (2, with_record(z=nested(16))),
    "a record with half a character": (2, with_text("evidence-6", "\\ud83d")),
    "a record with a character in halves": (10, with_text("evidence-6", "\\ud83d\\ude00")),
    "a record that is not canonical": (2, with_text('\\"name\\":', '\\"name\\": ')),
    "a record of 65,535 bytes": (10, with_record_of(65_535)),
    "a record of 65,536 bytes": (2, with_record_of(65_536)),
    "a name of 4,096 characters": (10, with_record(name="\U0001f600" * 4096)),
    "a name of 4,097 characters": (2, with_record(name="x" * 4097)),
    "no operator's proof": (20, without_operator_proof),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_both_end_alike_on_a_bend_with_a_name(name: str) -> None:
    code, bend = NAMED[name]
    honest = honest_receipts()[0]
    receipt = bend(TEXT).encode()
    alone = judge_alone(receipt, honest.given).exit_code()
    assert (alone, judge_by_package(receipt, honest.given)) == (code, code)


def check_tally(codes: Counter[int], kinds: Counter[str], troubles: list[str]) -> None:
    assert troubles == []
    assert set(codes) == {0, 2, 10, 11, 12, 20, 21, 22}
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
    assert time.process_time() - start < 1
