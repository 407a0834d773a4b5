"""``anchor sign``: have a record signed, and keep the signature beside its receipt."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import AnchorError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.cli.console import Output
from anchor.cli.input_files import is_regular_file, read_bounded, read_receipt, receipt_path
from anchor.cli.options import JsonOption
from anchor.project.files import RECEIPT_SUFFIX, signature_path
from anchor.receipt.format import parse_receipt
from anchor.signatures.cms_signature import make_cms_signature
from anchor.signatures.record_signature import (
    MAX_SIGNATURE_BYTES,
    SUFFIXES,
    RecordSignature,
    check_signature,
)
from anchor.signatures.ssh_signature import make_ssh_signature
from anchor.timestamps.trusted_tsa import parse_roots

# A certificate with the chain above it.
_MAX_PEM_BYTES = 1 << 17


def command(
    receipts: Annotated[
        list[Path],
        typer.Argument(metavar="RECEIPT", help="Receipts, or the files beside them."),
    ],
    ssh_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SSH key to sign with, by ssh-keygen; the public one if an agent has the other.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            help="Certificate to sign with (CAdES), by openssl; further ones of its chain may "
            "follow it.",
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The certificate's private key.")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="SIGNATURE",
            help="Signature of the record that was made elsewhere; of one receipt.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign the records of receipts, and keep each signature beside its receipt.

    What is signed are the record's exact bytes: SSHSIG with the namespace anchor-evidence-record,
    or a detached CAdES-BES signature. ssh-keygen or openssl itself asks for a key's password.
    A signature that is not one of the record is not kept.
    """
    sign = _choose(receipts, ssh_key, certificate, key, imported)
    output = Output(as_json=as_json)
    written = []
    for receipt in map(receipt_path, receipts):
        record = parse_receipt(read_receipt(receipt)).record
        try:
            signature = check_signature(sign(record), record)
        except AnchorError as error:
            raise type(error)(
                Message("with-reason", failure=receipt, reason=error), hint=error.hint
            ) from error
        path = _save(receipt, signature)
        output.line(
            Message("signature-kept", path=path, fingerprint=signature.fingerprint, receipt=receipt)
        )
        written.append(
            {
                "receipt": str(receipt),
                "file": str(path),
                "kind": signature.kind,
                "fingerprint": signature.fingerprint,
            }
        )
    output.result({"signatures": written})


def _choose(
    receipts: list[Path],
    ssh_key: Path | None,
    certificate: Path | None,
    key: Path | None,
    imported: Path | None,
) -> Callable[[bytes], bytes]:
    """Return the function that makes the signature of a record, or has it from a file."""
    ways = sum(each is not None for each in (ssh_key, certificate or key, imported))
    if ways != 1 or (certificate is None) != (key is None):
        raise UsageError(Message("sign-option-missing"), hint=Message("sign-option-missing-hint"))
    missing = next(
        (each for each in (ssh_key, key) if each is not None and not is_regular_file(each)), None
    )
    if missing is not None:
        raise UsageError(Message("file-missing", path=missing), path=missing)
    if ssh_key is not None:
        return partial(make_ssh_signature, key=ssh_key)
    if certificate is not None and key is not None:
        try:
            pem = read_bounded(certificate, _MAX_PEM_BYTES).decode("ascii", "replace")
            certificates = parse_roots(pem)
        except MalformedError as error:
            raise UsageError(Message("sign-certificate-not-pem", path=certificate)) from error
        return partial(make_cms_signature, certificates=certificates, key=key)
    if imported is None or len(receipts) > 1:
        raise UsageError(Message("sign-import-several"))
    data = read_bounded(imported, MAX_SIGNATURE_BYTES + 1)
    return lambda _: data


def _save(receipt: Path, signature: RecordSignature) -> Path:
    """Write a signature beside its receipt; one by the same signer is replaced."""
    file = receipt.with_name(receipt.name.removesuffix(RECEIPT_SUFFIX))
    path = signature_path(file, signature.fingerprint, SUFFIXES[signature.kind])
    if os.path.lexists(path) and (path.is_symlink() or not is_regular_file(path)):
        raise UsageError(Message("file-not-regular", path=path), path=path)
    write_file(path, signature.data)
    return path
