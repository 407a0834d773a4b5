"""Record batches come to the same as JSON lines with their rows; no other stream is read."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service.conftest import Desk
from support.examples import examples
from support.nodes import wait_until
from support.page_service import PageService
from support.service import NDJSON, answers, bearer, digest, lines
from support.store_contents import load_pieces

from anchor.client import Client
from anchor.errors import UsageError
from anchor.evidence.not_before import NotBefore
from anchor.messages.message import Message
from anchor.service import bulk_arrow
from anchor.service.arrow_messages import MAX_BODY
from anchor.service.bulk_answers import ArrowAnswers
from anchor.service.bulk_arrow import ArrowReader
from anchor.service.problems import Problem
from anchor.service.submission import Origin, read_submission
from anchor.store.columns import Run
from anchor.types import Address, ChainId, Hash32, Stage, make_log_id

TYPE = {"Content-Type": "application/vnd.apache.arrow.stream"}
ARROW = TYPE | {"Accept": "application/vnd.apache.arrow.stream"}
LOG = make_log_id(Address(b"\x0a" * 20), 0)
NOW = "2026-01-01T00:00:00.000Z"
SCHEMA = pa.schema(
    [
        ("sha256", pa.binary(32)),
        ("sm3", pa.binary(32)),
        ("size", pa.uint64()),
        ("name", pa.utf8()),
    ]
)


BLOCK = NotBefore(chain_id=ChainId(1), block_number=20_000_000, block_hash=Hash32(b"\xab" * 32))


def origin(key: str | None = None) -> Origin:
    return Origin(
        tenant="t",
        key=key,
        recorded_at=NOW,
        log=LOG,
        not_before=None if key else BLOCK,
        random_bytes=lambda count: b"\x07" * count,
    )


def stream(*batches: pa.RecordBatch, **options: Any) -> bytes:
    sink = io.BytesIO()
    schema = batches[0].schema
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def batch_of(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def named(numbers: range) -> pa.RecordBatch:
    rows = [{"sha256": bytes.fromhex(digest(n)), "name": f"evidence {n}.pdf"} for n in numbers]
    return batch_of(rows, pa.schema([SCHEMA.field("sha256"), SCHEMA.field("name")]))


def read_all(data: bytes, from_whom: Origin, cuts: tuple[int, ...] = ()) -> list[Any]:
    """Return number and contents of every row, or the status and members of its problem."""
    reader = ArrowReader()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        reader.feed(data[start:end])
    reader.finish()
    found: list[Any] = []
    while reader.count:
        for number, entry in reader.read(5_000, from_whom):
            if isinstance(entry, Run):
                entry.check()
                found += (
                    (number + at, (row.identity, row.source, row.record))
                    for at, row in enumerate(entry.rows())
                )
            elif isinstance(entry, Problem):
                found.append((number, (entry.status, entry.members())))
            else:
                found.append((number, (entry.identity, entry.source, entry.record)))
    assert reader.size == 0
    return found


def read_as_json(row: dict[str, Any], from_whom: Origin) -> Any:
    members = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in row.items()
        if value is not None
    }
    try:
        found = read_submission(json.dumps(members).encode(), from_whom, max_bytes=100_000)
    except Problem as problem:
        return problem.status, problem.members()
    return found.identity, found.source, found.record


HASHES = st.binary(min_size=32, max_size=32)
ROWS = st.fixed_dictionaries(
    {
        "sha256": HASHES | HASHES | st.none(),
        "sm3": st.none() | HASHES,
        "size": st.none() | st.integers(0, 2**53 - 1),
        "name": st.none()
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        | st.sampled_from(["a.pdf", "b.tar.gz", "é.é", "\0", "", "x" * 4_096, "é" * 4_097]),
    }
)
# So that most batches are read as a whole.
UNIFORM = st.fixed_dictionaries(
    {
        "sha256": HASHES,
        "sm3": HASHES,
        "size": st.integers(0, 2**53 - 1),
        "name": st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    }
)


@given(
    st.lists(ROWS, min_size=1, max_size=8) | st.lists(UNIFORM, min_size=1, max_size=30),
    st.sets(st.sampled_from(["sm3", "size", "name"])),
    st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)),
    st.sampled_from([None, "k"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_a_row_comes_to_the_same_as_its_json(
    rows: list[dict[str, Any]], absent: set[str], cuts: tuple[int, int], key: str | None
):
    schema = pa.schema([field for field in SCHEMA if field.name not in absent])
    rows = [{name: row[name] for name in schema.names} for row in rows]
    expected = [
        (number, read_as_json(row, origin(key))) for number, row in enumerate([*rows, *rows], 1)
    ]
    batch = batch_of(rows, schema)
    data = stream(batch, batch.slice(0, 0), batch)
    found = read_all(data, origin(key), cuts)
    for (number, one), (_, other) in zip(found, expected, strict=True):
        if isinstance(one[0], int):  # each problem has an id of its own
            assert (one[0], one[1].get("errors")) == (other[0], other[1].get("errors")), number
        else:
            assert one == other, number


def test_names_that_are_null_may_have_bytes_and_slices_have_offsets():
    names = pa.Array.from_buffers(
        pa.utf8(),
        3,
        [
            pa.py_buffer(b"\x05"),  # the second one is null
            pa.py_buffer(struct.pack("<4i", 0, 1, 9, 10)),
            pa.py_buffer(b"aHIDDEN!b"[:9] + b"b"),
        ],
    )
    digests = pa.array([bytes([n]) * 32 for n in range(3)], pa.binary(32))
    batch = pa.RecordBatch.from_arrays([digests, names], ["sha256", "name"])
    for part in (batch, batch.slice(1), batch.slice(0, 2)):
        data = stream(part)
        found = read_all(data, origin())
        rows = part.to_pylist()
        assert [each[1] for each in found] == [read_as_json(row, origin()) for row in rows]


def test_a_size_that_json_cannot_hold_is_refused():
    rows = [{"sha256": bytes([n]) * 32, "size": size} for n, size in enumerate([1, 2**53, 3])]
    first, second, third = read_all(stream(batch_of(rows)), origin())
    status, members = second[1]
    assert (status, [each["pointer"] for each in members["errors"]]) == (422, ["/size"])
    assert json.loads(first[1][2])["size"] == 1 and json.loads(third[1][2])["size"] == 3


def test_large_batches_become_full_runs():
    reader = ArrowReader()
    reader.feed(stream(named(range(2_500))))
    entries = []
    while reader.count:
        entries += reader.read(5_000, origin())
    assert [(number, run.pieces) for number, run in entries if isinstance(run, Run)] == [
        (1, 1_024), (1_025, 1_024), (2_049, 452),
    ]  # fmt: skip


# What is refused


def schema_problem(schema: pa.Schema) -> dict[str, Any]:
    arrays = [pa.nulls(1, field.type) for field in schema]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    with pytest.raises(Problem) as caught:
        read_all(stream(batch), origin())
    assert caught.value.status == 422
    return {error["pointer"]: error["message"] for error in caught.value.members()["errors"]}


def test_other_columns_are_named():
    digests = SCHEMA.field("sha256")
    assert schema_problem(pa.schema([digests, ("mime", pa.utf8())])).keys() == {"/mime"}
    assert schema_problem(pa.schema([("name", pa.utf8())])).keys() == {"/sha256"}
    assert schema_problem(pa.schema([digests, digests])).keys() == {"/sha256"}
    for type_ in (pa.large_utf8(), pa.binary(), pa.dictionary(pa.int8(), pa.utf8())):
        if not pa.types.is_dictionary(type_):
            wrong = schema_problem(pa.schema([digests, ("name", type_)]))
            assert wrong == {"/name": "not of the type string"}
    for name, type_ in (("sha256", pa.binary(31)), ("size", pa.int64()), ("sm3", pa.utf8())):
        fields = [digests] if name != "sha256" else []
        assert schema_problem(pa.schema([*fields, (name, type_)])).keys() == {f"/{name}"}


def refused(data: bytes) -> int:
    with pytest.raises(Problem) as caught:
        read_all(data, origin())
    return caught.value.status


def test_compressed_and_long_batches_and_dictionaries_are_refused():
    batch = named(range(5_000))
    for codec in ("lz4", "zstd"):
        assert refused(stream(batch, compression=codec)) == 422
    long = pa.RecordBatch.from_arrays(
        [pa.array([bytes(32)], pa.binary(32)), pa.array(["x" * MAX_BODY])], ["sha256", "name"]
    )
    assert refused(stream(long)[:1_000]) == 413
    coded = pa.RecordBatch.from_arrays(
        [pa.array([bytes(32)], pa.binary(32)), pa.array(["x"]).dictionary_encode()],
        ["sha256", "name"],
    )
    assert refused(stream(coded)) == 422


def test_what_is_not_a_stream_is_refused():
    whole = stream(named(range(3)))
    schema = pa.ipc.read_schema(io.BytesIO(whole)).serialize().to_pybytes()
    assert read_all(whole[:-8], origin()) == read_all(whole, origin())  # the end mark is optional
    for data in (
        b"",
        b"{}",
        b'{"sha256":"00"}\n' * 9,
        whole[:-9],
        whole + b"\0",
        whole[:-8] + whole,
        whole[len(schema) :],
        schema + schema,
        b"\xff\xff\xff\xff\0\0\0\0",
        b"\xff\xff\xff\xff\x08\0\0\0" + bytes(8),
        b"\xff\xff\xff\xff\x08\0\0\0" + b"\xff" * 8,
        b"\xff\xff\xff\xff\xf8\xff\xff\xff",
    ):
        assert refused(data) == 400, data[:20]
    assert refused(b"\xff\xff\xff\xff\xf8\xff\xff\x0f") == 413


def test_names_that_are_not_utf8_are_refused():
    whole = stream(batch_of([{"sha256": bytes(32), "name": "names"}], named(range(1)).schema))
    assert refused(whole.replace(b"names", b"n\xffmes")) == 400


def bend(data: bytes, chance: random.Random) -> bytes:
    bent = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(bent))
        match chance.randrange(4):
            case 0:
                bent[at] ^= 1 << chance.randrange(8)
            case 1:
                bent[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                word = chance.choice([b"\xff" * 8, b"\0" * 8, struct.pack("<q", 1 << 40)])
                bent[at : at + 8] = word[: len(bent[at : at + 8])]
            case _:
                del bent[at : at + chance.randrange(9)]
    return bytes(bent)


@pytest.mark.parametrize("seed", range(4))
def test_bent_streams_are_refused_or_read_and_nothing_else(seed: int):
    chance = random.Random(seed)
    rows = [
        {"sha256": bytes([n]) * 32, "sm3": None, "size": n, "name": f"näme {n}"} for n in range(9)
    ]
    wholes = [stream(batch_of(rows)), stream(named(range(20)), named(range(3)))]
    kinds = set()
    for _ in range(examples(3_000)):
        data = bend(chance.choice(wholes), chance)
        try:
            read_all(data, origin(), (chance.randrange(len(data) + 1),))
        except Problem as problem:
            kinds.add(problem.status)
            assert problem.status in (400, 413, 422)
    assert 400 in kinds


# Over HTTP


def post(desk: Desk, data: bytes, headers: dict[str, str] = TYPE) -> httpx.Response:
    return desk.served.http.post("/v1/bulk", content=data, headers=desk.headers | headers)


def rows_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ARROW["Accept"]
    rows: list[dict[str, Any]] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    return rows


def test_rows_and_lines_of_the_same_evidence_are_the_same(desk: Desk):
    numbers = range(7_000, 8_500)
    batch = named(numbers)
    found = answers(post(desk, stream(batch.slice(0, 900), batch.slice(900))))
    assert found[-1] == {"lines": 1_500, "new": 1_500, "known": 0, "refused": 0}
    assert [each["line"] for each in found[:-1]] == list(range(1, 1_501))
    sent = desk.served.http.post("/v1/bulk", content=lines(numbers), headers=desk.headers | NDJSON)
    again = answers(sent)
    assert again[-1] == {"lines": 1_500, "new": 0, "known": 1_500, "refused": 0}
    rows = rows_of(post(desk, stream(batch), ARROW))
    ids = [each["id"] for each in found[:-1]]
    assert [each["id"] for each in again[:-1]] == ids
    assert [each["id"].hex() for each in rows] == ids
    assert {(each["known"], each["state"], each["problem"]) for each in rows} == {
        (True, "accepted", None)
    }


def test_answers_in_arrow_have_new_known_and_refused_rows(desk: Desk):
    batch = named(range(8_600, 8_610))
    wrong = batch_of([{"sha256": bytes(32), "name": ""}], batch.schema)
    answer = post(desk, stream(batch, wrong, batch.slice(0, 2)), ARROW)
    assert answer.content.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    rows = rows_of(answer)
    assert [each["line"] for each in rows] == list(range(1, 14))
    assert [each["known"] for each in rows] == [False] * 10 + [None] + [True] * 2
    assert [each["id"] is None for each in rows] == [False] * 10 + [True] + [False] * 2
    assert json.loads(rows[10]["problem"])["errors"][0]["pointer"] == "/name"
    assert {each["copies"] for each in rows} == {None}
    # Lines in, record batches out.
    sent = desk.served.http.post(
        "/v1/bulk",
        content=lines(range(8_700, 8_720)),
        headers=desk.headers | NDJSON | {"Accept": ARROW["Accept"]},
    )
    assert [each["known"] for each in rows_of(sent)] == [False] * 20


@pytest.mark.parametrize("headers", [TYPE, ARROW])
def test_a_stream_that_begins_wrong_is_answered_with_an_error_status(
    desk: Desk, headers: dict[str, str]
):
    whole = stream(named(range(3)))
    for data, status in (
        (b"{}", 400),
        (b"", 400),
        (whole[:100], 400),
        (stream(named(range(3)), compression="zstd"), 422),
        (whole.replace(b"name", b"nome"), 422),
    ):
        answer = post(desk, data, headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert "/nome" in [each["pointer"] for each in answer.json()["errors"]]


def test_a_stream_that_goes_wrong_is_answered_up_to_there(desk: Desk):
    def body(numbers: range) -> Iterator[bytes]:
        yield stream(named(numbers))[:-8]
        digests = {bytes.fromhex(digest(number)) for number in numbers}
        # So that these are written before the rest comes.
        wait_until(lambda: digests <= {piece.sha256 for piece in load_pieces(desk.site)})
        yield b"garbage, not a message"

    headers = desk.headers | TYPE
    sent = desk.served.http.post("/v1/bulk", content=body(range(8_800, 8_803)), headers=headers)
    found = answers(sent)
    assert [each.get("line") for each in found[:-1]] == [1, 2, 3]
    assert found[-1]["problem"]["status"] == 400
    headers |= ARROW
    sent = desk.served.http.post("/v1/bulk", content=body(range(8_803, 8_806)), headers=headers)
    (*rows, last) = rows_of(sent)
    assert [each["line"] for each in rows] == [1, 2, 3]
    assert last["line"] is None and json.loads(last["problem"])["status"] == 400


def test_the_client_submits_record_batches(desk: Desk):
    batches = [named(range(start, start + 3_000)) for start in range(10_000, 19_000, 3_000)]
    with Client(desk.served.url, desk.key) as client:
        parts = list(client.submit_batches(iter(batches)))
        assert [part.num_rows for part in parts] == [3_000] * 3
        assert not any(any(part["known"].to_pylist()) for part in parts)
        (again,) = client.submit_batches([batches[1]])
        assert again["id"].equals(parts[1]["id"])
        assert all(again["known"].to_pylist())
        with pytest.raises(UsageError, match="/other"):
            list(client.submit_batches([batches[0].rename_columns(["sha256", "other"])]))


@pytest.mark.parametrize("headers", [TYPE, NDJSON | {"Accept": ARROW["Accept"]}])
def test_without_the_package_it_is_named(
    served: PageService, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
):
    def fail(_name: str) -> None:  # as where it is missing, and beside a numpy that is too old
        raise ImportError

    monkeypatch.setattr(bulk_arrow, "import_module", fail)
    headers = bearer(served.reader) | headers
    answer = served.http.post("/v1/bulk", content=b"", headers=headers)
    assert answer.status_code == 415
    assert "pyarrow" in answer.json()["detail"]
    plain = served.http.post("/v1/bulk", content=b"", headers=bearer(served.reader) | NDJSON)
    assert plain.status_code == 200


def test_parts_of_an_arrow_answer_are_one_stream():
    told = ArrowAnswers()
    parts = [told.take()]
    told.accept(1, bytes(range(64)), 2)
    told.know(3, bytes(32), Stage.SEALED, None)
    parts.append(told.take())
    told.refuse(4, Problem(422, Message("bulk-arrow-compressed")))
    told.end({})
    parts.append(told.take())
    rows = pa.ipc.open_stream(b"".join(parts)).read_all().to_pylist()
    assert [(row["line"], row["known"], row["copies"]) for row in rows] == [
        (1, False, 2), (2, False, 2), (3, True, None), (4, None, None),
    ]  # fmt: skip
