"""Requests to a real `openssl ts` responder behind HTTP, and to servers that answer otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support.timestamp_authority import TimestampAuthority, TsaServer, serve_timestamps

from anchor.base.errors import CannotCheckError
from anchor.timestamps.timestamp_token import verify_timestamp
from anchor.timestamps.tsa_client import fetch_revocation_lists, request_timestamp

CHECKPOINT = b"a checkpoint\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return TimestampAuthority(tmp_path_factory.mktemp("tsa") / "first", "first")


@pytest.fixture
def server(authority: TimestampAuthority) -> Iterator[TsaServer]:
    with serve_timestamps(authority) as served:
        yield served


def test_a_token_is_issued_with_its_certificates(authority: TimestampAuthority, server: TsaServer):
    issued = request_timestamp(server.url, CHECKPOINT)
    verify_timestamp(issued.token, CHECKPOINT, [authority.trusted])
    assert len(x509.load_pem_x509_certificates(issued.certificates)) == 1


def test_an_answer_to_another_request_is_refused(authority: TimestampAuthority, server: TsaServer):
    request_timestamp(server.url, CHECKPOINT)
    server.bent = authority.answer(server.requests[0])  # the same imprint, an old nonce
    with pytest.raises(CannotCheckError) as caught:
        request_timestamp(server.url, CHECKPOINT)
    assert "another request" in caught.value.message


def test_an_answer_with_this_nonce_over_other_bytes_is_refused(server: TsaServer):
    imprint = hashlib.sha256(CHECKPOINT).digest()
    server.bend_request = lambda request: request.replace(imprint, bytes(32))
    with pytest.raises(CannotCheckError) as caught:
        request_timestamp(server.url, CHECKPOINT)
    assert "of other bytes than this checkpoint" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x30\x03\x02\x01\x00", bytes(1 << 18)])
def test_an_answer_that_is_none_is_refused(server: TsaServer, body: bytes):
    server.bent = body
    with pytest.raises(CannotCheckError):
        request_timestamp(server.url, CHECKPOINT)


def test_a_refusal_names_its_status(server: TsaServer, authority: TimestampAuthority):
    server.bent = authority.answer(b"no request")
    with pytest.raises(CannotCheckError):
        request_timestamp(server.url, CHECKPOINT)
    server.bent, server.status = None, 503
    with pytest.raises(CannotCheckError) as caught:
        request_timestamp(server.url, CHECKPOINT)
    assert "503" in caught.value.message


def test_no_server_is_no_answer_and_its_address_is_not_shown():
    with pytest.raises(CannotCheckError) as caught:
        request_timestamp("http://127.0.0.1:1/secret-key", CHECKPOINT)
    assert "secret" not in caught.value.message


def test_revocation_lists_that_certificates_name_are_fetched(tmp_path: Path):
    with serve_timestamps(None) as server:
        authority = TimestampAuthority(
            tmp_path / "listed", "listed", crl_url=server.url + "/list.crl"
        )
        server.authority = authority
        issued = request_timestamp(server.url, CHECKPOINT)
        assert fetch_revocation_lists(issued.certificates) == b""  # what it serves is no list
        listed = x509.load_pem_x509_crl(authority.revocation_list())
        server.revocation_list = listed.public_bytes(Encoding.DER)
        pem = fetch_revocation_lists(issued.certificates)
    assert x509.load_pem_x509_crl(pem).issuer.rfc4514_string() == "CN=Root of listed"
