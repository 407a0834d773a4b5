"""Removal of secrets from captured exchanges: cookies and credentials, but not their names."""

from __future__ import annotations

from dataclasses import replace

from anchor.capture.web_exchange import Headers, WebExchange

REDACTED = "[redacted]"

_CREDENTIALS = ("authorization", "proxy-authorization")


def redact_exchange(exchange: WebExchange) -> WebExchange:
    """Return the exchange without the values of cookies and credentials in its headers."""
    response = exchange.response
    return replace(
        exchange,
        headers=_redact(exchange.headers),
        response=None if response is None else replace(response, headers=_redact(response.headers)),
    )


def _redact(headers: Headers) -> Headers:
    return tuple((name, _redact_value(name.lower(), value)) for name, value in headers)


def _redact_value(name: str, value: str) -> str:
    if name == "cookie":
        return "; ".join(_keep_name(pair) for pair in value.split("; "))
    if name == "set-cookie":
        pair, separator, attributes = value.partition(";")
        return _keep_name(pair) + separator + attributes
    if name in _CREDENTIALS:
        return f"{value.partition(' ')[0]} {REDACTED}"
    return value


def _keep_name(pair: str) -> str:
    """Return a cookie's name; one without a name is nothing but its value (RFC 6265bis)."""
    name, separator, _ = pair.partition("=")
    return f"{name}={REDACTED}" if separator else REDACTED
