"""Runs: what is packed comes out again, damage is seen, and native code and Python do the same."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.native import NATIVE, native

from anchor.base.digests import Digests
from anchor.base.errors import ChainGuardError, MalformedError
from anchor.base.types import ChainId, Hash32, LogId
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.operate.acceptance import EvidenceInput, prepare_evidence
from anchor.store import columns, record_parts
from anchor.store.columns import ERASED, EvidenceRow, Run, join_texts, make_run, pack_run, pack_runs
from anchor.store.evidence_kinds import Kind
from anchor.store.record_parts import format_milliseconds, split_record

TIME = "2026-01-02T03:04:05.678Z"
LOG = LogId(bytes(range(32)))
COLUMNS = tuple(field.name for field in fields(Run) if "bytes" in str(field.type))
EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999


@contextmanager
def in_python() -> Iterator[None]:
    """Do everything as an installation without the native code does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "IS_NATIVE", False)
        patch.setattr(record_parts, "IS_NATIVE", False)
        yield


def fresh(run: Run, **changes: Any) -> Run:
    """Return a copy of a run that has cached nothing."""
    return replace(run, **changes)


BLOCK = NotBefore(chain_id=ChainId(1), block_number=20_000_000, block_hash=Hash32(b"\xab" * 32))

digests = st.binary(min_size=32, max_size=32)
plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
hard = st.text(st.sampled_from('"\\/\b\f\n\r\t\0\x1f\x7f\x80ä€𝄞ab'), min_size=1, max_size=30)
texts = plain | hard
sizes = st.none() | st.integers(0, 2**53 - 1) | st.sampled_from([0, 9, 10, 2**53 - 1])
times = st.sampled_from([TIME, "2026-01-02T03:04:05Z", "some day", ""]) | st.integers(
    EARLIEST, LATEST
).map(format_milliseconds)


@st.composite
def made_rows(draw: st.DrawFn) -> EvidenceRow:
    """Evidence whose record ``encode_record`` made."""
    sha256, sm3 = draw(st.tuples(digests, st.none() | digests) | st.tuples(st.none(), digests))
    name = draw(texts | st.just(record_parts.name_by_digest(sha256, sm3)))
    accepted_at = draw(times)
    record = encode_record(
        digests=Digests(sha256=sha256, sm3=sm3, size=draw(sizes)),
        name=name,
        media_type=draw(st.sampled_from([None, "image/png"]) | texts),
        salt=draw(digests),
        recorded_at=accepted_at,
        log=draw(st.sampled_from([None, LOG])),
        not_before=draw(st.sampled_from([None, BLOCK])),
    )
    digest = sha256 or sm3
    assert digest is not None
    return EvidenceRow(
        identity=draw(st.just(digest[:16]) | st.binary(min_size=16, max_size=16))
        + draw(st.binary(min_size=16, max_size=16)),
        source=draw(st.sampled_from(["digest:", "/srv/files/", ""]) | texts)
        + draw(st.sampled_from([name, ".old"])),
        sha256=sha256,
        sm3=sm3,
        record=record,
        leaf=hash_leaf(record),
        accepted_at=accepted_at,
    )


def bend(row: EvidenceRow, place: int, byte: int) -> EvidenceRow:
    """Return evidence with one other byte in its record."""
    assert row.record is not None
    record = bytearray(row.record)
    record[place % len(record)] = byte
    return replace(row, record=bytes(record), leaf=hash_leaf(bytes(record)))


def lose(row: EvidenceRow) -> EvidenceRow:
    return replace(row, record=None, sha256=None, sm3=None)


def erase(row: EvidenceRow) -> EvidenceRow:
    return replace(lose(row), source=ERASED)


rows = st.one_of(
    made_rows(),
    made_rows(),
    st.builds(bend, made_rows(), st.integers(0), st.integers(0, 255)),
    st.builds(lambda row: replace(row, record=b"{}", leaf=hash_leaf(b"{}")), made_rows()),
    st.builds(lose, made_rows()),
    st.builds(erase, made_rows()),
)
lists = st.lists(rows, min_size=1, max_size=20)


def read(run: Run) -> list[EvidenceRow]:
    """Return the pieces of a run, with the identity of erased ones left out."""
    return [
        replace(row, identity=b"") if run.is_erased(at) else row
        for at, row in enumerate(run.rows())
    ]


def without_erased(pieces: list[EvidenceRow]) -> list[EvidenceRow]:
    return [replace(row, identity=b"") if row.source == ERASED else row for row in pieces]


def everything(run: Run) -> object:
    """Return what a run says of its pieces, or that it is damaged."""
    run = fresh(run)
    try:
        run.check()
    except ChainGuardError:
        return "damaged"
    one_by_one = [run.row(at) for at in range(run.pieces)]
    assert run.rows() == one_by_one
    identities = run.identities(with_leaves=True)
    return one_by_one, run.find_false_leaves(), run.entries(), run.record_entries(10), identities


@given(pieces=lists, first=st.integers(0, 2**48 - 2_000))
@settings(max_examples=examples(500), deadline=None)
def test_what_is_packed_comes_out_again(pieces: list[EvidenceRow], first: int):
    run = pack_run(first, pieces)
    run.check()
    assert read(run) == without_erased(pieces)
    assert run.find_false_leaves() == []
    assert (run.end, run.pieces) == (first + len(pieces), len(pieces))
    assert run.record_bytes == sum(len(row.record or b"") for row in pieces)
    assert run.erased == sum(row.source == ERASED for row in pieces)
    assert run.lost == sum(row.record is None for row in pieces) - run.erased
    entries = [
        row.identity + (first + at).to_bytes(6, "big")
        for at, row in enumerate(pieces)
        if row.source != ERASED
    ]
    assert run.entries() == b"".join(entries)
    found = [row for row in pieces if row.source != ERASED]
    assert run.identities() == b"".join(row.identity for row in found)
    assert run.identities(with_leaves=True) == b"".join(row.leaf + row.identity for row in found)


@native
@given(pieces=lists)
@settings(max_examples=examples(500), deadline=None)
def test_python_packs_and_reads_the_same(pieces: list[EvidenceRow]):
    run = pack_run(7, pieces)
    described = everything(run)
    with in_python():
        assert pack_run(7, pieces) == run
        assert everything(run) == described


@given(row=made_rows())
@settings(max_examples=examples(1_000), deadline=None)
def test_made_records_are_not_kept(row: EvidenceRow):
    run = pack_run(0, [row])
    assert run.records is None
    assert run.kept_record(0) is None
    with in_python():
        assert pack_run(0, [row]).records is None


@native
@given(
    row=made_rows(),
    places=st.lists(st.integers(0), max_size=3),
    inserted=st.sampled_from([b"", b"\\", b'"', b"\n", b"\xff", b"\xed\xa0\x80", b"0", b"\\u0041"]),
    dropped=st.integers(0, 2),
)
@settings(max_examples=examples(2_000, 300), deadline=None)
def test_other_records_are_taken_apart_by_neither(
    row: EvidenceRow, places: list[int], inserted: bytes, dropped: int
):
    record = row.record or b""
    for place in places:
        at = place % len(record)
        record = record[:at] + inserted + record[at + dropped :]
    parts = split_record(record, row.sha256, row.sm3, row.accepted_at)
    with in_python():
        assert split_record(record, row.sha256, row.sm3, row.accepted_at) == parts
    assert (parts is not None) == (record == row.record) or places


def make_record(name: str, **others: Any) -> bytes:
    values: dict[str, Any] = {"media_type": None, "salt": bytes(32), "recorded_at": TIME}
    digests = Digests(sha256=bytes(32), sm3=None, size=None)
    return encode_record(digests=digests, name=name, **values, **others)


MADE = make_record("name", log=LOG).decode()
NAMED = f'"not_before":{BLOCK.encode()},"recorded_at"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name"', '"n\\u0061me"'),
        ('"name":"name"', '"name":""'),
        ('"name":"name"', '"name":"na\\/me"'),
        ('"name":"name"', '"name":"\\u000a"'),
        ('"name":"name"', '"name":"\\u001F"'),
        ('"name":"name"', '"name":"\\u001"'),
        ('"name":"name"', '"name":"\\x"'),
        ('"name":"name"', '"name":"\\'),
        ('"name":"name"', '"name":"\t"'),
        ('"name":"name"', '"name":null'),
        ('"name":"name"', f'"name":"{"n" * 4_097}"'),
        ('"log":"0x', '"log":"0X'),
        ('"log":"0x', '"log":"0xab'),
        ('"log":"', '"log": "'),
        ('"name"', '"media_type":"a\\/b","name"'),
        ('"name"', '"media_type":"\\ud800","name"'),
        ('"name"', '"media_type":null,"name"'),
        ('"name"', '"other":1,"name"'),
        ("evidence-record/1", "evidence-record/2"),
        ('record/1"', 'record/1","size":-1'),
        ('record/1"', 'record/1","size":01'),
        ('record/1"', 'record/1","size":'),
        ('record/1"', 'record/1","size":1.0'),
        ('record/1"', 'record/1","size":9007199254740992'),
        ('record/1"', 'record/1","size":90071992547409911'),
        ('"recorded_at"', NAMED.replace("0xab", "0xAB")),
        ('"recorded_at"', NAMED.replace(":1}", ":0}")),
        ('"recorded_at"', NAMED.replace(":20", ":020")),
        ('"recorded_at"', NAMED.replace(":1}", f":{2**53}}}")),
        ('"recorded_at"', NAMED.replace(":1}", ':1,"x":2}')),
        ('"recorded_at"', NAMED.replace(":1}", ":{}}")),
        ('"recorded_at"', '"not_before":{' + '"recorded_at"'),
        ('"recorded_at"', '"not_before":null,"recorded_at"'),
        ('"recorded_at"', '"not_before":{},"recorded_at"'),
        ('"recorded_at"', '"other":1,"recorded_at"'),
        ("}}", "}} "),
        (TIME, "2026-01-02T03:04:05.679Z"),
        ('"sha256":"00', '"sha256":"01'),
        ('"sha256":"00', '"sha256":"0A'),
        ('"salt":"00', '"salt":"0A'),
        ('"salt":"00', '"salt":"0g'),
        ('"salt":"00', '"salt":"'),
    ],
)
def test_records_in_another_form_are_kept(old: str, new: str):
    record = (MADE.replace(old, new, 1) if old != "}}" else MADE + " ").encode()
    assert record != MADE.encode()
    assert split_record(record, bytes(32), None, TIME) is None
    with in_python():
        assert split_record(record, bytes(32), None, TIME) is None
    row = EvidenceRow(
        identity=bytes(32), source="digest:name", sha256=bytes(32), sm3=None, record=record,
        leaf=hash_leaf(record), accepted_at=TIME,
    )  # fmt: skip
    run = pack_run(0, [row])
    assert run.kept_record(0) == record
    assert run.rows() == [row]


@pytest.mark.parametrize("sha256", [None, b"", bytes(31), bytes(33), b"\1" * 32])
def test_digests_that_are_not_those_of_the_record_take_it_not_apart(sha256: bytes | None):
    for sm3 in (None, bytes(32), bytes(5)):
        assert split_record(MADE.encode(), sha256, sm3, TIME) is None
        with in_python():
            assert split_record(MADE.encode(), sha256, sm3, TIME) is None


@pytest.mark.parametrize("recorded_at", ["\ud800", 'a"b', "", "2026"])
def test_a_record_of_any_time_comes_out_again(recorded_at: str):
    record = MADE.replace(TIME, recorded_at).encode("utf-8", "surrogatepass")
    parts = split_record(record, bytes(32), None, recorded_at)
    assert (parts is None) == (recorded_at in ("\ud800", 'a"b'))
    with in_python():
        assert split_record(record, bytes(32), None, recorded_at) == parts


@given(milliseconds=st.lists(st.integers(EARLIEST - 5, LATEST + 5), min_size=2, max_size=50))
@settings(max_examples=examples(300), deadline=None)
def test_times_are_written_as_in_python(milliseconds: list[int]):
    milliseconds += (EARLIEST, EARLIEST - 1, LATEST, LATEST + 1, -(2**63), 2**63 - 1, 0, -1)
    run = bare_run(len(milliseconds))
    times = b"".join(each.to_bytes(8, "little", signed=True) for each in milliseconds)
    run = fresh(run, times=times)
    assert [run.time(at) for at in range(run.pieces)] == list(
        map(format_milliseconds, milliseconds)
    )
    described = everything(run)
    with in_python():
        assert everything(run) == described


# Damage


def bare_run(pieces: int) -> Run:
    numbers = random.Random(pieces)
    names = join_texts([f"file {at}.png".encode() for at in range(pieces)])
    kinds = [Kind("made", has_sha256=True, log=LOG.hex(), prefix="digest:", media_type="image/png")]
    return make_run(
        0, kinds=kinds, codes=bytes(pieces), names=names, sha256=numbers.randbytes(32 * pieces),
        salts=numbers.randbytes(32 * pieces), accepted_at=TIME,
    )  # fmt: skip


def assert_seen(run: Run) -> None:
    """Damage is refused or seen, by the native code as by Python; nothing else is raised."""
    described = everything(run)
    with in_python():
        assert everything(run) == described


@given(
    pieces=lists,
    name=st.sampled_from(COLUMNS),
    place=st.integers(0),
    change=st.binary(max_size=3),
    dropped=st.integers(0, 3),
)
@settings(max_examples=examples(1_000, 100), deadline=None)
def test_a_bent_column_is_refused_or_its_records_do_not_hash(
    pieces: list[EvidenceRow], name: str, place: int, change: bytes, dropped: int
):
    run = pack_run(0, pieces)
    column = getattr(run, name) or b""
    at = place % (len(column) + 1)
    assert_seen(fresh(run, **{name: column[:at] + change + column[at + dropped :]}))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_another_length_or_kind_is_refused(name: str):
    pieces = [
        replace(row, sm3=bytes(32)) if at % 2 else row for at, row in enumerate(bare_run(9).rows())
    ]
    pieces[3] = bend(pieces[3], 5, 0)
    run = pack_run(0, [*pieces, erase(pieces[0])])
    column = getattr(run, name)
    if column is None:
        assert_seen(fresh(run, **{name: b""}))
        return
    for other in (b"", column[:-1], column + b"\0", column[1:], column.decode("latin-1"), 5):
        with pytest.raises(ChainGuardError):
            fresh(run, **{name: other}).check()


def test_every_flipped_byte_of_what_makes_a_record_is_seen():
    run = bare_run(3)
    for name in ("leaves", "sha256", "salts"):
        column = getattr(run, name)
        for at in range(len(column)):
            bent = column[:at] + bytes([column[at] ^ 1]) + column[at + 1 :]
            flipped = fresh(run, **{name: bent})
            assert flipped.find_false_leaves() == [at // 32]
            with in_python():
                assert fresh(flipped).find_false_leaves() == [at // 32]


KINDS = [
    b"", b"{}", b"[]", b"[1]", b"[[]]", b"[{}]", b"null", b"[" * 100_000, b"\xff",
    b'[{"content":"made"}]',
    b'[{"content":"other","has_sha256":true}]',
    b'[{"content":"made","has_sha256":1}]',
    b'[{"content":"made","has_sha256":"yes"}]',
    b'[{"content":[],"has_sha256":true}]',
    b'[{"content":"made","has_sha256":true,"log":"x"}]',
    b'[{"content":"made","has_sha256":true,"log":7}]',
    b'[{"content":"made","has_sha256":true,"prefix":"\\ud800"}]',
    b'[{"content":"made","has_sha256":true,"media_type":"\\udfff"}]',
    b'[{"content":"made","has_sha256":true,"accepted_at":{}}]',
    b'[{"content":"made","has_sha256":true,"surplus":true}]',
    b'[{"content":"made","has_sha256":true,"not_before":1}]',
    b'[{"content":"made","has_sha256":true,"not_before":"{}"}]',
    b'[{"content":"made","has_sha256":true,"not_before":"%b"}]' % (b"[" * 100_000),
    b'[{"content":"made","has_sha256":true,"has_sm3":true}]',
    b'[{"content":"made","has_sha256":true,"has_size":true}]',
    b'[{"content":"made","has_sha256":true,"has_start":true}]',
    b'[{"content":"kept"}]', b'[{"content":"lost"}]',
    b"[" + b",".join([b'{"content":"erased"}'] * 257) + b"]",
]  # fmt: skip


@pytest.mark.parametrize("shared", KINDS, ids=lambda shared: shared[:60].decode("latin-1"))
def test_kinds_that_do_not_fit_are_refused(shared: bytes):
    with pytest.raises(ChainGuardError):
        fresh(bare_run(2), shared=shared).check()


@pytest.mark.parametrize(
    "kind",
    [
        b'{"content":"kept","has_sha256":true}',
        b'{"content":"lost","has_sha256":true}',
        b'{"content":"erased"}',
        b'{"content":"made","has_sha256":true}',
        b'{"content":"made","has_sha256":true,"is_named_by_digest":true}',
        b'{"content":"made","has_sha256":true,"media_type":"%b"}' % (b"m" * 70_000),
        b'{"content":"made","has_sha256":true,"accepted_at":"%b"}' % (b"t" * 70_000),
        b'{"content":"made","has_sha256":true,"prefix":"%b"}' % (b"p" * 70_000),
        b'{"content":"made","has_sha256":true,"not_before":%b}'
        % json.dumps(BLOCK.encode()).encode(),
    ],
    ids=lambda kind: kind[:60].decode(),
)
def test_another_kind_makes_other_records(kind: bytes):
    run = fresh(bare_run(2), shared=b"[" + kind + b"]")
    assert_seen(run)
    has_none = b"erased" in kind or b"lost" in kind
    assert run.find_false_leaves() == ([] if has_none else [0, 1])


@pytest.mark.parametrize(
    "changes",
    [{"pieces": 0}, {"pieces": -1}, {"pieces": 1_025}, {"pieces": 2**40}, {"first": -1},
     {"first": 2**48 - 1}, {"first": 2**63}, {"accepted_at": None}, {"accepted_at": b"x"},
     {"accepted_at": "\ud800"}],
    ids=repr,
)  # fmt: skip
def test_numbers_and_times_that_cannot_be_are_refused(changes: dict[str, Any]):
    with pytest.raises(ChainGuardError):
        fresh(bare_run(2), **changes).check()


@pytest.mark.parametrize("name", [b"", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"n" * 16_385])
def test_a_name_that_no_record_can_have_makes_none(name: bytes):
    run = fresh(bare_run(1), names=len(name).to_bytes(2, "little") + name)
    assert run.find_false_leaves() == [0]
    assert run.record(0) == b""
    assert_seen(run)


@native
def test_the_native_code_refuses_columns_that_nobody_checked():
    run = bare_run(2)
    for changes in (
        {"salts": b""},
        {"leaves": b""},
        {"pieces": 3},
        {"first": -1},
        {"kinds": b"\7\7"},
    ):
        for call in (Run.find_false_leaves, Run.all_records, Run.entries):
            with pytest.raises(ValueError, match="fit"):
                call(fresh(run, **changes))
    with pytest.raises(TypeError):
        fresh(run, salts=bytearray(64)).all_records()


# Changes


def test_pieces_are_replaced_and_erased():
    pieces = bare_run(5).rows()
    run = pack_run(3, pieces)
    changed = run.replace({1: erase(pieces[1]), 3: bend(pieces[3], 0, 1)})
    assert [changed.is_erased(at) for at in range(5)] == [False, True, False, False, False]
    assert changed.find_false_leaves() == []
    assert (changed.erased, changed.first, changed.end) == (1, 3, 8)
    assert changed.leaves[:96] == run.leaves[:96]
    assert changed.entries() == changed.entries()[: 4 * 38]
    for name in COLUMNS:
        column = getattr(changed, name) or b""
        for secret in (pieces[1].sha256, b"file 1.png"):
            assert secret is None or secret not in column
    assert read(changed.replace({1: pieces[1], 3: pieces[3]})) == pieces


def test_many_pieces_take_several_runs_and_many_kinds_are_kept():
    pieces = [
        replace(row, source=f"{at % 300}:{row.source}")
        for at, row in enumerate(bare_run(900).rows())
    ]
    twice = [*pieces, *pieces]
    runs = list(pack_runs(10, twice))
    assert [(run.first, run.pieces) for run in runs] == [(10, 1_024), (1_034, 776)]
    assert [row for run in runs for row in run.rows()] == twice
    for run in runs:
        run.check()


@native
@pytest.mark.parametrize("implementation", NATIVE.IMPLEMENTATIONS if NATIVE else [])
def test_every_implementation_gives_the_same_leaves(implementation: str):
    numbers = random.Random(1)
    names = [("n" * numbers.choice([1, 30, 60, 300, 900, 4_096])).encode() for _ in range(200)]
    kind = Kind("made", has_sha256=True, prefix="digest:")
    run = make_run(
        0, kinds=[kind], codes=bytes(200), names=join_texts(names),
        sha256=numbers.randbytes(32 * 200), salts=numbers.randbytes(32 * 200), accepted_at=TIME,
    )  # fmt: skip
    assert NATIVE.find_false_leaves(run.native_columns, implementation) == []
    completed = NATIVE.complete_run(run.native_columns, b"", implementation)
    assert completed == (run.leaves, run.tails, run.record_bytes)
    records = [run.make_record(at) for at in range(200)]
    leaves = [hashlib.sha256(b"\0" + record).digest() for record in records]
    assert run.leaves == b"".join(leaves)
    digests = [hashlib.sha256(record).digest() for record in records]
    for size in (1, 10, 32):
        entries = [digest[:size] + at.to_bytes(6, "big") for at, digest in enumerate(digests)]
        listed = NATIVE.list_record_entries(run.native_columns, size, implementation)
        assert listed == b"".join(entries)
    for size in (-1, 0, 33):
        with pytest.raises(ValueError, match="1 to 32"):
            NATIVE.list_record_entries(run.native_columns, size)


# Making runs of new pieces


@given(
    inputs=st.lists(
        st.tuples(
            st.tuples(digests, st.none()) | st.tuples(digests, digests), texts | st.none(), sizes
        ),
        min_size=1,
        max_size=20,
    ),
    prefix=st.sampled_from(["digest:", "/srv/files/", "tenant:é:", ""]),
    unique=st.sampled_from([b"", b"key:abc", bytes(200)]),
)
@settings(max_examples=examples(300), deadline=None)
def test_a_run_is_made_as_submissions_are_prepared_one_by_one(
    inputs: list[tuple[tuple[bytes, bytes | None], str | None, int | None]],
    prefix: str,
    unique: bytes,
):
    kinds: dict[Kind, int] = {}
    codes = bytearray()
    expected = []
    for (sha256, sm3), given_name, size in inputs:
        name = given_name or record_parts.name_by_digest(sha256, sm3)
        found = Digests(sha256=sha256, sm3=sm3, size=size)
        submission = EvidenceInput(
            source=prefix + name, name=name, digests=found, media_type="text/x"
        )
        named = BLOCK if size else None
        expected.append(prepare_evidence(submission, unique, bytes(32), TIME, LOG, named))
        kind = Kind(
            "made", has_sha256=True, has_sm3=sm3 is not None, has_size=size is not None,
            is_named_by_digest=given_name is None, log=LOG.hex(), media_type="text/x",
            prefix=prefix, not_before=named and named.encode(),
        )  # fmt: skip
        codes.append(kinds.setdefault(kind, len(kinds)))
    arguments: dict[str, Any] = {
        "kinds": list(kinds),
        "codes": bytes(codes),
        "names": join_texts([(name or "").encode() for _, name, _ in inputs]),
        "salts": bytes(32 * len(inputs)),
        "accepted_at": TIME,
        "sha256": b"".join(sha256 for (sha256, _), _, _ in inputs),
        "sm3": b"".join(sm3 or bytes(32) for (_, sm3), _, _ in inputs),
        "sizes": b"".join((size or 0).to_bytes(8, "little") for _, _, size in inputs),
        "unique": unique,
    }
    run = make_run(5, **arguments)
    run.check()
    assert [(row.identity, row.record, row.leaf, row.source) for row in run.rows()] == [
        (row.identity, row.record, row.leaf, row.source) for row in expected
    ]
    assert run.find_false_leaves() == []
    assert run.record_bytes == sum(len(row.record) for row in expected)
    with in_python():
        assert make_run(5, **arguments) == run


@pytest.mark.parametrize("is_native", [pytest.param(True, marks=native), False])
def test_runs_that_cannot_be_made_are_refused(is_native: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(columns, "IS_NATIVE", is_native)
    kind = Kind("made", has_sha256=True, prefix="digest:")
    good: dict[str, Any] = {
        "kinds": [kind], "codes": bytes(2), "names": join_texts([b"a", b"b"]), "sha256": bytes(64),
        "salts": bytes(64), "accepted_at": TIME,
    }  # fmt: skip
    make_run(0, **good)
    for changes, wrong in (
        ({"names": join_texts([b"a", b""])}, MalformedError),
        ({"names": join_texts([b"a", b"n" * 4_097])}, MalformedError),
        ({"names": join_texts([b"a", b"\xff"])}, ValueError),
        ({"names": join_texts([b"a"])}, ValueError),
        ({"codes": b"\0\1"}, ValueError),
        ({"sha256": bytes(63)}, ValueError),
        ({"sha256": None}, ValueError),
        ({"salts": bytes(65)}, ValueError),
        ({"kinds": [kind._replace(prefix=None)]}, ValueError),
        ({"kinds": [kind._replace(content="kept")]}, ValueError),
        ({"kinds": [kind._replace(has_start=True)]}, ValueError),
    ):
        with pytest.raises(wrong):
            make_run(0, **{**good, **changes})


def test_a_long_distinction_is_hashed_in_python():
    kind = Kind("made", has_sha256=True, prefix="p" * 70_000)
    run = make_run(
        0, kinds=[kind], codes=bytes(1), names=join_texts([b"a"]), sha256=bytes(32),
        salts=bytes(32), accepted_at=TIME,
    )  # fmt: skip
    source = run.source(0)
    assert source == "p" * 70_000 + "a"
    assert run.tails == columns.hash_distinction(source, bytes(32), None, b"")
    assert run.leaf(0) == Hash32(hash_leaf(run.make_record(0)))
