"""One's own log is audited, and its tiles are made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.disasters import sql
from support.projects import Site
from support.publication_reading import Reader, files, flip
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
from support.store_contents import alter_piece, lose_piece

from anchor.base.errors import ExitCode
from anchor.base.system.clock import utc_now
from anchor.operate.acceptance import accept
from anchor.recovery.store_audit import audit_project, rebuild_tiles
from anchor.store.sealing import read_leaves, seal, write_tiles

pytestmark = pytest.mark.release


def audited(site: Site) -> tuple[str, ...]:
    with site.open() as project:
        return audit_project(project).breaches


def test_an_audit_of_a_whole_log_finds_nothing(site: Site) -> None:
    assert audited(site) == ()
    grow(site, 2)
    grow(site, 300)
    with site.open() as project:
        audit = audit_project(project)
    assert (audit.leaves, audit.heads, audit.breaches) == (302, 2, ())


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
def test_an_audit_names_the_tile_in_which_a_bit_was_flipped(site: Site, path: str) -> None:
    grow(site, 300)
    size = (site.folder / "tiles" / path).stat().st_size
    for bit in (0, 8 * size - 1):
        flip(site.folder / "tiles" / path, bit)
        (breach,) = audited(site)
        assert breach == f"{path} was altered: its hash {bit // 256} is not the log's"
        flip(site.folder / "tiles" / path, bit)
    assert audited(site) == ()


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (lambda site: alter_piece(site, 1, record=b"{}"), "the record of leaf 1"),
        (lambda site: alter_piece(site, 1, leaf=bytes(32)), "the record of leaf 1"),
        (
            lambda site: sql(site, "UPDATE heads SET root = zeroblob(32)"),
            "the root of the head of size 3",
        ),
        (
            lambda site: sql(site, "UPDATE heads SET right_edge = zeroblob(64)"),
            "the right edge stored",
        ),
        (lambda site: lose_piece(site, 1), "leaf 1 is missing"),
        (lambda site: lose_piece(site, 2), "leaf 2 and all after it are missing"),
        (lambda site: lose_piece(site, 2), "cannot be recomputed"),
        (
            lambda site: alter_piece(site, 1, identity=bytes(32)),
            "3 are entered for 3 pieces",
        ),
        (lambda site: sql(site, "DELETE FROM fingerprints"), "0 are entered for 3 pieces"),
        (
            lambda site: sql(site, "DELETE FROM fingerprints WHERE run = 4"),
            "index of preservation numbers differs from the evidence: 0 are entered for 3 pieces",
        ),
        (lambda site: sql(site, "UPDATE record_index SET size = 2"), "3 are entered for 2 pieces"),
        (
            lambda site: sql(site, "INSERT INTO keys VALUES (zeroblob(32), 3)"),
            "1 idempotency keys belong to no evidence",
        ),
        (
            lambda site: sql(site, "UPDATE runs SET tails = substr(tails, 2)"),
            "the stored pieces 0 to 2 are damaged",
        ),
    ],
)
def test_an_audit_names_what_was_altered_in_the_store(
    site: Site, alter: Callable[[Site], None], expected: str
) -> None:
    grow(site, 3)
    alter(site)
    breaches = audited(site)
    assert any(expected in breach for breach in breaches), breaches


def test_one_missing_leaf_is_named_once_in_each_place_that_misses_it(site: Site) -> None:
    grow(site, 2)
    grow(site, 3)
    lose_piece(site, 1)
    assert [breach.partition(":")[0] for breach in audited(site)] == [
        "leaf 1 is missing",
        "the index of identities differs from the evidence",
        "the head of size 2 cannot be recomputed",
        "the tiles cannot be rebuilt",
    ]


def test_an_erased_record_is_no_breach(site: Site) -> None:
    grow(site, 3)
    alter_piece(site, 1, record=None)
    assert audited(site) == ()


def test_an_audit_names_missing_short_and_foreign_files_and_a_rebuild_mends_them(
    site: Site,
) -> None:
    grow(site, 300)
    tiles = site.folder / "tiles"
    (tiles / "tile/0/000").unlink()
    (tiles / "tile/1/000.p/1").write_bytes(bytes(31))
    (tiles / "tile/0/notes.txt").write_bytes(b"")
    found = "\n".join(audited(site))
    assert "tile/0/000 is missing" in found
    assert "tile/1/000.p/1 has 31 bytes instead of 32" in found
    assert "tile/0/notes.txt" in found
    (tiles / "tile/0/notes.txt").unlink()
    with site.open() as project:
        assert rebuild_tiles(project) == 300
    assert audited(site) == ()


def test_tiles_of_a_future_that_was_lost_are_named_and_removed(site: Site, place: Path) -> None:
    """A backup was restored: tiles that were made after it are of leaves that never were."""
    grow(site, 3)
    backup = (site.folder / "anchor.db").read_bytes()
    with site.lead() as project:
        accept(project, submissions(300))
        seal(project.database, utc_now())
        write_tiles(project.database, project.tiles)
    for file in site.folder.glob("anchor.db*"):
        file.unlink()
    (site.folder / "anchor.db").write_bytes(backup)
    size = site.folder / "tiles/size"
    assert audited(site) == (f"{size} states tiles for 303 leaves, but the log has 3",)
    (site.folder / "tiles/size").write_bytes(b"3\n")
    found = audited(site)
    assert "tile/0/000 holds hashes of leaves that the log does not have" in found
    assert "tile/0/001.p/47 holds hashes of leaves that the log does not have" in found
    with site.open() as project:
        rebuild_tiles(project)
    assert audited(site) == ()
    assert set(files(site.folder / "tiles")) == {"size", "tile/0/000.p/3"}
    grow(site, 1)
    publish(site, place)
    assert Reader(site).check(place).checkpoint.head.size == 4


def test_a_rebuild_keeps_the_tiles_where_the_leaves_were_altered(site: Site) -> None:
    """They may then be the last place that has the leaves' hashes."""
    grow(site, 3)
    before = files(site.folder / "tiles")
    alter_piece(site, 1, leaf=bytes(32))
    with site.open() as project:
        error = refusal(rebuild_tiles, project)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "no longer lead to the root of the head of size 3" in error.message
    assert files(site.folder / "tiles") == before


def test_what_a_crash_leaves_in_the_tiles_is_no_breach(site: Site) -> None:
    """Unfinished files, narrower tiles, and wider ones than are noted."""
    grow(site, 3)
    tiles = site.folder / "tiles"
    narrower = (tiles / "tile/0/000.p/3").read_bytes()
    (tiles / "tile/0/.anchor-0123456789abcdef.tmp").write_bytes(b"unfinished")
    grow(site, 2)
    (tiles / "tile/0/000.p/3").write_bytes(narrower)
    (tiles / "size").write_bytes(b"3\n")
    assert audited(site) == ()
    flip(tiles / "tile/0/000.p/3", 8)
    assert audited(site) == ("tile/0/000.p/3 was altered: its hash 0 is not the log's",)
    flip(tiles / "tile/0/000.p/3", 8)
    with site.open() as project:
        rebuild_tiles(project)
    assert set(files(tiles)) == {"size", "tile/0/000.p/5"}


def test_damaged_tiles_stop_the_work_and_a_rebuild_lets_it_go_on(site: Site) -> None:
    grow(site, 3)
    flip(site.folder / "tiles/tile/0/000.p/3", 0)
    site.add("a.txt", b"a")
    error = refusal(site.anchor)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "tile/0/000.p/3 does not match the log's right edge" in error.message
    assert error.hint is not None and "--rebuild" in error.hint
    with site.open() as project:
        rebuild_tiles(project)
    site.anchor()
    assert audited(site) == ()


def test_tiles_of_another_size_than_any_head_stop_the_work(site: Site) -> None:
    grow(site, 3)
    (site.folder / "tiles/size").write_text("2\n")
    site.add("a.txt", b"a")
    assert "a size that this log never had" in refusal(site.anchor).message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4\n", "tiles/size states tiles for 4 leaves, but the log has 3"),
     ("", "does not hold a number of leaves")],
)  # fmt: skip
def test_an_audit_names_a_note_of_the_size_that_cannot_be(
    site: Site, text: str, expected: str
) -> None:
    grow(site, 3)
    (site.folder / "tiles/size").write_text(text)
    (breach,) = audited(site)
    assert expected in breach


def test_leaves_without_tiles_yet_are_no_breach(site: Site) -> None:
    grow(site, 3)
    site.add("a.txt", b"a")
    with site.lead() as project:
        seal(project.database, "2026-01-01T00:00:00Z")
        audit = audit_project(project)
    assert (audit.leaves, audit.heads, audit.breaches) == (4, 2, ())


def test_an_audit_names_a_hundred_breaches_at_most_and_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.recovery.store_audit.MAX_BREACHES", 2)
    grow(site, 4)
    for count, expected in [(1, 1), (2, 3), (3, 3)]:
        alter_piece(site, count - 1, record=b"{}")
        breaches = audited(site)
        assert len(breaches) == expected
        assert ("the audit stopped after 2" in breaches[-1]) == (count > 1)


def test_a_long_log_is_read_and_its_tiles_are_made_in_chunks(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.store.sealing.CHUNK", 100)
    grow(site, 3)
    grow(site, 300)
    assert audited(site) == ()
    with site.open() as project:
        chunks = read_leaves(project.database, 3, 301)
        assert [len(leaves) // 32 for leaves in chunks] == [97, 100, 100, 1]
        assert rebuild_tiles(project) == 303


def test_of_leaves_that_were_altered_or_lost_no_tile_is_made(site: Site) -> None:
    grow(site, 3)
    shutil.rmtree(site.folder / "tiles")
    alterations: list[tuple[Callable[[], None], str]] = [
        (lambda: alter_piece(site, 1, leaf=bytes(32)), "no longer lead to the root"),
        (lambda: lose_piece(site, 2), "of the log's leaves 0 to 2, the store holds only 2"),
    ]
    for alter, expected in alterations:
        alter()
        with site.open() as project:
            error = refusal(rebuild_tiles, project)
        assert error.exit_code == ExitCode.CHAIN_GUARD
        assert expected in error.message
        assert not (site.folder / "tiles").exists()


def test_a_log_whose_tiles_were_lost_makes_them_again(site: Site) -> None:
    grow(site, 3)
    shutil.rmtree(site.folder / "tiles")
    site.add("a.txt", b"a")
    site.anchor()
    assert audited(site) == ()
