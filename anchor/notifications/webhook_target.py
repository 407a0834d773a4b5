"""Where webhooks may go: HTTPS, and no address inside the operator's own networks.

A name is resolved once for each attempt, all of its addresses are judged, and the connection goes
to one that was: a name that resolves differently a moment later reaches nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.public_address import is_public, read_address

MAX_URL: Final = 2_000


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
    try:
        address = read_address(host)
    except ValueError:
        raise UsageError(Message("webhook-url-malformed")) from None
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
