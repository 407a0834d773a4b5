"""PKCS#11 URIs (RFC 7512): a key on a token, and the module that reaches the token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message

SCHEME: Final = "pkcs11:"

_PATH: Final = ("token", "serial", "object", "id")
_QUERY: Final = ("module-path",)
_PINS: Final = ("pin-value", "pin-source")
# What RFC 7512 lets stand in an attribute of the path; "/" and "?" more in one of the query.
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A private key on a token; its certificate has the same label or id.

    At least one of ``token`` (label) and ``serial``, and one of ``label`` and ``id``, is given.
    """

    module: str
    token: str | None
    serial: str | None
    label: str | None
    id: bytes | None


def parse_token_uri(uri: str) -> TokenKey:
    """Return the key that a PKCS#11 URI names (RFC 7512).

    Raises:
        UsageError: The URI is malformed, names no module, token or key, or holds a PIN.
    """
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    values = _read_attributes(path.split(";") if path else [], _PATH)
    values |= _read_attributes(query.split("&") if query else [], _QUERY)
    for names in (("module-path",), ("token", "serial"), ("object", "id")):
        if not any(name in values for name in names):
            raise UsageError(
                Message("pkcs11-uri-incomplete", name=names[0]), hint=Message("pkcs11-uri-hint")
            )
    texts = {name: _decode(name, value) for name, value in values.items() if name != "id"}
    return TokenKey(
        module=texts["module-path"],
        token=texts.get("token"),
        serial=texts.get("serial"),
        label=texts.get("object"),
        id=values.get("id"),
    )


def _read_attributes(parts: list[str], known: tuple[str, ...]) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name in _PINS:
            raise UsageError(Message("pkcs11-uri-pin"), hint=Message("pdf-key-password-hint"))
        if name not in known or name in values:
            raise UsageError(
                Message("pkcs11-uri-attribute", name=name[:80]), hint=Message("pkcs11-uri-hint")
            )
        if not _VALUE.fullmatch(value):
            raise UsageError(
                Message("pkcs11-uri-value", name=name), hint=Message("pkcs11-uri-hint")
            )
        values[name] = unquote_to_bytes(value)
    return values


def _decode(name: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(Message("pkcs11-uri-value", name=name), hint=Message("pkcs11-uri-hint"))
    return text
