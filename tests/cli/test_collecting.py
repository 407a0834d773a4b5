"""From collection to custody on a devnet: collect, anchor, three events, verify with them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.projects import Site
from support.store_contents import load_pieces
from support.terminal import in_terminal

from anchor.chain.devnet import Devnet

DETAILS = """\
format = "anchor-collection/1"
modifications = "none-declared"
[source]
system = "mail server"
generation_mechanism = "export of the mailbox"
origin = "the defendant's mailbox"
holder = "Ms Li"
[collection]
started_at = 2026-01-02T03:04:05Z
ended_at = 2026-01-02T04:04:05Z
place = "Hangzhou"
method = "copy"
[[collection.operators]]
name = "Mr Wang"
"""


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def record_in(receipt: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.loads(receipt.read_bytes())["record"])
    return record


def collect(site: Site, **environment: str) -> dict[str, Any]:
    site.write("contract.pdf", b"the contract")
    site.write("details.toml", DETAILS.encode())
    ran = site.run(
        "collect", "--profile", "us-902", "--details", "details.toml", "--json", "--",
        "contract.pdf", env=environment,
    )  # fmt: skip
    document: dict[str, Any] = ran.expect(0).document
    return document


def claim_7(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    document = site.run("verify", "contract.pdf", "--json", *words).expect(code).document
    claim: dict[str, Any] = document["files"][0]["claims"][6]
    return claim


def test_a_collection_with_custody_passes_and_with_a_gap_does_not(site: Site) -> None:
    collected = collect(site, LD_LIBRARY_PATH="/nowhere")
    assert [each["member"] for each in collected["lacking"]] == ["clock"]
    assert {"clock", "injected-settings"} <= {check["id"] for check in collected["checks"]}
    site.anchor()
    site.run("prove", "contract.pdf").expect(0)
    record = record_in(site.folder / "contract.pdf.anchor.json")
    assert record["source"]["holder"] == "Ms Li"
    checks = {check["id"]: check for check in record["cleanliness"]["checks"]}
    assert checks["injected-settings"]["result"] == "fail"
    assert "LD_LIBRARY_PATH=/nowhere" in checks["injected-settings"]["observed"]
    assert record["platform"]["argv"][:2] == ["anchor", "collect"]
    claim = claim_7(site)
    assert claim["verdict"] == "not present"
    assert "no custody event was given" in claim["reason"]

    for event in ("collect", "transfer", "copy"):
        site.run(
            "custody", "add", "contract.pdf", "--event", event, "--actor", "Mr Wang",
        ).expect(0)  # fmt: skip
    site.run("custody", "show", "contract.pdf", "-o", "custody").expect(21)
    site.anchor()
    shown = site.run("custody", "show", "contract.pdf", "-o", "custody", "--json").expect(0)
    assert [event["event"] for event in shown.document["events"]] == ["collect", "transfer", "copy"]
    receipts = shown.document["receipts"]
    assert len(receipts) == 3
    claim = claim_7(site, "--custody", "custody")
    assert claim["verdict"] == "pass"
    assert "3 custody events without a gap" in claim["reason"]
    text = site.run("verify", "contract.pdf", "--custody", "custody").expect(0).out
    assert "C7" in text
    assert "FAIL" in text
    assert "stated in the record, not verified" in text

    Path(site.folder, receipts[1]).unlink()
    claim = claim_7(site, "--custody", "custody", code=20)
    assert claim["verdict"] == "cannot tell"
    assert "has a gap" in claim["reason"]
    site.run("verify", "contract.pdf", "--custody", "contract.pdf.anchor.json").expect(2)


def test_a_terminal_asks_for_what_the_profile_demands(site: Site) -> None:
    site.write("contract.pdf", b"the contract")
    answers = (
        "mail server", "export", "copy", "the mailbox", "yesterday", "2026-01-02T03:04:05Z", "",
        "Ann, examiner", "", "Hangzhou", "", "none-declared",
    )  # fmt: skip
    code, screen = in_terminal(
        site.folder, "collect", "--profile", "us-902", "--", "contract.pdf", answers=answers
    )
    assert code == 0, screen
    assert "collection.started_at: must be a time in UTC" in screen
    (record,) = (json.loads(piece.record or b"") for piece in load_pieces(site))
    assert record["source"] == {
        "system": "mail server", "generation_mechanism": "export", "origin": "the mailbox",
    }  # fmt: skip
    assert record["collection"] == {
        "method": "copy",
        "started_at": "2026-01-02T03:04:05Z",
        "operators": [{"name": "Ann", "role": "examiner"}],
        "place": "Hangzhou",
    }
    assert record["modifications"] == "none-declared"


def test_an_extract_is_one_record_that_verifies_with_its_files(site: Site) -> None:
    with closing(sqlite3.connect(site.folder / "shop.db")) as connection:
        connection.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1), (NULL);")
    site.write("orders.sql", b"SELECT n FROM t")
    site.write("bad.sql", b"SELECT missing FROM t")
    ask = ("collect", "--profile", "plain", "--sql", "sqlite:///shop.db", "-o", "rows", "--json")
    refused = site.run(*ask, "--query", "orders.sql", "--query", "bad.sql").expect(2)
    assert "no such column" in refused.err + refused.out
    assert not (site.folder / "rows").exists()
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]

    site.run(*ask, "--query", "orders.sql").expect(0)
    site.anchor()
    site.run("prove", "rows/manifest-sha256.txt").expect(0)
    record = record_in(site.folder / "rows/manifest-sha256.txt.anchor.json")
    assert record["kind"] == "database-extract"
    assert [each["path"] for each in record["items"]] == [
        "extract.json", "orders.csv", "orders.parquet", "orders.sql",
    ]  # fmt: skip
    assert record["extract"]["system"] == "SQLite"
    assert record["extract"]["queries"][0]["rows"] == 2
    assert record["cleanliness"]["checks"]
    assert "--sql" in record["platform"]["argv"]
    site.run("verify", "rows/manifest-sha256.txt").expect(0)
    shown = site.run("verify", "rows/manifest-sha256.txt", "--steps").expect(0).out
    assert "database extract" in shown
    (site.folder / "rows/manifest-sha256.txt").write_bytes(b"")
    site.run("verify", "rows/manifest-sha256.txt").expect(10)


def test_a_password_in_the_url_of_a_database_is_refused_and_not_repeated(site: Site) -> None:
    site.write("one.sql", b"SELECT 1 AS n")
    for url in ("postgresql://me:s3cret@/shop", "postgresql:///shop?sslpassword=s3cret"):
        ran = site.run(
            "collect", "--profile", "plain", "--sql", url, "--query", "one.sql", "-o", "rows"
        )
        ran.refused(2, "PGPASSWORD")
        assert "s3cret" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("collect", "--profile", "court", "--", "contract.pdf"), "unknown profile 'court'"),
        (("collect", "--profile", "plain"), "nothing to collect"),
        (("collect", "--profile", "plain", "--template", "x"), "--template prints"),
        (("collect", "--profile", "plain", "--details", "missing", "x"), "missing"),
        (("collect", "--profile", "plain", "--sql", "sqlite:///x", "-o", "o"), "1 to 50 queries"),
        (("collect", "--profile", "plain", "--sql", "x", "--query", "a"), "--output DIR"),
        (("collect", "--profile", "plain", "--sql", "x", "-o", "o", "y"), "not of several"),
        (("collect", "--profile", "plain", "--query", "a", "--", "x"), "nothing to collect"),
        (
            (
                "collect",
                "--profile",
                "plain",
                "--sql",
                "mysql://x",
                "--query",
                "contract.pdf",
                "-o",
                "o",
            ),
            "called 'mysql'",
        ),
        (("custody", "add", "contract.pdf", "--event", "loss"), "unknown event 'loss'"),
        (("custody", "add", "contract.pdf", "--event", "copy"), "the log holds no record of"),
        (("custody", "show", "sha256:" + "00" * 32), "the log holds no record of"),
    ],
)
def test_bad_usage_is_one_sentence_and_records_nothing(
    site: Site, words: tuple[str, ...], said: str
) -> None:
    site.write("contract.pdf", b"the contract")
    ran = site.run(*words).expect(2)
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]


def test_half_filled_details_name_every_fault_and_record_nothing(site: Site) -> None:
    site.write("contract.pdf", b"the contract")
    template = site.run("collect", "--profile", "criminal-zh", "--template").expect(0).out
    site.write("details.toml", template.encode())
    ran = site.run(
        "collect", "--profile", "criminal-zh", "--details", "details.toml", "--", "contract.pdf"
    ).expect(2)
    for member in ("source.origin", "collection.operators.1.name", "modifications"):
        assert f"{member}:" in ran.err
    assert site.rows("SELECT count(*) FROM runs") == [(0,)]


def test_the_configured_ntp_servers_are_checked(site: Site) -> None:
    path = site.folder / "anchor.toml"
    for servers in ('["one.example"]', '["a:b", "c"]'):
        text = path.read_text().split("\n[collect]")[0]
        path.write_text(f"{text}\n[collect]\nntp = {servers}\n")
        site.run("trust", "allow").expect(0)
        ran = site.run("status").expect(2)
        assert "collect.ntp" in ran.err
