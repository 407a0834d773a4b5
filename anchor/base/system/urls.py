"""RPC URLs: the part that may be shown, and the recognition of two spellings of one node."""

from __future__ import annotations

import posixpath
import re
import socket
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message


def redact_url(url: str) -> str:
    """Return the part of an RPC URL that is safe to show: scheme, host and port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(Message("rpc-url-invalid")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            Message("rpc-url-scheme-unknown"),
            hint=Message("rpc-url-scheme-unknown-hint"),
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


# docs/spec/policy.md has the same form; `urlsplit` and browsers differ in what they let pass.
_NODE_URL = re.compile(
    r"https?://"
    r"(?:[^\x00-\x20\x7f/?#\\@\[\]]*@)?"
    r"(?:\[(?P<address>[0-9a-f:.]+)\]|[^\x00-\x20\x7f/?#\\@\[\]:]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?#][^\x00-\x20\x7f\\]*)?",
    re.ASCII | re.IGNORECASE,
)


def is_node_url(url: str) -> bool:
    """Return whether a trust policy may name a node by ``url``: HTTP or HTTPS, host and port."""
    match = _NODE_URL.fullmatch(url)
    if match is None:
        return False
    if match["address"] is not None:
        try:
            IPv6Address(match["address"])
        except ValueError:
            return False
    return match["port"] is None or 1 <= int(match["port"]) <= 65_535


def are_distinct(urls: Sequence[str]) -> bool:
    """Return whether no two URLs are spellings of the same node's URL."""
    return len({_normalise(url) for url in urls}) == len(urls)


def _normalise(url: str) -> tuple[str, int | None, str, str]:
    """Return the part common to all spellings of a node's URL: host, port, path and query.

    On this machine's own addresses a port is one program, whatever the path and query.  On other
    hosts, different paths or queries may lead to different nodes.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # not raised here: its text quotes the URL
        return url, None, "", ""
    host = _spell_host(unquote(parts.hostname or ""))
    is_local = host == "localhost" or host.endswith(".localhost")  # RFC 6761
    with suppress(OSError):  # 127.1 is 127.0.0.1
        if re.fullmatch(r"[0-9a-fx.]+", host):
            host = socket.inet_ntoa(socket.inet_aton(host))
    with suppress(ValueError):  # an IPv6 address has many spellings
        address = ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        host = str(address)
        # A connection to 0.0.0.0 reaches this machine.
        is_local = address.is_loopback or address.is_unspecified
    # At their default ports a host's http and https are one server.
    port = None if port == {"http": 80, "https": 443}.get(parts.scheme) else port
    if is_local:
        return "localhost", port, "", ""
    path = posixpath.normpath("/" + unquote(parts.path).strip("/")).rstrip("/")
    return host, port, path, parts.query


def _spell_host(host: str) -> str:
    """Return a host's name in Unicode and lower case, without the dot at its end (UTS #46)."""
    host = unicodedata.normalize("NFKC", host).replace("\u3002", ".")
    labels = host.lower().rstrip(".").split(".")
    for place, label in enumerate(labels):
        if label.startswith("xn--"):
            with suppress(UnicodeError):  # a label that is not Punycode (RFC 3492) is kept
                labels[place] = label[4:].encode("ascii").decode("punycode")
    return ".".join(labels)


def is_plain_url(url: str) -> bool:
    """Return whether an RPC URL holds only scheme, host and port, and so no secret.

    Text without ``//`` is not a URL: it names a chain in this process, as in ape.
    """
    if "//" not in url:
        return True
    return url.rstrip("/") == redact_url(url)
