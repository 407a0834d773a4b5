"""The client's address: that of the peer, or the one that a named proxy forwards."""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from starlette.types import Scope

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message

_LOG = logging.getLogger("anchor.service")

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
# The prefix length of the IPv6 network that a provider usually assigns to one customer.
_SITE_PREFIX = 64


def parse_proxies(texts: Iterable[str]) -> tuple[_Network, ...]:
    """Parse the networks of proxies, each given as an address or as address/prefix."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise UsageError(
                Message("proxy-malformed", actual=text[:80]),
                hint=Message("proxy-malformed-hint"),
            ) from error
    return tuple(networks)


def group_address(address: str) -> str:
    """Return the key under which an address is counted: IPv4 itself, IPv6 by its /64 network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _SITE_PREFIX), strict=False))


class Peers:
    """Counters of the open connections of each address, except those of the named proxies."""

    def __init__(self, proxies: Iterable[str]) -> None:
        """Create the counters; ``proxies`` are addresses and networks of the named proxies."""
        self._proxies = parse_proxies(proxies)
        self._open: Counter[str] = Counter()
        self._has_warned = False

    def is_first_warning(self) -> bool:
        """Return True on the first call only, so that an unnamed proxy is reported once."""
        has_warned, self._has_warned = self._has_warned, True
        return not has_warned

    def is_proxy(self, address: str) -> bool:
        """Return whether this address belongs to a named proxy."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def arrive(self, address: str) -> int:
        """Count a new connection; return how many the address has open, 0 for a named proxy."""
        if self.is_proxy(address):
            return 0
        group = group_address(address)
        self._open[group] += 1
        return self._open[group]

    def leave(self, address: str) -> None:
        """Count a closed connection."""
        group = group_address(address)
        if self._open[group] > 1:
            self._open[group] -= 1
        else:
            del self._open[group]


def peers_of(scope: Scope) -> Peers:
    """Return the worker's connection counters."""
    peers: Peers = scope["state"]["peers"]
    return peers


def client_of(scope: Scope) -> str:
    """Return the client's address, the same throughout a request.

    ``X-Forwarded-For`` is read from its end, as long as the sender of each entry is a named proxy:
    entries further left were written by the client itself.
    """
    known: str | None = scope.get("anchor.client")
    if known is None:
        known = scope["anchor.client"] = _find_client(scope)
    return known


def scheme_of(scope: Scope) -> str | None:
    """Return ``http`` or ``https`` as stated by a named proxy; None if not stated."""
    if not peers_of(scope).is_proxy(_peer_of(scope)):
        return None
    stated = _values(scope, b"x-forwarded-proto")[-1:]
    return stated[0] if stated and stated[0] in ("http", "https") else None


def _find_client(scope: Scope) -> str:
    address, peers = _peer_of(scope), peers_of(scope)
    forwarded = _values(scope, b"x-forwarded-for")
    if forwarded and not peers.is_proxy(address) and peers.is_first_warning():
        _LOG.warning(Message("proxy-not-named", address=address))
    for stated in reversed(forwarded):
        if not peers.is_proxy(address):
            break
        try:
            address = str(ipaddress.ip_address(stated))
        except ValueError:
            break
    return address


def _peer_of(scope: Scope) -> str:
    return str(scope["client"][0]) if scope["client"] else ""


def _values(scope: Scope, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [part.strip() for value in values for part in value.split(",")]
