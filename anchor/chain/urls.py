"""RPC URLs: what of them may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from anchor.errors import ConfigError


def describe_url(url: str) -> str:
    """Return the part of an RPC URL that is safe to show: scheme, host and port.

    Raises:
        ConfigError: not an http(s) URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("the RPC URL is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "the RPC URL must start with http:// or https://",
            hint="for a local node: http://127.0.0.1:8545",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def is_plain_url(url: str) -> bool:
    """Say whether an RPC URL holds nothing but scheme, host and port, and so no secret.

    What is no URL at all is the name of a chain inside a process, as ape has one.
    """
    if "//" not in url:
        return True
    return url.rstrip("/") == describe_url(url)
