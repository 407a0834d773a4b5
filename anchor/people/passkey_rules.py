"""Rules for passkeys: for which site they are, who uses one, and for how long a challenge stands.

The terms are those of Web Authentication (W3C, Level 3).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from anchor.people.lifetimes import later
from anchor.people.roles import Permission
from anchor.people.stated_person import clean_name

MOST_PASSKEYS: Final = 10
"""The most passkeys of one person."""
CHALLENGE_SECONDS: Final = 300
"""The time for answering a challenge."""
FRESH_SECONDS: Final = 600
"""The age of a session up to which its holder may change their passkeys."""

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """The site that passkeys are for: its domain, and the origin of its pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey as its authenticator made it; the public key is in the form of COSE."""

    credential: bytes
    public_key: bytes
    sign_count: int


def find_relying_party(url: str | None) -> RelyingParty | None:
    """Return the site at the configured address; None if it has no domain, as passkeys need one."""
    parts = urlsplit(url or "")
    try:
        domain = (parts.hostname or "").encode("idna").decode("ascii")
    except UnicodeError:
        return None
    if not domain or _is_address(domain):
        return None
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return RelyingParty(id=domain, origin=f"{parts.scheme}://{domain}{port}")


def is_counter_plausible(stored: int, stated: int) -> bool:
    """Return whether an authenticator's counter has grown, or counts nothing (section 6.1.1)."""
    return stated > stored or stated == stored == 0


def is_fresh(begun_at: str, passkey: str | None, at: str) -> bool:
    """Return whether a session is of a recent sign-in with a provider, and not with a passkey."""
    return passkey is None and at < later(begun_at, FRESH_SECONDS)


def may_use_passkeys(permissions: Iterable[frozenset[Permission]]) -> bool:
    """Return whether a person may do anything, given their permissions in each tenant."""
    return any(permissions)


def name_passkey(text: str, made_at: str) -> str:
    """Return a passkey's name, which is the day it was made unless one is entered."""
    return clean_name(text) or made_at[:10]


def encode_handle(person: str) -> bytes:
    """Return the user handle under which authenticators keep a person's passkeys."""
    return person.encode("ascii")


def _is_address(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return False
    return True
