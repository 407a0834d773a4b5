"""What an S3 server's answer is about: one object, or every object and these credentials."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from support.s3_server import S3Server, using

from anchor.base.errors import CannotCheckError
from anchor.base.objects.object_store import ListedObject
from anchor.base.objects.object_url import ObjectUrl
from anchor.base.objects.store_choice import open_object_store
from anchor.objects import object_hashing
from anchor.objects.hashing_job import open_job
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects

Answer = Callable[[BaseHTTPRequestHandler], None]


def refuse(status: int, code: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{code}</Code><Message>secret</Message></Error>".encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def end_early(length: int) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(b"x")
        request.close_connection = True

    return answer


@contextmanager
def serve(answer: Answer) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with using(S3Server(server.server_port, None)):
                open_object_store.cache_clear()
                yield
        finally:
            open_object_store.cache_clear()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_hashing, "_FIRST_WAIT", 0.001)


def read() -> ObjectRow:
    listed = ListedObject(url=ObjectUrl("s3", "bucket", "key"), size=None, revision=None)
    (row,) = hash_objects([listed], HashingRules(algorithms=("sha256",), patience=0.0))
    return row


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refuse(404, "NoSuchKey"), "no longer there"),
        (refuse(412, "PreconditionFailed"), "changed"),
        (refuse(403, "AccessDenied"), "may not read"),
        (refuse(403, "InvalidObjectState"), "archived"),
        (refuse(400, "InvalidRequest"), "answered InvalidRequest"),
        (end_early(100), "end before the length"),
        (end_early(5 << 40), "end before the length"),
    ],
)
def test_an_answer_about_one_object_is_its_reason(answer: Answer, reason: str) -> None:
    with serve(answer):
        row = read()
    assert row.digests is None and reason in str(row.error)
    assert "secret" not in str(row.error)


@pytest.mark.parametrize(
    "answer",
    [
        refuse(400, "ExpiredToken"),
        refuse(403, "InvalidAccessKeyId"),
        refuse(403, "RequestTimeTooSkewed"),
        refuse(404, "NoSuchBucket"),
        refuse(500, "InternalError"),
        refuse(503, "SlowDown"),
        hang_up,
    ],
)
def test_an_answer_about_the_store_makes_no_object_unreadable(answer: Answer) -> None:
    with serve(answer):
        try:
            row = read()
        except CannotCheckError as error:
            assert "cannot be read now" in error.message and "secret" not in error.message
        else:
            pytest.fail(f"a row: {row}")


ODD = ("line\nfeed", "/lead", "a//b", "%ff", "%zz", "tab\t", "..", "中文", "e\u0301", "\x7f")


def answer_pages(keys: int) -> Answer:
    """List ``keys`` objects of 5 TiB with odd names, a thousand a page, and serve none."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(request.path).query)
        first = int(query.get("continuation-token", ["0"])[0])
        assert query["encoding-type"] == ["url"]
        contents = "".join(
            f"<Contents><Key>{number:07}{quote(ODD[number % len(ODD)])}</Key>"
            f'<Size>{5 << 40}</Size><ETag>"x"</ETag></Contents>'
            for number in range(first, min(first + 1_000, keys))
        )
        more = first + 1_000 < keys
        token = f"<NextContinuationToken>{first + 1_000}</NextContinuationToken>" if more else ""
        body = (
            "<ListBucketResult><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.mark.parametrize("keys", [20_500, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_any_number_of_odd_keys_is_listed_in_constant_memory(keys: int, tmp_path: Path) -> None:
    job = open_job(tmp_path / "job", [ObjectUrl("s3", "bucket", "")], ("sha256",))
    count = 0
    with serve(answer_pages(keys)):
        for listed in job.list_objects():
            if count == 0:
                tracemalloc.start()
            for each in listed:
                assert each.url.key == f"{count:07}{ODD[count % len(ODD)]}"
                assert each.size == 5 << 40
                count += 1
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == keys
    assert peak < 60 << 20


def test_credentials_that_expire_among_objects_make_none_unreadable() -> None:
    left = [3]

    def answer(request: BaseHTTPRequestHandler) -> None:
        if left[0] == 0:
            refuse(400, "ExpiredToken")(request)
            return
        left[0] -= 1
        request.send_response(200)
        request.send_header("Content-Length", "1")
        request.end_headers()
        request.wfile.write(b"x")

    listed = [
        ListedObject(url=ObjectUrl("s3", "bucket", f"{number}"), size=1, revision=None)
        for number in range(6)
    ]
    rules = HashingRules(algorithms=("sha256",), patience=0.0)
    with serve(answer):
        with pytest.raises(CannotCheckError, match="ExpiredToken"):
            hash_objects(listed, rules)
        left[0] = 6
        assert [row.error for row in hash_objects(listed, rules)] == [None] * 6
