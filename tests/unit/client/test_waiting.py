"""A service that answers at once is not asked again at once."""

from __future__ import annotations

import asyncio

import httpx
import pytest

import anchor

ACCEPTED = {"id": "ab", "state": "accepted", "leaf": "", "index": None}


class Service:
    """Answers at once that evidence is accepted, and counts how often it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked = 0
        self.passed = 0.0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert self.asked < 200, "it is asked without a pause"
        return httpx.Response(self.status, json=ACCEPTED)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.passed += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize(("call", "status"), [("wait", 200), ("receipt", 202)])
def test_an_answer_that_comes_too_early_is_followed_by_a_pause(call: str, status: int):
    service = Service(status)
    client = anchor.Client(
        "https://service.example", "key", sleep=service.sleep,
        transport=httpx.MockTransport(service),
    )  # fmt: skip
    object.__setattr__(client._exchanges, "monotonic", lambda: service.passed)
    with pytest.raises(anchor.NotFinalError):
        getattr(client, call)("ab", until="anchored", timeout=100.0)
    assert 100 <= service.passed < 101 and 10 < service.asked < 60
    client.close()


@pytest.mark.parametrize(("call", "status"), [("wait", 200), ("receipt", 202)])
def test_the_loop_goes_on_meanwhile(call: str, status: int):
    async def run() -> None:
        service = Service(status)
        client = anchor.AsyncClient(
            "https://service.example", "key", sleep=service.sleep_async,
            transport=httpx.MockTransport(service),
        )  # fmt: skip
        object.__setattr__(client._exchanges, "monotonic", lambda: service.passed)
        others: list[float] = []

        async def note() -> None:
            while True:
                others.append(service.passed)
                await asyncio.sleep(0)

        task = asyncio.create_task(note())
        with pytest.raises(anchor.NotFinalError):
            await getattr(client, call)("ab", until="anchored", timeout=100.0)
        task.cancel()
        await client.aclose()
        assert len(set(others)) > 10

    asyncio.run(run())


def test_an_answer_after_the_time_asked_for_is_not_paused_after():
    service = Service(200)

    def answer(request: httpx.Request) -> httpx.Response:
        service.passed += float(request.url.params["wait"])
        return service(request)

    def refuse(_: float) -> None:
        raise AssertionError("nothing is to be waited for")

    client = anchor.Client(
        "https://service.example", "key", sleep=refuse, transport=httpx.MockTransport(answer)
    )
    object.__setattr__(client._exchanges, "monotonic", lambda: service.passed)
    with pytest.raises(anchor.NotFinalError):
        client.wait("ab", timeout=100.0)
    assert service.asked == 2
    client.close()
