"""The key of a project that signs WACZ files anonymously (WACZ-auth 0.1.0).

https://specs.webrecorder.net/wacz-auth/0.1.0/: the public key is in the file, and says nothing
about whose it is; a reader who knows the key of earlier captures sees that it is the same one.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from secrets import token_hex

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import private_mode, sync_folder, write_file
from anchor.base.system.os_errors import explain_os_error

KEY_NAME = "wacz-key.pem"
SIGNATURE_VERSION = "0.1.0"
_MAX_KEY_BYTES = 4_096


class WaczKey:
    """An ECDSA key on P-384, the curve that the readers of Webrecorder take."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Sign with a key."""
        self._key = key

    def sign(self, digest: str, *, created_at: str, software: str) -> dict[str, str]:
        """Return ``signedData`` of the digest of ``datapackage.json``, as ``sha256:`` and hex."""
        signature = self._key.sign(digest.encode(), ec.ECDSA(hashes.SHA256()))
        size = (self._key.key_size + 7) // 8
        # IEEE P1363, as browsers make and read it.
        numbers = (each.to_bytes(size, "big") for each in decode_dss_signature(signature))
        public = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "hash": digest,
            "created": created_at,
            "software": software,
            "version": SIGNATURE_VERSION,
            "signature": base64.b64encode(b"".join(numbers)).decode("ascii"),
            "publicKey": base64.b64encode(public).decode("ascii"),
        }


def load_wacz_key(folder: Path) -> WaczKey:
    """Return the key of the project in ``folder``, which is made when it is first asked for.

    Its file is for its owner alone, or the group of a shared folder.
    """
    path = folder / KEY_NAME
    try:
        if not path.exists():
            _create(path)
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        failure = Message("wacz-key-unusable", path=path)
        raise explain_os_error(failure, error, is_named=False) from error
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise ConfigError(
            Message("wacz-key-invalid", path=path), hint=Message("wacz-key-invalid-hint")
        )
    return WaczKey(key)


def _create(path: Path) -> None:
    """Make a key, unless another process was first; a crash leaves a temporary file at most."""
    key = ec.generate_private_key(ec.SECP384R1())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    partial = path.with_name(f".anchor-{token_hex(8)}.tmp")
    write_file(partial, data, mode=private_mode(path.parent))
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    sync_folder(path.parent)
