"""Which addresses are blocked: networks by prefix length, so that a look-up does not list them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from anchor.base.messages.message import Message
from anchor.service.problems import FieldError, Problem
from anchor.store.blocked_networks import BlockedNetwork

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NETWORK = 50
"""The most characters of a network."""


class BlockList:
    """The blocked networks, and until when each is."""

    def __init__(self, blocked: Iterable[BlockedNetwork] = ()) -> None:
        self._until: dict[_Network, str] = {
            ipaddress.ip_network(each.network): each.until for each in blocked
        }
        self._lengths = {
            version: sorted({each.prefixlen for each in self._until if each.version == version})
            for version in (4, 6)
        }

    def find(self, address: str, at: str) -> str | None:
        """Return until when an address is blocked at this time; None if it is not."""
        parsed = parse_address(address)
        if parsed is None or not self._until:
            return None
        for length in self._lengths[parsed.version]:
            until = self._until.get(ipaddress.ip_network((parsed, length), strict=False))
            if until is not None and at < until:
                return until
        return None


def parse_address(text: str) -> _Address | None:
    """Return an address, an IPv4 one where IPv6 stands for it; None for any other text."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def read_network(text: str, own: str) -> str:
    """Return an address or network as CIDR; ``own`` is the address of whoever blocks it.

    Raises:
        Problem: It is neither, or would block the operator who asks (422).
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise _refuse(Message("operator-network-invalid")) from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        raise _refuse(Message("operator-network-invalid"))
    address = parse_address(own)
    if address is not None and address in network:
        raise _refuse(Message("operator-network-own", address=str(address)))
    return str(network)


def _refuse(reason: Message) -> Problem:
    return Problem(422, reason, errors=[FieldError("/network", reason)])
