"""Whose request it is: the peer's, or the client's for whom a named web server passes it on."""

from __future__ import annotations

import ipaddress
import logging

from anchor.service.header_protection import Message
from anchor.service.peer_addresses import Peers

_LOG = logging.getLogger("anchor.service")


def peers_of(scope: Message) -> Peers:
    """Return the worker's peers."""
    peers: Peers = scope["state"]["peers"]
    return peers


def client_of(scope: Message) -> str:
    """Return the address of who asks, the same during a request.

    ``X-Forwarded-For`` counts from its end, as far as each address before was a named proxy's: what
    is further left was written by the client itself.
    """
    known: str | None = scope.get("anchor.client")
    if known is None:
        known = scope["anchor.client"] = _find_client(scope)
    return known


def scheme_of(scope: Message) -> str | None:
    """Return ``http`` or ``https`` as a named proxy says it; None where none does."""
    if not peers_of(scope).is_proxy(_peer_of(scope)):
        return None
    stated = _values(scope, b"x-forwarded-proto")[-1:]
    return stated[0] if stated and stated[0] in ("http", "https") else None


def _find_client(scope: Message) -> str:
    address, peers = _peer_of(scope), peers_of(scope)
    forwarded = _values(scope, b"x-forwarded-for")
    if forwarded and not peers.is_proxy(address) and peers.is_first_warning():
        _LOG.warning(
            "%s passes requests on and is not named: all its clients count as one; "
            "start with --proxy %s",
            address,
            address,
        )
    for stated in reversed(forwarded):
        if not peers.is_proxy(address):
            break
        try:
            address = str(ipaddress.ip_address(stated))
        except ValueError:
            break
    return address


def _peer_of(scope: Message) -> str:
    return str(scope["client"][0]) if scope["client"] else ""


def _values(scope: Message, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [part.strip() for value in values for part in value.split(",")]
