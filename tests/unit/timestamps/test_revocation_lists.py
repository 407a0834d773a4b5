"""Lists of a real `openssl ca -gencrl`: which tokens they refuse, leave open, or say nothing of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from support.timestamp_authority import TimestampAuthority, arrange, load_der

from anchor.base.errors import AnchorError, CannotCheckError, NotTrustedError
from anchor.timestamps.timestamp_token import verify_timestamp

CHECKPOINT = b"a checkpoint\n"
URL = "http://127.0.0.1:1/list.crl"
NOW = datetime.now(UTC).replace(microsecond=0)
IDP = "issuingDistributionPoint=critical,@p\n[p]\n"


def on(days: int) -> str:
    return f"{NOW + timedelta(days=days):%y%m%d%H%M%SZ}"


def full(days: int) -> str:
    return f"{NOW + timedelta(days=days):%Y%m%d%H%M%SZ}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(place: Path) -> TimestampAuthority:
    return TimestampAuthority(place / "first", "first", crl_url=URL)


@pytest.fixture(scope="module")
def token(authority: TimestampAuthority) -> bytes:
    return authority.stamp(CHECKPOINT)


def judge(authority: TimestampAuthority, token: bytes, lists: bytes) -> str:
    proven = verify_timestamp(token, CHECKPOINT, [authority.trusted], revocation_lists=lists)
    reason = proven.revocation.operands.get("reason")
    return getattr(reason, "id", proven.revocation.id)


REVOKED: dict[str, tuple[str, type[AnchorError] | None, str]] = {
    "replaced later": (f"07 {on(1)},superseded", None, "timestamp-revoked-later"),
    "out of use later": (f"07 {on(1)},cessationOfOperation", None, "timestamp-revoked-later"),
    "replaced before": (f"07 {on(-1)},superseded", NotTrustedError, "timestamp-revoked"),
    "no reason": (f"07 {on(1)}", NotTrustedError, "timestamp-revoked-without-reason"),
    "stolen": (f"07 {on(1)},keyCompromise", NotTrustedError, "timestamp-revoked"),
    "stolen before": (f"07 {on(1)},keyTime,{full(-1)}", NotTrustedError, "timestamp-revoked"),
    "stolen later": (f"07 {on(2)},keyTime,{full(1)}", CannotCheckError, "timestamp-revoked-open"),
    "on hold later": (f"07 {on(1)},certificateHold", CannotCheckError, "timestamp-revoked-open"),
    "on hold before": (f"07 {on(-1)},certificateHold", NotTrustedError, "timestamp-revoked"),
    "another one": (f"08 {on(-1)},keyCompromise", None, "timestamp-not-revoked"),
}


@pytest.mark.parametrize("case", REVOKED)
def test_reason_and_time_of_a_revocation_say_whether_a_token_stands(
    authority: TimestampAuthority, token: bytes, case: str
) -> None:
    entry, error, expected = REVOKED[case]
    lists = authority.revocation_list(entry)
    if error is None:
        assert judge(authority, token, lists) == expected
        return
    with pytest.raises(AnchorError) as caught:
        judge(authority, token, lists)
    assert (type(caught.value), caught.value.message.id) == (error, expected)


SCOPES: dict[str, tuple[str, str]] = {
    "critical and unknown": ("1.2.3.4=critical,DER:0500", "revocation-extension-unknown"),
    "a delta": ("2.5.29.27=critical,DER:020101", "revocation-extension-unknown"),
    "indirect": (IDP + "indirectCRL=TRUE", "revocation-list-indirect"),
    "authorities alone": (IDP + "onlyCA=TRUE", "revocation-list-not-covering"),
    "attributes alone": (IDP + "onlyAA=TRUE", "revocation-list-not-covering"),
    "another place": (IDP + f"fullname=URI:{URL}x", "revocation-list-not-covering"),
}


@pytest.mark.parametrize("case", SCOPES)
def test_a_list_that_must_not_be_used_neither_refuses_nor_vouches(
    authority: TimestampAuthority, token: bytes, case: str
) -> None:
    extensions, expected = SCOPES[case]
    for revoked in ((), (f"07 {on(-1)},keyCompromise",)):
        lists = authority.revocation_list(*revoked, extensions=extensions)
        assert judge(authority, token, lists) == expected


@pytest.mark.parametrize("scope", ["onlyuser=TRUE", f"fullname=URI:{URL}"])
def test_a_list_whose_scope_has_the_certificate_is_used(
    authority: TimestampAuthority, token: bytes, scope: str
) -> None:
    lists = authority.revocation_list(extensions=IDP + scope)
    assert judge(authority, token, lists) == "timestamp-not-revoked"


def test_a_list_of_some_reasons_refuses_and_does_not_vouch(
    authority: TimestampAuthority, token: bytes
) -> None:
    some = IDP + "onlysomereasons=keyCompromise,CACompromise"
    lists = authority.revocation_list(extensions=some)
    assert judge(authority, token, lists) == "revocation-list-not-covering"
    with pytest.raises(NotTrustedError):
        judge(
            authority,
            token,
            authority.revocation_list(f"07 {on(-1)},keyCompromise", extensions=some),
        )


def test_a_list_vouches_only_for_the_time_that_it_covers(
    authority: TimestampAuthority, token: bytes
) -> None:
    def listed(begins: int, ends: int, *revoked: str) -> bytes:
        first, last = (NOW + timedelta(days=days) for days in (begins, ends))
        return authority.revocation_list(*revoked, begins=first, ends=last)

    assert judge(authority, token, listed(-1, 1)) == "timestamp-not-revoked"
    assert judge(authority, token, listed(10, 20)) == "timestamp-not-revoked"
    assert judge(authority, token, listed(-3, -1)) == "revocation-list-not-in-force"
    # The certificate has expired by then, so that its revocation need not be listed any more.
    assert judge(authority, token, listed(400, 420)) == "revocation-list-not-in-force"
    # A revocation stays one, whatever a list that is older or later says; a hold can end.
    revoked = f"07 {on(-5)},superseded"
    for lists in (listed(-3, -1, revoked) + listed(-1, 1), listed(-1, 1, revoked) + listed(3, 4)):
        with pytest.raises(NotTrustedError):
            judge(authority, token, lists)
    held = f"07 {on(-5)},certificateHold"
    assert judge(authority, token, listed(-3, -1, held) + listed(-1, 1)) == "timestamp-not-revoked"
    with pytest.raises(NotTrustedError):
        judge(authority, token, listed(-1, 1, held) + listed(-3, -1))


def test_without_a_list_of_the_issuer_revocation_is_not_judged(
    place: Path, authority: TimestampAuthority, token: bytes
) -> None:
    assert judge(authority, token, b"") == "revocation-no-list"
    other = TimestampAuthority(place / "other", "other")
    assert judge(authority, token, other.revocation_list(f"07 {on(-1)}")) == "revocation-no-list"
    namesake = TimestampAuthority(place / "namesake", "first")
    forged = namesake.revocation_list(f"07 {on(-1)}")
    assert judge(authority, token, forged) == "revocation-list-not-issuers"
    broken = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    assert judge(authority, token, broken) == "revocation-list-unreadable"
    assert judge(authority, token, forged + authority.revocation_list()) == "timestamp-not-revoked"


def test_a_list_with_an_unknown_critical_entry_is_not_used(
    authority: TimestampAuthority, token: bytes
) -> None:
    # `openssl ca` writes no such entries.
    key = load_pem_private_key((authority.folder / "root.key").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    root = x509.load_pem_x509_certificate(authority.root_pem.encode())
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=1))
    for serial in (7, 8):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
        builder = builder.add_revoked_certificate(
            entry.add_extension(unknown, critical=True).build() if serial == 8 else entry.build()
        )
    lists = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    assert judge(authority, token, lists) == "revocation-extension-unknown"


def test_each_certificate_below_the_root_is_judged(place: Path) -> None:
    deep = TimestampAuthority(place / "deep", "deep", is_issued=True)
    chain = deep.folder / "issuing.pem"
    pair = [load_der(deep.folder / "signer.pem"), load_der(chain)]
    token = arrange(deep.stamp(CHECKPOINT, chain=chain), pair, is_sorted=True)
    own = deep.revocation_list(issuer="issuing")
    assert judge(deep, token, own) == "revocation-no-list"
    assert judge(deep, token, deep.revocation_list()) == "revocation-no-list"
    assert judge(deep, token, own + deep.revocation_list()) == "timestamp-not-revoked"
    for lists in (
        own + deep.revocation_list(f"03 {on(1)},CACompromise"),
        deep.revocation_list(f"07 {on(1)},keyCompromise", issuer="issuing"),
    ):
        with pytest.raises(NotTrustedError):
            judge(deep, token, lists)
