"""Who brings no usable key learns nothing; who brings one sees its own tenant's evidence only."""

from __future__ import annotations

import base64
import socket
import time
from urllib.parse import urlsplit

import pytest
from service.conftest import Desk
from support.service import NDJSON, bearer, digest, lines, make_key
from support.store_contents import load_pieces

ROUTES = [
    ("POST", "/v1/evidence"),
    ("POST", "/v1/bulk"),
    ("GET", f"/v1/evidence/{digest(0)}"),
    ("GET", f"/v1/evidence/{digest(0)}/events"),
    ("GET", f"/v1/evidence/{digest(0)}/receipt"),
    ("GET", "/v1/heads"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/tenants"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "value",
    [
        None,
        "Bearer",
        "Bearer x",
        f"Bearer anchor_{'0' * 12}_{'0' * 64}",
        "Basic Og==",
        "Bearer " + "a" * 10_000,
        "Bearer \xe4",
    ],
)
def test_without_a_usable_key_everything_is_refused(
    desk: Desk, method: str, path: str, value: str | None
):
    headers = [] if value is None else [("Authorization", value.encode("latin-1"))]
    answer = desk.served.http.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.fault(
    "J11",
    how="a key is used for what its scopes do not say",
    then="403, and nothing is done",
)
@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", "/v1/evidence"),
        ("read", "POST", "/v1/bulk"),
        ("submit", "GET", f"/v1/evidence/{digest(0)}"),
        ("submit", "GET", f"/v1/evidence/{digest(0)}/receipt"),
        ("submit", "GET", f"/v1/evidence/{digest(0)}/events"),
        ("submit", "GET", "/v1/heads"),
        ("read", "GET", "/v1/tenants"),
        ("admin", "POST", "/v1/evidence"),
        ("admin", "GET", f"/v1/evidence/{digest(0)}"),
    ],
)
def test_a_key_is_good_for_its_scopes_alone(desk: Desk, scope: str, method: str, path: str):
    headers = bearer(make_key(desk.site.folder, "scoped", scope))
    assert desk.served.http.request(method, path, headers=headers).status_code == 403


def test_an_administrators_key_sees_what_all_tenants_do(desk: Desk):
    headers = bearer(make_key(desk.site.folder, "operator", "admin"))
    found = desk.served.http.get("/v1/tenants", headers=headers).json()["tenants"]
    assert {"acme", "operator"} <= {item["tenant"] for item in found}


@pytest.mark.fault(
    "J11",
    how="a tenant asks for another one's evidence by its id",
    then="404, the same as for an id that is nobody's",
)
def test_another_tenants_evidence_is_as_if_it_were_not_there(desk: Desk):
    post, get = desk.served.http.post, desk.served.http.get
    value = {"sha256": digest(10), "name": "secret.pdf"}
    id = post("/v1/evidence", json=value, headers=desk.headers).json()["id"]
    stranger = bearer(make_key(desk.site.folder, "stranger"))
    nothing = get(f"/v1/evidence/{digest(11)}", headers=stranger)
    assert nothing.status_code == 404
    for path in ("", "/receipt", "/events"):
        answer = get(f"/v1/evidence/{id}{path}", headers=stranger)
        assert (answer.status_code, answer.content) == (404, nothing.content)
    # Submitting the same tells nobody that another has: it is new, and has another id.
    own = post("/v1/evidence", json=value, headers=stranger)
    assert own.status_code == 201 and own.json()["id"] != id


def test_a_name_does_not_lead_into_another_tenants_evidence(desk: Desk):
    # A source is tenant:NAME/evidence; no tenant and no name may make one of another tenant.
    first = bearer(make_key(desk.site.folder, "a"))
    second = bearer(make_key(desk.site.folder, "a-b"))
    post = desk.served.http.post
    ids = {
        post("/v1/evidence", json={"sha256": digest(12), "name": name}, headers=key).json()["id"]
        for key in (first, second)
        for name in ("x", "b/x", "tenant:a/x", "../a/x", "-b/x")
    }
    assert len(ids) == 10


def test_evidence_of_the_command_line_is_no_tenants(desk: Desk):
    sha256 = digest(13)
    desk.site.run("add", "--digest", f"sha256:{sha256}", "--name", "x").expect(0)
    pieces = load_pieces(desk.site)
    (identity,) = (piece.identity for piece in pieces if piece.source == "digest:x")
    answer = desk.served.http.get(f"/v1/evidence/{identity.hex()}", headers=desk.headers)
    assert answer.status_code == 404


def test_a_revoked_key_is_refused_within_two_seconds(desk: Desk):
    key = make_key(desk.site.folder, "leaver")
    get = desk.served.http.get
    assert get("/v1/usage", headers=bearer(key)).status_code == 200
    broken = desk.site.run("api-key", "revoke", key[:-1]).expect(2, "neither a key nor the id")
    assert key[:-1] not in broken.err
    desk.site.run("api-key", "revoke", key).expect(0, key.split("_")[1])
    time.sleep(2)
    for _ in range(10):  # both workers
        assert get("/v1/usage", headers=bearer(key)).status_code == 401
    assert "revoked" in desk.site.run("api-key", "list").expect(0).out


def test_a_keys_name_without_its_secret_is_no_key(desk: Desk):
    name, secret = desk.key[:-64], desk.key[-64:]
    for other in ("0" * 64, secret[::-1], secret[:-1] + ("0" if secret[-1] != "0" else "1")):
        answer = desk.served.http.get("/v1/usage", headers=bearer(name + other))
        assert answer.status_code == 401


def test_an_expired_key_is_refused(desk: Desk):
    key = make_key(desk.site.folder, "past", expires_at="2026-01-01T00:00:00.000Z")
    assert desk.served.http.get("/v1/usage", headers=bearer(key)).status_code == 401


def test_a_key_in_http_basic_is_not_read(desk: Desk):
    basic = base64.b64encode(f"me:{desk.key}".encode()).decode()
    for path in ("/v1/usage", "/dashboard"):
        answer = desk.served.http.get(path, headers={"Authorization": f"Basic {basic}"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="anchor"'


def test_a_key_is_neither_shown_again_nor_stored_nor_logged(desk: Desk):
    ran = desk.site.run("api-key", "create", "canary", "--scope", "submit", "--json").expect(0)
    key, secret = ran.document["key"], ran.document["key"].split("_")[2]
    post = desk.served.http.post
    assert post("/v1/evidence", json={"sha256": digest(14)}, headers=bearer(key)).is_success
    post("/v1/evidence", json={"sha256": digest(14)}, headers=bearer(key + "0"))
    post(f"/v1/evidence?key={key}", json={"sha256": 1}, headers=bearer(key))
    post("/v1/bulk", content=b"{", headers=bearer(key) | NDJSON)
    listed = desk.site.run("api-key", "list", "--json").expect(0)
    assert secret not in listed.out + listed.err
    for file in desk.site.folder.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    for row in desk.site.rows("SELECT id, tenant, scopes, secret_hash FROM api_keys"):
        assert secret not in str(row)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["create", "Not-Lower"], "is not a valid tenant name"),
        (["create", "a/b"], "is not a valid tenant name"),
        (["create", "x" * 64], "is not a valid tenant name"),
        (["create", "acme", "--scope", "everything"], "no scope 'everything'"),
        (["revoke", "0123"], "there is no API key '0123'"),
    ],
)
def test_keys_that_cannot_be_are_refused(desk: Desk, arguments: list[str], text: str):
    desk.site.run("api-key", *arguments).refused(2, text)


def ask_raw(desk: Desk, data: bytes) -> bytes:
    """Send bytes as they are; return what comes until the server closes, or falls silent."""
    parts = urlsplit(desk.served.url)
    with socket.create_connection((str(parts.hostname), parts.port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65_536):
            found += part
    return found


def request_of(desk: Desk, *headers: str, body: bytes = b"") -> bytes:
    head = ["POST /v1/evidence HTTP/1.1", "Host: x", f"Authorization: Bearer {desk.key}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


SMUGGLED = b"GET /v1/usage HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: +5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: -1"],
        ["X: a\0b"],
        ["X y: z"],
    ],
)
def test_a_request_that_could_be_read_as_two_is_answered_as_none(desk: Desk, headers: list[str]):
    found = ask_raw(desk, request_of(desk, *headers, body=b"0\r\n\r\n" + SMUGGLED))
    statuses = [line for line in found.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert len(statuses) <= 1, found
    assert not statuses or statuses[0].startswith(b"HTTP/1.1 4"), found


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "Idempotency-Key"])
def test_a_header_that_counts_is_there_once(desk: Desk, name: str):
    value = {"Authorization": f"Bearer {desk.key}"}.get(name, "application/json")
    headers = [*desk.headers.items(), (name, value), (name, value)]
    answer = desk.served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity"])
def test_compressed_bodies_are_refused_unread(desk: Desk, coding: str):
    headers = desk.headers | NDJSON | {"Content-Encoding": coding}
    answer = desk.served.http.post("/v1/bulk", content=lines(range(3)), headers=headers)
    assert answer.status_code == 415
