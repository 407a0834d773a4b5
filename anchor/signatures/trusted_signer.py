"""A signer as a trust policy names it: by an SSH key, or by a subject below root certificates."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

# A line of a .pub file: the key's type, the key, and a comment that is not kept.
_SSH_KEY = re.compile(
    r"([a-z0-9@.-]{1,64}) "
    r"((?:[A-Za-z0-9+/]{4}){1,4096}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)(?: [^\r\n]*)?",
)
_CERTIFICATE = "-cert-"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedSigner:
    """A signer whom the verifier names: by ``ssh_key``, or by ``roots`` and ``subject``.

    ``ssh_key`` is the key's type and its base64; ``roots`` are certificates in DER, and ``subject``
    is a name in the form of RFC 2253, such as ``CN=Li Lei,O=Acme,C=CN``.
    """

    name: str
    ssh_key: str | None = None
    roots: tuple[bytes, ...] = ()
    subject: str | None = None


def parse_ssh_key(text: str) -> str:
    """Return the type and the base64 of an SSH public key, as a ``.pub`` file holds it.

    Raises:
        MalformedError: The text is no public key, or that of an SSH certificate.
    """
    match = _SSH_KEY.fullmatch(text)
    if match is None or _CERTIFICATE in match[1]:
        raise MalformedError(Message("signer-key-not-ssh"))
    # RFC 4253, 6.6: a key begins with its type, after four bytes for its length.
    start = len(match[1]).to_bytes(4, "big") + match[1].encode()
    if not base64.b64decode(match[2]).startswith(start):
        raise MalformedError(Message("signer-key-not-ssh"))
    return f"{match[1]} {match[2]}"
