"""The client: its examples run, what can be repeated is, and errors are the project's."""

from __future__ import annotations

import asyncio
import doctest
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.fixtures import MakeSite
from support.service import digest, make_key, serve

import anchor.client
import anchor.client.case_session
import anchor.client.session
from anchor.base.errors import CannotCheckError, ExitCode, MalformedError, NotFinalError, UsageError
from anchor.chain.devnet import Devnet
from anchor.client import Accepted, AsyncClient, Client, Refused, Submission
from anchor.receipt.format import parse_receipt


def test_the_examples_of_its_documentation_run(new_site: MakeSite, embedded: Devnet):
    site = new_site(embedded)
    with serve(site.folder) as served:
        key = make_key(site.folder)
        names = {"url": served.url, "key": key, "hashlib": hashlib, "json": json}
        names |= {name: getattr(anchor.client, name) for name in anchor.client.__all__}
        finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
        (first,) = [test for test in finder.find(anchor.client, globs=names) if test.examples]
        runner.run(first, clear_globs=False)
        site.run("seal").expect(0)
        names |= first.globs
        modules = (anchor.client.session, anchor.client.case_session)
        found = [test for module in modules for test in finder.find(module, globs=names)]
        # In the order in which they stand: a case is created before something is added to it.
        others = sorted(
            (t for t in found if t.examples), key=lambda t: (t.filename or "", t.lineno or 0)
        )
        assert len(others) >= 3
        for test in others:
            test.globs |= names
            runner.run(test, clear_globs=False)
            names |= test.globs
        result = runner.summarize(verbose=False)
        assert result.failed == 0 and result.attempted >= 9
        names["client"].close()


def test_it_follows_evidence_to_its_receipt(new_site: MakeSite, embedded: Devnet):
    site = new_site(embedded)
    with (
        serve(site.folder, workers=2) as served,
        Client(served.url, make_key(site.folder)) as client,
    ):
        submissions = [Submission(sha256=bytes.fromhex(digest(n)), size=n) for n in range(12_000)]
        # One that is wrong, in its place.
        submissions[7_000] = Submission(sha256=b"short", name="x")
        found = list(client.submit_many(iter(submissions)))
        assert len(found) == 12_000
        refused = [place for place, one in enumerate(found) if isinstance(one, Refused)]
        assert refused == [7_000]
        ids = [one.id for one in found if isinstance(one, Accepted)]
        assert len(set(ids)) == 11_999
        again = client.submit_many(submissions[:100])
        assert all(isinstance(one, Accepted) and one.known for one in again)
        with pytest.raises(NotFinalError, match="accepted, not sealed"):
            client.receipt(ids[0])
        with pytest.raises(NotFinalError, match="accepted, not anchored"):
            client.wait(ids[0], timeout=0.2)
        site.round(wait_for="final")
        index = client.wait(ids[0], timeout=30).index
        assert index is not None and index < 11_999
        receipt = parse_receipt(client.receipt(ids[0], until="anchored", timeout=30))
        assert receipt.index == index and receipt.anchors
        with pytest.raises(UsageError, match="404"):
            client.status(digest(0))
        for bad in (b"short", "short"):
            with pytest.raises(UsageError, match="/sha256: not 64 lower-case hex digits"):
                client.submit(Submission(sha256=bad))
        # Hex, as tools print it, is the same evidence.
        for spelled in (digest(3), digest(3).upper()):
            assert client.submit(Submission(sha256=spelled, size=3)).id == ids[3]
        with (
            Client(served.url, "anchor_wrong") as stranger,
            pytest.raises(UsageError, match="401"),
        ):
            stranger.submit(Submission(sha256=bytes(32)))


Handler = Callable[[httpx.Request], httpx.Response]


def client_of(handler: Handler, slept: list[float], **options: int) -> Client:
    return Client(
        "https://service.example", "key", sleep=slept.append,
        transport=httpx.MockTransport(handler), **options,
    )  # fmt: skip


ACCEPTED = {"id": digest(1), "state": "accepted", "known": False}


def test_what_passes_is_waited_for_as_long_as_the_service_says_and_not_in_step():
    statuses = iter([503, 429, 201])
    slept: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        status = next(statuses)
        return httpx.Response(status, json=ACCEPTED, headers={"Retry-After": "7"})

    client = client_of(answer, slept)
    assert client.submit(Submission(sha256=bytes(32))) == Accepted(digest(1), "accepted", False)
    assert len(slept) == 2 and all(7 < pause < 8 for pause in slept)
    assert len(set(slept)) == 2


@pytest.mark.parametrize("retry_after", ["99999999", "-1", "soon", "1e9", "Thu, 01 Jan 2099"])
def test_a_service_cannot_make_it_wait_for_ever(retry_after: str):
    slept: list[float] = []
    headers = {"Retry-After": retry_after}
    client = client_of(lambda _: httpx.Response(503, headers=headers), slept, attempts=3)
    with pytest.raises(CannotCheckError, match="503"):
        client.submit(Submission(sha256=bytes(32)))
    assert len(slept) == 2 and all(0 < pause < 62 for pause in slept)


def test_a_connection_that_breaks_is_tried_again_and_then_an_error_without_the_key():
    slept: list[float] = []
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        raise httpx.ReadError("Bearer key")

    with pytest.raises(CannotCheckError) as caught:
        client_of(answer, slept, attempts=4).submit(Submission(sha256=bytes(32)))
    assert len(set(seen)) == 1 and len(seen) == 4
    assert "Bearer" not in str(caught.value) and caught.value.__cause__ is None
    assert caught.value.exit_code is ExitCode.CANNOT_CHECK


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
def test_what_will_not_pass_is_not_tried_again(status: int):
    slept: list[float] = []
    with pytest.raises(UsageError, match=str(status)):
        client_of(lambda _: httpx.Response(status), slept).status(digest(1))
    assert slept == []


def test_lines_without_an_answer_are_sent_again_and_no_others():
    slept: list[float] = []
    bodies: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        count = len(request.content.splitlines())
        bodies.append(count)
        taken = min(count, 4)
        text = "".join(
            json.dumps({"line": n, **ACCEPTED, "id": f"{len(bodies)}.{n}"}) + "\n"
            for n in range(1, taken + 1)
        )
        end = {"lines": count} if taken == count else {"problem": {"status": 503, "detail": "x"}}
        return httpx.Response(200, text=text + json.dumps(end) + "\n")

    client = client_of(answer, slept)
    found = list(client.submit_many(Submission(sha256=bytes([n]) * 32) for n in range(10)))
    assert bodies == [10, 6, 2]
    assert len(found) == 10 and len({one.id for one in found if isinstance(one, Accepted)}) == 10


def async_client_of(handler: Handler, slept: list[float], **options: int) -> AsyncClient:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return AsyncClient(
        "https://service.example", "key", sleep=sleep,
        transport=httpx.MockTransport(handler), **options,
    )  # fmt: skip


def test_the_asynchronous_client_follows_evidence_to_its_receipt(
    new_site: MakeSite, embedded: Devnet
):
    site = new_site(embedded)

    async def follow(url: str, key: str) -> None:
        async with AsyncClient(url, key) as client:
            submissions = [Submission(sha256=bytes.fromhex(digest(n))) for n in range(12_000)]
            submissions[7_000] = Submission(sha256=b"short", name="x")
            answers = [answer async for answer in client.submit_many(submissions)]
            assert [n for n, one in enumerate(answers) if isinstance(one, Refused)] == [7_000]
            first = answers[0]
            assert isinstance(first, Accepted)
            again = await client.submit(submissions[0])
            assert (again.id, again.known) == (first.id, True)
            with pytest.raises(NotFinalError, match="accepted, not sealed"):
                await client.receipt(first.id)
            await asyncio.to_thread(site.round, wait_for="final")
            index = (await client.wait(first.id, timeout=30)).index
            receipt = parse_receipt(await client.receipt(first.id, until="anchored", timeout=30))
            assert receipt.index == index and receipt.anchors
            assert (await client.status(first.id)).state == "anchored"
            with pytest.raises(UsageError, match="404"):
                await client.status(digest(0))

    with serve(site.folder) as served:
        asyncio.run(follow(served.url, make_key(site.folder)))


def test_the_asynchronous_client_waits_and_gives_up_as_the_other_does():
    statuses = iter([503, 429, 201])
    slept: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(next(statuses), json=ACCEPTED, headers={"Retry-After": "7"})

    client = async_client_of(answer, slept)
    accepted = asyncio.run(client.submit(Submission(sha256=bytes(32))))
    assert accepted == Accepted(digest(1), "accepted", False)
    assert len(slept) == 2 and all(7 < pause < 8 for pause in slept)

    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("Bearer key")

    with pytest.raises(CannotCheckError) as caught:
        asyncio.run(async_client_of(fail, slept, attempts=4).status(digest(1)))
    assert "Bearer" not in str(caught.value) and caught.value.__cause__ is None
    assert len(slept) == 5
    with pytest.raises(UsageError, match="not https"):
        AsyncClient("http://service.example", "key")


def test_what_the_asynchronous_client_has_under_way_ends_with_the_loop_over_it():
    started: list[int] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        started.append(len(request.content.splitlines()))
        if len(started) > 1:
            await asyncio.sleep(60)
        lines = [{"line": n, **ACCEPTED} for n in range(1, started[-1] + 1)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        return httpx.Response(200, text=text)

    async def stop_early() -> None:
        transport, before = httpx.MockTransport(handle), asyncio.all_tasks()
        async with AsyncClient("https://service.example", "key", transport=transport) as client:
            answers = client.submit_many(Submission(sha256=bytes(32)) for _ in range(15_000))
            async for _ in answers:
                break
            await answers.aclose()
            assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(stop_early(), 30))
    assert started == [5_000, 5_000]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"id":1', b"\xff"])
def test_an_answer_that_is_none_is_said_to_be(content: bytes):
    client = client_of(lambda _: httpx.Response(200, content=content), [])
    with pytest.raises(MalformedError):
        client.status(digest(1))


def test_a_key_is_not_sent_unencrypted_to_another_machine():
    with pytest.raises(UsageError, match="not https"):
        Client("http://service.example", "key")
    Client("http://service.example", "key", allow_plain_http=True).close()
    Client("http://127.0.0.1:8080", "key").close()


def test_importing_it_needs_no_service(tmp_path: Path):
    import subprocess
    import sys

    script = "import sys, anchor.client\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"fastapi", "sqlalchemy", "web3", "pydantic"} & set(loaded)
