"""A browser must not take the guard's refusal for the answer of a server."""

from __future__ import annotations

import asyncio

from anchor.egress.egress_proxy import EgressEvent, EgressProxy


async def ask(*, answers_refusals: bool) -> tuple[bytes, bytes, list[EgressEvent]]:
    events: list[EgressEvent] = []
    proxy = EgressProxy(events.append, answers_refusals=answers_refusals)
    answers = []
    async with proxy.serve() as url:
        port = int(url.rpartition(":")[2])
        for head in (b"GET http://10.0.0.1/ HTTP/1.1", b"CONNECT 10.0.0.1:443 HTTP/1.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + b"\r\nHost: x\r\n\r\n")
            answers.append(await reader.read())
            writer.close()
    return answers[0], answers[1], events


def test_a_plain_request_that_is_refused_gets_an_answer_only_if_it_is_wanted():
    plain, tunnel, events = asyncio.run(ask(answers_refusals=True))
    assert plain.startswith(b"HTTP/1.1 403") and tunnel.startswith(b"HTTP/1.1 403")
    plain, tunnel, events = asyncio.run(ask(answers_refusals=False))
    assert plain == b"" and tunnel.startswith(b"HTTP/1.1 403")
    assert [event.reason is None for event in events] == [False, False]
