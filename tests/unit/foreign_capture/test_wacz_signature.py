"""Signatures of WACZ files: by a key in the file, and by a domain with a real `openssl ts`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.foreign_captures import list_resources, pack_wacz, sign_anonymously, write_warc
from support.timestamp_authority import TimestampAuthority, run_openssl

from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture.capture_judgement import judge_capture

RESOURCES = list_resources(write_warc())
DOMAIN = "signer.example.org"
NOW = datetime.now(UTC).replace(microsecond=0)
Sign = Callable[[str], dict[str, Any]]


def judge(folder: Path, sign: Sign, roots: tuple[bytes, ...] = ()) -> dict[str, tuple[str, str]]:
    file = folder / "capture"
    file.write_bytes(pack_wacz(RESOURCES, sign=sign))
    capture: ForeignCapture = judge_capture(file, roots)
    return {each.id: (each.result, each.observed) for each in capture.findings}


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384()])
@pytest.mark.parametrize("is_raw", [True, False])
def test_an_anonymous_signature_passes_and_names_nobody(
    tmp_path: Path, curve: ec.EllipticCurve, algorithm: hashes.HashAlgorithm, is_raw: bool
) -> None:
    sign = sign_anonymously(ec.generate_private_key(curve), algorithm, is_raw=is_raw)
    judged = judge(tmp_path, sign)
    assert judged["wacz-signature"][0] == "pass"
    assert judged["wacz-signer"][0] == "not_checked"
    assert "anybody may have signed" in judged["wacz-signer"][1]


def public_text(key: Any) -> str:
    data = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(data).decode()


SIGN = sign_anonymously(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256(), is_raw=True)
BENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "other key": (
        {"publicKey": public_text(ec.generate_private_key(ec.SECP384R1()))},
        "fail",
        "does not match",
    ),
    "no key": ({"publicKey": ""}, "fail", "publicKey"),
    "key of no form": ({"publicKey": "AAAA"}, "fail", "publicKey"),
    "signature of no form": ({"signature": "***"}, "fail", "signature"),
    "other hash": ({"hash": "sha256:" + "0" * 64}, "fail", "another digest"),
    "other members": ({"domain": DOMAIN}, "fail", "must not have: domain"),
    "other kind of key": (
        {"publicKey": public_text(rsa.generate_private_key(65537, 2048))},
        "not_checked",
        "P-256",
    ),
}


@pytest.mark.parametrize(("members", "result", "said"), BENDS.values(), ids=BENDS)
def test_a_bent_anonymous_signature_does_not_pass(
    tmp_path: Path, members: dict[str, Any], result: str, said: str
) -> None:
    judged = judge(tmp_path, lambda stated: SIGN(stated) | members)
    assert judged["wacz-signature"][0] == result
    assert said in judged["wacz-signature"][1]


class Signer:
    """The key of a domain, whose certificate an authority issued, and a timestamping authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tsa = TimestampAuthority(folder / "tsa", "tsa")
        self._ca_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._certify("CA", self._ca_key, is_authority=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaf = self._certify(DOMAIN, self.key)

    def _certify(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        ca = self._ca_key.public_key()
        usage = x509.KeyUsage(
            not is_authority, False, False, False, False, is_authority, is_authority, False, False
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=30))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca), False)
        )
        if not is_authority:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(names, False).add_extension(purpose, False)
        return builder.sign(self._ca_key, hashes.SHA256())

    @property
    def roots(self) -> tuple[bytes, ...]:
        return (self.root.public_bytes(Encoding.DER), *self.tsa.trusted.roots)

    def stamp(self, data: bytes) -> str:
        (self.folder / "data").write_bytes(data)
        request = run_openssl("ts", "-query", "-data", self.folder / "data", "-sha256", "-cert")
        return base64.b64encode(self.tsa.answer(request)).decode()

    def sign(self, stated: str) -> dict[str, Any]:
        signature = base64.b64encode(self.key.sign(stated.encode(), ec.ECDSA(hashes.SHA256())))
        pem = [each.public_bytes(Encoding.PEM).decode() for each in (self.leaf, self.root)]
        return {
            "hash": stated,
            "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "software": "sample signer",
            "version": "0.1.0",
            "signature": signature.decode(),
            "domain": DOMAIN,
            "domainCert": "".join(pem),
            "timeSignature": self.stamp(signature),
            "timestampCert": self.tsa.root_pem,
        }


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


def test_a_signature_of_a_domain_passes_by_the_verifiers_roots_only(
    tmp_path: Path, signer: Signer
) -> None:
    judged = judge(tmp_path, signer.sign, signer.roots)
    names = ("wacz-signature", "wacz-timestamp", "wacz-signer")
    assert [judged[name][0] for name in names] == ["pass", "pass", "pass"]
    judged = judge(tmp_path, signer.sign)
    assert [judged[name][0] for name in names] == ["pass", "not_checked", "not_checked"]
    assert "those in the file count for nothing" in judged["wacz-signer"][1]
    judged = judge(tmp_path, signer.sign, Signer(tmp_path).roots)
    assert [judged[name][0] for name in names] == ["pass", "fail", "fail"]
    assert "no given root" in judged["wacz-signer"][1]


@pytest.mark.parametrize(
    ("bend", "name", "result", "said"),
    [
        (lambda _: {"domain": "other.example.org"}, "wacz-signer", "fail", "not for 'other"),
        (lambda s: {"timeSignature": s.stamp(b"x")}, "wacz-timestamp", "fail", "other bytes"),
        (lambda _: {"timeSignature": "AAAA"}, "wacz-timestamp", "not_checked", ""),
        (lambda _: {"timeSignature": ""}, "wacz-timestamp", "not_checked", "no timestamp"),
        (lambda _: {"created": "2026-01-02T03:04:05Z"}, "wacz-timestamp", "fail", "10 minutes"),
        (lambda _: {"domainCert": "x"}, "wacz-signature", "fail", "cannot be read"),
        (lambda _: {"signature": "AAAA"}, "wacz-signature", "fail", "does not match"),
    ],
)
def test_a_bent_signature_of_a_domain_does_not_pass(
    tmp_path: Path,
    signer: Signer,
    bend: Callable[[Signer], dict[str, Any]],
    name: str,
    result: str,
    said: str,
) -> None:
    judged = judge(tmp_path, lambda stated: signer.sign(stated) | bend(signer), signer.roots)
    assert judged[name][0] == result
    assert said in judged[name][1]
