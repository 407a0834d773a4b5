"""``anchor list`` and ``search`` show one's own evidence, and ``add`` what became of it."""

from __future__ import annotations

import hashlib

import pytest
from support.command import run_anchor
from support.fixtures import MakeSite
from support.fixtures import anchored as anchored
from support.projects import Site

from anchor.chain.devnet import Devnet
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue
from anchor.store.heads import load_anchors
from anchor.store.retentions import Retention, put_retention


@pytest.fixture
def filled(anchored: Site) -> Site:
    """A project with a final anchor over two pieces, a sealed one, and one that waits."""
    anchored.add("contract.pdf", b"one")
    anchored.add("Vertrag.pdf", b"two")
    anchored.anchor()
    anchored.add("scan.png", b"three")
    anchored.run("seal").expect(0)
    anchored.add("note.txt", b"four")
    return anchored


def listed(site: Site, *words: str) -> list[tuple[str, str]]:
    document = site.run(*words, "--json").expect(0).document
    return [(piece["name"].rpartition("/")[2], piece["state"]) for piece in document["evidence"]]


def test_the_newest_comes_first_with_its_state(filled: Site) -> None:
    assert listed(filled, "list") == [
        ("note.txt", "accepted"),
        ("scan.png", "sealed"),
        ("Vertrag.pdf", "anchored"),
        ("contract.pdf", "anchored"),
        ("first", "anchored"),  # the fixture's
    ]
    text = filled.run("list").expect(0).out
    heading, *lines, finality = text.splitlines()
    assert finality == "anchored: counts as final; not confirmed by the nodes"
    assert [line[: heading.index("state")] for line in lines] == [
        f"{piece['recorded_at'][:10]} {piece['recorded_at'][11:19]}  "
        for piece in filled.run("list", "--json").expect(0).document["evidence"]
    ]
    assert [line[heading.index("state") :].split()[0] for line in lines] == [
        "accepted",
        "sealed",
        "anchored",
        "anchored",
        "anchored",
    ]
    piece = filled.run("list", "--json").expect(0).document["evidence"][2]
    assert piece["sha256"] == hashlib.sha256(b"two").hexdigest()
    assert (piece["size"], piece["index"], piece["tenant"]) == (3, 2, None)
    assert piece["anchored_at"] >= piece["recorded_at"][:10]


def test_more_than_the_limit_is_said(filled: Site) -> None:
    ran = filled.run("list", "--limit", "2").expect(0, "more than 2")
    assert len(ran.out.splitlines()) == 3
    assert filled.run("list", "--limit", "2", "--json").expect(0).document["more"] is True
    assert filled.run("list", "--limit", "5", "--json").expect(0).document["more"] is False


def test_it_is_found_by_its_name_and_by_each_of_its_hashes(filled: Site) -> None:
    assert listed(filled, "search", "VERTRAG") == [("Vertrag.pdf", "anchored")]
    assert [name for name, _ in listed(filled, "search", ".pdf")] == ["Vertrag.pdf", "contract.pdf"]
    (piece,) = filled.run("search", "scan", "--json").expect(0).document["evidence"]
    for prefix in (
        piece["sha256"][:6],
        "sha256:" + piece["sha256"],
        "0x" + piece["leaf"][:10],
        piece["sm3"].upper()[:8],
        piece["id"],
        piece["number"],
        piece["number"].lower().replace("-", " "),
    ):
        assert listed(filled, "search", prefix) == [("scan.png", "sealed")]
    assert listed(filled, "search", piece["sha256"][1:9]) == []
    assert listed(filled, "search", piece["sha256"][:5]) == []
    filled.run("search", "nothing of the kind").expect(0, "no evidence matches")
    filled.run("search", " ").refused(2, "give a search text")
    wrong = piece["number"][:-1] + ("0" if piece["number"][-1] != "0" else "1")
    filled.run("search", wrong).expect(2, "no evidence matches", "check character does not match")
    assert filled.run("search", wrong, "--json").expect(2).document["evidence"] == []
    said = "certificates that `anchor certify` wrote are not recorded"
    filled.run("search", "AC-20261128-0123456789ABCDEF").expect(0, "no evidence matches", said)


def test_an_issued_certificate_is_found_by_its_number(filled: Site) -> None:
    number = "AC-20261128-00112233AABBCCDD"
    piece = filled.run("list", "--json").expect(0).document["evidence"][0]
    with filled.open() as project, project.database.write() as connection:
        ordered = request_certificate(
            connection, "acme", bytes.fromhex(piece["id"]), requested_by="key:1", at="2026"
        )
        save_issue(connection, ordered.id, number=number, issued_at="2027", files={"pdf": b""})
    assert listed(filled, "search", number.lower()) == [(piece["name"], piece["state"])]
    filled.run("search", number).expect(0, f"certificate {number}, issued 2027")
    with filled.open() as project, project.database.write() as connection:
        assert revoke_certificate(connection, ordered.id, reason="misprint", at="2028")
    filled.run("search", number).expect(0, "issued 2027, revoked 2028: misprint")
    document = filled.run("search", number, "--json").expect(0).document
    assert document["certificates"] == [
        {
            "number": number,
            "id": piece["id"],
            "state": "revoked",
            "issued_at": "2027",
            "revoked_at": "2028",
            "reason": "misprint",
        }
    ]
    others = filled.run("search", number, "--tenant", "other", "--json").expect(0).document
    assert (others["evidence"], others["certificates"]) == ([], [])


def test_a_root_and_a_transaction_are_found_as_heads(filled: Site) -> None:
    with filled.open() as project, project.database.read() as connection:
        (*_, newest) = load_anchors(connection, project.config.chain_id)
    assert newest.tx_hash is not None
    for number, kind in (
        (f"0x{newest.tx_hash.hex()}", "transaction"),
        (newest.head.root.hex(), "root"),
    ):
        filled.run("search", number).expect(
            0, f"{kind} ", f"head of {newest.head.size} leaves: anchored"
        )
        document = filled.run("search", number, "--json").expect(0).document
        assert document["evidence"] == []
        (match,) = document["heads"]
        assert (match["kind"], match["size"], match["state"]) == (
            kind,
            newest.head.size,
            "anchored",
        )


def test_what_was_erased_is_listed_without_a_name(filled: Site) -> None:
    reason = ("--basis", "other", "--reason", "asked for", "--by", "us", "--yes")
    filled.run("erase", filled.folder / "contract.pdf", *reason).expect(0)
    assert listed(filled, "search", "contract") == []
    assert "contract" not in filled.run("list").expect(0).out


def test_without_evidence_it_says_how_to_add_some(new_site: MakeSite, embedded: Devnet) -> None:
    new_site(embedded).run("list").expect(0, "there is no evidence yet")


def test_a_name_writes_no_lines_of_its_own(anchored: Site) -> None:
    name = ("--name", "a\nanchored  all\x1b[31m.pdf")
    run_anchor("add", "-", *name, cwd=anchored.folder, stdin=b"x").expect(0)
    (_, line) = anchored.run("list", "--limit", "1").expect(0).out.splitlines()
    assert "\\nanchored" in line and "\x1b" not in line


def test_a_file_that_changed_since_it_was_recorded_is_named(filled: Site) -> None:
    filled.write("papers/deed.txt", b"one field")
    filled.write("papers/map.txt", b"a river")
    filled.run("add", "papers").expect(0, "added 2 new")
    filled.write("papers/deed.txt", b"two fields")
    added = filled.run("add", "papers", "--json").expect(0).document
    (changed,) = added["changed"]
    assert (added["new"], added["known"]) == (1, 1)
    assert changed["path"] == "papers/deed.txt"
    filled.write("papers/deed.txt", b"three fields")
    said = " ".join(filled.run("add", "papers").expect(0).err.split())
    assert "papers/deed.txt has changed since it was recorded at " in said
    # What goes back to a content that is recorded did not change since then.
    filled.write("papers/deed.txt", b"one field")
    assert filled.run("add", "papers", "--json").expect(0).document["changed"] == []


def test_receipts_beside_their_files_are_no_new_evidence(filled: Site) -> None:
    filled.write("papers/deed.txt", b"one field")
    filled.run("add", "papers").expect(0)
    filled.run("seal").expect(0)
    filled.run("prove", "papers/deed.txt").expect(0)
    # One that belongs to no file there, and one that is none.
    receipt = (filled.folder / "papers/deed.txt.anchor.json").read_bytes()
    filled.write("papers/other.txt.anchor.json", receipt)
    filled.write("papers/map.txt", b"a river")
    filled.write("papers/map.txt.anchor.json", b"{}")
    shown = filled.run("add", "papers").expect(
        0, "added 3 new, 1 already known", "beside their files: 1"
    )
    assert "skipped" not in shown.err
    document = filled.run("add", "papers", "--json").expect(0).document
    assert [each["path"] for each in document["skipped"]] == ["papers/deed.txt.anchor.json"]


def test_the_status_counts_retention_dates_once_there_are_any(anchored: Site) -> None:
    none = {"dated": 0, "passed": 0, "beaten": 0}
    assert anchored.run("status", "--json").expect(0).document["retention"] == none
    assert "retention" not in anchored.run("status").expect(0).out
    with anchored.open() as project, project.database.write() as connection:
        for number, until in enumerate(("2020-01-31", "2020-02-01", "2099-01-31")):
            moment = f"{until}T00:00:00.000Z"
            date = Retention(
                identity=bytes([number]) * 32, tenant=None, record_until=moment,
                owner_until=None, until=moment, beaten_by="hold" if number == 1 else None,
            )  # fmt: skip
            put_retention(connection, date)
    counts = {"dated": 3, "passed": 2, "beaten": 1}
    assert anchored.run("status", "--json").expect(0).document["retention"] == counts
    assert "dated: 3, passed: 2, of these kept: 1" in anchored.run("status").expect(0).out
