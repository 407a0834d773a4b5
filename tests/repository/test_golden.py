"""What 0.1.0 wrote is read and judged by this release as it was then; the files never change."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from support.in_process import run_in_process
from support.json_documents import check_former, load_schemas, stem_of
from support.paths import TESTS

from anchor.certificate.model import Certificate
from anchor.log.checkpoint import parse_checkpoint
from anchor.log.signed_note import open_note, parse_verifier
from anchor.receipt.format import parse_receipt
from anchor.store.database import create_database
from anchor.store.location import SqliteFile

GOLDEN = TESTS / "vectors" / "golden"
# Changed only by adding the folder of another release.
SHA256 = {"0.1.0": "89654e9ffc502ed7acadb5bf591809025ea1e5ff7430620b3f94de98dba80011"}


@pytest.fixture(params=sorted(SHA256))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one release's files: commands leave locks beside a store."""
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / request.param))


def expected(golden: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / "expected.json").read_text("utf-8"))
    return found


def run(golden: Path, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = run_in_process(*words, "--json", cwd=golden).document
    return document


def judge(golden: Path, name: str) -> list[dict[str, Any]]:
    """Verify a file, bundle or bag offline, and return what its verdict consists of."""
    hashes = [word for each in expected(golden)["block_hashes"] for word in ("--block-hash", each)]
    document = run(golden, "verify", name, "--trust", "trust.toml", "--offline", *hashes)
    return [
        {
            "file": file["file"],
            "exit_code": file["exit_code"],
            "number": file["number"],
            "steps": {str(step["number"]): step["verdict"] for step in file["steps"]},
            "claims": {claim["id"]: claim["verdict"] for claim in file["claims"]},
            "anchors": file["anchors"],
        }
        for file in document["files"]
    ]


@pytest.mark.parametrize("name", ["a.txt", "合同.txt", "all.anchor.jsonl", "bag.zip"])
def test_evidence_is_judged_as_it_was(golden: Path, name: str) -> None:
    was = expected(golden)["verified"][name]
    judged = judge(golden, name)
    assert judged == was
    assert {file["exit_code"] for file in judged} == {0}


def test_an_altered_file_is_still_refused(golden: Path) -> None:
    (golden / "a.txt").write_bytes(b"First\n")
    (judged,) = judge(golden, "a.txt")
    assert (judged["exit_code"], judged["steps"]["2"]) == (10, "fail")


def test_the_record_the_certificate_and_the_published_log_are_read(golden: Path) -> None:
    receipt = parse_receipt((golden / "a.txt.anchor.json").read_bytes())
    assert receipt.record == (golden / "record.json").read_bytes()
    certificate = json.loads((golden / "certificate.json").read_text("utf-8"))
    issued = Certificate.model_validate(certificate, strict=False)
    assert issued.anchors[0].root == receipt.anchors[0].head.root.hex()
    note = (golden / "published" / "checkpoint").read_bytes()
    text = open_note(note, parse_verifier(expected(golden)["verifier_key"]))
    assert parse_checkpoint(text).head == receipt.anchors[0].head
    explained = run(golden, "explain", "a.txt")
    assert explained == expected(golden)["explained"]


def test_the_store_has_the_tables_of_a_new_one(golden: Path, tmp_path: Path) -> None:
    """Whoever changes a table gives the schema another number, and upgrades this store."""
    create_database(SqliteFile(tmp_path / "new.db")).close()
    described = []
    for path in (golden / "store" / "anchor.db", tmp_path / "new.db"):
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
            described.append(connection.execute(query).fetchall())
    assert described[0] == described[1]


def test_the_store_holds_the_same_evidence(golden: Path) -> None:
    config = ("--config", str(golden / "store" / "anchor.toml"))
    listed = run(golden, "list", *config)["evidence"]
    members = ("id", "number", "name", "size", "sha256", "sm3", "state", "leaf", "index")
    assert [{name: piece[name] for name in members} for piece in listed] == (
        expected(golden)["evidence"]
    )


def test_the_documents_of_commands_are_still_described(golden: Path) -> None:
    documents = sorted((golden / "documents").glob("*.json"))
    for path in documents:
        document = json.loads(path.read_bytes())
        assert stem_of(document) == path.stem
        check_former(document)
    if golden.name == max(SHA256):
        assert {path.stem for path in documents} == set(load_schemas())


@pytest.mark.parametrize(
    ("name", "change"),
    [("seal", {"renamed": 1}), ("seal", {"size": "1"}), ("verify", {"files": [{"renamed": 1}]})],
)
def test_a_document_that_the_schemas_do_not_describe_is_noticed(
    golden: Path, name: str, change: dict[str, Any]
) -> None:
    document = json.loads((golden / "documents" / f"{name}.json").read_bytes())
    check_former(document)
    with pytest.raises(jsonschema_rs.ValidationError):
        check_former(document | change)


def hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def test_the_files_are_those_of_the_release() -> None:
    assert {path.name: hash_folder(path) for path in GOLDEN.iterdir()} == SHA256
