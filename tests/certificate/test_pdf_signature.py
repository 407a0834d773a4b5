"""Signed certificates are PAdES for pyHanko's validator and for poppler, and PDF/A below."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from support.certificates import page_texts, read_pdf

from anchor.certificate.pdf_signature import load_pdf_signer, sign_pdf
from anchor.errors import SignerError

PASSWORD = "p\u00e4ss w\u00f6rd"


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Keys:
    """A PKCS#12 file with a signer's key, certificate and root; and an unrelated root."""

    folder: Path

    @property
    def pkcs12(self) -> Path:
        return self.folder / "signer.p12"

    def root(self, name: str) -> Any:
        return load_cert_from_pemder(str(self.folder / f"{name}.pem"))


def make_keys(folder: Path, kind: str) -> Keys:
    for name in ("root", "other"):
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.pem", "-subj", f"/CN={name}", "-days", "30", cwd=folder,
        )  # fmt: skip
    new = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}.get(
        kind, [kind]
    )
    openssl(
        "req", "-newkey", *new, "-nodes", "-keyout", "signer.key", "-out", "signer.csr",
        "-subj", "/CN=Dana Doe", cwd=folder,
    )  # fmt: skip
    (folder / "usage").write_text("keyUsage=critical,digitalSignature,nonRepudiation\n")
    openssl(
        "x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days",
        "30", "-extfile", "usage", "-out", "signer.pem", cwd=folder,
    )  # fmt: skip
    openssl(
        "pkcs12", "-export", "-inkey", "signer.key", "-in", "signer.pem", "-certfile",
        "root.pem", "-out", "signer.p12", "-passout", f"pass:{PASSWORD}", cwd=folder,
    )  # fmt: skip
    return Keys(folder)


@pytest.fixture(scope="module", params=["rsa", "ec"])
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"), request.param)


@pytest.fixture(scope="module")
def signed(keys: Keys, pdf: bytes) -> bytes:
    return sign_pdf(pdf, load_pdf_signer(keys.pkcs12, keys.pkcs12.read_bytes(), PASSWORD))


def validate(data: bytes, root: Any) -> Any:
    (signature,) = PdfFileReader(io.BytesIO(data)).embedded_signatures
    return validate_pdf_signature(
        signature, ValidationContext(trust_roots=[root], allow_fetching=False)
    )


def test_pyhanko_accepts_it_by_the_signers_root_alone(signed: bytes, keys: Keys):
    status = validate(signed, keys.root("root"))
    assert status.bottom_line
    assert status.intact and status.valid and status.trusted
    assert status.coverage.name == "ENTIRE_FILE"
    assert not validate(signed, keys.root("other")).trusted


def test_it_is_pades_and_carries_the_signers_certificate(signed: bytes):
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert signature.signer_cert.subject.native["common_name"] == "Dana Doe"
    attributes = [attribute["type"].native for attribute in signature.signer_info["signed_attrs"]]
    assert "signing_certificate_v2" in attributes


@pytest.fixture
def pdfsig(tmp_path: Path) -> Callable[[bytes], str]:
    """Return a function that returns what poppler's pdfsig prints of a PDF."""

    def run(data: bytes) -> str:
        path = tmp_path / "signed.pdf"
        path.write_bytes(data)
        command = ["pdfsig", "-nocert", str(path)]
        home = os.environ | {"HOME": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=home).stdout

    return run


def test_poppler_accepts_it_and_says_that_the_whole_document_is_signed(
    signed: bytes, pdfsig: Callable[[bytes], str]
):
    shown = pdfsig(signed)
    assert "Signature Validation: Signature is Valid." in shown
    assert "Total document signed" in shown
    assert "ETSI.CAdES.detached" in shown
    assert "Signature is Valid" not in pdfsig(altered(signed))


def altered(data: bytes) -> bytes:
    """Return the PDF with one bit of its metadata flipped."""
    place = data.index(b"pdfaid:part")
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_changed_byte_breaks_it(signed: bytes, keys: Keys):
    status = validate(altered(signed), keys.root("root"))
    assert not status.intact and not status.bottom_line


def test_the_certificate_below_is_untouched_and_still_says_pdf_a(signed: bytes, pdf: bytes):
    assert signed.startswith(pdf)
    root: Any = read_pdf(signed).trailer["/Root"]
    metadata = root["/Metadata"].get_data()
    assert b"pdfaid:part" in metadata
    assert read_pdf(signed).attachments == read_pdf(pdf).attachments
    assert page_texts(signed) == page_texts(pdf)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused_without_a_word_of_it(keys: Keys, password: str):
    with pytest.raises(SignerError, match=r"cannot read a key.*signer\.p12") as caught:
        load_pdf_signer(keys.pkcs12, keys.pkcs12.read_bytes(), password)
    assert caught.value.__cause__ is None
    assert PASSWORD not in str(caught.value)


def test_what_is_no_key_is_refused(keys: Keys, tmp_path: Path):
    openssl(
        "pkcs12", "-export", "-nokeys", "-in", "root.pem", "-out", str(tmp_path / "bare.p12"),
        "-passout", "pass:x", cwd=keys.folder,
    )  # fmt: skip
    for data in (b"", b"%PDF-1.7", (tmp_path / "bare.p12").read_bytes()):
        with pytest.raises(SignerError, match="cannot read a key"):
            load_pdf_signer(keys.pkcs12, data, "x")
