"""Which addresses are public: the one rule for all requests on behalf of others."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

IPAddress: TypeAlias = IPv4Address | IPv6Address
# RFC 6052: IPv6 addresses that lead to the IPv4 address in their last 32 bits, as a resolver of a
# network without IPv4 gives them.
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
# Of use only inside one network, whatever a registry or a release of Python says of their reach.
_INTERNAL: Final = (
    IPv4Network("100.64.0.0/10"),  # carriers' own (RFC 6598), and metadata services in it
    IPv4Network("192.0.0.0/24"),  # anycast of one's own network, and metadata services (RFC 6890)
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    IPv4Network("168.63.129.16/32"),  # Azure's platform, as its machines see it
    IPv6Network("64:ff9b:1::/48"),  # translation within one network (RFC 8215)
    IPv6Network("2001::/23"),  # protocols' own, Teredo among them (RFC 2928)
    IPv6Network("2002::/16"),  # 6to4 (RFC 7526)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv6Network("5f00::/16"),  # segment routing (RFC 9602)
    IPv6Network("fec0::/10"),  # what used to be site-local (RFC 3879)
)
# RFC 5214: the upper half of an interface's identifier that ends with an address of IPv4.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def choose_address(addresses: Sequence[str], *, allow_private: bool) -> str | None:
    """Return the address to connect to; None if there is none, or one of them is not public.

    One that is not spoils the rest, because such an answer is meant to lead inside.
    """
    if not addresses or not (allow_private or all(map(is_public, addresses))):
        return None
    return addresses[0]


def is_public(text: str) -> bool:
    """Return whether an address is one that anybody on the Internet can have.

    Not private, loopback, link-local (as the metadata services of clouds are), multicast, reserved
    or unspecified; nor one of IPv6 that leads to such an address of IPv4.
    """
    try:
        address = ip_address(text)
    except ValueError:  # with a scope, as only link-local addresses have
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _TRANSLATED:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
    return all(
        each.is_global
        and not each.is_multicast
        and not each.is_reserved
        and not any(each in network for network in _INTERNAL if network.version == each.version)
        for each in (address, *_embedded_in(address))
    )


def _embedded_in(address: IPAddress) -> list[IPv4Address]:
    """Return the IPv4 addresses to which an address of IPv6 leads."""
    if isinstance(address, IPv4Address):
        return []
    number = int(address)
    isatap = IPv4Address(number & 0xFFFFFFFF) if (number >> 32) & 0xFFFFFFFF in _ISATAP else None
    embedded = [address.ipv4_mapped, isatap, *(address.teredo or ())]
    return [each for each in embedded if each is not None]


def read_address(host: str) -> IPAddress | None:
    """Return the address that a host is; None for a name.

    Raises:
        ValueError: Resolvers may read it as an address, such as ``0x7f.1`` and ``2130706433``.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if ":" in host or not last or last.isdecimal() or last.lower().startswith("0x"):
        raise ValueError(host)
    return None
