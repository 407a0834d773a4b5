"""Where a request on behalf of others may go: public hosts in plain spelling, and few ports."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from anchor.base.messages.message import Message
from anchor.base.system.public_address import is_public, read_address

PORTS: Final = frozenset({80, 443})
"""The ports that may be asked for unless others are named."""

_MOST_CHARACTERS: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Names that resolvers answer from their own network (RFC 6761, 6762, 7686, 8375, and in use).
_OWN_NAMES: Final = (
    "localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion",
)  # fmt: skip


class EgressRefused(Exception):
    """A request may not be made; its reason is a message."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressTarget:
    """The host and port of a request; ``address`` is the host if that is an address itself."""

    host: str
    port: int
    address: str | None


def parse_egress_url(url: str, ports: Collection[int] = PORTS) -> EgressTarget:
    """Return the target of an ``http`` or ``https`` URL."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise EgressRefused(Message("egress-url-malformed"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EgressRefused(Message("egress-url-malformed")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EgressRefused(Message("egress-url-malformed"))
    if "@" in parts.netloc:
        raise EgressRefused(Message("egress-url-holds-user"))
    standard = 443 if parts.scheme == "https" else 80
    return judge_target(parts.hostname, standard if port is None else port, ports)


def parse_authority(text: str, ports: Collection[int] = PORTS) -> EgressTarget:
    """Return the target of ``HOST:PORT``, as the method ``CONNECT`` names it."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/?#\\\s]+)):([0-9]{1,5})", text)
    if match is None:
        raise EgressRefused(Message("egress-url-malformed"))
    return judge_target(match[1] or match[2], int(match[3]), ports)


def judge_target(host: str, port: int, ports: Collection[int] = PORTS) -> EgressTarget:
    """Return a host and port that may be asked; a name's addresses are still to be judged.

    Raises:
        EgressRefused: The port is another one; or the host is not public, or spelt so that some
            read it as an address.
    """
    if port not in ports:
        raise EgressRefused(Message("egress-port", port=port))
    name = _read_name(host)
    try:
        address = read_address(name)
    except ValueError:
        raise EgressRefused(Message("egress-host-spelling", host=host[:80])) from None
    if address is not None:
        if not is_public(str(address)):
            raise EgressRefused(Message("egress-address-inside", address=address))
        return EgressTarget(host=name, port=port, address=str(address))
    labels = name.split(".")
    if len(name) > _MOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise EgressRefused(Message("egress-host-spelling", host=host[:80]))
    # One label alone is completed by the resolver with domains of its own network.
    if len(labels) == 1 or any(f".{name}".endswith(f".{own}") for own in _OWN_NAMES):
        raise EgressRefused(Message("egress-name-inside", host=name))
    return EgressTarget(host=name, port=port, address=None)


def _read_name(host: str) -> str:
    """Return a host as resolvers see it: lower case, IDNA, and without a trailing point."""
    name = host
    if not host.isascii():
        try:
            name = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise EgressRefused(Message("egress-host-spelling", host=host[:80])) from None
    return name.lower().removesuffix(".")
