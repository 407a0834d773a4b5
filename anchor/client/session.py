"""The client: requests that are safe to repeat, and repeated."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlsplit

import httpx

from anchor.client.answers import (
    PASSING,
    Accepted,
    Refused,
    Status,
    Submission,
    explain,
    members_of,
    read_accepted,
    read_answers,
    read_status,
)
from anchor.errors import CannotCheckError, NotFinalError, UsageError
from anchor.types import Stage, StageName

# Lines in one bulk request: some 600 KB each way.
_CHUNK = 5_000
# The service waits at most so long in one request.
_MAX_WAIT = 60.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
# Nobody waits longer than this because a server said so.
_LONGEST_PAUSE = 60.0


class Client:
    """One tenant's way to a service.  Close it, or use it as a context manager."""

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
        """Prepare; nothing is sent yet.  ``attempts`` is how often a request is made at most.

        Raises:
            UsageError: the key would travel unencrypted to another machine.
        """
        parts = urlsplit(url)
        is_private = parts.scheme == "https" or parts.hostname in _LOCAL
        if not is_private and not allow_plain_http:
            raise UsageError(
                "the service's URL is not https://, and the key would travel for all to read",
                hint="use https://, or allow_plain_http=True in a network of your own",
            )
        self._attempts = attempts
        self._sleep = sleep
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=url,
            timeout=timeout,
            headers={"Authorization": f"Bearer {key}"},
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, submission: Submission, *, idempotency_key: str | None = None) -> Accepted:
        """Submit one piece of evidence; when this returns, the service has it on disk.

        With an ``idempotency_key`` the same evidence can be submitted again under another one.

        Raises:
            UsageError: the service refuses it; the message names the member.
            CannotCheckError: it does not answer, or is too busy; whether it has it is not known.
        """
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        answer = self._ask("POST", "/v1/evidence", content=submission.encode(), headers=headers)
        return read_accepted(members_of(answer))

    def submit_many(
        self,
        submissions: Iterable[Submission],
        *,
        idempotency_key: str | None = None,
        parallel: int = 2,
    ) -> Iterator[Accepted | Refused]:
        """Submit any number, and yield what became of each, in their order, as they are written.

        >>> digests = (hashlib.sha256(b"%d" % number).digest() for number in range(10_000))
        >>> many = client.submit_many(Submission(sha256=digest) for digest in digests)
        >>> sum(isinstance(one, Accepted) for one in many)
        10000

        A few thousand are read ahead; ``parallel`` is how many requests are under way at once.

        Raises:
            UsageError, CannotCheckError: as ``submit``; what was yielded before is on disk.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        rest = iter(submissions)
        pending: deque[Future[list[Accepted | Refused]]] = deque()
        with ThreadPoolExecutor(parallel) as pool:
            try:
                while True:
                    lines = [submission.encode() for submission in islice(rest, _CHUNK)]
                    if lines:
                        pending.append(pool.submit(self._submit_chunk, lines, headers))
                    if not pending:
                        return
                    if not lines or len(pending) > parallel:
                        yield from pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def status(self, id: str) -> Status:
        """Return how far a piece of evidence has come.

        Raises:
            UsageError: the service has no such evidence of this key's tenant.
            CannotCheckError: it does not answer.
        """
        return read_status(members_of(self._ask("GET", _path(id))))

    def wait(self, id: str, *, until: StageName = "anchored", timeout: float = 600.0) -> Status:
        """Return how far evidence has come, as soon as that is ``until``.

        >>> client.wait(accepted.id, until="sealed", timeout=60).index is not None
        True

        Raises:
            NotFinalError: it has not come so far in ``timeout`` seconds.
            UsageError, CannotCheckError: as ``status``.
        """
        end = time.monotonic() + timeout
        while True:
            seconds = max(0.0, min(_MAX_WAIT, end - time.monotonic()))
            answer = self._ask("GET", _path(id), wait=seconds, until=until)
            status = read_status(members_of(answer))
            if Stage(status.state).rank >= Stage(until).rank:
                return status
            if time.monotonic() >= end:
                raise NotFinalError(f"the evidence is {status.state}, not {until}")

    def receipt(
        self, id: str, *, until: Literal["sealed", "anchored"] = "sealed", timeout: float = 0.0
    ) -> bytes:
        """Return the receipt, to be kept byte for byte; a promise, until its anchor is final.

        >>> receipt = client.receipt(accepted.id)
        >>> json.loads(receipt)["format"]
        'anchor-receipt/1'

        Raises:
            NotFinalError: the evidence has not come so far in ``timeout`` seconds.
            UsageError, CannotCheckError: as ``status``.
        """
        end = time.monotonic() + timeout
        while True:
            seconds = max(0.0, min(_MAX_WAIT, end - time.monotonic()))
            answer = self._ask("GET", f"{_path(id)}/receipt", wait=seconds, until=until)
            if answer.status_code != httpx.codes.ACCEPTED:
                return answer.content
            if time.monotonic() >= end:
                raise NotFinalError(f"the evidence is {members_of(answer)['state']}, not {until}")

    def _submit_chunk(
        self, lines: list[bytes], headers: dict[str, str]
    ) -> list[Accepted | Refused]:
        answers: list[Accepted | Refused] = []
        for attempt in range(self._attempts):
            rest = lines[len(answers) :]
            answer = self._ask("POST", "/v1/bulk", content=b"\n".join(rest), headers=headers)
            read = read_answers(answer.content)
            answers += read
            if len(answers) >= len(lines):
                return answers
            self._sleep(_pause(attempt, None))  # it had to stop; it starts again
        raise CannotCheckError(
            f"the service took in {len(answers)} of {len(lines)} lines, and does not go on",
            hint="submit all again: what it has is known to it",
        )

    def _ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        wait: float = 0.0,
        until: str | None = None,
    ) -> httpx.Response:
        params = None if until is None else {"wait": f"{wait:.3f}", "until": until}
        timeout = httpx.Timeout(self._timeout, read=self._timeout + wait)
        for attempt in range(self._attempts):
            is_last = attempt == self._attempts - 1
            try:
                answer = self._http.request(
                    method, path, content=content, headers=headers, params=params, timeout=timeout
                )
            except httpx.TransportError as error:
                if is_last:
                    raise CannotCheckError(
                        f"the service did not answer: {type(error).__name__}",
                        hint="whatever was submitted can be submitted again",
                    ) from None
                self._sleep(_pause(attempt, None))
                continue
            if answer.status_code not in PASSING or is_last:
                return _checked(answer)
            self._sleep(_pause(attempt, answer.headers.get("Retry-After")))
        raise AssertionError("the last attempt returns or raises")


def _path(id: str) -> str:
    return f"/v1/evidence/{quote(id, safe='')}"


def _pause(attempt: int, retry_after: str | None) -> float:
    """Return how long to wait: as long as the service says, and never at once with all others."""
    least = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
    jitter = random.uniform(0.05, 0.1 * 2 ** min(attempt, 6))  # noqa: S311
    return min(least, _LONGEST_PAUSE) + jitter


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise explain(answer)
