"""Objects of Google Cloud Storage and Azure Blob Storage, by their own clients."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.cloud_stores import (
    CloudStore,
    connect_azure,
    run_azure,
    run_google,
    using_environment,
)
from support.memory_projects import MemorySite
from support.publications import refusal

from anchor.base.errors import CannotCheckError, ExitCode, UsageError
from anchor.base.objects.object_store import ListedObject, ObjectHeaders
from anchor.base.objects.object_url import ObjectUrl, parse_object_url
from anchor.base.objects.object_writing import (
    PROBE,
    check_conditions,
    create_object,
    load_object,
    replace_object,
)
from anchor.base.objects.store_choice import open_object_store, open_writable_store
from anchor.evidence.hashing_pool import HashingWorkers, open_executor
from anchor.objects import hashing_job
from anchor.objects.hashing_job import list_store, open_job
from anchor.objects.object_audit import ObjectAudit, audit_objects
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects
from anchor.objects.object_manifest import read_rows
from anchor.operate.object_intake import take_objects
from anchor.operate.recent_block import name_no_block

pytestmark = pytest.mark.release

RULES = HashingRules(algorithms=("sha256",), patience=0.0)
# Names that file systems, URLs or libraries would alter, of those that both servers can store.
ODD = (
    "/lead", "a//b", "pct%41", "%zz", "sp ace", "+plus", "中文", "folder/", "tab\tx", "line\nfeed",
    "q?versionId=1", "#h", "a#1", "e\u0301", "dot.", "empty",
)  # fmt: skip
LARGE = bytes(range(256)) * 80_000  # three blocks of 8 MiB


@pytest.fixture(scope="module", params=["gs", "az"])
def store(request: pytest.FixtureRequest) -> Iterator[CloudStore]:
    with run_google() if request.param == "gs" else run_azure() as server:
        open_object_store.cache_clear()
        yield server
    open_object_store.cache_clear()


@pytest.fixture
def bucket(store: CloudStore, request: pytest.FixtureRequest) -> str:
    name = f"b-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    store.make_bucket(name)
    return name


def content(key: str) -> bytes:
    return b"" if key == "empty" else key.encode()


def list_all(store: CloudStore, bucket: str, after: str | None = None) -> list[ListedObject]:
    url = ObjectUrl(store.scheme, bucket, "")
    return list(list_store(open_object_store(store.scheme), url, after))


def hash_all(listed: list[ListedObject]) -> dict[str, ObjectRow]:
    return {
        each.url.key: row for each, row in zip(listed, hash_objects(listed, RULES), strict=True)
    }


def test_names_sizes_and_bytes_are_those_of_the_store(store: CloudStore, bucket: str) -> None:
    for key in ODD:
        store.put(bucket, key, content(key))
    store.put(bucket, "large", LARGE)
    listed = list_all(store, bucket)
    expected = {key: content(key) for key in ODD} | {"large": LARGE}
    assert sorted(each.url.key for each in listed) == sorted(expected)
    for key, row in hash_all(listed).items():
        assert row.error is None and row.digests is not None
        assert (row.size, row.digests.sha256) == (
            len(expected[key]),
            hashlib.sha256(expected[key]).digest(),
        )
    kinds = {(each.revision or "").partition(":")[0] for each in listed}
    assert kinds == {"version" if store.scheme == "gs" else "etag"}


def test_a_listing_is_continued_after_any_key(store: CloudStore, bucket: str) -> None:
    for key in ODD:
        store.put(bucket, key, content(key))
    keys = [each.url.key for each in list_all(store, bucket)]
    for number, key in enumerate(keys):
        assert [each.url.key for each in list_all(store, bucket, key)] == keys[number + 1 :]


def test_another_version_than_the_listed_one_is_refused(store: CloudStore, bucket: str) -> None:
    for key in ("same", "changed", "gone"):
        store.put(bucket, key, b"before")
    listed = list_all(store, bucket)
    # Of the same length, so that only the version tells.
    store.put(bucket, "changed", b"behind")
    store.delete(bucket, "gone")
    rows = hash_all(listed)
    assert rows["same"].error is None
    assert "changed" in str(rows["changed"].error)
    assert rows["gone"].error is not None and rows["gone"].digests is None
    anew = [ListedObject(url=each.url, size=None, revision=None) for each in listed]
    assert hash_all(anew)["changed"].digests is not None


@pytest.mark.fault(
    "J17",
    how="an object of Google's or Azure's store is replaced between two blocks of its reading",
    then="its digest is refused: no digest is of bytes of two versions",
)
def test_a_change_between_two_blocks_is_noticed(
    store: CloudStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anchor.objects import object_hashing

    original = object_hashing.digest_stream
    store.put(bucket, "large", LARGE)
    (listed,) = list_all(store, bucket)

    def replace_after_the_first_block(stream: io.BufferedIOBase, *args: object, **named: object):
        first = stream.read(1 << 20)
        store.put(bucket, "large", LARGE[::-1])

        class Rest:
            def read(self, size: int) -> bytes:
                nonlocal first
                taken, first = first[:size], first[size:]
                return taken or stream.read(size)

        return original(Rest(), *args, **named)

    monkeypatch.setattr(object_hashing, "digest_stream", replace_after_the_first_block)
    (row,) = hash_objects([listed], RULES)
    assert row.digests is None and row.error is not None


def test_a_bucket_that_is_not_there_is_said(store: CloudStore) -> None:
    with pytest.raises(UsageError, match="no bucket or folder no-such-bucket"):
        list_all(store, "no-such-bucket")
    url = ObjectUrl(store.scheme, "no-such-bucket", "x")
    with pytest.raises(CannotCheckError, match="cannot be read now"):
        hash_objects([ListedObject(url=url, size=None, revision=None)], RULES)


def test_a_whole_run_records_and_audits(
    store: CloudStore,
    bucket: str,
    site: MemorySite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashing_job, "PART_ROWS", 5)
    for number in range(12):
        store.put(bucket, f"k/{number:02}", b"%d" % number)
    project = site.open()
    url = f"{store.scheme}://{bucket}"
    with open_executor(2) as threads:
        workers = HashingWorkers(threads, 1, 2)
        job = open_job(tmp_path / "job", [parse_object_url(url)], RULES.algorithms)
        intake = take_objects(
            project,
            job,
            RULES,
            workers=workers,
            name_block=name_no_block,
            on_done=lambda *_: None,
            on_total=lambda *_: None,
        )
        assert (intake.new, intake.unread) == (15, 0)
        store.put(bucket, "k/03", b"other")
        rows = [row for number in range(3) for row in read_rows(job.part(number))]
        audit = audit_objects(
            rows, parse_object_url(url), RULES, workers=workers, on_done=lambda *_: None
        )
    project.database.close()
    assert (audit.equal, audit.changed, audit.unread) == (11, 1, 0)
    assert isinstance(audit, ObjectAudit)


def test_an_object_is_written_whole_and_over_no_other(store: CloudStore, bucket: str) -> None:
    writable = open_writable_store(store.scheme)
    folder = ObjectUrl(store.scheme, bucket, "log")
    check_conditions(writable, folder)
    headers = ObjectHeaders(media_type="application/json", cache_control="max-age=9")
    for key, data in (("log/small", b"small"), ("log/large", LARGE), ("log/empty", b"")):
        url = ObjectUrl(store.scheme, bucket, key)
        assert create_object(writable, url, io.BytesIO(data), headers)
        if (store.scheme, key) == ("gs", "log/large"):
            continue  # fake-gcs-server heeds no conditions of an upload in parts
        assert not create_object(writable, url, io.BytesIO(data), headers)
        error = refusal(create_object, writable, url, io.BytesIO(b"other"), headers)
        assert (error.exit_code, error.message.id) == (
            ExitCode.CHAIN_GUARD, "object-exists-otherwise",
        )  # fmt: skip
        stored = load_object(writable, url, len(LARGE) + 1)
        assert stored is not None and stored.data == data
    names = {each.url.key for each in list_all(store, bucket)}
    assert names == {f"log/{name}" for name in ("small", "large", "empty", PROBE)}


def test_an_object_is_replaced_in_the_version_that_was_read(store: CloudStore, bucket: str) -> None:
    writable = open_writable_store(store.scheme)
    url = ObjectUrl(store.scheme, bucket, "checkpoint")
    headers = ObjectHeaders()
    assert not replace_object(writable, url, b"two", headers, before=b"one")
    assert replace_object(writable, url, b"one", headers, before=None)
    assert not replace_object(writable, url, b"two", headers, before=None)
    before = load_object(writable, url, 9)
    assert before is not None
    assert replace_object(writable, url, b"two", headers, before=b"one")
    # Of a version that was replaced, and of one that is gone.
    assert not writable.write(url, io.BytesIO(b"three"), headers, replaces=before.revision)
    assert not writable.write(url, io.BytesIO(b"three"), headers, replaces=writable.no_revision)
    store.delete(bucket, "checkpoint")
    assert not writable.write(url, io.BytesIO(b"three"), headers, replaces=before.revision)
    assert list_all(store, bucket) == []


def test_a_bucket_that_is_not_there_is_not_written_to(store: CloudStore) -> None:
    writable = open_writable_store(store.scheme)
    url = ObjectUrl(store.scheme, "no-such-bucket", "log")
    error = refusal(check_conditions, writable, url)
    assert (error.exit_code, error.message.id) == (ExitCode.USAGE, "object-bucket-missing")


@contextmanager
def refusing(status: int, code: str = "") -> Iterator[int]:
    """Refuse every object, with Azure's header of its code; Google's bucket is there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_list = status == 404 and self.path.partition("?")[0].endswith("/o")
            self.send_response(200 if is_list else status)
            self.send_header("x-ms-error-code", code)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def pointed_at(scheme: str, port: int) -> Iterator[None]:
    env = (
        {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
        if scheme == "gs"
        else {"AZURE_STORAGE_CONNECTION_STRING": connect_azure(port)}
    )
    open_object_store.cache_clear()
    with using_environment(env):
        yield
    open_object_store.cache_clear()


@pytest.mark.parametrize(
    ("scheme", "status", "code", "reason"),
    [
        ("gs", 403, "", "may not read"),
        ("gs", 412, "", "changed"),
        ("gs", 404, "", "no longer there"),
        ("gs", 400, "", "answered 400"),
        ("az", 403, "AuthorizationPermissionMismatch", "may not read"),
        ("az", 412, "ConditionNotMet", "changed"),
        ("az", 404, "BlobNotFound", "no longer there"),
        ("az", 409, "BlobArchived", "archived"),
        ("az", 400, "InvalidHeaderValue", "answered InvalidHeaderValue"),
    ],
)
def test_an_answer_about_one_object_is_its_reason(
    scheme: str, status: int, code: str, reason: str
) -> None:
    listed = ListedObject(url=ObjectUrl(scheme, "bucket", "key"), size=None, revision=None)
    with refusing(status, code) as port, pointed_at(scheme, port):
        (row,) = hash_objects([listed], RULES)
        assert row.digests is None and reason in str(row.error)
        if status == 403:
            with pytest.raises(UsageError, match="may not list the bucket"):
                list(list_store(open_object_store(scheme), ObjectUrl(scheme, "bucket", ""), None))


@pytest.mark.parametrize(
    ("scheme", "status", "code"),
    [("gs", 401, ""), ("az", 403, "AuthenticationFailed"), ("az", 403, "AuthorizationFailure")],
)
def test_refused_credentials_make_no_object_unreadable(scheme: str, status: int, code: str) -> None:
    listed = ListedObject(url=ObjectUrl(scheme, "bucket", "key"), size=None, revision=None)
    with (
        refusing(status, code) as port,
        pointed_at(scheme, port),
        pytest.raises(CannotCheckError, match="cannot be read now"),
    ):
        hash_objects([listed], RULES)


@pytest.mark.parametrize(
    ("scheme", "status", "code", "expected"),
    [
        ("gs", 403, "", ExitCode.USAGE),
        ("gs", 401, "", ExitCode.CANNOT_CHECK),
        ("az", 403, "AuthorizationPermissionMismatch", ExitCode.USAGE),
        ("az", 403, "AuthenticationFailed", ExitCode.CANNOT_CHECK),
    ],
)
def test_a_refused_write_is_told_in_one_sentence(
    scheme: str, status: int, code: str, expected: ExitCode
) -> None:
    with refusing(status, code) as port, pointed_at(scheme, port):
        url = ObjectUrl(scheme, "bucket", "log")
        error = refusal(check_conditions, open_writable_store(scheme), url)
    text = "may not write" if expected == ExitCode.USAGE else "cannot be written"
    assert (error.exit_code, text in error.message) == (expected, True), error.message


def test_an_address_that_would_be_another_blobs_is_not_requested() -> None:
    listed = ListedObject(url=ObjectUrl("az", "bucket", "a/../b"), size=None, revision=None)
    with pointed_at("az", 9):
        (row,) = hash_objects([listed], RULES)
        store = open_writable_store("az")
        error = refusal(create_object, store, listed.url, io.BytesIO(b""), ObjectHeaders())
    assert "cannot be requested" in str(row.error)
    assert (error.exit_code, "cannot be requested" in error.message) == (ExitCode.USAGE, True)


def test_an_account_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    open_object_store.cache_clear()
    with pytest.raises(UsageError, match="must name the storage account"):
        open_object_store("az")
