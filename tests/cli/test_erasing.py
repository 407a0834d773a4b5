"""Erased evidence is nowhere on disk, keeps its place, and the erasure is evidence itself."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.crashes import crashing
from support.disasters import back_up, put_back
from support.in_process import run_in_process
from support.needles import needles, search
from support.projects import Site, make_site
from support.service import bearer, digest, make_key, serve
from support.store_contents import alter_piece, count_pieces, load_keys, load_pieces
from support.stores import Postgres

from anchor.chain.devnet import Devnet
from anchor.evidence.erasure_statement import find_statement
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import parse_receipt
from anchor.store import postgresql_purge
from anchor.store.acknowledged_log import SideFile
from anchor.store.certificates import request_certificate, save_issue

_numbers = itertools.count(9_000)
NAME = "Aussage Müller-Lüdenscheidt.pdf"
WHY = ("--basis", "gdpr-17", "--reason", "request 2026-17", "--by", "Registrar", "--yes")


@dataclass
class Erasing:
    """A project, and every folder in which something of its evidence could be left."""

    site: Site
    folders: list[Path]

    def needles_of(self, name: str, *others: bytes | str) -> dict[str, bytes]:
        record, identity, _ = self.row_of(name)
        return needles(record, identity, others)

    def row_of(self, name: str) -> tuple[bytes, bytes, bytes]:
        for piece in load_pieces(self.site):
            if piece.record is not None and json.loads(piece.record)["name"] == name:
                return piece.record, piece.identity, piece.leaf
        raise AssertionError(f"{name} is not in the store")

    def found(self, wanted: dict[str, bytes]) -> list[tuple[str, Path]]:
        return list(search(self.folders, wanted))


def erased_places(site: Site) -> dict[bytes, int | None]:
    """Return the leaf index of each erased piece by its leaf."""
    pieces = load_pieces(site)
    return {piece.leaf: piece.leaf_index for piece in pieces if piece.source == "(erased)"}


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.release)


@pytest.fixture(params=["sqlite", POSTGRESQL])
def erasing(request: pytest.FixtureRequest, tmp_path: Path, embedded: Devnet) -> Erasing:
    folder = tmp_path / "project"
    if request.param == "sqlite":
        site = make_site(folder, embedded, number=next(_numbers))
        return Erasing(site, [folder])
    server: Postgres = request.getfixturevalue("postgres")
    site = make_site(folder, embedded, number=next(_numbers), store=server.create())
    return Erasing(site, [folder, server.folder])


def test_no_byte_of_erased_evidence_is_left(erasing: Erasing) -> None:
    site = erasing.site
    site.add("kept.txt", b"kept")
    piece = site.write(f"witness/{NAME}", b"what the witness said")
    site.run("add", piece, "--idempotency-key", "request-4711").expect(0)
    site.add("after.txt", b"after")
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("prove", "--all").expect(0)
    site.run("prove", piece).expect(0)
    site.run("export-log", site.folder / "published").expect(0)
    ((key, _),) = load_keys(site)
    wanted = erasing.needles_of(NAME, key, "request-4711", str(piece))
    leaf = erasing.row_of(NAME)[2]
    before = {what for what, _ in erasing.found(wanted)}
    assert {"salt, hex", "salt, raw", "identity, raw", "sm3, raw", f"{NAME}, utf-8"} <= before
    root = site.heads()[-1]

    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces", leaf.hex())
    piece.unlink()
    piece.parent.rmdir()

    assert erasing.found(wanted) == []
    site.run("audit", "--offline").expect(0, "no problems found")
    assert site.heads()[-1] == root
    assert leaf in [piece.leaf for piece in load_pieces(site)]
    # The rest is as it was, and goes on.
    site.run("prove", site.folder / "kept.txt").expect(0)
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("verify", site.folder / "kept.txt").expect(0)
    site.run("audit").expect(0, "no problems found")
    assert erasing.found(wanted) == []


def test_what_waits_is_erased_too_and_gets_its_place(erasing: Erasing) -> None:
    site = erasing.site
    site.add("first.txt", b"first")
    piece = site.add(NAME, b"waiting")
    site.add("last.txt", b"last")
    wanted = erasing.needles_of(NAME, str(piece))
    leaf = erasing.row_of(NAME)[2]
    piece.unlink()
    site.run("erase", piece, *WHY).expect(0, "waiting")
    assert erasing.found(wanted) == []
    site.run("run", "--once").expect(0, "sealed 4 leaves")
    assert erased_places(site) == {leaf: 1}
    site.run("log", leaf.hex()).expect(0)
    site.run("audit").expect(0, "no problems found")


def test_the_erasure_is_evidence_itself(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.add(NAME, b"content")
    site.anchor()
    leaf = erasing.row_of(NAME)[2]
    done = json.loads(site.run("erase", piece, *WHY, "--json").expect(0).out)
    assert done["format"] == "anchor-erase/1"
    assert done["erased"] == [{"leaf": leaf.hex(), "index": 0}]
    (file,) = (Path(text) for text in done["statements"])
    said = json.loads(file.read_bytes())
    assert said["pieces"] == [{"index": 0, "leaf": leaf.hex()}]
    assert (said["basis"], said["by"], said["reason"]) == (
        "gdpr-17",
        "Registrar",
        "request 2026-17",
    )
    site.run("run", "--once").expect(0, "anchored (counts as final")
    site.run("prove", file).expect(0)
    site.run("verify", file).expect(0, "VERIFIED")
    receipt = parse_receipt(file.with_name(file.name + RECEIPT_SUFFIX).read_bytes())
    statement = find_statement(receipt.record)
    assert statement is not None and statement.encode() == file.read_bytes()
    site.run("erase", file, *WHY).refused(2, "is an erasure statement")


def test_an_audit_tells_erased_records_from_lost_ones(erasing: Erasing) -> None:
    site = erasing.site
    pieces = [site.add(f"{number}.txt", b"%d" % number) for number in range(5)]
    site.anchor()
    site.run("erase", *pieces[:2], *WHY).expect(0)
    site.run("erase", site.add("waiting.txt", b""), *WHY).expect(0)  # has no place in the log
    alter_piece(site, 4, record=None)
    shown = site.run("audit", "--offline").expect(0)
    shown.expect(0, "3 leaves have no record: 2 were erased, 1 lost")
    document = site.run("audit", "--offline", "--json").expect(0).document
    assert [document[name] for name in ("without_record", "erased", "lost")] == [3, 2, 1]


def test_a_list_says_what_would_be_erased_and_erases_nothing(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.add(NAME, b"content")
    leaf = erasing.row_of(NAME)[2]
    site.run("erase", piece, "--dry-run").expect(0, NAME, leaf.hex(), "1 pieces would be erased")
    preview = site.run("erase", piece, "--dry-run", "--json").expect(0).document
    assert [each["leaf"] for each in preview["would_erase"]] == [leaf.hex()]
    site.run("erase", piece, *WHY[:-1]).refused(2, "confirm it with --yes")
    site.run("erase", piece, "--yes").refused(2, "--basis and --reason")
    site.run("erase", "--leaf", leaf.hex(), *WHY[:2], "--reason", f"of {NAME}", "--yes").refused(
        2, "the reason names evidence"
    )
    site.run("erase").refused(2, "nothing to erase")
    site.run("erase", "no/such/file", *WHY).refused(2, "holds no evidence")
    erasing.row_of(NAME)
    site.run("erase", "--leaf", leaf.hex(), *WHY).expect(0, "erased 1 pieces")
    site.run("erase", "--leaf", leaf.hex(), *WHY).expect(0, "already been erased")
    assert site.rows("SELECT count(*) FROM erasures") == [(1,)]


def test_all_that_has_a_digest_or_is_a_tenants_is_erased(erasing: Erasing) -> None:
    site = erasing.site
    keys = {tenant: make_key(site.folder, tenant) for tenant in ("acme", "other")}
    with serve(site.folder) as served:
        for number, tenant in ((1, "acme"), (2, "acme"), (1, "other"), (3, "other")):
            answer = served.http.post(
                "/v1/evidence",
                json={"sha256": digest(number), "name": f"person {number} of {tenant}.pdf"},
                headers=bearer(keys[tenant]),
            )
            assert answer.status_code == 201
        wanted = [erasing.needles_of(f"person {n} of acme.pdf") for n in (1, 2)]
        for forms in wanted:
            assert erasing.found(forms)
        site.run("erase", "--tenant", "acme", *WHY).expect(0, "erased 2 pieces")
        # Another tenant submitted the same digest, with a name and a salt of its own.
        left = [found for forms in wanted for found in erasing.found(forms)]
        own = ("sha256", "half a digest")
        assert [found for found in left if found[0].split(",")[0] not in own] == []
        site.run("erase", "--digest", f"sha256:{digest(1)}", *WHY).expect(0, "erased 1 pieces")
        assert [found for forms in wanted for found in erasing.found(forms)] == []
        kept = served.http.get("/v1/heads", headers=bearer(keys["other"]))
        assert kept.status_code == 200
    erasing.row_of("person 3 of other.pdf")


@pytest.mark.parametrize("erasing", ["postgresql"], indirect=True)
def test_rows_that_another_session_can_still_read_are_erased_once_it_cannot(
    erasing: Erasing, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VACUUM FULL keeps whatever an older snapshot can see."""
    site = erasing.site
    piece = site.add(NAME, b"waiting")
    wanted = erasing.needles_of(NAME, str(piece))
    piece.unlink()
    with postgres.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        monkeypatch.setattr(postgresql_purge, "_PATIENCE", 0.5)
        run_in_process("erase", piece, *WHY, cwd=site.folder).refused(32, "may still read")
        assert erasing.found(wanted)
        with ThreadPoolExecutor(1) as pool:
            erasure = pool.submit(site.run, "erase", "--yes")
            time.sleep(3)
            assert not erasure.done()
            reader.execute("COMMIT")
            erasure.result().expect(0, "erased 1 pieces")
    assert erasing.found(wanted) == []


def test_the_service_says_that_it_was_erased_and_takes_it_in_anew(erasing: Erasing) -> None:
    site = erasing.site
    key, other = make_key(site.folder), make_key(site.folder, "other")
    submission = {"sha256": digest(1), "name": "person.pdf"}
    once = {**bearer(key), "Idempotency-Key": "one"}
    with serve(site.folder) as served:
        id = served.http.post("/v1/evidence", json=submission, headers=once).json()["id"]
        site.run("erase", id, *WHY).expect(0, "erased 1 pieces")
        for path in ("", "/receipt", "/events"):
            gone = served.http.get(f"/v1/evidence/{id}{path}", headers=bearer(key))
            assert gone.status_code == 410, path
        # To others it is what they never had.
        assert served.http.get(f"/v1/evidence/{id}", headers=bearer(other)).status_code == 404
        again = served.http.post("/v1/evidence", json=submission, headers=once)
        assert (again.status_code, again.json()["known"]) == (201, False)
        found = served.http.get(f"/v1/evidence/{again.json()['id']}", headers=bearer(key))
        assert found.status_code == 200
    assert count_pieces(site) == 3


def test_only_the_operator_states_erasures(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.add("a.txt", b"a")
    site.run("erase", piece, *WHY).expect(0)
    (record,) = (piece.record for piece in load_pieces(site) if piece.record is not None)
    key = make_key(site.folder)
    with serve(site.folder) as served:
        answer = served.http.post(
            "/v1/evidence", json={"record": record.decode()}, headers=bearer(key)
        )
    assert answer.status_code == 422
    assert "which is reserved for the operator" in answer.text


def test_a_try_that_was_never_committed_leaves_nothing_either(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.write(NAME, b"content")
    # Its entry is in the side file with another leaf, and no row was ever committed.
    crash = ("after", "anchor.store.acknowledged_log", "SideFile", "append", "1")
    site.run("add", piece, command=crashing(*crash), killed=True)
    site.run("add", piece).expect(0, "added 1 new")
    assert len(list(SideFile(site.folder / "acknowledged.log").read_entries())) == 2
    wanted = erasing.needles_of(NAME, str(piece))
    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces")
    # Submitted again it is new evidence, whose entry a later erasure leaves alone.
    site.run("add", piece).expect(0, "added 1 new")
    again = erasing.row_of(NAME)[2]
    site.run("erase", site.add("b.txt", b"b"), *WHY).expect(0)
    entries = list(SideFile(site.folder / "acknowledged.log").read_entries())
    assert again in [entry.leaf for entry in entries]
    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces")
    piece.unlink()
    assert erasing.found(wanted) == []
    assert len(list(SideFile(site.folder / "acknowledged.log").read_entries())) == 3


def test_certificates_of_erased_evidence_leave_nothing(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.add(NAME, b"content")
    site.run("run", "--once").expect(0)
    record, identity, _ = erasing.row_of(NAME)
    wanted = erasing.needles_of(NAME)
    with site.open() as project, project.database.write() as connection:
        ordered = request_certificate(
            connection, "acme", identity, requested_by="key:1", at="2026-01-02T03:04:05.000Z"
        )
        files = {"json": record, "html": NAME.encode()}
        save_issue(
            connection, ordered.id, number="AC-1", issued_at="2026-01-02T03:04:06.000Z", files=files
        )
    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces")
    piece.unlink()
    assert erasing.found(wanted) == []


# Legal holds


def test_what_is_held_is_not_erased(erasing: Erasing) -> None:
    site = erasing.site
    piece = site.add("a.txt", b"a")
    key = make_key(site.folder)
    site.run("hold", "add", "case 7 O 12/26", piece, "--reason", "court order").expect(0, "1 newly")
    site.run("erase", piece, *WHY).refused(2, "is under the legal hold 'case 7 O 12/26'")
    site.run("erase", piece, "--dry-run").refused(2, "is under the legal hold")
    site.run("hold", "add", "audit", "--tenant", "acme", "--reason", "retention").expect(0)
    site.run("hold", "add", "audit", "--tenant", "amce", "--reason", "x").refused(2, "no tenant")
    with serve(site.folder) as served:
        body = {"sha256": digest(1)}
        id = served.http.post("/v1/evidence", json=body, headers=bearer(key)).json()["id"]
    site.run("erase", id, *WHY).refused(2, "the tenant acme is under the legal hold 'audit'")
    site.run("hold", "list").expect(0, "case 7 O 12/26", "tenant acme")
    site.run("hold", "remove", "case 7 O 12/26").expect(0)
    site.run("hold", "remove", "case 7 O 12/26").refused(2, "there is no legal hold")
    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces")
    site.run("hold", "add", "late", "--leaf", site_leaf(site), "--reason", "x").refused(
        2, "already erased"
    )
    events = [json.loads(line) for line in (site.folder / "audit.jsonl").read_text().splitlines()]
    named = [event["event"] for event in events]
    assert named == ["hold-added", "hold-added", "hold-removed", "evidence-erased"]


# Crashes

INSIDE = [
    ("after", "anchor.operate.erasing", "-", "remove_receipts", "1"),
    ("after", "anchor.operate.erasing", "-", "erase_rows", "1"),
    ("after", "anchor.operate.erasing", "-", "insert_evidence", "1"),
]
BEHIND = [
    ("before", "anchor.operate.erasing", "-", "write_statements", "1"),
    ("after", "anchor.operate.erasing", "-", "write_statements", "1"),
    ("after", "anchor.operate.erasing", "-", "erase", "1"),
    ("after", "anchor.operate.erasure_cleanup", "-", "write_statements", "1"),
    # That is after the receipts, whose removal the steps inside share.
    ("before", "anchor.operate.erasure_cleanup", "-", "_clear_side_file", "1"),
    ("after", "anchor.operate.erasure_cleanup", "-", "_clear_side_file", "1"),
    ("after", "anchor.store.database", "Database", "purge", "1"),
    ("before", "anchor.operate.erasure_cleanup", "-", "finish_erasures", "1"),
]


@pytest.fixture
def file_store(tmp_path: Path, embedded: Devnet) -> Erasing:
    folder = tmp_path / "project"
    return Erasing(make_site(folder, embedded, number=next(_numbers)), [folder])


@pytest.mark.fault(
    "A16",
    how="`anchor erase` is killed in its transaction",
    then="nothing is erased, and no erasure is on record; the same again erases it",
)
@pytest.mark.parametrize("crash", INSIDE, ids=lambda crash: crash[3])
def test_a_crash_before_the_commit_of_an_erasure_erases_nothing(
    file_store: Erasing, crash: tuple[str, ...]
) -> None:
    site = file_store.site
    piece = site.add(NAME, b"content")
    wanted = file_store.needles_of(NAME, str(piece))
    site.run("erase", piece, *WHY, command=crashing(*crash), killed=True)
    file_store.row_of(NAME)
    assert site.rows("SELECT count(*) FROM erasures") == [(0,)]
    assert count_pieces(site) == 1
    site.run("erase", piece, *WHY).expect(0, "erased 1 pieces")
    piece.unlink()
    assert file_store.found(wanted) == []


@pytest.mark.fault(
    "A16",
    how="`anchor erase` is killed at each step behind its commit",
    then="the next `anchor erase` or `anchor run` takes the rest off the disk; one statement of it",
)
@pytest.mark.parametrize("again", ["erase", "run"])
@pytest.mark.parametrize("crash", BEHIND, ids=lambda crash: crash[3])
def test_a_crash_behind_the_commit_of_an_erasure_is_made_good(
    file_store: Erasing, crash: tuple[str, ...], again: str
) -> None:
    site = file_store.site
    piece = site.add(NAME, b"content")
    site.anchor()
    site.run("prove", "--all").expect(0)
    wanted = file_store.needles_of(NAME, str(piece))
    piece.unlink()
    site.run("erase", piece, *WHY, command=crashing(*crash), killed=True)
    if again == "erase":
        site.run("erase").expect(0, "erased 1 pieces")
    else:
        site.run("run", "--once").expect(0, "finished the erasure of 1 pieces")
    assert file_store.found(wanted) == []
    assert len(list((site.folder / "erasures").glob("*.json"))) == 1
    assert count_pieces(site) == 2
    assert site.rows("SELECT count(*) FROM erasures WHERE finished_at IS NULL") == [(0,)]


# Restoring


def test_a_backup_from_before_brings_nothing_erased_back(
    file_store: Erasing, tmp_path: Path
) -> None:
    site = file_store.site
    piece = site.add(NAME, b"content")
    site.add("kept.txt", b"kept")
    site.run("hold", "add", "case", "kept.txt", "--reason", "x").expect(0)
    site.anchor()
    site.run("prove", "--all").expect(0)
    wanted = file_store.needles_of(NAME, str(piece))
    leaf = file_store.row_of(NAME)[2]
    backup = back_up(site, tmp_path / "backup.db")
    receipts = shutil.copytree(site.folder / "receipts", tmp_path / "kept receipts")
    piece.unlink()
    site.run("erase", piece, *WHY).expect(0)
    site.run("run", "--once").expect(0)
    site.run("prove", "--all").expect(0)
    put_back(site, backup)
    restored = site.run("restore", "--replace", "--receipts", receipts).expect(0)
    assert "1 as hashes only" in restored.out
    for moved in site.folder.glob("anchor.db.before-restore-*"):
        moved.unlink()
    assert file_store.found(wanted) == []
    assert list(erased_places(site)) == [leaf]
    site.run("erase", "--tenant", "nobody", *WHY).refused(2, "no evidence")
    site.run("erase", site.folder / "kept.txt", *WHY).refused(2, "under the legal hold 'case'")
    site.run("audit").expect(0, "no problems found")
    # Without the folder, the statement's record tells it, which its receipt brought back.
    put_back(site, backup)
    shutil.rmtree(site.folder / "erasures")
    site.run("restore", "--replace", "--receipts", site.folder / "receipts").expect(0)
    for moved in site.folder.glob("anchor.db.before-restore-*"):
        moved.unlink()
    assert file_store.found(wanted) == []
    assert len(list((site.folder / "erasures").glob("*.json"))) == 1


def test_what_was_erased_while_it_waited_keeps_waiting_after_a_restore(
    file_store: Erasing, tmp_path: Path
) -> None:
    site = file_store.site
    site.add("first.txt", b"first")
    site.anchor()
    piece = site.add(NAME, b"waiting")
    wanted = file_store.needles_of(NAME, str(piece))
    leaf = file_store.row_of(NAME)[2]
    piece.unlink()
    site.run("erase", piece, *WHY).expect(0)
    site.run("restore", "--replace").expect(0, "2 pieces of evidence wait")
    for moved in site.folder.glob("anchor.db.before-restore-*"):
        moved.unlink()
    assert file_store.found(wanted) == []
    site.run("run", "--once").expect(0, "sealed 2 leaves")
    site.run("log", leaf.hex()).expect(0)
    site.run("audit").expect(0, "no problems found")


def site_leaf(site: Site) -> str:
    ((leaf,),) = site.rows("SELECT leaf FROM erasures")
    return bytes(leaf).hex()
