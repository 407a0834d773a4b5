"""`/batch` and `POST /v1/lookup`: each number of a list as alone, limited as alone, never a 500."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
import secrets

import pytest
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.store_contents import Piece, load_pieces

from anchor.errors import MalformedError
from anchor.evidence.preservation_number import format_number, number_record
from anchor.service import number_batch
from anchor.service.pages.multipart_form import parse_file_form
from anchor.service.pages.number_table import neutralise
from anchor.service.settings import Settings

EVIL = '=cmd|"/C calc"!A0<script>alert(1)</script>'


def pieces(served: PageService) -> list[Piece]:
    with served.project.database.read() as connection:
        return load_pieces(connection)


def number_of(piece: Piece) -> str:
    assert piece.record is not None
    return number_record(piece.record)


def post(served: PageService, numbers: str = "", file: bytes = b"", **headers: str):
    """Send the form as a browser does."""
    fields = {"numbers": (None, numbers), "file": ("list.csv" if file else "", file)}
    return served.http.post("/batch", files=fields, headers=headers)


def download(answer, kind: str) -> bytes:
    pattern = rf'href="data:[a-z/]+;base64,([^"]+)" download="anchor-numbers\.{kind}"'
    return base64.b64decode(html.unescape(re.search(pattern, answer.text)[1]))


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
    for page in (
        served.http.post("/v1/lookup", json={"numbers": [number_of(piece)]}),
        post(served, number_of(piece)),
    ):
        assert page.status_code == 200
        for secret in (
            json.loads(piece.record)["name"],
            piece.sha256.hex(),
            piece.leaf.hex(),
            piece.identity.hex(),
            hashlib.sha256(piece.record).hexdigest(),
            "acme",
        ):
            assert secret not in page.text


@pytest.mark.parametrize("body", [{}, {"numbers": []}, {"numbers": ["a"] * 1_001},
                                  {"numbers": [1]}, {"numbers": ["a"], "x": 1}])  # fmt: skip
def test_a_body_that_is_no_list_is_refused(served: PageService, body: object) -> None:
    assert served.http.post("/v1/lookup", json=body).status_code == 422


def test_the_page_shows_a_table_and_gives_the_same_as_files(served: PageService) -> None:
    piece, waiting = pieces(served)[5], pieces(served)[310]
    listed = [number_of(piece), EVIL, number_of(waiting), "ab" * 32]
    rows = [["title", "number"], *([f"piece, {n}", text] for n, text in enumerate(listed))]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    answer = post(served, file=text.getvalue().encode("utf-8-sig"))
    assert answer.status_code == 200
    words = html.unescape(" ".join(re.sub("<[^>]*>", " ", answer.text).split()))
    for verdict in (
        "Preserved, and its anchor on the chain is final",
        "This line is no number",
        "its block can still be reversed",
        "Nothing here has this number",
        "4 lines were looked up.",
        "Latest time by the block (proves nothing)",
    ):
        assert verdict in words
    assert "Existed no later than" not in words
    scripts = re.findall(r'<script defer src="(/batch-[0-9a-f]{16}\.js)"></script>', answer.text)
    assert answer.text.count("<script") == len(scripts) == 1
    assert "connect-src" not in answer.headers["Content-Security-Policy"], "it may ask nobody"
    assert served.http.get(scripts[0]).headers["Content-Type"].startswith("text/javascript")
    table = list(csv.DictReader(io.StringIO(download(answer, "csv").decode("utf-8-sig"))))
    assert [row["number"] for row in table] == [listed[0], f"'{EVIL}", *listed[2:]]
    assert [row["state"] for row in table] == ["anchored", "", "included", ""]
    assert table[0]["latest"] and table[0]["block"] and table[0]["verdict"] in words
    document = json.loads(download(answer, "json"))
    body = {"numbers": listed}
    assert document["rows"] == served.http.post("/v1/lookup", json=body).json()["rows"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝"])
def test_no_cell_of_a_download_is_a_formula(start: str) -> None:
    assert neutralise(f"{start}cmd") == f"'{start}cmd"
    assert neutralise(f"a{start}cmd") == f"a{start}cmd"


def test_what_is_wrong_is_said_beside_the_field_and_kept(served: PageService) -> None:
    for answer, field, said, kept in (
        (post(served), "numbers", "at least one number", ""),
        (post(served, "\n ,;\n"), "numbers", "at least one number", ",;"),
        (post(served, "kept-text", b"x"), "numbers", "not both", "kept-text"),
        (post(served, "kept-text\n" * 1_001), "numbers", "1,001 numbers", "kept-text"),
        (post(served, file=b"N\n" * 1_001), "file", "1,001 numbers", ""),
    ):
        assert answer.status_code == 422
        pattern = rf'<span class="problem" id="{field}-error">(.*?)</span>'
        (error,) = re.findall(pattern, answer.text)
        assert said in error and kept in answer.text
    chinese = post(served, "编号", **{"Accept-Language": "zh"})
    assert chinese.status_code == 200 and "该行不是编号" in chinese.text


def test_a_form_from_elsewhere_or_that_is_none_is_refused(served: PageService) -> None:
    assert post(served, "x", Origin="https://evil.example").status_code == 403
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    for content in (b"", b"x", b"--b\r\n\r\nx\r\n--b--", b"--b--", b"\xff" * 99):
        assert served.http.post("/batch", content=content, headers=form).status_code == 400
    assert served.http.post("/batch", data={"numbers": "x"}).status_code == 415
    assert post(served, "x" * 600_000).status_code == 413


@pytest.mark.parametrize("name", ["other", ""])
def test_a_part_that_the_form_does_not_have_is_refused(name: str) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nx\r\n--b--\r\n'.encode()
    with pytest.raises(MalformedError):
        parse_file_form("multipart/form-data; boundary=b", body, ("numbers",), "file")


@pytest.mark.parametrize("twice", ["numbers", "file"])
def test_a_part_that_is_there_twice_is_refused(twice: str) -> None:
    part = f'--b\r\nContent-Disposition: form-data; name="{twice}"\r\n\r\nx\r\n'
    body = f"{part}{part}--b--\r\n".encode()
    with pytest.raises(MalformedError):
        parse_file_form("multipart/form-data; boundary=b", body, ("numbers",), "file")
    form, data = parse_file_form(
        "multipart/form-data; boundary=b", f"{part}--b--\r\n".encode(), ("numbers",), "file"
    )
    assert (form.text("numbers") or data.decode()) == "x"


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
        page = post(served, "\n".join(numbers))
        assert page.status_code == 429 and "Retry-After" in page.headers
        assert numbers[0] in page.text and "may look up 2 more numbers" in page.text
        assert ask([format_number(secrets.token_bytes(10)) for _ in range(11)]).status_code == 422
        codes = [served.ask(f"/v1/lookup/{numbers[0]}").status_code for _ in range(2)]
        assert codes == [404, 429]


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
    assert "More evidence has this number" in post(served, digest).text
