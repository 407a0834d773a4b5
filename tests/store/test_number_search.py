"""Whatever number is printed of a piece leads to it, and no other number does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.examples import examples
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.store_contents import Piece, load_pieces
from support.troubles import Effects

from anchor.base.errors import MalformedError
from anchor.base.types import Stage
from anchor.evidence.preservation_number import number_record
from anchor.evidence.printed_number import NumberKind, PrintedNumber, read_number
from anchor.operate.daemon import Pace
from anchor.project.project import OpenProject
from anchor.store.certificates import request_certificate, revoke_certificate, save_issue
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.number_search import NumberedItem, find_numbered
from anchor.store.record_index import count_indexed
from anchor.store.runs import find_size
from anchor.store.schema import anchors, attempts

SIZES = (3, 4, 34)
WAITING = 34


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """Three anchors, the last one reversible, and two pieces that wait."""
    site = grow_log(tmp_path_factory.mktemp("grown"), [3, 1, 30])
    site.add("late", "later")
    return site


@pytest.fixture
def project(grown: MemorySite) -> Iterator[OpenProject]:
    project = grown.open()
    yield project
    project.database.close()


def pieces_of(project: OpenProject) -> list[Piece]:
    with project.database.read() as connection:
        return load_pieces(connection)


def look_up(project: OpenProject, text: str) -> list[NumberedItem]:
    with project.database.read() as connection:
        return find_numbered(connection, project.config.chain_id, read_number(text))


def numbers_of(piece: Piece) -> dict[str, NumberKind]:
    """Return every number that is printed of a piece."""
    assert piece.record is not None and piece.sha256 is not None
    digest = hashlib.sha256(piece.record).hexdigest()
    number = number_record(piece.record)
    return {
        number: NumberKind.NUMBER,
        number.lower().replace("-", " "): NumberKind.NUMBER,
        digest: NumberKind.RECORD,
        f"sha256:{digest}": NumberKind.RECORD,
        piece.sha256.hex(): NumberKind.SHA256,
        f"SHA256:{piece.sha256.hex().upper()}": NumberKind.SHA256,
        piece.identity.hex(): NumberKind.ID,
        piece.leaf.hex(): NumberKind.LEAF,
        f" 0x{piece.leaf.hex()[:30]}\n{piece.leaf.hex()[30:]}": NumberKind.LEAF,
    }


def test_every_number_of_a_piece_leads_to_it(project: OpenProject) -> None:
    stages = {0: Stage.ANCHORED, 3: Stage.ANCHORED, 20: Stage.INCLUDED, WAITING: Stage.ACCEPTED}
    for piece in pieces_of(project):
        if piece.index not in stages:
            continue
        for text, kind in numbers_of(piece).items():
            (match,) = look_up(project, text)
            assert (match.kind, match.index, match.stage) == (
                kind,
                piece.index,
                stages[piece.index],
            )
            size = next((size for size in SIZES if size > piece.index), None)
            assert (match.head.size if match.head else None) == size
            assert (match.sealed_at is None) == (size is None)
            assert (match.anchored.head if match.anchored else None) == match.head
            assert match.accepted_at == piece.accepted_at
            assert not match.is_erased


def test_a_root_and_a_transaction_lead_to_their_head(project: OpenProject) -> None:
    with project.database.read() as connection:
        rows = connection.execute(select(anchors).order_by(anchors.c.head_size)).all()
        signed = {bytes(each) for each in connection.execute(select(attempts.c.tx_hash)).scalars()}
    for row, size in zip(rows, SIZES, strict=True):
        (match,) = look_up(project, f"0x{row.tx_hash.hex()}")
        assert (match.kind, match.head.size if match.head else None) == (
            NumberKind.TRANSACTION,
            size,
        )
        assert match.anchored is not None and match.anchored.tx_hash == row.tx_hash
        assert match.head is not None
        (again,) = look_up(project, match.head.root.hex())
        assert (again.kind, again.anchored, again.index) == (NumberKind.ROOT, match.anchored, None)
    # Those that were replaced, or authorised a key, anchored nothing.
    for other in signed - {row.tx_hash for row in rows}:
        assert look_up(project, other.hex()) == []


def test_records_with_one_number_are_all_returned(tmp_path: Path) -> None:
    # More records than first bytes, so that some share theirs.
    project = grow_log(tmp_path, [257]).open()
    digests = [hashlib.sha256(piece.record or b"").digest() for piece in pieces_of(project)]
    with project.database.read() as connection:
        for first in {digest[0] for digest in digests}:
            number = PrintedNumber(value=bytes([first]), kinds=(NumberKind.NUMBER,))
            matches = find_numbered(connection, project.config.chain_id, number)
            expected = [at for at, digest in enumerate(digests) if digest[0] == first]
            assert [match.index for match in matches] == expected
    assert len({digest[0] for digest in digests}) < len(digests)
    project.database.close()


def test_an_erased_piece_is_said_to_be_erased(tmp_path: Path) -> None:
    project = grow_log(tmp_path, [3]).open()
    piece = pieces_of(project)[1]
    with project.database.write() as connection:
        erase_rows(connection, find_by_leaves(connection, [piece.leaf]), [(None, "2026")])
    told = {kind: look_up(project, text) for text, kind in numbers_of(piece).items()}
    assert told.pop(NumberKind.SHA256) == told.pop(NumberKind.ID) == []
    assert set(told) == {NumberKind.NUMBER, NumberKind.RECORD, NumberKind.LEAF}
    for (match,) in told.values():
        assert (match.index, match.is_erased, match.stage) == (1, True, Stage.INCLUDED)
    project.database.close()


def test_the_daemon_enters_what_waits(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [3])
    site.add("early")
    pace = Pace(seconds=10**6, leaves=10**6)
    site.serve(Effects(), 6, pace, at={3: lambda: site.add("late")})
    project = site.open()
    with project.database.read() as connection:
        assert (count_indexed(connection), find_size(connection)) == (5, 4)
    project.database.close()


@settings(max_examples=examples(200), deadline=None)
@given(value=st.one_of(st.binary(min_size=32, max_size=32), st.binary(min_size=10, max_size=10)))
def test_no_other_number_leads_anywhere(grown: MemorySite, value: bytes) -> None:
    project = grown.open()
    kinds = (NumberKind.NUMBER,) if len(value) == 10 else tuple(NumberKind)[2:]
    with project.database.read() as connection:
        number = PrintedNumber(value=value, kinds=kinds)
        assert find_numbered(connection, project.config.chain_id, number) == []
    project.database.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is no number"),
        ("contract.pdf", "this is no number"),
        ("ab" * 31, "this is no number"),
        ("ab" * 33, "this is no number"),
        ("md5:" + "ab" * 32, "this is no number"),
        ("１" * 64, "this is no number"),
        ("BZPE-PSQZ-S1QK-HPAJ-1", "its check character does not match"),
        ("BZPE-PSQZ-S1QK-HPAJ", "this is no number"),
    ],
)
def test_what_is_no_number_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(MalformedError, match=said):
        read_number(text)


def test_a_certificates_number_is_known_for_one() -> None:
    number = read_number(" ac-20261128-0123456789abcDEF ")
    assert number.kinds == (NumberKind.CERTIFICATE,)
    assert number.value == b"AC-20261128-0123456789ABCDEF"


def test_a_certificates_number_leads_to_its_evidence_until_that_is_erased(tmp_path: Path) -> None:
    project = grow_log(tmp_path, [3, 2]).open()
    piece, numbers = pieces_of(project)[1], ("AC-20261128-0123456789ABCDEF", "AC-2")
    with project.database.write() as connection:
        assert look_up(project, numbers[0]) == []
        for number in numbers:
            ordered = request_certificate(
                connection, "acme", piece.identity, requested_by="key:1", at="2026"
            )
            save_issue(connection, ordered.id, number=number, issued_at="2027", files={"pdf": b""})
    (match,) = look_up(project, numbers[0].lower())
    assert match.certificate is not None
    assert (match.kind, match.index, match.stage) == (NumberKind.CERTIFICATE, 1, Stage.ANCHORED)
    assert (match.certificate.number, match.certificate.state) == (numbers[0], "issued")
    assert match.anchored is not None and match.anchored.final
    with project.database.write() as connection:
        assert revoke_certificate(connection, match.certificate.id, reason="wrong", at="2028")
    (match,) = look_up(project, numbers[0])
    assert match.certificate is not None and match.certificate.revocation == "wrong"
    with project.database.write() as connection:
        erase_rows(connection, find_by_leaves(connection, [piece.leaf]), [(None, "2029")])
    (match,) = look_up(project, numbers[0])
    assert match.certificate is not None
    assert (match.index, match.is_erased, match.anchored) == (None, True, None)
    assert (match.certificate.issued_at, match.certificate.revoked_at) == ("2027", "2028")
    assert match.certificate.revocation is None
    project.database.close()
