"""Deliveries to webhooks, as the job ``webhook``: signed, bounded, and to public addresses only.

Each attempt resolves the host once and connects to one of the addresses it found fit; the name is
only used for TLS and for the header ``Host``.  No proxy and no redirect is followed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable
from functools import partial

import httpx

from anchor.base.errors import ConfigError, UsageError
from anchor.base.system.clock import parse_time, utc_now
from anchor.base.system.public_address import choose_address
from anchor.notifications.retries import is_given_up, plan_retry
from anchor.notifications.webhook_signature import sign_message
from anchor.notifications.webhook_target import WebhookTarget, parse_target
from anchor.people.lifetimes import later
from anchor.service.job_runner import NotYet
from anchor.service.tls_trust import make_tls_context
from anchor.service.worker import Service
from anchor.store.deliveries import (
    Delivery,
    DeliveryAttempt,
    Trouble,
    find_with_webhook,
    save_attempt,
)
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.webhooks import Webhook

SECONDS = 10.0
"""The most seconds of one attempt, from the resolution of the name to the end of the answer."""
MAX_ANSWER = 64 * 1024
"""The most bytes of an answer that are read."""

_AGENT = "anchor-webhooks/1"
_LOG = logging.getLogger("anchor.service")


class _Failed(Exception):
    """The attempt failed, in a word; ``status`` is the receiver's, if it answered."""

    def __init__(self, trouble: Trouble, status: int | None = None) -> None:
        super().__init__()
        self.trouble = trouble
        self.status = status


class WebhookSender:
    """Sends the messages of one worker to webhooks."""

    def __init__(
        self,
        service: Service,
        *,
        seconds: float = SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._allow_private = service.project.config.webhooks.allow_private
        self._seconds = seconds
        self._jitter = jitter
        self._tls = make_tls_context()

    async def work(self, job: TakenJob) -> Record:
        """Try the delivery that the job is about; return how to record that it is settled.

        A crash after the receiver has answered leaves the job: it is sent again, with the same id.
        """
        row = await self._service.query(find_with_webhook, job.about)
        if row is None or row[0].state != "waiting":
            return record_nothing
        delivery, webhook = row
        at = utc_now()
        if webhook.disabled_at is not None:
            return _record(delivery, DeliveryAttempt(at=at, trouble="disabled"))
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._send(delivery, webhook, at)
        except TimeoutError:
            failed = _Failed("time")
        except _Failed as error:
            failed = error
        else:
            return _record(delivery, DeliveryAttempt(at=at, trouble=None, status=status))
        seconds = plan_retry(job.failures + 1, self._jitter())
        due_at = later(at, seconds)
        attempt = partial(DeliveryAttempt, at=at, trouble=failed.trouble, status=failed.status)
        if is_given_up(delivery.begun_at, due_at):
            return _record(delivery, attempt())
        record = _record(delivery, attempt(due_at=due_at))
        raise NotYet(seconds, has_failed=True, record=record)

    async def _read_secrets(self, webhook: Webhook, at: str) -> list[str]:
        stored, read = webhook.secrets_at(at), self._service.webhook_secrets.read
        try:
            return await asyncio.to_thread(lambda: [read(webhook.tenant, each) for each in stored])
        except ConfigError as error:  # for the operator to mend
            _LOG.error("%s", error.message)
            raise _Failed("secret") from error

    async def _send(self, delivery: Delivery, webhook: Webhook, at: str) -> int:
        """Send a message; return the receiver's status, which is one of success."""
        try:
            target = parse_target(webhook.url, allow_private=self._allow_private)
        except UsageError as error:  # the operator has forbidden such addresses since
            raise _Failed("private") from error
        address = choose_address(await _resolve(target), allow_private=self._allow_private)
        if address is None:
            raise _Failed("private")
        body = delivery.body.encode("utf-8")
        signed = sign_message(
            await self._read_secrets(webhook, at), delivery.message, int(parse_time(at)), body
        )
        headers = {
            "Host": target.authority,
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
            **signed,
        }
        # Verified against the host's name, whatever address it has at the moment.
        extensions = {"sni_hostname": target.host}
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False)
        async with httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=self._seconds
        ) as client:
            request = client.build_request(
                "POST",
                target.url_at(address),
                content=body,
                headers=headers,
                extensions=extensions,
            )
            return await _exchange(client, request)


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> int:
    try:
        answer = await client.send(request, stream=True)
        try:
            length = 0
            async for chunk in answer.aiter_raw():
                length += len(chunk)
                if length > MAX_ANSWER:
                    raise _Failed("length", answer.status_code)
        finally:
            await answer.aclose()
    except httpx.TimeoutException as error:
        raise _Failed("time") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        raise _Failed("tls" if _is_about_tls(error) else "connection") from error
    if 300 <= answer.status_code < 400:
        raise _Failed("redirect", answer.status_code)
    if not answer.is_success:
        raise _Failed("status", answer.status_code)
    return answer.status_code


async def _resolve(target: WebhookTarget) -> list[str]:
    """Return the addresses of a target's host, in the order of preference."""
    if target.address is not None:
        return [target.address]
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Failed("name") from error
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _is_about_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _record(delivery: Delivery, attempt: DeliveryAttempt) -> Record:
    return partial(save_attempt, delivery=delivery, attempt=attempt)
