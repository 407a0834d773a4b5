"""Signatures on certificates' PDFs: PAdES baseline B-B (ETSI EN 319 142-1), invisible, by pyHanko.

The key is in a PKCS#12 file or on a token (PKCS#11).  A signature says whose key signed the file,
by the certificate that it carries; whether a reader trusts that certificate is for the reader.  It
is appended, so that the PDF below it stays as it was.  pyHanko is the extra ``sign``,
python-pkcs11 the extra ``pkcs11``; both are imported when a key is loaded.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.base.errors import SignerError
from anchor.base.messages.message import Message
from anchor.certificate.token_uri import TokenKey

if TYPE_CHECKING:
    from pyhanko.sign.signers import Signer, SimpleSigner

_FIELD = "Signature"
# A key with its certificates.
MAX_KEY_BYTES = 1 << 20


def load_pdf_signer(path: Path, data: bytes, password: str) -> SimpleSigner:
    """Return the signer of a PKCS#12 file's bytes; ``path`` is for the error's sentence."""
    from pyhanko.sign.general import SigningError
    from pyhanko.sign.signers import SimpleSigner

    signer: SimpleSigner | None = None
    try:
        signer = SimpleSigner.load_pkcs12_data(data, (), passphrase=password.encode("utf-8"))
    except (SigningError, ValueError, TypeError, AttributeError):
        pass  # answered below, without the cause, whose text may quote what was read
    if signer is None or signer.signing_cert is None:
        raise SignerError(Message("pdf-key-unreadable", path=path))
    return signer


def open_token_signer(key: TokenKey, pin: str) -> Signer:
    """Return the signer of a key on a token; its session stays open until the process ends."""
    import pkcs11
    from pyhanko.config.pkcs11 import TokenCriteria
    from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session

    serial = None if key.serial is None else key.serial.encode("utf-8")
    criteria = TokenCriteria(label=key.token, serial=serial)
    # Without the causes, whose texts may quote what was read.
    try:
        pkcs11.lib(key.module)
    except (pkcs11.PKCS11Error, RuntimeError, OSError):
        raise SignerError(Message("token-module-unreadable", path=key.module)) from None
    try:
        session = open_pkcs11_session(key.module, token_criteria=criteria, user_pin=pin)
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked):
        raise SignerError(Message("token-pin-refused")) from None
    except pkcs11.PKCS11Error:
        raise SignerError(Message("token-absent"), hint=Message("pkcs11-uri-hint")) from None
    signer = PKCS11Signer(session, key_label=key.label, key_id=key.id)
    try:
        algorithm = signer.signing_cert.public_key.algorithm
    except (pkcs11.PKCS11Error, ValueError):
        session.close()
        raise SignerError(Message("token-key-absent"), hint=Message("pkcs11-uri-hint")) from None
    # Every token signs a hash by ECDSA; few also hash what they sign.
    signer.use_raw_mechanism = algorithm == "ec"
    return signer


def sign_pdf(data: bytes, signer: Signer) -> bytes:
    """Return the PDF with the signature appended; its time is this machine's clock.

    Raises:
        SignerError: The key is of a kind that cannot sign PDFs, or the token did not sign.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.general import SigningError
    from pyhanko.sign.signers import PdfSignatureMetadata
    from pyhanko.sign.signers import sign_pdf as append_signature

    metadata = PdfSignatureMetadata(
        field_name=_FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    try:
        signed = append_signature(writer, metadata, signer=signer)
    except (SigningError, ValueError, NotImplementedError):
        raise SignerError(Message("pdf-not-signed")) from None
    except RuntimeError:  # the base of what python-pkcs11 raises
        raise SignerError(Message("token-not-signed")) from None
    return bytes(signed.getvalue())
