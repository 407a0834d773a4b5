"""Tokens of a real `openssl ts` responder: what they prove, and every way in which they do not."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.timestamp_authority import TimestampAuthority, arrange, load_der, run_openssl

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    MalformedError,
    MismatchError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.timestamps.timestamp_token import (
    MAX_TOKEN_BYTES,
    format_command,
    read_token,
    verify_timestamp,
)
from anchor.timestamps.trusted_tsa import TrustedTsa, parse_roots

CHECKPOINT = b"eip155:1/0x00/0x00\n64\nAAAA\n\n\xe2\x80\x94 name AAAA\n"
SHA256_ALGORITHM = bytes.fromhex("0609608648016503040201")
# 1.2.156.10197.1.401 takes two octets less: the enclosing lengths would change, so SHA3-256 stands
# for "another algorithm of 32 bytes" beside the real SM3 token below.
SHA3_256_ALGORITHM = bytes.fromhex("0609608648016503040208")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(place: Path) -> TimestampAuthority:
    return TimestampAuthority(place / "first", "first")


@pytest.fixture(scope="module")
def rogue(place: Path) -> TimestampAuthority:
    return TimestampAuthority(place / "rogue", "rogue")


@pytest.fixture(scope="module")
def token(authority: TimestampAuthority) -> bytes:
    return authority.stamp(CHECKPOINT)


def test_a_token_proves_its_time_its_accuracy_and_its_number(
    authority: TimestampAuthority, token: bytes
):
    proven = verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert proven.tsa == "first"
    assert abs(datetime.now(UTC) - proven.time) < timedelta(minutes=5)
    assert proven.accuracy == timedelta(seconds=1.5)
    assert proven.existed_by == proven.time + timedelta(seconds=1.5)
    assert proven.serial > 0


def test_an_accuracy_that_is_not_stated_is_none(place: Path):
    silent = TimestampAuthority(place / "silent", "silent", accuracy="")
    proven = verify_timestamp(silent.stamp(CHECKPOINT), CHECKPOINT, [silent.trusted])
    assert proven.accuracy is None
    assert proven.existed_by == proven.time


def test_the_name_is_that_of_the_entry_whose_root_stands_behind_the_token(
    authority: TimestampAuthority, rogue: TimestampAuthority, token: bytes
):
    assert verify_timestamp(token, CHECKPOINT, [rogue.trusted, authority.trusted]).tsa == "first"


def test_a_token_by_an_authority_that_no_root_vouches_for_is_not_trusted(
    authority: TimestampAuthority, rogue: TimestampAuthority
):
    with pytest.raises(NotTrustedError) as caught:
        verify_timestamp(rogue.stamp(CHECKPOINT), CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-tsa-unknown"


def test_a_root_inside_the_token_is_no_root(
    authority: TimestampAuthority, rogue: TimestampAuthority
):
    root = rogue.folder / "root.pem"
    pair = [load_der(rogue.folder / "signer.pem"), load_der(root)]
    token = arrange(rogue.stamp(CHECKPOINT, chain=root), pair, is_sorted=True)
    verify_timestamp(token, CHECKPOINT, [rogue.trusted])
    with pytest.raises(NotTrustedError):
        verify_timestamp(token, CHECKPOINT, [authority.trusted])


def test_without_an_authority_in_the_policy_nothing_can_be_told(token: bytes):
    with pytest.raises(CannotCheckError) as caught:
        verify_timestamp(token, CHECKPOINT, [])
    assert caught.value.message.id == "timestamp-no-tsa-trusted"


def test_a_token_over_another_checkpoint_does_not_match(
    authority: TimestampAuthority, token: bytes
):
    with pytest.raises(MismatchError):
        verify_timestamp(token, CHECKPOINT + b"x", [authority.trusted])
    with pytest.raises(MismatchError):
        verify_timestamp(token, CHECKPOINT + b"x", [])


def test_an_imprint_by_sha512_is_not_taken_for_one_by_sha256(authority: TimestampAuthority):
    token = authority.stamp(CHECKPOINT, digest="sha512")
    with pytest.raises(UnknownVersionError) as caught:
        verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert "2.16.840.1.101.3.4.2.3" in caught.value.message


def test_an_imprint_by_another_algorithm_of_32_bytes_is_refused_before_its_bytes_are_compared(
    authority: TimestampAuthority, token: bytes
):
    imprint = token.index(SHA256_ALGORITHM, token.index(bytes.fromhex("06042a030401")))
    bent = token[:imprint] + SHA3_256_ALGORITHM + token[imprint + len(SHA3_256_ALGORITHM) :]
    with pytest.raises(UnknownVersionError):
        verify_timestamp(bent, CHECKPOINT, [authority.trusted])


def test_an_imprint_by_sm3_with_the_bytes_of_a_sha256_is_refused(place: Path):
    authority = TimestampAuthority(place / "sm3", "sm3")
    config = authority.folder / "tsa.cnf"
    config.write_text(config.read_text().replace("sha256, sha512", "sha256, sm3"))
    # A request that carries the SHA-256 of the checkpoint and calls it SM3.
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-r"], input=CHECKPOINT, check=True, capture_output=True
    ).stdout[:64]
    request = subprocess.run(
        ["openssl", "ts", "-query", "-digest", digest.decode(), "-sm3", "-cert"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    (authority.folder / "r").write_bytes(authority.answer(request))
    token = subprocess.run(
        ["openssl", "ts", "-reply", "-in", str(authority.folder / "r"), "-token_out"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    with pytest.raises(UnknownVersionError) as caught:
        verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert "1.2.156.10197.1.401" in caught.value.message


def test_an_unsorted_set_of_certificates_cannot_be_told(
    authority: TimestampAuthority, tmp_path: Path
):
    root = authority.folder / "root.pem"
    token = authority.stamp(CHECKPOINT, chain=root)
    pair = [load_der(authority.folder / "signer.pem"), load_der(root)]
    verify_timestamp(arrange(token, pair, is_sorted=True), CHECKPOINT, [authority.trusted])
    bent = arrange(token, pair, is_sorted=False)
    with pytest.raises(CannotCheckError) as caught:
        verify_timestamp(bent, CHECKPOINT, [authority.trusted])
    assert "InvalidSetOrdering" in caught.value.message
    # OpenSSL, by the command that is shown, finds it good.
    (tmp_path / "a b.tst").write_bytes(bent)
    (tmp_path / "a b.checkpoint").write_bytes(CHECKPOINT)
    (tmp_path / "ROOTS.pem").write_text(authority.root_pem)
    command = format_command("a b.tst", "a b.checkpoint", None)
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)


def test_the_command_passes_years_after_the_signer_expired(
    authority: TimestampAuthority, token: bytes, tmp_path: Path
):
    (tmp_path / "t.tst").write_bytes(token)
    (tmp_path / "t.checkpoint").write_bytes(CHECKPOINT)
    (tmp_path / "ROOTS.pem").write_text(authority.root_pem)
    command = format_command("t.tst", "t.checkpoint", read_token(token))
    assert " -attime " in command
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)


def test_a_signer_that_had_expired_at_the_time_of_the_token_is_not_trusted(place: Path):
    expired = TimestampAuthority(
        place / "expired", "expired", validity=("20200101000000Z", "20210101000000Z")
    )
    with pytest.raises(NotTrustedError) as caught:
        verify_timestamp(expired.stamp(CHECKPOINT), CHECKPOINT, [expired.trusted])
    assert "expired" in caught.value.message


@pytest.mark.parametrize("purpose", ["", "extendedKeyUsage=critical,codeSigning\n"])
def test_a_certificate_for_another_purpose_stamps_nothing(
    place: Path, authority: TimestampAuthority, token: bytes, purpose: str
):
    # `openssl ts` refuses to sign with such a certificate: it takes the place of the signer's.
    other = TimestampAuthority(place / f"other {purpose[-7:-1]}", "other", purpose=purpose)
    with pytest.raises(subprocess.CalledProcessError):
        other.stamp(CHECKPOINT)
    mine, theirs = (load_der(each.folder / "signer.pem") for each in (authority, other))
    bent = token.replace(mine, theirs)
    with pytest.raises(AnchorError):
        verify_timestamp(bent, CHECKPOINT, [authority.trusted, other.trusted])


def test_a_chain_by_an_issuing_authority_inside_the_token_ends_at_the_root(
    place: Path, authority: TimestampAuthority
):
    deep = TimestampAuthority(place / "deep", "deep", is_issued=True)
    issuing = deep.folder / "issuing.pem"
    pair = [load_der(deep.folder / "signer.pem"), load_der(issuing)]
    token = arrange(deep.stamp(CHECKPOINT, chain=issuing), pair, is_sorted=True)
    assert verify_timestamp(token, CHECKPOINT, [authority.trusted, deep.trusted]).tsa == "deep"
    # Without the issuing authority's certificate there is no chain.
    with pytest.raises(NotTrustedError):
        verify_timestamp(deep.stamp(CHECKPOINT), CHECKPOINT, [deep.trusted])


def test_a_second_certificate_with_the_signers_name_and_number_is_refused(
    place: Path, authority: TimestampAuthority
):
    # The library checks the purpose of one of the two, and the signature by the other.
    double = TimestampAuthority(place / "double", "first")
    signer = double.folder / "signer.pem"
    pair = [load_der(authority.folder / "signer.pem"), load_der(signer)]
    token = arrange(authority.stamp(CHECKPOINT, chain=signer), pair, is_sorted=True)
    with pytest.raises(NotTrustedError) as caught:
        verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-certificates-several"


@pytest.mark.parametrize("version", ["1.0.6", "1.0.8", "0.9.12", "1.0.8.post1", "x"])
def test_an_older_library_is_not_used(
    monkeypatch: pytest.MonkeyPatch, authority: TimestampAuthority, token: bytes, version: str
):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    with pytest.raises(CannotCheckError) as caught:
        verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-library-old"


def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, authority: TimestampAuthority, token: bytes
):
    def find(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", find)
    with pytest.raises(CannotCheckError) as caught:
        verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-library-missing"


def test_bytes_that_are_no_token_are_malformed(token: bytes):
    for data in (
        b"", b"0", b"\x30\x80", b"text", token[:-1], token + b"\0", token[5:], bytes(600),
        bytes(MAX_TOKEN_BYTES + 1),
    ):  # fmt: skip
        with pytest.raises(MalformedError):
            verify_timestamp(data, CHECKPOINT, [])


# The library warns about odd certificates, and fails on odder ones in ways of its own.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_token_with_a_bent_byte_never_passes_as_another(
    authority: TimestampAuthority, token: bytes, where: float, change: int
):
    bent = bytearray(token)
    bent[int(where * len(token))] ^= change
    trusted = authority.trusted
    try:
        proven = verify_timestamp(bytes(bent), CHECKPOINT, [trusted])
    except AnchorError:
        return
    # What no signature covers may differ; what the token says may not.
    assert proven == verify_timestamp(token, CHECKPOINT, [trusted])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_each_bit_of_a_token_that_is_bent(authority: TimestampAuthority, token: bytes):
    proven = verify_timestamp(token, CHECKPOINT, [authority.trusted])
    for at in range(len(token)):
        for bit in range(8):
            bent = bytearray(token)
            bent[at] ^= 1 << bit
            with suppress(AnchorError):
                assert verify_timestamp(bytes(bent), CHECKPOINT, [authority.trusted]) == proven


def test_roots_are_pem_certificates_and_nothing_else(authority: TimestampAuthority):
    pem = authority.root_pem
    assert len(parse_roots(pem + "\n" + pem)) == 2
    key = (authority.folder / "root.key").read_text()
    for text in ("", "x", key, pem + key, pem + "x", pem.replace("MII", "%%%")[:-9]):
        with pytest.raises(MalformedError):
            parse_roots(text)


def test_a_root_that_is_no_certificate_is_named(token: bytes):
    with pytest.raises(MalformedError) as caught:
        verify_timestamp(token, CHECKPOINT, [TrustedTsa(name="bad", roots=(b"\x30\x00",))])
    assert caught.value.message.id == "tsa-root-not-certificate"


def _sign_again(authority: TimestampAuthority, token: bytes, *options: str) -> bytes:
    """Return a token over the same content, which ``openssl cms`` signed by the authority's key."""
    folder = authority.folder
    (folder / "good.tst").write_bytes(token)
    run_openssl(
        "cms", "-verify", "-noverify", "-inform", "DER", "-in", folder / "good.tst",
        "-out", folder / "content",
    )  # fmt: skip
    run_openssl(
        "cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4",
        "-in", folder / "content", "-signer", folder / "signer.pem", "-inkey",
        folder / "signer.key", "-outform", "DER", "-out", folder / "again.tst", *options,
    )  # fmt: skip
    return (folder / "again.tst").read_bytes()


def _with_certificate(token: bytes, old: bytes, new: bytes) -> bytes:
    """Return a token with another certificate in place of its own; all lengths take two octets."""
    at, more = token.index(old), len(new) - len(old)
    bent = bytearray(token.replace(old, new))
    # The outermost sequence, its explicit member, the signed data, and the set of certificates.
    outer = [0, token.index(b"\xa0\x82"), token.index(b"\xa0\x82") + 4, at - 4]
    for header in outer:
        length = int.from_bytes(token[header + 2 : header + 4], "big") + more
        bent[header + 1 : header + 4] = b"\x82" + length.to_bytes(2, "big")
    return bytes(bent)


def _does_openssl_accept(authority: TimestampAuthority, token: bytes, folder: Path) -> bool:
    (folder / "t.tst").write_bytes(token)
    (folder / "t.checkpoint").write_bytes(CHECKPOINT)
    (folder / "ROOTS.pem").write_text(authority.root_pem)
    command = format_command("t.tst", "t.checkpoint", None)
    return subprocess.run(shlex.split(command), cwd=folder, capture_output=True).returncode == 0


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_signature_that_covers_its_certificate_is_good_by_whatever_tool(
    authority: TimestampAuthority, token: bytes, tmp_path: Path, digest: str
):
    again = _sign_again(authority, token, "-cades", "-md", digest)
    assert verify_timestamp(again, CHECKPOINT, [authority.trusted]).tsa == "first"
    assert _does_openssl_accept(authority, again, tmp_path)


def test_a_signature_that_does_not_cover_its_certificate_is_refused(
    authority: TimestampAuthority, token: bytes, tmp_path: Path
):
    again = _sign_again(authority, token, "-md", "sha256")
    with pytest.raises(NotTrustedError) as caught:
        verify_timestamp(again, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-certificate-not-signed"
    assert not _does_openssl_accept(authority, again, tmp_path)


@pytest.mark.parametrize("form", ["sha1", "sha256", "sha512"])
def test_another_certificate_of_the_same_key_does_not_stand_behind_a_token(
    place: Path, form: str, tmp_path: Path
):
    authority = TimestampAuthority(place / f"renewed {form}", "renewed")
    folder = authority.folder
    config = folder / "tsa.cnf"
    config.write_text(config.read_text().replace("_alg = sha256", f"_alg = {form}"))
    # The same name, number and key, valid longer: only its digest tells it from the first.  It is
    # made before the token, whose time has to be in its validity.
    run_openssl(
        "x509", "-req", "-in", folder / "signer.csr", "-CA", folder / "root.pem",
        "-CAkey", folder / "root.key", "-out", folder / "renewed.pem", "-days", "366",
        "-extfile", folder / "extensions", "-set_serial", "7",
    )  # fmt: skip
    signed, renewed = load_der(folder / "signer.pem"), load_der(folder / "renewed.pem")
    token = authority.stamp(CHECKPOINT)
    verify_timestamp(token, CHECKPOINT, [authority.trusted])
    assert _does_openssl_accept(authority, token, tmp_path)
    bent = _with_certificate(token, signed, renewed)
    with pytest.raises(NotTrustedError) as caught:
        verify_timestamp(bent, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-certificate-swapped"
    assert not _does_openssl_accept(authority, bent, tmp_path)


@pytest.mark.parametrize("digest", ["sha1", "sha224"])
def test_a_signature_by_a_digest_that_is_none_of_three_is_refused(
    authority: TimestampAuthority, token: bytes, digest: str
):
    again = _sign_again(authority, token, "-cades", "-md", digest)
    with pytest.raises(UnknownVersionError) as caught:
        verify_timestamp(again, CHECKPOINT, [authority.trusted])
    assert caught.value.message.id == "timestamp-digest-algorithm"
