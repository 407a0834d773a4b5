"""The guard of a browser that captures for others: its one way out, and what went through it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from urllib.parse import urlsplit

from anchor.base.messages.message import Message
from anchor.capture.name_answers import NameAnswer, Resolver, ask_resolver
from anchor.egress.egress_proxy import Connect, EgressEvent, EgressLimits, EgressProxy, open_tcp
from anchor.egress.egress_target import EgressRefused

GUARD_ARGUMENTS = (
    "--proxy-bypass-list=<-loopback>",
    # No name is resolved by the browser; the proxy's own address needs no answer.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
    "--disable-component-update",
    "--dns-prefetch-disable",
)
"""Chromium's arguments beside ``--proxy-server``: nothing goes past the proxy."""

_STANDARD_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class EgressGuard:
    """A proxy that reaches public addresses only, in a thread of its own.

    ``refusals`` is what was refused, to the page and to the browser itself.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        limits: EgressLimits | None = None,
        connect: Connect = open_tcp,
    ) -> None:
        """Prepare; every name is resolved by ``resolver``, at each connection anew."""
        self.url = ""
        self.refusals: list[EgressEvent] = []
        self._answers: dict[str, NameAnswer] = {}
        self._resolver = resolver
        self._limits = limits
        self._connect = connect
        self._reached: dict[tuple[str, int], str] = {}

    def list_answers(self, hosts: Collection[str]) -> list[NameAnswer]:
        """Return the first answer about each of these hosts; the browser asks for others itself."""
        return [answer for host, answer in self._answers.items() if host in hosts]

    def list_refusals(self, hosts: Collection[str]) -> list[EgressEvent]:
        """Return the refusals of connections to these hosts."""
        return [event for event in self.refusals if _find_host(event.target)[0] in hosts]

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve during the block; yield the proxy's URL."""
        ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        thread = threading.Thread(target=self._run, args=(ready,), name="guard", daemon=True)
        thread.start()
        self.url, loop, ended = ready.result()
        try:
            yield self.url
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()

    def find_address(self, url: str) -> tuple[str, int]:
        """Return the address and port that a URL's host was last reached at; "" and 0 if never."""
        host, port = _find_host(url)
        address = self._reached.get((host, port))
        return ("", 0) if address is None else (address, port)

    def explain_refusal(self, url: str, hosts: Collection[str]) -> Message | None:
        """Return why the last connection to one of the hosts was refused when ``url`` was opened.

        None if none was.
        """
        refused = self.list_refusals(hosts)
        if not refused:
            return None
        last = refused[-1]
        assert last.reason is not None, "it was refused"
        return Message("capture-guard-refused", url=url, target=last.target, reason=last.reason)

    def _run(self, ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        async def serve() -> None:
            proxy = EgressProxy(
                self._note,
                limits=self._limits,
                resolve=self._resolve,
                connect=self._connect,
                answers_refusals=False,
            )
            ended = asyncio.Event()
            async with proxy.serve() as url:
                ready.set_result((url, asyncio.get_running_loop(), ended))
                await ended.wait()

        try:
            asyncio.run(serve())
        except BaseException as error:  # whoever waits for the thread gets it
            if ready.done():
                raise
            ready.set_exception(error)

    async def _resolve(self, host: str, _port: int) -> Sequence[str]:
        answer = await asyncio.to_thread(ask_resolver, self._resolver, host)
        self._answers.setdefault(host, answer)
        if answer.state == "unanswered":
            raise EgressRefused(Message("egress-name-unanswered", host=host))
        return sorted(answer.addresses)

    def _note(self, event: EgressEvent) -> None:
        if event.reason is not None:
            self.refusals.append(event)
        elif event.address is not None:
            self._reached[_find_host(event.target)] = event.address


def _find_host(target: str) -> tuple[str, int]:
    """Return the host and port of a URL, or of ``HOST:PORT``."""
    parts = urlsplit(target if "://" in target else f"//{target}")
    try:
        port = parts.port or _STANDARD_PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    return (parts.hostname or "").removesuffix("."), port
