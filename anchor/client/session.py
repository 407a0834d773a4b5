"""The client: requests that are safe to repeat, and are repeated on failure."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Self, TypeVar

import httpx

from anchor.base.types import StageName
from anchor.client.answers import Accepted, AnswerBody, Refused, Status, Submission
from anchor.client.case_session import CaseClient
from anchor.client.copy_session import CopyClient
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


class Client:
    """A client of a service for one tenant.  Close it, or use it as a context manager."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        attempts: int = 6,
        allow_plain_http: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Create a client without sending anything; a request is made at most ``attempts`` times.

        Raises:
            UsageError: The key would be sent unencrypted to another machine or is not a key, or the
                URL has parts other than a service's address.
        """
        options = session_options(url, key, timeout, allow_plain_http=allow_plain_http)
        self._http = httpx.Client(**options, transport=transport)
        self._exchanges = Exchanges(attempts=attempts)
        self.cases = CaseClient(self._do, self._exchanges)
        self.copies = CopyClient(self._do, self._exchanges)
        self._sleep = sleep
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, submission: Submission, *, idempotency_key: str | None = None) -> Accepted:
        """Submit one piece of evidence; when this returns, the service has it on disk.

        With an ``idempotency_key`` the same evidence can be submitted again under another one.

        Raises:
            UsageError: The service refuses the submission; the message names the member.
            CannotCheckError: The service does not answer, or is too busy; the evidence may or may
                not have been accepted.
        """
        return self._do(self._exchanges.submit(submission, idempotency_key))

    def submit_many(
        self,
        submissions: Iterable[Submission],
        *,
        idempotency_key: str | None = None,
        parallel: int = 2,
    ) -> Iterator[Accepted | Refused]:
        """Submit any number of pieces, and yield the result of each, in order, once it is written.

        >>> digests = (hashlib.sha256(b"%d" % number).digest() for number in range(10_000))
        >>> many = client.submit_many(Submission(sha256=digest) for digest in digests)
        >>> sum(isinstance(one, Accepted) for one in many)
        10000

        A few thousand are read ahead; ``parallel`` is the number of simultaneous requests.  The
        pieces yielded before an error are on disk.

        Raises:
            CannotCheckError: The service does not answer, or is too busy; further pieces may or may
                not have been accepted.
        """
        chunks = split_chunks(submissions)
        exchanges = (self._exchanges.submit_chunk(lines, idempotency_key) for lines in chunks)
        for answers in self._do_in_parallel(exchanges, parallel):
            yield from answers

    def status(self, id: str) -> Status:
        """Return the status of a piece of evidence.

        Raises:
            UsageError: The service has no such evidence of this key's tenant.
        """
        return self._do(self._exchanges.status(id))

    def list_evidence(
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
        return self._do(self._exchanges.list_evidence(filters, limit))

    def erase(self, id: str, *, basis: Literal["gdpr-17", "pipl-47", "other"], reason: str) -> str:
        """Erase a piece of evidence, and return its leaf, which is what is left.

        ``reason`` becomes part of the log: it names no person and no evidence.

        Raises:
            UsageError: There is no such evidence, it was erased, something keeps it, or the key has
                not the scope ``manage``.
            CannotCheckError: The service does not answer; the evidence may or may not be erased.
        """
        return self._do(self._exchanges.erase(id, basis, reason))

    def lookup(self, number: str) -> list[NumberMatch]:
        """Return what has a number that is printed on a receipt or certificate.

        >>> [match.kind for match in client.lookup(accepted.number)]
        ['preservation-number']

        Raises:
            UsageError: Nothing in the service's log has that number, or it is no number.
            CannotCheckError: The service does not answer, or cannot tell yet.
        """
        return self._do(self._exchanges.lookup(number))

    def search(self, text: str, *, before: int | None = None) -> SearchPage:
        """Return what a part of a name, a number, a digest or a date leads to in the tenant.

        Raises:
            UsageError: There is nothing to search for, or the key has not the scope ``read``.
        """
        return self._do(self._exchanges.search(text, before))

    def wait(self, id: str, *, until: StageName = "anchored", timeout: float = 600.0) -> Status:
        """Return the status of a piece of evidence once it has reached ``until``.

        >>> client.wait(accepted.id, until="sealed", timeout=60).index is not None
        True

        Raises:
            NotFinalError: The evidence has not reached the stage in ``timeout`` seconds.
            UsageError: The service has no such evidence of this key's tenant.
        """
        return self._do(self._exchanges.wait(id, until, timeout))

    def receipt(
        self, id: str, *, until: Literal["sealed", "anchored"] = "sealed", timeout: float = 0.0
    ) -> bytes:
        """Return the receipt's bytes, to be kept unchanged; a promise until its anchor is final.

        >>> receipt = client.receipt(accepted.id)
        >>> json.loads(receipt)["format"]
        'anchor-receipt/1'

        Raises:
            NotFinalError: The evidence has not reached the stage within ``timeout`` seconds.
            UsageError: The service has no such evidence of this key's tenant.
        """
        return self._do(self._exchanges.receipt(id, until, timeout))

    def _do_in_parallel(
        self, exchanges: Iterable[Exchange[_Value]], parallel: int
    ) -> Iterator[_Value]:
        """Yield the result of each exchange, in order."""
        pending: deque[Future[_Value]] = deque()
        with ThreadPoolExecutor(parallel) as pool:
            try:
                for exchange in exchanges:
                    pending.append(pool.submit(self._do, exchange))
                    if len(pending) > parallel:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _do(self, exchange: Exchange[_Value]) -> _Value:
        reply: Reply = None
        while True:
            try:
                step = exchange.send(reply)
            except StopIteration as done:
                value: _Value = done.value
                return value
            if isinstance(step, float):
                self._sleep(step)
                reply = None
            else:
                reply = self._send(step)

    def _send(self, request: ServiceRequest) -> Reply:
        try:
            with self._http.stream(**request.options(self._timeout)) as answer:
                body = AnswerBody(answer)
                for part in answer.iter_bytes():
                    body.add(part)
            return body.finish()
        except httpx.RequestError as error:
            return error
