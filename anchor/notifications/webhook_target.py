"""Where webhooks may go: HTTPS, and no address inside the operator's own networks.

A name is resolved once for each attempt, all of its addresses are judged, and the connection goes
to one that was: a name that resolves differently a moment later reaches nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from anchor.errors import UsageError
from anchor.messages.message import Message

MAX_URL: Final = 2_000

_Address: TypeAlias = IPv4Address | IPv6Address
# RFC 6052: IPv6 addresses that lead to the IPv4 address in their last 32 bits, as a resolver of a
# network without IPv4 gives them.
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
# Of use only inside one network, whatever a registry says of their reach: carriers' own addresses
# (RFC 6598), and what used to be site-local (RFC 3879) or reached IPv4 by relays (RFC 7526).
_INTERNAL: Final = (
    IPv4Network("100.64.0.0/10"), IPv6Network("fec0::/10"), IPv6Network("2002::/16"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """The parts of a webhook's URL by which a connection is made.

    ``address`` is the host if that is an address itself.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: str | None

    @property
    def authority(self) -> str:
        """Return host and port as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == {"https": 443, "http": 80}[self.scheme]
        return host if is_default else f"{host}:{self.port}"

    def url_at(self, address: str) -> str:
        """Return the URL with an address in place of the host's name."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_target(url: str, *, allow_private: bool) -> WebhookTarget:
    """Return the target of a webhook's URL.

    With ``allow_private`` it may lead into the operator's networks, and to this machine by HTTP.

    Raises:
        UsageError: The URL is malformed, is not HTTPS, or holds a user or a fragment; or its host
            is an address to which no webhook goes.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(Message("webhook-url-malformed"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(Message("webhook-url-malformed")) from None
    host = parts.hostname or ""
    if not host or "\\" in url or "%" in host or port == 0:
        raise UsageError(Message("webhook-url-malformed"))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UsageError(Message("webhook-url-holds-user"))
    is_here = host in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here and allow_private):
        raise UsageError(Message("webhook-url-not-https"))
    address = _read_address(host)
    if address is not None and not allow_private and not is_public(str(address)):
        raise UsageError(Message("webhook-url-private"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(
        scheme=parts.scheme,
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        path=path,
        address=None if address is None else str(address),
    )


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
    if isinstance(address, IPv6Address) and address in _TRANSLATED:
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    return all(
        each.is_global
        and not each.is_multicast
        and not each.is_reserved
        and not any(each in network for network in _INTERNAL if network.version == each.version)
        for each in (address, *_embedded_in(address))
    )


def _embedded_in(address: _Address) -> list[IPv4Address]:
    """Return the IPv4 addresses to which an address of IPv6 leads."""
    if isinstance(address, IPv4Address):
        return []
    embedded = [address.ipv4_mapped, *(address.teredo or ())]
    return [each for each in embedded if each is not None]


def _read_address(host: str) -> _Address | None:
    """Return the address that a host is; None for a name.

    Raises:
        UsageError: Resolvers may read it as an address, such as ``0x7f.1`` and ``2130706433``.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if ":" in host or not last or last.isdecimal() or last.lower().startswith("0x"):
        raise UsageError(Message("webhook-url-malformed"))
    return None
