"""`GET /v1/lookup/NUMBER`: state, times and anchor for whoever has a number, and nothing else."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.store_contents import load_pieces

from anchor.base.errors import UsageError
from anchor.client import Client
from anchor.evidence.preservation_number import format_number, number_record
from anchor.service.routes import lookup
from anchor.service.settings import Settings
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue

MEMBERS = {"kind", "state", "erased", "accepted_at", "sealed_at", "anchor", "certificate"}
NUMBER = "AC-20261128-0123456789ABCDEF"


def test_every_number_of_a_piece_tells_its_state_and_nothing_of_it(served: PageService) -> None:
    with served.project.database.read() as connection:
        piece = load_pieces(connection)[5]
    assert piece.record is not None and piece.sha256 is not None
    digest = hashlib.sha256(piece.record).hexdigest()
    numbers = (number_record(piece.record), digest, piece.sha256.hex(), piece.leaf.hex())
    kinds = []
    for number in (*numbers, piece.identity.hex(), numbers[0].replace("-", "").lower()):
        answer = served.ask(f"/v1/lookup/{number}")
        assert answer.status_code == 200, answer.text
        (match,) = answer.json()["matches"]
        assert set(match) == MEMBERS
        assert (match["state"], match["erased"]) == ("anchored", False)
        assert match["certificate"] is None
        assert match["anchor"]["final"] and match["anchor"]["size"] == 304
        kinds.append(match["kind"])
        for secret in (json.loads(piece.record)["name"], *numbers, piece.identity.hex()):
            assert secret not in answer.text
    assert kinds == ["preservation-number", "record", "sha256", "leaf", "id", kinds[0]]


def test_no_more_than_a_hundred_matches_are_told(
    served: PageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_MOST", 2)
    headers = {"Authorization": f"Bearer {served.reader}"}
    digest = hashlib.sha256(b"often").hexdigest()
    for count in (1, 2, 3):
        body = {"sha256": digest, "name": f"copy {count}"}
        assert served.http.post("/v1/evidence", json=body, headers=headers).status_code == 201
        answer = served.ask(f"/v1/lookup/{digest}").json()
        assert (len(answer["matches"]), answer["more"]) == (min(count, 2), count > 2)


def test_whatever_has_no_match_gets_the_same_answer(served: PageService) -> None:
    texts = [format_number(secrets.token_bytes(10)) for _ in range(60)]
    texts += [secrets.token_hex(32) for _ in range(60)]
    answers = {(answer.status_code, answer.content, answer.headers["content-type"])
               for answer in map(served.ask, (f"/v1/lookup/{text}" for text in texts))}  # fmt: skip
    ((status, content, media_type),) = answers
    assert (status, media_type) == (404, "application/problem+json")
    assert json.loads(content)["id"] == "number-unknown"


@pytest.mark.slow
def test_a_hundred_thousand_guesses_reveal_nothing(grown: MemorySite) -> None:
    """By four clients at once, as numbers and as hashes, while what is there is still answered."""
    settings = Settings(anonymous_rate=1e6, anonymous_burst=1_000_000)
    with serve_pages(grown, settings=settings) as served:
        told = guess_hard(served)
    ((status, content),) = told
    assert (status, json.loads(content)["id"]) == (404, "number-unknown")


def guess_hard(served: PageService) -> set[tuple[int, bytes]]:
    """Send the guesses, and return what differs among the answers."""
    with served.project.database.read() as connection:
        record = load_pieces(connection)[5].record
    assert record is not None

    def guess(count: int) -> set[tuple[int, bytes]]:
        # httpx would take as long for a request as the service.
        http = HTTPConnection(served.http.base_url.host, served.http.base_url.port)
        answers = set()
        for n in range(count):
            text = (format_number(secrets.token_bytes(10)), secrets.token_hex(32))[n % 2]
            http.request("GET", f"/v1/lookup/{text}")
            answer = http.getresponse()
            answers.add((answer.status, answer.read()))
        http.close()
        return answers

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(guess, 25_000) for _ in range(4)]
        while not all(part.done() for part in told):
            assert served.ask(f"/v1/lookup/{number_record(record)}").status_code == 200
            time.sleep(0.5)
    print(f"{100_000 / (time.monotonic() - begun):,.0f} guesses a second")
    return set().union(*(part.result() for part in told))


def test_a_wrong_number_is_told_in_a_sentence(served: PageService) -> None:
    for text, said in (
        ("BZPE-PSQZ-S1QK-HPAJ-1", "preservation-number-check-wrong"),
        ("hello", "number-unreadable"),
        ("%00", "number-unreadable"),
    ):
        answer = served.ask(f"/v1/lookup/{text}")
        assert (answer.status_code, answer.json()["id"]) == (422, said), answer.text
    assert served.ask("/v1/lookup/" + "1" * 201).status_code == 422


def test_a_status_names_the_number_that_is_looked_up(served: PageService) -> None:
    headers = {"Authorization": f"Bearer {served.reader}"}
    body = {"sha256": hashlib.sha256(b"numbered").hexdigest(), "name": "numbered.txt"}
    first, again = (
        served.http.post("/v1/evidence", json=body, headers=headers).json() for _ in range(2)
    )
    status = served.ask(f"/v1/evidence/{first['id']}", served.reader).json()
    assert first["number"] == again["number"] == status["number"]
    (match,) = served.ask(f"/v1/lookup/{status['number']}").json()["matches"]
    assert (match["state"], match["sealed_at"], match["anchor"]) == ("accepted", None, None)


def test_a_client_looks_a_number_up(served: PageService) -> None:
    with served.project.database.read() as connection:
        piece = load_pieces(connection)[0]
    with Client(str(served.http.base_url), served.reader) as client:
        (match,) = client.lookup(number_record(piece.record or b""))
        assert (match.kind, match.state, match.erased) == ("preservation-number", "anchored", False)
        assert match.timestamp is not None and match.accepted_at == piece.accepted_at
        with pytest.raises(UsageError, match="404"):
            client.lookup("00" * 32)


def test_a_certificates_number_tells_when_it_was_issued_and_revoked(served: PageService) -> None:
    with served.project.database.read() as connection:
        piece = load_pieces(connection)[7]
    assert served.ask(f"/v1/lookup/{NUMBER}").json()["id"] == "number-unknown"
    with served.project.database.write() as connection:
        ordered = request_certificate(
            connection, "acme", piece.identity, requested_by="key:none", at=piece.accepted_at
        )
        save_issue(connection, ordered.id, number=NUMBER, issued_at="2027", files={"pdf": b""})
    answer = served.ask(f"/v1/lookup/{NUMBER.lower()}")
    (match,) = answer.json()["matches"]
    assert set(match) == MEMBERS
    assert (match["kind"], match["state"], match["anchor"]["final"]) == (
        "certificate",
        "anchored",
        True,
    )
    assert match["certificate"] == {"issued_at": "2027", "revocation": None}
    assert piece.sha256 is not None and piece.record is not None
    secrets_of = (piece.sha256.hex(), piece.identity.hex(), piece.leaf.hex(), "acme", ordered.id)
    for secret in (*secrets_of, json.loads(piece.record)["name"], number_record(piece.record)):
        assert secret not in answer.text
    with served.project.database.write() as connection:
        assert revoke_certificate(connection, ordered.id, reason="misprint", at="2028")
    with Client(str(served.http.base_url), served.reader) as client:
        (told,) = client.lookup(NUMBER)
    assert (told.kind, told.state, told.issued_at) == ("certificate", "anchored", "2027")
    assert (told.revoked_at, told.revocation) == ("2028", "misprint")


def test_guesses_are_limited_with_and_without_a_key(grown: MemorySite) -> None:
    settings = Settings(anonymous_rate=0.01, anonymous_burst=5)
    number = format_number(secrets.token_bytes(10))
    with serve_pages(grown, settings=settings) as served:
        tokens = (None, "none of ours", served.reader)
        codes = [served.ask(f"/v1/lookup/{number}", tokens[n % 3]).status_code for n in range(9)]
        assert codes == [404] * 5 + [429] * 4
