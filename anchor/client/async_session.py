"""The client for asyncio: the same exchanges, sent without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Literal, Self, TypeVar

import httpx

from anchor.base.types import StageName
from anchor.client.answers import Accepted, AnswerBody, Refused, Status, Submission
from anchor.client.async_case_session import AsyncCaseClient
from anchor.client.copy_session import AsyncCopyClient
from anchor.client.evidence_answers import PageOfEvidence
from anchor.client.exchanges import (
    Exchange,
    Exchanges,
    Reply,
    ServiceRequest,
    session_options,
    split_chunks,
)
from anchor.client.number_matches import NumberMatch
from anchor.client.search_matches import SearchPage

_Value = TypeVar("_Value")


class AsyncClient:
    """A client of a service for one tenant, for asyncio: ``Client`` with ``await``.

    Close it with ``aclose``, or use it as an asynchronous context manager.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        attempts: int = 6,
        allow_plain_http: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Create a client without sending anything; a request is made at most ``attempts`` times.

        Raises:
            UsageError: The key would be sent unencrypted to another machine or is not a key, or the
                URL has parts other than a service's address.
        """
        options = session_options(url, key, timeout, allow_plain_http=allow_plain_http)
        self._http = httpx.AsyncClient(**options, transport=transport)
        self._exchanges = Exchanges(attempts=attempts)
        self.cases = AsyncCaseClient(self._do, self._exchanges)
        self.copies = AsyncCopyClient(self._do, self._exchanges)
        self._sleep = sleep
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(
        self, submission: Submission, *, idempotency_key: str | None = None
    ) -> Accepted:
        """Submit one piece of evidence; when this returns, the service has it on disk.

        Raises the same errors as ``Client.submit``.
        """
        return await self._do(self._exchanges.submit(submission, idempotency_key))

    async def submit_many(
        self,
        submissions: Iterable[Submission],
        *,
        idempotency_key: str | None = None,
        parallel: int = 2,
    ) -> AsyncGenerator[Accepted | Refused, None]:
        """Submit any number of pieces, and yield the result of each, in order, once it is written.

        A few thousand are read ahead; ``parallel`` is the number of simultaneous requests.

        Raises the same errors as ``Client.submit_many``.
        """
        chunks = split_chunks(submissions)
        exchanges = (self._exchanges.submit_chunk(lines, idempotency_key) for lines in chunks)
        async with aclosing(self._do_in_parallel(exchanges, parallel)) as parts:
            async for answers in parts:
                for answer in answers:
                    yield answer

    async def status(self, id: str) -> Status:
        """Return the status of a piece of evidence.

        Raises the same errors as ``Client.status``.
        """
        return await self._do(self._exchanges.status(id))

    async def list_evidence(
        self,
        *,
        accepted_from: str | None = None,
        accepted_to: str | None = None,
        state: StageName | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> PageOfEvidence:
        """Return a page of the tenant's evidence, the newest first; erased evidence is not listed.

        Bounds are days or moments in UTC, both inclusive; ``cursor`` is ``next`` of the page before
        and ``limit`` at most 100.

        Raises:
            UsageError: A filter is malformed, or the key has not the scope ``read``.
        """
        filters = {
            "accepted_from": accepted_from,
            "accepted_to": accepted_to,
            "state": state,
            "cursor": cursor,
        }
        return await self._do(self._exchanges.list_evidence(filters, limit))

    async def erase(
        self, id: str, *, basis: Literal["gdpr-17", "pipl-47", "other"], reason: str
    ) -> str:
        """Erase a piece of evidence, and return its leaf, which is what is left.

        ``reason`` becomes part of the log: it names no person and no evidence.

        Raises:
            UsageError: There is no such evidence, it was erased, something keeps it, or the key has
                not the scope ``manage``.
            CannotCheckError: The service does not answer; the evidence may or may not be erased.
        """
        return await self._do(self._exchanges.erase(id, basis, reason))

    async def lookup(self, number: str) -> list[NumberMatch]:
        """Return what has a number that is printed on a receipt or certificate.

        Raises the same errors as ``Client.lookup``.
        """
        return await self._do(self._exchanges.lookup(number))

    async def search(self, text: str, *, before: int | None = None) -> SearchPage:
        """Return what a part of a name, a number, a digest or a date leads to in the tenant.

        Raises the same errors as ``Client.search``.
        """
        return await self._do(self._exchanges.search(text, before))

    async def wait(
        self, id: str, *, until: StageName = "anchored", timeout: float = 600.0
    ) -> Status:
        """Return the status of a piece of evidence once it has reached ``until``.

        Raises the same errors as ``Client.wait``.
        """
        return await self._do(self._exchanges.wait(id, until, timeout))

    async def receipt(
        self, id: str, *, until: Literal["sealed", "anchored"] = "sealed", timeout: float = 0.0
    ) -> bytes:
        """Return the receipt's bytes, to be kept unchanged; a promise until its anchor is final.

        Raises the same errors as ``Client.receipt``.
        """
        return await self._do(self._exchanges.receipt(id, until, timeout))

    async def _do_in_parallel(
        self, exchanges: Iterable[Exchange[_Value]], parallel: int
    ) -> AsyncGenerator[_Value, None]:
        """Yield the result of each exchange, in order."""
        pending: deque[asyncio.Task[_Value]] = deque()
        try:
            for exchange in exchanges:
                pending.append(asyncio.create_task(self._do(exchange)))
                if len(pending) >= parallel:
                    yield await pending.popleft()
            while pending:
                yield await pending.popleft()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _do(self, exchange: Exchange[_Value]) -> _Value:
        reply: Reply = None
        while True:
            try:
                step = exchange.send(reply)
            except StopIteration as done:
                value: _Value = done.value
                return value
            if isinstance(step, float):
                await self._sleep(step)
                reply = None
            else:
                reply = await self._send(step)

    async def _send(self, request: ServiceRequest) -> Reply:
        try:
            async with self._http.stream(**request.options(self._timeout)) as answer:
                body = AnswerBody(answer)
                async for part in answer.aiter_bytes():
                    body.add(part)
            return body.finish()
        except httpx.RequestError as error:
            return error
