"""This machine's clock compared with NTP servers: the 48-byte packet of RFC 5905 over UDP.

The clock is not corrected, and the answers are not authenticated: they show an error, and prove
nothing to somebody else.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import unix_now, utc_now
from anchor.base.system.os_errors import describe_os_error
from anchor.evidence.group_members import build_group
from anchor.evidence.observed_groups import ClockComparison, ClockServer, ClockState

PORT = 123
TIMEOUT = 3.0
"""Seconds to wait for one server's answer."""

_PACKET_BYTES = 48
_NONCE_BYTES = 8
# Version 4, mode 3 (client): RFC 5905, figure 8.
_CLIENT = 0x23
_SERVER_MODE = 4
_UNSYNCHRONISED = 3
# Seconds from NTP's era 0 (1900) to the Unix epoch, and the seconds of one era.
_EPOCH = 2_208_988_800
_ERA = 1 << 32
# What two good servers may differ by beyond their own error bounds: asymmetric routes.
_SLACK_MS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NtpAnswer:
    """A server's answer; ``offset`` is what to add to this machine's clock, all in seconds."""

    offset: float
    delay: float
    root_delay: float
    dispersion: float
    leap: int
    stratum: int


Ask = Callable[[str], NtpAnswer]


def build_request(nonce: bytes) -> bytes:
    """Return a client's packet; the server returns ``nonce``, its transmit time, as the origin."""
    return bytes([_CLIENT]) + bytes(_PACKET_BYTES - 1 - _NONCE_BYTES) + nonce


def parse_answer(data: bytes, nonce: bytes, sent: float, received: float) -> NtpAnswer:
    """Return what a server's packet shows; ``sent`` and ``received`` are in Unix seconds.

    Raises:
        MalformedError: It is not the answer to the request with ``nonce``, or the server says that
            its own clock is not synchronised.
    """
    if len(data) < _PACKET_BYTES or data[0] & 7 != _SERVER_MODE:
        raise MalformedError(Message("ntp-answer-malformed"))
    if data[24:32] != nonce:
        raise MalformedError(Message("ntp-answer-foreign"))
    leap, stratum = data[0] >> 6, data[1]
    if leap == _UNSYNCHRONISED or not 1 <= stratum <= 15:
        raise MalformedError(Message("ntp-server-unsynchronised"))
    arrived, left = (_read_time(data[place : place + 8], received) for place in (32, 40))
    return NtpAnswer(
        offset=((arrived - sent) + (left - received)) / 2,
        delay=max(0.0, (received - sent) - (left - arrived)),
        root_delay=int.from_bytes(data[4:8], "big", signed=True) / (1 << 16),
        dispersion=int.from_bytes(data[8:12], "big") / (1 << 16),
        leap=leap,
        stratum=stratum,
    )


def _read_time(field: bytes, near: float) -> float:
    """Return an NTP timestamp in Unix seconds, in the era nearest to ``near`` (RFC 5905, 6)."""
    seconds = int.from_bytes(field, "big") / _ERA - _EPOCH
    return seconds + round((near - seconds) / _ERA) * _ERA


def ask_server(server: str, *, timeout: float = TIMEOUT) -> NtpAnswer:
    """Ask one server, ``host`` or ``host:port``, for the time."""
    host, port = split_server(server)
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    nonce = os.urandom(_NONCE_BYTES)
    with socket.socket(family, kind, protocol) as udp:
        udp.settimeout(timeout)
        udp.connect(address)  # so that answers of others are discarded
        sent, began = unix_now(), time.monotonic()
        udp.send(build_request(nonce))
        data = udp.recv(512)
        # By the monotonic clock: the wall clock may be set meanwhile.
        received = sent + (time.monotonic() - began)
    return parse_answer(data, nonce, sent, received)


def split_server(server: str) -> tuple[str, int]:
    """Return the host and port of ``host``, ``host:port`` or ``[IPv6]:port``."""
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = server, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not host.isprintable() or " " in host or not (port.isascii() and port.isdigit()):
        raise MalformedError(Message("ntp-server-malformed", server=server[:80]))
    try:
        host.encode("idna")
    except UnicodeError:
        raise MalformedError(Message("ntp-server-malformed", server=server[:80])) from None
    if not 0 < int(port[:6]) < 1 << 16:
        raise MalformedError(Message("ntp-server-malformed", server=server[:80]))
    return host, int(port)


def compare_clock(servers: Sequence[str], *, ask: Ask = ask_server) -> ClockComparison:
    """Compare the clock with each server in turn; without servers, nothing is asked."""
    if not servers:
        return ClockComparison(state="not_asked", checked_at=utc_now())
    answers: list[NtpAnswer] = []
    entries = []
    for server in servers:
        try:
            answer = ask(server)
        except (OSError, MalformedError) as error:
            reason = error.message if isinstance(error, MalformedError) else _explain(error)
            entries.append(ClockServer(server=server, problem=reason))
            continue
        answers.append(answer)
        entries.append(_describe(server, answer))
    offsets = sorted(answer.offset for answer in answers)
    members = {
        "state": _judge(answers),
        "checked_at": utc_now(),
        "offset_ms": _to_ms(_median(offsets)) if offsets else None,
        "servers": entries,
    }
    return build_group(ClockComparison, members)


def _explain(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return Message("ntp-server-silent")
    return describe_os_error(error)


def _describe(server: str, answer: NtpAnswer) -> ClockServer:
    return ClockServer(
        server=server,
        offset_ms=_to_ms(answer.offset),
        dispersion_ms=math.ceil(answer.dispersion * 1_000),
        delay_ms=math.ceil(answer.delay * 1_000),
        leap=answer.leap,
        stratum=answer.stratum,
    )


def _judge(answers: Sequence[NtpAnswer]) -> ClockState:
    if len(answers) < 2:
        return "one_answer" if answers else "unanswered"
    lowest = max(answer.offset - _error_of(answer) for answer in answers)
    highest = min(answer.offset + _error_of(answer) for answer in answers)
    return "agree" if lowest <= highest else "disagree"


def _error_of(answer: NtpAnswer) -> float:
    """Return by how much an offset may be wrong: the root distance (RFC 5905, 11.2.1), and more."""
    return (answer.delay + abs(answer.root_delay)) / 2 + answer.dispersion + _SLACK_MS / 1_000


def _median(ordered: Sequence[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _to_ms(seconds: float) -> int:
    return round(seconds * 1_000)
