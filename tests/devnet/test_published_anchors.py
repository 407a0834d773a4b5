"""The published list of anchors is proven complete, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.disasters import sql
from support.projects import Site
from support.publication_reading import Reader, files
from support.publication_reading import devnet as devnet
from support.publication_reading import place as place
from support.publication_reading import server as server
from support.publication_reading import site as site
from support.publications import (
    grow,
    publish,
    refusal,
    submissions,
)

from anchor.base.errors import ExitCode
from anchor.base.system.clock import utc_now
from anchor.base.types import Hash32, Head
from anchor.log.publication import (
    MAX_FILE_BYTES,
    PublicationFolder,
    encode_anchors,
    parse_anchors,
    read_anchors,
)
from anchor.operate.acceptance import accept
from anchor.operate.publishing import publish_log
from anchor.store.heads import load_heads
from anchor.store.sealing import seal

pytestmark = pytest.mark.release


def test_the_published_list_of_anchors_is_proven_complete(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.log.publication.ANCHORS_PER_FILE", 2)
    monkeypatch.setattr("anchor.operate.publishing.ANCHORS_PER_FILE", 2)
    for count in range(1, 6):
        grow(site, count)
        publish(site, place)
        reader = Reader(site)
        assert reader.check(place).anchor.sequence == count
    parts = [data for name, data in sorted(files(place).items()) if name.startswith("anchors/")]
    assert [data.count(b"\n") for data in parts] == [2, 2, 1]
    with site.open() as project, project.database.read() as connection:
        heads = load_heads(connection)
    assert b"".join(parts) == b"".join(b"%d %s\n" % (h.size, h.root.hex().encode()) for h in heads)
    for count, head in enumerate(heads, start=1):  # what is newer is passed over
        assert list(read_anchors(PublicationFolder(place), head)) == heads[:count]
    (place / "anchors/001").unlink()
    error = refusal(reader.check, place)
    assert (error.exit_code, reader.told) == (ExitCode.CANNOT_CHECK, list(range(1, 9)))
    assert "anchors/001 is missing" in error.message


@pytest.mark.parametrize(
    ("edit", "code", "expected"),
    [
        (lambda lines: [lines[0], lines[2]], ExitCode.MISMATCH, "published as anchor 2"),
        (lambda lines: lines[1:], ExitCode.MISMATCH, "published as anchor 1"),
        (lambda lines: [lines[0][:2] + b"0" * 64 + b"\n", *lines[1:]], ExitCode.MISMATCH,
         "the first 1 leaf hashes do not lead to the root"),
        (lambda lines: [*lines[:2], lines[2][:2] + b"0" * 64 + b"\n"], ExitCode.MISMATCH,
         "first 6 leaf hashes do not lead to the root"),
        (lambda lines: lines[:2], ExitCode.USAGE, "do not include one of the checkpoint's size 6"),
        (lambda lines: [*lines[:2], b"7" + lines[2][1:]], ExitCode.USAGE, "do not include one"),
        (lambda lines: [lines[1], lines[0], lines[2]], ExitCode.USAGE, "size 1 follows size 3"),
        (lambda lines: [lines[0], *lines], ExitCode.USAGE, "size 1 follows size 1"),
        (lambda lines: [*lines[:2], lines[2][:-1]], ExitCode.USAGE, "is not a list"),
        (lambda lines: [line.upper() for line in lines], ExitCode.USAGE, "is not a list"),
        (lambda lines: [b"0" + line for line in lines], ExitCode.USAGE, "is not a list"),
    ],
)  # fmt: skip
def test_a_list_of_anchors_with_a_gap_or_of_another_form_is_refused(
    site: Site, place: Path, edit: Any, code: ExitCode, expected: str
) -> None:
    for count in (1, 2, 3):
        grow(site, count)
    publish(site, place)
    path = place / "anchors/000"
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    reader = Reader(site)
    error = refusal(reader.check, place)
    assert (error.exit_code, expected in error.message) == (code, True), error.message
    assert reader.told == list(range(1, 9))


def test_a_head_that_was_never_anchored_is_not_taken_for_an_anchor(site: Site, place: Path) -> None:
    grow(site, 1)
    with site.lead() as project:
        accept(project, submissions(1))
        seal(project.database, utc_now())  # a head that is covered by the next one
    grow(site, 1)
    publish(site, place)
    with site.open() as project, project.database.read() as connection:
        heads = load_heads(connection)
    (place / "anchors/000").write_bytes(encode_anchors(heads))
    error = refusal(Reader(site).check, place)
    assert error.exit_code == ExitCode.NOT_ANCHORED
    assert "which is published as anchor 2" in error.message


def test_without_a_list_the_last_step_cannot_tell_and_fails_nothing(
    site: Site, place: Path
) -> None:
    grow(site, 3)
    publish(site, place)
    (place / "anchors/000").unlink()
    shown = site.run("audit", place).expect(0, "VERIFIED")
    assert " 9. cannot tell " in shown.out


def test_no_checkpoint_is_published_that_the_list_of_anchors_does_not_lead_to(
    site: Site, place: Path
) -> None:
    """An anchor was not noted, and the node that could tell of it is away."""
    grow(site, 1)
    publish(site, place)
    grow(site, 2)
    grow(site, 3)
    sql(site, "UPDATE anchors SET final = 1")
    sql(site, "DELETE FROM anchors WHERE head_size = 3")
    before = files(place)
    with site.open() as project:
        error = refusal(publish_log, project, PublicationFolder(place))
        assert error.exit_code == ExitCode.CANNOT_CHECK
        assert "anchor 2 of this log is unknown" in error.message
        assert files(place) == before
        publish_log(project, PublicationFolder(place / "other"))
    assert "anchors/000" not in files(place / "other"), "a list with a gap would prove nothing"
    shown = site.run("export-log", place, env={"ANCHOR_CHAIN__RPC": "http://127.0.0.1:1"})
    shown.refused(20, "anchor 2 of this log is unknown")
    site.run("export-log", place).expect(0)
    reader = Reader(site)
    assert (reader.check(place).anchor.sequence, reader.told[-1]) == (3, 12)


def test_a_list_of_anchors_is_read_within_bounds() -> None:
    heads = [Head(root=Hash32(bytes(32)), size=size) for size in range(1, 514)]
    data = encode_anchors(heads)
    assert parse_anchors(encode_anchors(heads[:512]), after=0, subject="it") == heads[:512]
    assert "not a list" in refusal(parse_anchors, data, after=0, subject="it").message
    largest = b"%d %s\n" % (2**48 - 1, b"0" * 64)
    assert parse_anchors(largest, after=0, subject="it")[0].size == 2**48 - 1
    too_large = b"%d %s\n" % (2**48, b"0" * 64)
    assert "follows size 0" in refusal(parse_anchors, too_large, after=0, subject="it").message
    assert 512 * len(largest) < MAX_FILE_BYTES
