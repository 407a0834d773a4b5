"""The protocol logic shared by both clients, without I/O.

An exchange is a generator.  It yields a request, or the seconds to wait before the next one; the
client sends back the reply (a response, or a connection error).  It returns the result.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from anchor.base.errors import CannotCheckError, NotFinalError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Stage, StageName
from anchor.client.answers import (
    PASSING,
    Accepted,
    Refused,
    Status,
    Submission,
    explain,
    read_accepted,
    read_answer,
    read_answers,
    read_receipt,
    read_status,
)
from anchor.client.evidence_answers import PageOfEvidence, read_erased_leaf, read_page
from anchor.client.number_matches import NumberMatch, read_matches
from anchor.client.search_matches import SearchPage, read_search

# The most lines in one bulk request: some 600 KB each way.
_CHUNK = 5_000
# The most seconds that the service waits in one request.
_MAX_WAIT = 60.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
# The characters that a header may carry.
_KEY = re.compile(r"[\x21-\x7e]+")
# The most seconds to wait on a server's request (Retry-After).
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """One request; ``wait`` seconds are added to the time-out for its answer."""

    method: Literal["GET", "HEAD", "POST", "PATCH", "DELETE"]
    path: str
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] | None = None
    wait: float = 0.0

    def options(self, timeout: float) -> dict[str, Any]:
        """Return arguments for ``httpx.Client.stream``; ``timeout`` is the client's general one."""
        return {
            "method": self.method,
            "url": self.path,
            "content": self.content,
            "headers": self.headers,
            "params": self.params,
            "timeout": httpx.Timeout(timeout, read=timeout + self.wait),
        }


Reply: TypeAlias = httpx.Response | httpx.RequestError | None
_Value = TypeVar("_Value")
Exchange: TypeAlias = Generator[ServiceRequest | float, Reply, _Value]


def session_options(
    url: str, key: str, timeout: float, *, allow_plain_http: bool
) -> dict[str, Any]:
    """Return the arguments of ``httpx.Client`` for a service and an API key.

    Raises:
        UsageError: The key would be sent unencrypted to another machine or is not a key, or the URL
            is invalid or has parts other than a service's address.
    """
    parts = _split_url(url)
    if not _KEY.fullmatch(key):
        raise UsageError(
            Message("service-key-not-ascii"),
            hint=Message("service-key-not-ascii-hint"),
        )
    is_private = parts.scheme == "https" or parts.hostname in _LOCAL
    if not is_private and not allow_plain_http:
        raise UsageError(
            Message("service-url-not-https"),
            hint=Message("service-url-not-https-hint"),
        )
    return {
        "base_url": url,
        "timeout": timeout,
        "headers": {"Authorization": f"Bearer {key}"},
        # A proxy from the environment could read the key if the connection is not encrypted.
        "trust_env": parts.scheme == "https",
    }


def _split_url(url: str) -> SplitResult:
    """Split a service's URL; errors do not quote it, because it may hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(Message("service-url-invalid")) from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(Message("service-url-malformed"))
    # A user name in the URL would be sent instead of the key.
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise UsageError(
            Message("service-url-with-extras"),
            hint=Message("service-url-with-extras-hint"),
        )
    return parts


def split_chunks(submissions: Iterable[Submission]) -> Iterator[list[bytes]]:
    """Yield the lines of one bulk request at a time, without reading further ahead."""
    rest = iter(submissions)
    while lines := [submission.encode() for submission in islice(rest, _CHUNK)]:
        yield lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanges:
    """The exchanges of one client; a request is made at most ``attempts`` times."""

    attempts: int
    monotonic: Callable[[], float] = time.monotonic

    def submit(self, submission: Submission, idempotency_key: str | None) -> Exchange[Accepted]:
        """Submit one piece of evidence."""
        headers = _headers("application/json", idempotency_key)
        content = submission.encode()
        answer = yield from self.ask(
            ServiceRequest(method="POST", path="/v1/evidence", content=content, headers=headers)
        )
        return read_answer(answer, read_accepted)

    def submit_chunk(
        self, lines: list[bytes], idempotency_key: str | None
    ) -> Exchange[list[Accepted | Refused]]:
        """Submit the lines of one bulk request, and resubmit those that were not answered."""
        headers = _headers("application/x-ndjson", idempotency_key)
        answers: dict[int, Accepted | Refused] = {}
        for attempt in range(self.attempts):
            left = [place for place in range(len(lines)) if place not in answers]
            content = b"\n".join(lines[place] for place in left)
            answer = yield from self.ask(
                ServiceRequest(method="POST", path="/v1/bulk", content=content, headers=headers)
            )
            said = read_answer(answer, partial(read_answers, count=len(left)))
            answers |= {left[number - 1]: one for number, one in said.items()}
            if len(answers) == len(lines):
                return [answers[place] for place in range(len(lines))]
            yield pause_after(attempt)  # the service stopped before the end, and will be restarted
        raise CannotCheckError(
            Message("service-stopped-midway", accepted=len(answers), total=len(lines)),
            hint=Message("service-stopped-midway-hint"),
        )

    def status(self, id: str) -> Exchange[Status]:
        """Fetch the status of a piece of evidence."""
        answer = yield from self.ask(ServiceRequest(method="GET", path=_path(id)))
        return read_answer(answer, read_status)

    def list_evidence(
        self, filters: Mapping[str, str | None], limit: int
    ) -> Exchange[PageOfEvidence]:
        """Fetch a page of the tenant's evidence by those filters that are not None."""
        given = {name: text for name, text in filters.items() if text is not None}
        params = {"limit": str(limit), **given}
        request = ServiceRequest(method="GET", path="/v1/evidence", params=params)
        return read_answer((yield from self.ask(request)), read_page)

    def erase(self, id: str, basis: str, reason: str) -> Exchange[str]:
        """Erase a piece of evidence."""
        content = json.dumps({"basis": basis, "reason": reason}).encode("ascii")
        headers = {"Content-Type": "application/json"}
        answer = yield from self.ask(
            ServiceRequest(
                method="POST", path=f"{_path(id)}/erasure", content=content, headers=headers
            )
        )
        return read_answer(answer, read_erased_leaf)

    def lookup(self, number: str) -> Exchange[list[NumberMatch]]:
        """Look a number up."""
        path = f"/v1/lookup/{quote(number, safe='')}"
        answer = yield from self.ask(ServiceRequest(method="GET", path=path))
        return read_answer(answer, read_matches)

    def search(self, text: str, before: int | None) -> Exchange[SearchPage]:
        """Search for a text."""
        params = {"q": text} | ({} if before is None else {"before": str(before)})
        answer = yield from self.ask(ServiceRequest(method="GET", path="/v1/search", params=params))
        return read_answer(answer, read_search)

    def wait(self, id: str, until: StageName, timeout: float) -> Exchange[Status]:
        """Wait until evidence has reached ``until``, for at most ``timeout`` seconds."""

        def has_come(answer: httpx.Response) -> bool:
            return Stage(read_answer(answer, read_status).state).rank >= Stage(until).rank

        answer = yield from self._follow(_path(id), until, timeout, has_come)
        return read_answer(answer, read_status)

    def receipt(self, id: str, until: StageName, timeout: float) -> Exchange[bytes]:
        """Fetch a receipt once the evidence has reached ``until``."""
        answer = yield from self._follow(
            f"{_path(id)}/receipt",
            until,
            timeout,
            lambda answer: answer.status_code != httpx.codes.ACCEPTED,
        )
        return read_answer(answer, read_receipt)

    def _follow(
        self,
        path: str,
        until: StageName,
        timeout: float,
        has_come: Callable[[httpx.Response], bool],
    ) -> Exchange[httpx.Response]:
        """Repeat a request until ``has_come`` accepts the answer, at most ``timeout`` seconds."""
        end = self.monotonic() + timeout
        for attempt in count():
            request, asked_at = self._waiting(path, until, end), self.monotonic()
            answer = yield from self.ask(request)
            if has_come(answer):
                return answer
            status, answered_at = read_answer(answer, read_status), self.monotonic()
            if answered_at >= end:
                raise NotFinalError(
                    Message("evidence-state-not-reached", state=status.state, expected=until)
                )
            # A busy service answers before the requested wait is over.
            if answered_at - asked_at < request.wait:
                yield max(0.0, min(pause_after(attempt), end - answered_at))
        raise AssertionError("the end comes")

    def _waiting(self, path: str, until: StageName, end: float) -> ServiceRequest:
        seconds = max(0.0, min(_MAX_WAIT, end - self.monotonic()))
        params = {"wait": f"{seconds:.3f}", "until": until}
        return ServiceRequest(method="GET", path=path, params=params, wait=seconds)

    def ask(self, request: ServiceRequest) -> Exchange[httpx.Response]:
        """Make a request until its answer is no passing refusal, and return the answer."""
        for attempt in range(self.attempts):
            is_last = attempt == self.attempts - 1
            reply = yield request
            if isinstance(reply, httpx.RequestError):
                if is_last:
                    raise CannotCheckError(
                        Message("service-no-answer", error=type(reply).__name__),
                        hint=Message("service-no-answer-hint"),
                    )
                yield pause_after(attempt)
                continue
            assert reply is not None, "a request has a reply"
            if reply.status_code not in PASSING or is_last:
                if reply.is_success:
                    return reply
                raise explain(reply)
            yield pause_after(attempt, reply.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")


def _headers(content_type: str, idempotency_key: str | None) -> dict[str, str]:
    key = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return {"Content-Type": content_type, **key}


def _path(id: str) -> str:
    return f"/v1/evidence/{quote(id, safe='')}"


def pause_after(attempt: int, retry_after: str | None = None) -> float:
    """Return the seconds to wait: those of ``Retry-After``, up to a bound, plus random jitter."""
    least = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
    jitter = random.uniform(0.05, 0.1 * 2 ** min(attempt, 6))  # noqa: S311
    return min(least, _LONGEST_PAUSE) + jitter
