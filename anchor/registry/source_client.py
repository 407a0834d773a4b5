"""Publishing the registry's source: Sourcify, and whatever speaks Etherscan's API, over HTTP.

The one effect is that a public server learns the source, which is public, and of which contract it
is.  An API key goes into the request's body only, and no message holds it, or a URL's path.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

from anchor.errors import (
    CannotCheckError,
    MismatchError,
    NodeFaultError,
    NodeUnreachableError,
    NotFinalError,
    UsageError,
)
from anchor.ethereum.keccak import format_address
from anchor.registry.source_verification import (
    Answer,
    SourceVerdict,
    build_chain_query,
    build_etherscan_form,
    build_etherscan_question,
    build_sourcify_request,
    read_etherscan_job,
    read_etherscan_submission,
    read_sourcify_job,
    read_sourcify_submission,
)
from anchor.system.clock import Clock
from anchor.system.http import BadResponse, BoundedSession, format_failure
from anchor.system.urls import redact_url
from anchor.types import Address, ChainId, Hash32

Service = Literal["sourcify", "etherscan"]

SERVERS: dict[Service, str] = {
    "sourcify": "https://sourcify.dev/server",
    "etherscan": "https://api.etherscan.io/v2/api",
}
KEY_VARIABLE = "ETHERSCAN_API_KEY"

# The answers have a few hundred bytes; Sourcify's, with everything it found out, some hundred kB.
MAX_RESPONSE_BYTES = 4 << 20
REQUEST_TIMEOUT = 30.0
# Seconds between two questions about a job, and for how long: compiling takes seconds, a queue
# perhaps minutes.
_FIRST_POLL = 1.0
_LONGEST_POLL = 8.0
WAIT_SECONDS = 180.0


class Explorer:
    """One server that verifies source code."""

    def __init__(
        self,
        service: Service,
        url: str | None,
        *,
        key: str | None,
        timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            UsageError: no https URL (http is for this machine only), or Etherscan without a key.
        """
        self._service = service
        self._url = check_server_url(url or SERVERS[service])
        self.name = redact_url(self._url)
        if service == "etherscan" and url is None and key is None:
            raise UsageError(
                "Etherscan wants an API key",
                hint=f"put yours into the environment variable {KEY_VARIABLE}",
            )
        self._key = key
        self._session = BoundedSession(timeout=timeout, max_bytes=MAX_RESPONSE_BYTES)

    def publish(
        self,
        chain_id: ChainId,
        registry: Address,
        creation_tx: Hash32 | None,
        clock: Clock,
        report: Callable[[str], None],
        *,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Answer:
        """Submit the source for the contract at ``registry`` and wait for the verdict.

        May be repeated: what is verified already is said to be.

        Raises:
            MismatchError: the explorer says that the contract is not this source.
            NotFinalError: no verdict in time; ask again later.
            CannotCheckError: no answer, no sensible one, or the explorer could not tell.
        """
        answer = self._submit(chain_id, registry, creation_tx)
        deadline = clock.monotonic() + wait_seconds
        pause = _FIRST_POLL
        job = answer.job
        if job is not None:
            report(f"{self.name} took the source; waiting for its verdict")
        while job is not None and answer.verification is SourceVerdict.PENDING:
            if clock.monotonic() >= deadline:
                raise NotFinalError(
                    f"{self.name} has not verified the source within {wait_seconds:g} seconds",
                    hint="run the same command again later: what is verified by then is not "
                    "submitted twice",
                )
            clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL)
            answer = self._ask(chain_id, job)
        place = f"{format_address(registry)} on chain {chain_id}"
        if answer.verification is SourceVerdict.REFUTED:
            raise MismatchError(
                f"{self.name} says that {place} is not this source: {answer.detail}",
                hint="`anchor doctor` compares the code on chain with this release's",
            )
        if answer.verification is SourceVerdict.UNDECIDED:
            raise CannotCheckError(
                f"{self.name} did not verify {place}: {answer.detail}",
                hint="right after a deployment explorers may not know it yet: try again in a while",
            )
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _submit(self, chain_id: ChainId, registry: Address, creation_tx: Hash32 | None) -> Answer:
        if self._service == "sourcify":
            url = f"{self._url}/v2/verify/{chain_id}/{format_address(registry)}"
            request = build_sourcify_request(creation_tx)
            status, document = self._exchange(lambda: self._session.post(url, json=request))
            return self._read(lambda: read_sourcify_submission(status, document))
        form = build_etherscan_form(registry, self._key)
        _, document = self._exchange(lambda: self._post_form(chain_id, form))
        return self._read(lambda: read_etherscan_submission(document))

    def _ask(self, chain_id: ChainId, job: str) -> Answer:
        if self._service == "sourcify":
            url = f"{self._url}/v2/verify/{job}"
            _, document = self._exchange(lambda: self._session.get(url))
            return self._read(lambda: read_sourcify_job(document))
        # The documentation shows a GET, with the key in the URL; a form is taken just the same.
        form = build_etherscan_question(job, self._key)
        _, document = self._exchange(lambda: self._post_form(chain_id, form))
        return self._read(lambda: read_etherscan_job(document))

    def _post_form(self, chain_id: ChainId, form: dict[str, str]) -> requests.Response:
        response: requests.Response = self._session.post(
            self._url, data=form, params=build_chain_query(chain_id)
        )
        return response

    def _exchange(self, send: Callable[[], requests.Response]) -> tuple[int, Any]:
        try:
            response = send()
        except BadResponse as error:
            raise NodeFaultError(f"{self.name} answered with {error}") from None
        except (requests.RequestException, OSError) as error:
            raise NodeUnreachableError(
                f"{self.name} cannot be reached ({format_failure(error)})",
                hint="try again later, or name another server with --url",
            ) from None
        body = response.content
        if self._key is not None:
            # A server may quote the request; hidden here, before anything is cut or escaped.
            body = body.replace(self._key.encode("utf-8"), b"(hidden)")
        try:
            return response.status_code, json.loads(body)
        except (ValueError, RecursionError):
            raise NodeFaultError(
                f"{self.name} answered with HTTP status {response.status_code} and no JSON"
            ) from None

    def _read(self, read: Callable[[], Answer]) -> Answer:
        try:
            return read()
        except ValueError as error:
            raise NodeFaultError(
                f"{self.name} answered with something its API does not know ({error})"
            ) from None


def check_server_url(url: str) -> str:
    """Return the URL without a slash or question mark at its end.

    Raises:
        UsageError: not https, except on this machine; or it holds a name, a password or a query.
    """
    url = url.rstrip("/?")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("the server's URL is not a URL") from None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError("the server's URL must start with https://")
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(
            "the server's URL must start with https://",
            hint="without TLS anybody on the way could answer in its place",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "the server's URL must hold no name, password, query or fragment",
            hint=f"an API key belongs in the environment variable {KEY_VARIABLE}",
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
