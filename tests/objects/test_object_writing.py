"""Objects are written whole, on conditions that the store must heed, and never over others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support.bucket_publications import Bucket, make_bucket
from support.publications import refusal
from support.s3_server import S3Server, using

from anchor.base.errors import ExitCode
from anchor.base.objects import s3_store
from anchor.base.objects.object_store import ObjectHeaders
from anchor.base.objects.object_url import ObjectUrl, parse_object_url
from anchor.base.objects.object_writing import create_object, load_object, upload_files
from anchor.base.objects.store_choice import open_object_store, open_writable_store
from anchor.cli import output_place
from anchor.cli.output_place import open_output_place
from anchor.log.publication import open_writer

# The least that the server takes as a part.
PART = 5 * 1024 * 1024


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    return make_bucket(s3)


class StoredObjects(BaseHTTPRequestHandler):
    """A server of one bucket that knows no conditions, or answers each PUT with an error."""

    timeout = 10

    answer: tuple[int, str] | None = None
    objects: dict[str, bytes]

    def do_GET(self) -> None:
        data = self.objects.get(self.path)
        if data is None:
            self._refuse(404, "NoSuchKey")
            return
        self._send(200, data)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.answer is not None:
            self._refuse(*self.answer)
            return
        self.objects[self.path] = body
        self._send(200, b"")

    def _refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>SECRET</Message></Error>"
        self._send(status, text.encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve(answer: tuple[int, str] | None) -> Iterator[dict[str, bytes]]:
    objects: dict[str, bytes] = {}
    handler = type("Handler", (StoredObjects,), {"answer": answer, "objects": objects})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            with using(S3Server(server.server_port, None)):
                open_object_store.cache_clear()
                yield objects
        finally:
            open_object_store.cache_clear()
            server.shutdown()


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        ((403, "AccessDenied"), ExitCode.USAGE, "may not write s3://bucket/log/.anchor-probe"),
        ((404, "NoSuchBucket"), ExitCode.USAGE, "no bucket or folder bucket"),
        ((501, "NotImplemented"), ExitCode.USAGE, "does not heed the conditions"),
        ((400, "ExpiredToken"), ExitCode.CANNOT_CHECK, "the store answered ExpiredToken"),
        ((403, "InvalidAccessKeyId"), ExitCode.CANNOT_CHECK, "answered InvalidAccessKeyId"),
        ((403, "RequestTimeTooSkewed"), ExitCode.CANNOT_CHECK, "answered RequestTimeTooSkewed"),
        ((400, "EntityTooLarge"), ExitCode.CANNOT_CHECK, "the store answered EntityTooLarge"),
    ],
)
def test_an_answer_to_a_write_is_told_in_one_sentence(
    answer: tuple[int, str], code: ExitCode, text: str
) -> None:
    with serve(answer) as objects:
        error = refusal(open_writer("s3://bucket/log").create, {"tile/0/000.p/1": bytes(32)})
    assert (error.exit_code, text in error.message) == (code, True), error.message
    assert error.hint or code == ExitCode.USAGE
    assert "SECRET" not in f"{error.message}{error.hint}" and "\n" not in error.message
    assert objects == {}


def test_a_store_that_ignores_conditions_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"bag")
    url = parse_object_url("s3://bucket/log")
    with serve(None) as objects:
        store = open_writable_store("s3")
        for error in (
            refusal(open_writer(str(url)).create, {"tile/0/000.p/1": bytes(32)}),
            refusal(open_writer(str(url)).replace, "checkpoint", b"new", before=None),
            refusal(upload_files, store, url, {url.below("a.zip"): tmp_path / "a.zip"}, {}),
        ):
            assert (error.exit_code, error.message.id) == (
                ExitCode.USAGE, "object-conditions-missing",
            )  # fmt: skip
    assert set(objects) == {"/bucket/log/.anchor-probe"}


def test_a_store_that_is_away_is_told(s3: S3Server) -> None:
    with using(S3Server(1, None)):
        open_object_store.cache_clear()
        error = refusal(open_writer("s3://bucket/log").read, "checkpoint")
        assert (error.exit_code, "EndpointConnectionError" in error.message) == (20, True)
    open_object_store.cache_clear()


def put(bucket: Bucket, name: str, data: bytes) -> bool:
    url = ObjectUrl("s3", bucket.name, f"log/{name}")
    return create_object(open_writable_store("s3"), url, BytesIO(data), ObjectHeaders())


def uploads(bucket: Bucket) -> list[Any]:
    listed = bucket.s3.client.list_multipart_uploads(Bucket=bucket.name)
    return list(listed.get("Uploads", []))


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "_PART_BYTES", PART)


@pytest.mark.usefixtures("parts")
def test_a_large_object_is_written_in_parts_at_once_and_over_no_other(bucket: Bucket) -> None:
    data = bytes(range(256)) * (PART // 256) + b"the rest"
    assert put(bucket, "large", data)
    assert bucket.files()["large"] == data
    assert not put(bucket, "large", data)
    error = refusal(put, bucket, "large", data + b"!")
    assert (error.exit_code, error.message.id) == (
        ExitCode.CHAIN_GUARD, "object-exists-otherwise",
    )  # fmt: skip
    assert bucket.files() == {"large": data}
    assert uploads(bucket) == []


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("failing", ["upload_part", "complete_multipart_upload"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_parts_that_are_not_completed_are_discarded(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    error: type[BaseException],
) -> None:
    store = open_writable_store("s3")
    original = getattr(store._client, failing)
    calls = 0

    def fail(**options: Any) -> Any:
        nonlocal calls
        calls += 1
        if failing == "upload_part" and calls == 1:
            return original(**options)
        raise error

    monkeypatch.setattr(store._client, failing, fail)
    data = bytes(PART + 1)
    if error is OSError:
        assert refusal(put, bucket, "large", data).exit_code == ExitCode.CANNOT_CHECK
    else:
        with pytest.raises(KeyboardInterrupt):
            put(bucket, "large", data)
    assert (bucket.files(), uploads(bucket)) == ({}, [])


def test_files_become_objects_all_or_none(bucket: Bucket, tmp_path: Path) -> None:
    names = ("a.json", "b/c.zip", "d")
    store, folder = open_writable_store("s3"), parse_object_url(bucket.url)
    files = {folder.below(name): tmp_path / name for name in names}
    for path in files.values():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode())
    bucket.put("d", b"another's")
    error = refusal(upload_files, store, folder, files, {})
    assert (error.exit_code, "log/d exists already" in error.message) == (2, True), error.message
    assert bucket.files() == {"d": b"another's"}
    bucket.put("d", b"d")
    for _ in range(2):
        upload_files(store, folder, files, {})
    assert bucket.files() == {"a.json": b"a.json", "b/c.zip": b"c.zip", "d": b"d"}
    head = bucket.s3.client.head_object(Bucket=bucket.name, Key="log/b/c.zip")
    assert head["ContentType"] == "application/zip"
    stored = load_object(store, folder.below("d"), 9)
    assert stored is not None and stored.data == b"d"


def test_an_object_that_is_ours_is_renewed_unless_somebody_else_wrote_it(bucket: Bucket) -> None:
    def renew(*meanwhile: bytes) -> None:
        with open_output_place(bucket.url, is_file=False) as place:
            for name in ("same", "ours", "theirs", "new"):
                place.fetch(place.path / name, lambda path: path.name != "theirs")
            assert (place.path / "ours").read_bytes() == b"old"
            assert not (place.path / "theirs").exists()
            (place.path / "ours").write_bytes(b"renewed")
            (place.path / "new").write_bytes(b"new")
            for data in meanwhile:
                bucket.put("ours", data)

    for name, data in {"same": b"same", "ours": b"old", "theirs": b"theirs"}.items():
        bucket.put(name, data)
    error = refusal(renew, b"meanwhile")
    assert (error.exit_code, error.message.id) == (
        ExitCode.CHAIN_GUARD, "object-written-meanwhile",
    )  # fmt: skip
    assert bucket.files()["ours"] == b"meanwhile"
    bucket.put("ours", b"old")
    renew()
    assert bucket.files() == {
        "same": b"same", "ours": b"renewed", "theirs": b"theirs", "new": b"new",
    }  # fmt: skip


def test_only_the_beginning_of_what_may_be_replaced_is_copied(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_place, "_MOST_FETCHED", 4)
    for name in ("ours", "theirs"):
        bucket.put(name, b"old and long")
    with open_output_place(bucket.url, is_file=False) as place:
        place.fetch(place.path / "ours", lambda path: path.read_bytes() == b"old ")
        place.fetch(place.path / "theirs", lambda path: path.stat().st_size > 4)
        assert not (place.path / "theirs").exists()
        assert [fetched.digests for fetched in place.fetched.values()] == [None]
        # Its beginning alone does not tell that it is the same: it is written again.
        (place.path / "ours").write_bytes(b"old and new")
    assert bucket.files() == {"ours": b"old and new", "theirs": b"old and long"}


def test_nothing_is_written_if_the_work_fails(bucket: Bucket) -> None:
    with pytest.raises(ZeroDivisionError), open_output_place(bucket.url, is_file=False) as place:
        place.path.mkdir()
        (place.path / "a").write_bytes(b"a")
        raise ZeroDivisionError
    assert bucket.files() == {}
    assert not place.path.exists()
