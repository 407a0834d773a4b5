"""Submissions become the same evidence in runs as one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from anchor.base.digests import Digests
from anchor.base.errors import MalformedError
from anchor.base.types import LogId
from anchor.operate import acceptance
from anchor.operate.acceptance import EvidenceInput, digest_input
from anchor.project.project import OpenProject
from anchor.store.columns import MOST_PIECES, Run

LOG = LogId(bytes(range(32)))
NOW = "2026-01-02T03:04:05.678Z"
PROJECT = cast(OpenProject, SimpleNamespace(config=SimpleNamespace(log=LOG)))


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every record the same salt and time."""
    monkeypatch.setattr(acceptance.secrets, "token_bytes", lambda count: bytes(count))
    monkeypatch.setattr(acceptance, "utc_now", lambda: NOW)


HASHES = st.binary(min_size=32, max_size=32)
DIGESTS = st.builds(
    Digests,
    sha256=HASHES,
    sm3=st.none() | HASHES,
    size=st.none() | st.sampled_from([0, 1, 2**53 - 1]) | st.integers(0, 10**9),
) | st.builds(Digests, sha256=st.none(), sm3=HASHES, size=st.none())
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
INPUTS = st.builds(
    lambda prefix, name, digests, media: EvidenceInput(
        source=prefix + name, name=name, digests=digests, media_type=media
    ),
    st.sampled_from(["/srv/a/", "/srv/é/", "receipt:", ""]),
    NAMES | st.sampled_from(["a.pdf", "b.tar.gz"]),
    DIGESTS,
    st.none() | st.just("text/x"),
) | st.builds(digest_input, DIGESTS)


def by_rows(submissions: list[EvidenceInput]) -> list[object]:
    return [tuple(row) for row in acceptance._prepare(PROJECT, submissions, again=False)]


def by_runs(submissions: list[EvidenceInput]) -> list[object]:
    found: list[object] = []
    for item in acceptance._prepare_runs(PROJECT, submissions, again=False):
        rows: list[Any] = item.rows() if isinstance(item, Run) else [item]
        found += (
            (
                row.identity, row.source, row.sha256, row.sm3, row.record, row.leaf,
                row.accepted_at,
            )
            for row in rows
        )  # fmt: skip
    return found


@given(st.lists(INPUTS, min_size=1, max_size=20))
@settings(max_examples=examples(300), deadline=None)
def test_submissions_in_a_run_are_what_they_are_one_by_one(submissions: list[EvidenceInput]):
    assert by_runs(submissions) == by_rows(submissions)


def inputs(count: int, **changes: Any) -> list[EvidenceInput]:
    values: dict[str, Any] = {"source": "/srv/files/name", "name": "name"} | changes
    return [
        EvidenceInput(
            digests=Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=number), **values
        )
        for number in range(count)
    ]


def test_many_become_full_runs():
    runs = list(acceptance._prepare_runs(PROJECT, inputs(2_500), again=False))
    assert [run.pieces for run in runs if isinstance(run, Run)] == [MOST_PIECES, MOST_PIECES, 452]


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "/srv/other"},
        {"source": "tenant:acme/name"},
        {"source": "/srv/\udcff/name"},
    ],
)
def test_what_fits_in_no_run_comes_one_by_one(changes: dict[str, Any]):
    submissions = [*inputs(3), *inputs(2, **changes)]
    items = list(acceptance._prepare_runs(PROJECT, submissions, again=False))
    assert not any(isinstance(item, Run) for item in items)
    assert by_runs(submissions) == by_rows(submissions)


def test_a_repeated_intake_makes_each_piece_another_one(monkeypatch: pytest.MonkeyPatch):
    numbers = iter(range(1_000))
    monkeypatch.setattr(
        acceptance.secrets, "token_bytes", lambda count: next(numbers).to_bytes(count, "big")
    )
    items = list(acceptance._prepare_runs(PROJECT, inputs(1) * 20, again=True))
    assert not any(isinstance(item, Run) for item in items)
    assert len({item.identity for item in items if not isinstance(item, Run)}) == 20


def test_many_folders_come_one_by_one():
    submissions = [
        EvidenceInput(source=f"/srv/{number}/n", name="n", digests=each.digests)
        for number, each in enumerate(inputs(200))
    ]
    assert by_runs(submissions) == by_rows(submissions)


@pytest.mark.parametrize(
    "changes", [{"name": "x" * 4_097}, {"name": "\ud800"}, {"name": ""}], ids=str
)
def test_what_cannot_be_recorded_is_refused(changes: dict[str, Any]):
    submissions = inputs(3, **changes, source=f"/srv/{changes['name']}")
    with pytest.raises(MalformedError):
        by_runs(submissions)
