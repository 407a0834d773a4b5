"""Copies uploaded by tus: compared, kept encrypted, read back, refused, deleted."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.copies import OCTETS, TUS, Uploader, keep, key_of, objects, until
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages

from anchor.base.system.clock import utc_now
from anchor.base.types import Hash32
from anchor.keeping import upload_rules
from anchor.store import kept_copies
from anchor.store.kept_copies import find_copy_of
from anchor.store.legal_holds import LegalHold, insert_holds
from anchor.store.tenant_events import list_active_tenants, load_events

TEXT = b"the original, which nobody else reads. " * 1_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    folder = tmp_path_factory.mktemp("copies")
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    return keep(site, folder, tenant_bytes=100_000)


@pytest.fixture(scope="module")
def folder(site: MemorySite) -> Path:
    return site.config.folder.parent


@pytest.fixture(scope="module")
def served(site: MemorySite) -> Iterator[PageService]:
    with serve_pages(site, site.chain) as served:
        yield served


@pytest.fixture
def acme(served: PageService) -> Iterator[Uploader]:
    """Return a tenant of its own for each test."""
    name = f"t-{os.urandom(6).hex()}"
    yield Uploader(served, key_of(served, name))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchor.service.upload_intake.PART_BYTES", 16_384)


def actions(served: PageService, id: str) -> list[str]:
    with served.project.database.read() as connection:
        events = [
            event
            for tenant in list_active_tenants(connection)
            for event in load_events(connection, tenant, 500)[::-1]
        ]
    return [event.action for event in events if event.subject == id]


def folder_of(served: PageService, folder: Path, id: str) -> list[Path]:
    with served.project.database.read() as connection:
        copy = find_copy_of(connection, bytes.fromhex(id))
    return [] if copy is None else [path for path in objects(folder) if copy.id in path.parts]


def test_a_copy_is_compared_kept_encrypted_and_read_back(
    served: PageService, acme: Uploader, folder: Path
) -> None:
    id = acme.upload(TEXT, name="dir/合同 1.pdf")
    assert acme.settled(id) == {
        "state": "kept", "length": len(TEXT), "received": len(TEXT), "reason": None, "upload": None,
    }  # fmt: skip
    stored = folder_of(served, folder, id)
    assert len(stored) == 3
    assert not any(b"original" in path.read_bytes() for path in stored)
    answer = acme.read(id)
    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["Content-Length"] == str(len(TEXT))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].endswith("''%E5%90%88%E5%90%8C%201.pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    for asked, content in (("bytes=0-9", TEXT[:10]), ("bytes=16380-16390", TEXT[16_380:16_391]),
                           ("bytes=-5", TEXT[-5:]), ("bytes=38990-", TEXT[38_990:])):  # fmt: skip
        part = acme.read(id, Range=asked)
        assert (part.status_code, part.content) == (206, content)
    assert acme.read(id, Range=f"bytes={len(TEXT)}-").status_code == 416
    assert actions(served, id) == ["copy-kept", "copy-read", "copy-read"]


def test_nothing_is_asked_of_who_does_not_begin_by_the_protocol(
    served: PageService, acme: Uploader
) -> None:
    options = served.http.options("/v1/uploads")
    assert options.status_code == 204
    assert options.headers["Tus-Version"] == options.headers["Tus-Resumable"] == "1.0.0"
    assert "creation" in options.headers["Tus-Extension"]
    id = acme.submit(TEXT)
    for version in ("0.2.2", ""):
        answer = acme.create(id, 1, **{"Tus-Resumable": version})
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    for length in ("", "-1", "1.5", "01", "1" * 17):
        assert acme.create(id, length).status_code == 422
    assert acme.create(id, len(TEXT) + 1).json()["errors"][0]["pointer"] == "Upload-Length"
    for named in ("", "evidence", "evidence !", "evidence YQ==", "filename YQ=="):
        assert acme.create(id, 1, **{"Upload-Metadata": named}).status_code == 422
    assert acme.create("0" * 64, 1).status_code == 404
    assert acme.copy_of(id) is None


def test_an_upload_goes_on_at_its_offset_and_nowhere_else(acme: Uploader) -> None:
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    first = acme.append(upload, TEXT[:20_000], 0)
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "20000")
    assert first.headers["Tus-Resumable"] == "1.0.0" and "Upload-Expires" in first.headers
    for offset in (0, 19_999, 20_001):
        assert acme.append(upload, TEXT[offset:], offset).status_code == 409
    assert acme.append(upload, TEXT[20_000:] + b"x", 20_000).status_code == 413
    assert acme.append(upload, TEXT, 20_000, **{"Content-Type": "text/plain"}).status_code == 415
    assert acme.append(upload, b"", 0, **{"Upload-Offset": "x"}).status_code == 422
    assert acme.create(id, len(TEXT)).headers["Location"] == upload
    assert acme.create(id, len(TEXT)).status_code == 201
    copy = acme.copy_of(id)
    assert copy is not None
    assert (copy["state"], copy["received"], copy["upload"]) == ("receiving", 20_000, upload)
    assert acme.read(id).status_code == 409
    assert acme.append(upload, TEXT[20_000:], 20_000).status_code == 204
    assert acme.settled(id)["state"] == "kept"
    assert acme.append(upload, b"", len(TEXT)).status_code == 409
    assert acme.ask("DELETE", upload, {}).status_code == 409
    assert acme.create(id, len(TEXT)).status_code == 409
    assert acme.read(id).content == TEXT


def test_what_arrived_before_the_connection_broke_is_kept(
    served: PageService, acme: Uploader, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    url = served.http.base_url
    with closing(socket.create_connection((url.host, url.port))) as connection:
        lines = {"Host": f"{url.host}:{url.port}", "Content-Length": str(len(TEXT))}
        lines |= OCTETS | {"Upload-Offset": "0"} | TUS | acme.headers
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"PATCH {upload} HTTP/1.1\r\n{head}\r\n".encode() + TEXT[:17_000])
        until(lambda: acme.offset(upload) == 16_384)
    until(lambda: acme.offset(upload) == 17_000)
    assert acme.append(upload, TEXT[17_000:], 17_000).status_code == 204
    assert acme.settled(id)["state"] == "kept"
    assert acme.read(id).content == TEXT
    assert len(folder_of(served, folder, id)) == 4
    assert caplog.records == [], "nobody did anything wrong"


def test_two_requests_at_one_offset_store_it_once(
    served: PageService, acme: Uploader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = acme.submit(TEXT[:100])
    upload = acme.begin(id, 100)
    assert served.service.vault is not None
    write = served.service.vault.write_part

    def overtaken(*args: object) -> object:
        monkeypatch.undo()
        part = write(*args)
        assert acme_again.append(upload, TEXT[:60], 0).status_code == 204
        return part

    acme_again = acme
    monkeypatch.setattr(served.service.vault, "write_part", overtaken)
    assert acme.append(upload, b"y" * 100, 0).status_code == 409
    assert acme.offset(upload) == 60
    assert acme.append(upload, TEXT[60:100], 60).status_code == 204
    assert acme.settled(id)["state"] == "kept"
    assert acme.read(id).content == TEXT[:100]
    assert len(folder_of(served, folder, id)) == 2


def test_an_empty_original_is_kept(acme: Uploader) -> None:
    id = acme.submit(b"")
    upload = acme.begin(id, 0)
    assert acme.settled(id)["state"] == "kept"
    assert acme.offset(upload) == 0
    assert acme.read(id).content == b""


def test_evidence_known_by_sm3_alone_is_compared_by_it(acme: Uploader) -> None:
    sm3 = hashlib.new("sm3", TEXT).hexdigest()
    body = {"sm3": sm3, "sha256": hashlib.sha256(TEXT).hexdigest(), "name": "both"}
    answer = acme.served.http.post("/v1/evidence", json=body, headers=acme.headers)
    upload = acme.begin(answer.json()["id"], len(TEXT))
    assert acme.append(upload, TEXT, 0).status_code == 204
    assert acme.settled(answer.json()["id"])["state"] == "kept"
    answer = acme.served.http.post(
        "/v1/evidence", json={"sm3": sm3, "name": "one"}, headers=acme.headers
    )
    upload = acme.begin(answer.json()["id"], len(TEXT))
    assert acme.append(upload, b"x" * len(TEXT), 0).status_code == 204
    assert acme.settled(answer.json()["id"])["reason"] == "other-bytes"


def test_other_bytes_are_refused_and_deleted(
    served: PageService, acme: Uploader, folder: Path
) -> None:
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    acme.append(upload, b"x" * len(TEXT), 0)
    assert acme.settled(id)["reason"] == "other-bytes"
    assert acme.read(id).status_code == 409
    until(lambda: not folder_of(served, folder, id))
    with served.project.database.read() as connection:
        copy = find_copy_of(connection, bytes.fromhex(id))
    assert copy is not None and copy.wrapped_key is None
    assert actions(served, id) == ["copy-refused"]
    assert acme.ask("HEAD", upload, {}).status_code == 404
    upload = acme.begin(id, len(TEXT))
    acme.append(upload, TEXT, 0)
    assert acme.settled(id)["state"] == "kept"


def test_another_tenant_meets_nothing(served: PageService, acme: Uploader) -> None:
    other = Uploader(served, key_of(served, "other"))
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    assert other.create(id, len(TEXT)).status_code == 404
    for method in ("HEAD", "DELETE"):
        assert other.ask(method, upload, {}).status_code == 404
    assert other.append(upload, TEXT, 0).status_code == 404
    acme.append(upload, TEXT, 0)
    acme.settled(id)
    assert other.read(id).status_code == 404
    path = f"/v1/evidence/{id}/copy"
    assert served.http.delete(path, headers=other.headers).status_code == 404
    assert acme.read(id).content == TEXT


def test_the_tenants_bytes_are_reserved_at_the_beginning(acme: Uploader) -> None:
    first = [acme.submit(bytes([number]) * 40_000) for number in range(3)]
    uploads = [acme.begin(id, 40_000) for id in first[:2]]
    answer = acme.create(first[2], 40_000)
    assert (answer.status_code, answer.json()["id"]) == (413, "copies-quota-exceeded")
    assert acme.ask("DELETE", uploads[0], {}).status_code == 204
    assert acme.ask("HEAD", uploads[0], {}).status_code == 404
    assert acme.copy_of(first[0]) is None
    assert acme.create(first[2], 40_000).status_code == 201


def test_an_upload_that_nobody_continues_ends(
    served: PageService, acme: Uploader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.service.routes.uploads.UPLOAD_SECONDS", 5)
    monkeypatch.setattr("anchor.service.upload_intake.UPLOAD_SECONDS", 5)
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    acme.append(upload, TEXT[:100], 0)
    (stored,) = folder_of(served, folder, id)
    until(lambda: acme.copy_of(id) is None)
    until(lambda: not stored.exists())
    assert acme.append(upload, TEXT[100:], 100).status_code == 404
    assert acme.begin(id, len(TEXT)) != upload


@pytest.mark.parametrize("bend", ["changed", "swapped", "shorter", "missing", "of another copy"])
def test_objects_that_were_touched_are_not_given_out(
    served: PageService, acme: Uploader, folder: Path, bend: str
) -> None:
    id = acme.upload(TEXT)
    acme.settled(id)
    first, second, _ = folder_of(served, folder, id)
    if bend == "changed":
        first.write_bytes(first.read_bytes()[:-1] + b"\0")
    elif bend == "swapped":
        first.write_bytes(second.read_bytes())
    elif bend == "shorter":
        first.write_bytes(first.read_bytes()[:-10])
    elif bend == "missing":
        first.unlink()
    else:
        other = acme.upload(TEXT + b".")
        acme.settled(other)
        first.write_bytes(folder_of(served, folder, other)[0].read_bytes())
    answer = acme.read(id)
    assert (answer.status_code, answer.json()["id"]) == (503, "copy-damaged")
    assert answer.json()["detail"].startswith("part 1 of the copy is not as it was stored: ")


def test_a_key_that_was_moved_to_another_copy_opens_nothing(
    served: PageService, acme: Uploader
) -> None:
    ids = [acme.upload(TEXT[:100]), acme.upload(TEXT[:200])]
    assert [acme.settled(id)["state"] for id in ids] == ["kept", "kept"]
    table = kept_copies.kept_copies
    with served.project.database.write() as connection:
        first, second = (find_copy_of(connection, bytes.fromhex(id)) for id in ids)
        assert first is not None and second is not None
        query = table.update().where(table.c.id == first.id)
        connection.execute(query.values(wrapped_key=second.wrapped_key))
    assert acme.read(ids[0]).status_code == 503
    assert acme.read(ids[1]).content == TEXT[:200]


def test_an_object_that_no_row_names_is_swept(
    served: PageService, acme: Uploader, folder: Path
) -> None:
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    acme.append(upload, TEXT[:100], 0)
    (stored,) = folder_of(served, folder, id)
    orphan = stored.with_name("000001-0123456789abcdef")
    orphan.write_bytes(stored.read_bytes())
    acme.append(upload, TEXT[100:], 100)
    assert acme.settled(id)["state"] == "kept"
    assert not orphan.exists() and stored.exists()
    assert acme.read(id).content == TEXT


def test_a_damaged_upload_is_refused(served: PageService, acme: Uploader, folder: Path) -> None:
    id = acme.submit(TEXT)
    upload = acme.begin(id, len(TEXT))
    acme.append(upload, TEXT[:100], 0)
    (stored,) = folder_of(served, folder, id)
    stored.write_bytes(b"")
    acme.append(upload, TEXT[100:], 100)
    assert acme.settled(id)["reason"] == "damaged"


def test_small_parts_have_a_bound(acme: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_rules, "_SPARE_PARTS", 0)
    id = acme.submit(TEXT[:100])
    upload = acme.begin(id, 100)
    assert acme.append(upload, TEXT[:50], 0).status_code == 204
    answer = acme.append(upload, TEXT[50:100], 50)
    assert (answer.status_code, answer.json()["id"]) == (409, "upload-too-many-parts")


def test_the_owner_deletes_a_copy_and_the_evidence_stays(
    served: PageService, acme: Uploader, folder: Path
) -> None:
    id = acme.upload(TEXT)
    acme.settled(id)
    stored = folder_of(served, folder, id)
    path = f"/v1/evidence/{id}/copy"
    assert served.http.delete(path, headers=acme.headers).status_code == 204
    assert acme.copy_of(id) is None
    assert acme.read(id).status_code == 404
    until(lambda: not any(each.exists() for each in stored))
    assert served.http.delete(path, headers=acme.headers).status_code == 404
    assert actions(served, id) == ["copy-kept", "copy-deleted"]


def test_a_hold_and_an_open_case_keep_the_copy(served: PageService, acme: Uploader) -> None:
    held, exhibit = acme.upload(TEXT), acme.upload(TEXT + b".")
    assert {acme.settled(id)["state"] for id in (held, exhibit)} == {"kept"}
    leaf = served.http.get(f"/v1/evidence/{held}", headers=acme.headers).json()["leaf"]
    hold = LegalHold(
        name="h", reason="r", leaf=Hash32(bytes.fromhex(leaf)), tenant=None, placed_by="us",
        placed_at=utc_now(),
    )  # fmt: skip
    with served.project.database.write() as connection:
        insert_holds(connection, [hold])
    case = served.http.post(
        "/v1/cases", json={"number": held[:20], "title": "Lee v. Ho"}, headers=acme.headers
    ).json()["id"]
    exhibits = f"/v1/cases/{case}/exhibits"
    answer = served.http.post(exhibits, json={"evidence": exhibit}, headers=acme.headers)
    assert answer.status_code == 201, answer.text
    for id, reason in ((held, "copy-held"), (exhibit, "copy-of-exhibit")):
        answer = served.http.delete(f"/v1/evidence/{id}/copy", headers=acme.headers)
        assert (answer.status_code, answer.json()["id"]) == (409, reason)
        assert acme.copy_of(id) is not None


def test_erased_evidence_takes_its_copy_along(
    served: PageService, acme: Uploader, folder: Path
) -> None:
    id = acme.upload(TEXT)
    acme.settled(id)
    stored = folder_of(served, folder, id)
    why = {"basis": "pipl-47", "reason": "request 2026-17"}
    path = f"/v1/evidence/{id}/erasure"
    assert served.http.post(path, json=why, headers=acme.headers).status_code == 202
    assert acme.read(id).status_code == 410
    with served.project.database.read() as connection:
        assert find_copy_of(connection, bytes.fromhex(id)) is None
        assert id not in str(list(connection.execute(kept_copies.kept_copies.select())))
    until(lambda: not any(each.exists() for each in stored))


def test_roles_and_scopes_hold_for_copies(served: PageService, acme: Uploader) -> None:
    id = acme.upload(TEXT)
    acme.settled(id)
    tenant = served.http.get("/v1/usage", headers=acme.headers).json()["tenant"]
    scopes = {scope: Uploader(served, key_of(served, tenant, scope))
              for scope in ("submit", "read", "audit", "manage")}  # fmt: skip
    path = f"/v1/evidence/{id}/copy"
    assert {scope: each.read(id).status_code for scope, each in scopes.items()} == {
        "submit": 403, "read": 200, "audit": 403, "manage": 403,
    }  # fmt: skip
    assert {scope: each.create(id, len(TEXT)).status_code for scope, each in scopes.items()} == {
        "submit": 409, "read": 403, "audit": 403, "manage": 403,
    }  # fmt: skip
    assert {
        scope: served.http.delete(path, headers=each.headers).status_code
        for scope, each in scopes.items()
    } == {"submit": 403, "read": 403, "audit": 403, "manage": 204}
    assert served.http.get(path).status_code == 401
