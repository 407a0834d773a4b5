"""Answers of DNS resolvers about a host's addresses, each asked on its own and none trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

import dns.exception
import dns.resolver

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import utc_now
from anchor.evidence.observed_groups import CheckResult

PORT = 53
_SECONDS = 3.0
_TYPES = ("A", "AAAA")

AnswerState = Literal["answered", "no_such_name", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A DNS server: address and port, and whether this machine uses it itself."""

    address: str
    port: int = PORT
    is_own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAnswer:
    """What one resolver answered about a host, with the whole chain of aliases."""

    resolver: Resolver
    host: str
    asked_at: str
    state: AnswerState
    records: tuple[tuple[str, int, str, str], ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        """Return the addresses among the records."""
        return frozenset(data for _, _, kind, data in self.records if kind in _TYPES)

    def describe(self) -> dict[str, Any]:
        """Return the answer as members of a JSON document."""
        return {
            "server": self.resolver.address,
            "port": self.resolver.port,
            "of_this_machine": self.resolver.is_own,
            "host": self.host,
            "asked_at": self.asked_at,
            "state": self.state,
            "records": [
                {"name": name, "ttl": ttl, "type": kind, "data": data}
                for name, ttl, kind, data in self.records
            ],
        }


def parse_resolver(text: str) -> Resolver:
    """Parse ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(PORT)
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        raise UsageError(Message("resolver-malformed", resolver=text[:80])) from None
    if not 0 < number < 1 << 16:
        raise UsageError(Message("resolver-malformed", resolver=text[:80]))
    return Resolver(address=str(address), port=number)


def list_resolvers(own: Iterable[str] | None, named: Sequence[Resolver]) -> list[Resolver]:
    """Return the machine's first resolver, which the browser uses, and those that were named."""
    first = next(iter(own or ()), None)
    return [*([] if first is None else [Resolver(address=first, is_own=True)]), *named]


def has_answers(host: str) -> bool:
    """Return whether resolvers know about a host: not if it is an address or this machine."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
    return False


def ask_resolver(resolver: Resolver, host: str) -> NameAnswer:
    """Ask a resolver for the addresses of a host, IPv4 and IPv6."""
    client = dns.resolver.Resolver(configure=False)
    client.nameservers, client.port = [resolver.address], resolver.port
    client.lifetime = _SECONDS
    asked_at = utc_now()
    records: list[tuple[str, int, str, str]] = []
    state: AnswerState = "unanswered"
    for kind in _TYPES:
        try:
            answer = client.resolve(host, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            state = "no_such_name"
            break
        except dns.exception.DNSException:
            continue
        state = "answered"
        for entry in answer.response.answer:
            records += (
                (entry.name.to_text(), entry.ttl, entry.rdtype.name, data.to_text())
                for data in entry
            )
    return NameAnswer(
        resolver=resolver,
        host=host,
        asked_at=asked_at,
        state=state,
        records=tuple(dict.fromkeys(records)),
    )


def judge_answers(answers: Sequence[NameAnswer]) -> tuple[CheckResult, Message]:
    """Return whether the resolvers agree about every host; two answers are needed for that.

    Two resolvers agree if they share an address, or both know none.
    """
    foreign: list[Message] = []
    is_compared = False
    for host in dict.fromkeys(answer.host for answer in answers):
        sets = [
            answer.addresses
            for answer in answers
            if answer.host == host and answer.state != "unanswered"
        ]
        is_compared = is_compared or len(sets) > 1
        if any(not (sets[0] & other) and sets[0] != other for other in sets[1:]):
            listed = join(["/".join(sorted(each)) or "-" for each in sets])
            foreign.append(Message("check-resolvers-differ", host=host, answers=listed))
    if foreign:
        return "fail", join(foreign, "semicolon")
    if not is_compared:
        return "not_checked", Message("check-resolvers-not-asked")
    return "pass", Message("check-resolvers-agree")
