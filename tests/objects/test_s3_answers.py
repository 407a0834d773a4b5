"""What an S3 server's answer is about: one object, or every object and these credentials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.s3_server import S3Server, using

from anchor.errors import CannotCheckError
from anchor.objects import object_hashing
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects
from anchor.objects.object_store import ListedObject
from anchor.objects.object_url import ObjectUrl
from anchor.objects.store_choice import open_object_store

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


def end_early(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.write(b"x")
    request.close_connection = True


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
        with using(S3Server(server.server_port, None)):
            open_object_store.cache_clear()
            yield
        server.shutdown()
        thread.join()
    open_object_store.cache_clear()


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
        (end_early, "end before the length"),
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
