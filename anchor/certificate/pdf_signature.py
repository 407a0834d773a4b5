"""Signatures on certificates' PDFs: PAdES baseline B-B (ETSI EN 319 142-1), invisible, by pyHanko.

A signature says whose key signed the file, by the certificate that it carries; whether a reader
trusts that certificate is for the reader.  It is appended, so that the PDF below it stays as it
was.  pyHanko is the extra ``sign`` and is imported when a key is loaded.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.errors import SignerError
from anchor.messages.message import Message

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner

_FIELD = "Signature"
# A key with its certificates.
MAX_KEY_BYTES = 1 << 20


def load_pdf_signer(path: Path, data: bytes, password: str) -> SimpleSigner:
    """Return the signer of a PKCS#12 file's bytes; ``path`` is for the error's sentence.

    Raises:
        SignerError: The bytes are no PKCS#12 file, or the password is wrong.
    """
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


def sign_pdf(data: bytes, signer: SimpleSigner) -> bytes:
    """Return the PDF with the signature appended; its time is this machine's clock.

    Raises:
        SignerError: The key is of a kind that cannot sign PDFs.
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
    return bytes(signed.getvalue())
