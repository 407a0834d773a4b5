"""Signed certificates are PAdES for pyHanko's validator and for poppler, and PDF/A below."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, CertificateType, ObjectClass
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from support.certificates import page_texts, read_pdf
from support.tools import check_program

from anchor.base.errors import SignerError
from anchor.certificate.pdf_signature import load_pdf_signer, open_token_signer, sign_pdf
from anchor.certificate.token_uri import TokenKey

KINDS = ("rsa", "ec")
PASSWORD = "p\u00e4ss w\u00f6rd"


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Keys:
    """A PKCS#12 file with a signer's key, certificate and root; and an unrelated root."""

    folder: Path
    kind: str

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
    return Keys(folder, kind)


@pytest.fixture(scope="module", params=KINDS)
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


PIN = "12 34 ab"


def softhsm(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def token_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the module of SoftHSM, whose tokens lie in a folder of these tests."""
    module = "/usr/lib/softhsm/libsofthsm2.so"
    check_program("softhsm2-util")
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        # Before the module is loaded, which reads the list of tokens once.
        for kind in KINDS:
            softhsm("--init-token", "--free", "--label", f"seal {kind}", "--pin", PIN,
                    "--so-pin", "0000")  # fmt: skip
        yield module


@pytest.fixture(scope="module")
def token_key(token_module: str, keys: Keys) -> TokenKey:
    """Return a key on a token of its own, with its certificate."""
    label = f"seal {keys.kind}"
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "signer.key", "-out", "signer.p8",
            cwd=keys.folder)  # fmt: skip
    softhsm("--import", str(keys.folder / "signer.p8"), "--token", label, "--label", "court",
            "--id", "0a", "--pin", PIN)  # fmt: skip
    certificate = keys.root("signer")
    with (
        pkcs11.lib(token_module).get_token(token_label=label).open(user_pin=PIN, rw=True) as opened
    ):
        opened.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.LABEL: "court",
                Attribute.ID: b"\x0a",
                Attribute.SUBJECT: certificate.subject.dump(),
                Attribute.VALUE: certificate.dump(),
            }
        )
    return TokenKey(module=token_module, token=label, serial=None, label="court", id=None)


def test_a_key_on_a_token_signs_as_one_in_a_file(token_key: TokenKey, keys: Keys, pdf: bytes):
    by_id = replace(token_key, label=None, id=b"\x0a")
    for key in (token_key, by_id):
        signer: Any = open_token_signer(key, PIN)
        signed = sign_pdf(pdf, signer)
        signer.pkcs11_session.close()
        status = validate(signed, keys.root("root"))
        assert status.bottom_line and status.coverage.name == "ENTIRE_FILE"
        assert not validate(altered(signed), keys.root("root")).bottom_line


def test_a_token_that_gives_no_key_is_refused_by_a_sentence(token_key: TokenKey, tmp_path: Path):
    broken = tmp_path / "module.so"
    broken.write_bytes(b"no module")
    for key, pin, id in (
        (token_key, "wrong", "token-pin-refused"),
        (token_key, "", "token-pin-refused"),
        (replace(token_key, token="other"), PIN, "token-absent"),
        (replace(token_key, serial="0"), PIN, "token-absent"),
        (replace(token_key, label="other"), PIN, "token-key-absent"),
        (replace(token_key, module=str(broken)), PIN, "token-module-unreadable"),
        (replace(token_key, module=str(tmp_path / "none.so")), PIN, "token-module-unreadable"),
    ):
        with pytest.raises(SignerError) as caught:
            open_token_signer(key, pin)
        assert caught.value.message.id == id
        assert caught.value.__cause__ is None and PIN not in str(caught.value)
