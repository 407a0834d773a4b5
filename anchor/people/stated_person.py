"""What a sign-in provider states about a person, bounded and fit to be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from anchor.people.plain_text import is_fit

# As many characters as a line of a table holds; longer names are cut.
_MAX_NAME: Final = 100
# RFC 5321, 4.5.3.1.3: a path has at most 256 octets, two of them angle brackets.
_MAX_EMAIL: Final = 254
# OpenID Connect Core 2: a subject has at most 255 ASCII characters.
_MAX_SUBJECT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPerson:
    """A person as a provider states them: ``subject`` identifies them at this ``issuer`` only.

    Name and e-mail are the provider's words; ``email_verified`` is its word, too.
    """

    issuer: str
    subject: str
    name: str
    email: str | None
    email_verified: bool


def read_claims(issuer: str, claims: Mapping[str, object]) -> StatedPerson | None:
    """Return the person that an ID token's claims state; None if the subject is malformed."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isascii() or not subject.isprintable():
        return None
    if not 0 < len(subject) <= _MAX_SUBJECT:
        return None
    email = clean_email(claims.get("email"))
    names = (clean_name(claims.get(claim)) for claim in ("name", "preferred_username"))
    return StatedPerson(
        issuer=issuer,
        subject=subject,
        name=next((name for name in names if name), email or subject[:_MAX_NAME]),
        email=email,
        email_verified=email is not None and claims.get("email_verified") is True,
    )


def clean_name(text: object) -> str:
    """Return a name without unprintable and direction-changing characters, cut if it is long."""
    if not isinstance(text, str):
        return ""
    # Cut before the rest, so that the work is bounded.
    start = text[: 10 * _MAX_NAME]
    fit = "".join(" " if char.isspace() else char for char in start if is_fit(char))
    short = " ".join(unicodedata.normalize("NFC", fit).split())
    return short if len(short) <= _MAX_NAME else f"{short[: _MAX_NAME - 1]}…"


def clean_email(text: object) -> str | None:
    """Return an e-mail address in lower case; None if it is none that could be shown."""
    if not isinstance(text, str) or not 3 <= len(text) <= _MAX_EMAIL:
        return None
    name, _, host = text.rpartition("@")
    if not name or not host or not all(char.isprintable() and is_fit(char) for char in text):
        return None
    return None if any(char.isspace() or char in '<>"' for char in text) else text.lower()
