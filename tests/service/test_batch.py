"""`POST /v1/lookup`: each number of a list as alone, limited as alone, never a 500."""

from __future__ import annotations

import hashlib
import json
import secrets

import pytest
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.store_contents import Piece, load_pieces

from anchor.evidence.preservation_number import format_number, number_record
from anchor.service import number_batch
from anchor.service.settings import Settings

EVIL = '=cmd|"/C calc"!A0<script>alert(1)</script>'


def pieces(served: PageService) -> list[Piece]:
    with served.project.database.read() as connection:
        return load_pieces(connection)


def number_of(piece: Piece) -> str:
    assert piece.record is not None
    return number_record(piece.record)


def test_each_number_is_answered_as_alone_and_a_wrong_line_in_its_place(
    served: PageService,
) -> None:
    piece = pieces(served)[5]
    assert piece.sha256 is not None
    good = [number_of(piece), piece.sha256.hex().upper(), piece.leaf.hex()]
    bad = ["BZPE-PSQZ-S1QK-HPAJ-1", EVIL, "", "9" * 5_000, "\0", "合同", (" " * 20).join(good[0])]
    unknown = format_number(secrets.token_bytes(10))
    body = {"numbers": [*good, *bad, unknown, good[0]]}
    answer = served.http.post("/v1/lookup", json=body)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rows"]
    assert [row["line"] for row in rows] == list(range(1, len(body["numbers"]) + 1))
    for text, row in zip(good, rows, strict=False):
        alone = served.ask(f"/v1/lookup/{text}").json()
        assert (row["matches"], row["more"], row["fault"]) == (alone["matches"], False, None)
    for row in rows[3 : 3 + len(bad)]:
        assert row["matches"] == [] and row["fault"]
    assert (rows[-2]["matches"], rows[-2]["fault"]) == ([], None)
    assert rows[-1]["matches"] == rows[0]["matches"]
    assert max(len(row["number"]) for row in rows) == 200


def test_the_answer_reveals_no_name_and_no_other_number(served: PageService) -> None:
    piece = pieces(served)[5]
    assert piece.record is not None and piece.sha256 is not None
    answer = served.http.post("/v1/lookup", json={"numbers": [number_of(piece)]})
    assert answer.status_code == 200
    for secret in (
        json.loads(piece.record)["name"],
        piece.sha256.hex(),
        piece.leaf.hex(),
        piece.identity.hex(),
        hashlib.sha256(piece.record).hexdigest(),
        "acme",
    ):
        assert secret not in answer.text


@pytest.mark.parametrize("body", [{}, {"numbers": []}, {"numbers": ["a"] * 1_001},
                                  {"numbers": [1]}, {"numbers": ["a"], "x": 1}])  # fmt: skip
def test_a_body_that_is_no_list_is_refused(served: PageService, body: object) -> None:
    assert served.http.post("/v1/lookup", json=body).status_code == 422


def test_a_list_costs_as_many_look_ups_as_it_has_numbers(grown: MemorySite) -> None:
    settings = Settings(anonymous_rate=0.01, anonymous_burst=10)
    numbers = [format_number(secrets.token_bytes(10)) for _ in range(6)]
    with serve_pages(grown, settings=settings) as served:

        def ask(texts: list[str]):
            return served.http.post("/v1/lookup", json={"numbers": texts})

        first = ask([*numbers, "no number", numbers[0]])
        assert (first.status_code, first.json()["left"]) == (200, 4)
        second = ask(numbers)
        assert (second.status_code, second.json()["id"]) == (429, "batch-over-limit")
        assert "3 more numbers" in second.json()["detail"]
        assert 100 < int(second.headers["Retry-After"]) <= 300
        assert ask([format_number(secrets.token_bytes(10)) for _ in range(11)]).status_code == 422
        codes = [served.ask(f"/v1/lookup/{numbers[0]}").status_code for _ in range(3)]
        assert codes == [404, 404, 429]


def test_many_matches_are_cut_and_said_to_be(
    served: PageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_batch, "MOST_MATCHES", 2)
    headers = {"Authorization": f"Bearer {served.reader}"}
    digest = hashlib.sha256(b"batched").hexdigest()
    for count in (1, 2, 3):
        body = {"sha256": digest, "name": f"copy {count}"}
        assert served.http.post("/v1/evidence", json=body, headers=headers).status_code == 201
    (row,) = served.http.post("/v1/lookup", json={"numbers": [digest]}).json()["rows"]
    assert (len(row["matches"]), row["more"]) == (2, True)
