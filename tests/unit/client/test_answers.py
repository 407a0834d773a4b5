"""Whatever answers in the service's place, the clients end with an error of the package."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import anchor
from anchor.client import Accepted, Refused
from anchor.client import answers as answers_module

URL = "https://user-facing.example/s3cret"
HTML = b"<!doctype html><title>Sign in</title>"
ACCEPTED = {"id": "ab", "state": "accepted", "known": False}
STATUS = {"id": "ab", "state": "anchored", "leaf": "cd", "index": 1}
PROBLEM = {"status": 422, "detail": "no"}
ONE = anchor.Submission(sha256=bytes(32))

NOT_OURS = [
    HTML, b"", b"\xff\xfe", b"null", b"[]", b"7", b'"text"', b"{}", b"[" * 100_000,
    b'{"id":' + b"9" * 5_000 + b"}", b'{"error":"not found"}',
]  # fmt: skip
OTHER_SHAPES = [
    {"id": 7}, {"id": None}, {"state": "done"}, {"state": []}, {"state": 1}, {"known": "no"},
    {"known": None}, {"leaf": 1}, {"leaf": None}, {"index": "1"}, {"index": True},
    {"copies": "2"}, {"format": "receipt"}, {"format": 1},
]  # fmt: skip


def call(answers: Callable[[httpx.Request], httpx.Response], name: str) -> Any:
    """Make one call of a client whose every request is answered so."""

    def sleep(_: float) -> None: ...

    transport = httpx.MockTransport(answers)
    with anchor.Client(URL, "key", sleep=sleep, transport=transport) as client:
        if name == "submit_many":
            return list(client.submit_many([ONE] * 4))
        return client.submit(ONE) if name == "submit" else getattr(client, name)("ab")


def call_async(answers: Callable[[httpx.Request], httpx.Response], name: str) -> Any:
    """Make the same call of the client for asyncio."""

    async def sleep(_: float) -> None: ...

    async def run() -> Any:
        transport = httpx.MockTransport(answers)
        async with anchor.AsyncClient(URL, "key", sleep=sleep, transport=transport) as client:
            if name == "submit_many":
                return [one async for one in client.submit_many([ONE] * 4)]
            return await (client.submit(ONE) if name == "submit" else getattr(client, name)("ab"))

    return asyncio.run(run())


@pytest.mark.parametrize("make", [call, call_async])
@pytest.mark.parametrize("name", ["submit", "submit_many", "status", "wait", "receipt"])
@pytest.mark.parametrize("content", NOT_OURS, ids=lambda content: repr(content[:12]))
def test_what_is_no_answer_is_said_to_come_from_there(make: Any, name: str, content: bytes):
    headers = {"Content-Type": "text/html; " + "x" * 9_000}

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content, headers=headers)

    if name == "submit_many" and content in (b"", b"{}", b'{"error":"not found"}'):
        with pytest.raises(anchor.CannotCheckError, match="accepted 0 of 4 lines"):
            make(answer, name)
        return
    with pytest.raises(anchor.MalformedError) as caught:
        make(answer, name)
    for told in ("https://user-facing.example", "200", "text/html"):
        assert told in caught.value.message
    assert "s3cret" not in caught.value.message and len(caught.value.message) < 1_000
    assert caught.value.hint is not None


@pytest.mark.parametrize("name", ["submit", "submit_many", "status", "wait", "receipt"])
@pytest.mark.parametrize("wrong", OTHER_SHAPES, ids=repr)
def test_a_member_of_another_type_is_named(name: str, wrong: dict[str, Any]):
    (member,) = wrong
    right = {"receipt": {"format": "anchor-receipt/1"}, "submit": ACCEPTED, "submit_many": ACCEPTED}
    members = right.get(name, STATUS)
    lines = [{**members, **wrong, "line": number} for number in range(1, 5)]

    def answer(_: httpx.Request) -> httpx.Response:
        said = lines if name == "submit_many" else lines[:1]
        return httpx.Response(200, content="\n".join(map(json.dumps, said)))

    if member in members or (member == "copies" and members is ACCEPTED):
        with pytest.raises(anchor.MalformedError, match=f"'{member}'|is not a receipt"):
            call(answer, name)
    else:
        call(answer, name)


@pytest.mark.parametrize("make", [call, call_async])
def test_lines_are_told_by_their_numbers_in_whatever_order_they_come(make: Any):
    bodies: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        count = len(request.content.splitlines())
        bodies.append(count)
        numbers = [4, 1] if count == 4 else [2, 1]
        lines: list[dict[str, Any]] = [
            {"line": number, **ACCEPTED, "id": f"{count}.{number}"} for number in numbers
        ]
        if count == 2:
            lines[0] = {"line": 2, "problem": PROBLEM}
        return httpx.Response(200, content="\n".join(map(json.dumps, lines)))

    found = make(answer, "submit_many")
    assert bodies == [4, 2]
    assert found == [
        Accepted("4.1", "accepted", False), Accepted("2.1", "accepted", False),
        Refused(422, "no", ()), Accepted("4.4", "accepted", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "why"),
    [([1, 2, 3, 4, 5], "was not sent"), ([0], "was not sent"), ([-1], "was not sent"),
     ([1, 2, 2, 3], "same line twice"), (["1"], "'line'"), ([True], "'line'"), ([None], "'line'"),
     ([1.0], "'line'")],
)  # fmt: skip
@pytest.mark.parametrize("make", [call, call_async])
def test_lines_that_were_not_sent_or_come_twice_are_refused(
    make: Any, numbers: list[object], why: str
):
    lines = [json.dumps({"line": number, **ACCEPTED}) for number in numbers]
    with pytest.raises(anchor.MalformedError, match=why):
        make(lambda _: httpx.Response(200, content="\n".join(lines)), "submit_many")


@pytest.mark.parametrize(
    "problem",
    [None, "no", {}, {"status": "422", "detail": "no"}, {"status": 422, "detail": ["no"]},
     {**PROBLEM, "errors": "none"}, {**PROBLEM, "errors": ["none"]},
     {**PROBLEM, "errors": [{"pointer": 1, "message": "no"}]}],
)  # fmt: skip
def test_a_problem_of_another_shape_is_refused_in_a_line_and_passed_over_as_an_answer(
    problem: object,
):
    line = json.dumps({"line": 1, "problem": problem})
    with pytest.raises(anchor.MalformedError):
        call(lambda _: httpx.Response(200, content=line), "submit_many")
    with pytest.raises(anchor.UsageError, match="answers 404: Not Found"):
        call(lambda _: httpx.Response(404, json=problem), "status")


def test_a_long_problem_is_cut():
    problem = {"status": 404, "detail": "x" * 100_000}
    with pytest.raises(anchor.UsageError) as caught:
        call(lambda _: httpx.Response(404, json=problem), "status")
    assert 500 < len(caught.value.message) < 600


@pytest.mark.parametrize("make", [call, call_async])
def test_what_cannot_be_unpacked_is_no_answer(make: Any):
    headers = {"Content-Encoding": "gzip"}

    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Any:
            yield b"no gzip"

        async def __aiter__(self) -> Any:
            yield b"no gzip"

    with pytest.raises(anchor.CannotCheckError, match="did not answer: DecodingError"):
        make(lambda _: httpx.Response(200, headers=headers, stream=Broken()), "status")


@pytest.mark.parametrize("make", [call, call_async])
def test_an_answer_without_an_end_is_cut(make: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers_module, "_MOST_BYTES", 3 << 20)
    sent: list[int] = []

    class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Any:
            while True:
                sent.append(1)
                yield bytes(1 << 20)

        async def __aiter__(self) -> Any:
            while True:
                sent.append(1)
                yield bytes(1 << 20)

    with pytest.raises(anchor.MalformedError, match="is longer than 3 MiB"):
        make(lambda _: httpx.Response(200, stream=Endless()), "submit_many")
    assert len(sent) == 4


@pytest.mark.parametrize("make", [call, call_async])
def test_an_answer_that_is_packed_is_unpacked_once(make: Any):
    packed = gzip.compress(json.dumps(STATUS).encode())
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    status = make(lambda _: httpx.Response(200, content=packed, headers=headers), "status")
    assert (status.id, status.index) == ("ab", 1)


def test_a_submission_with_groups_sends_them_as_they_are():
    groups = {"source": {"origin": "法院"}}
    sent = anchor.Submission(sha256=bytes(32), name="x", groups=groups).encode()
    assert json.loads(sent) == {"sha256": "00" * 32, "name": "x", "groups": groups}
