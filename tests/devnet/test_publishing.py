"""A log is published: what goes out, and in what order."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.disasters import sql
from support.projects import Site, make_site
from support.publication_reading import Reader, files, flip
from support.publication_reading import devnet as devnet
from support.publication_reading import place as place
from support.publication_reading import server as server
from support.publication_reading import site as site
from support.publications import (
    NUMBERS,
    grow,
    publish,
    refusal,
)

from anchor.base.errors import ExitCode
from anchor.base.types import Head
from anchor.chain.devnet import Devnet
from anchor.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.log.merkle import hash_leaf
from anchor.log.publication import (
    CHECKPOINT,
    PublicationFolder,
    WebPublication,
    open_reader,
    open_writer,
)
from anchor.log.signed_note import generate_key, parse_verifier
from anchor.operate.publishing import publish_log
from anchor.project.log_key import checkpoint_origin, load_log_key
from anchor.store.heads import load_heads


def test_a_log_is_published_as_its_tiles_and_one_signed_checkpoint(site: Site, place: Path) -> None:
    grow(site, 3)
    published = publish(site, place)
    assert sorted(files(place)) == ["anchors/000", "checkpoint", "tile/0/000.p/3"]
    verifier = parse_verifier(published.verifier_key)
    checkpoint = open_checkpoint((place / CHECKPOINT).read_bytes(), verifier)
    assert checkpoint.head == published.head
    with site.open() as project:
        assert checkpoint.origin == verifier.name == checkpoint_origin(project.config)
        with project.database.read() as connection:
            assert load_heads(connection)[-1] == published.head


def test_a_second_run_writes_only_what_is_new(site: Site, place: Path) -> None:
    grow(site, 3)
    assert publish(site, place).tiles_written == 1
    before = files(place)
    again = publish(site, place)
    assert again.tiles_written == 0
    assert files(place) == before
    grow(site, 2)
    assert publish(site, place).tiles_written == 1
    after = files(place)
    assert after["tile/0/000.p/3"] == before["tile/0/000.p/3"], "a tile never changes"
    assert after["tile/0/000.p/5"][: 3 * 32] == before["tile/0/000.p/3"]
    assert Reader(site).check(place).checkpoint.head.size == 5


def test_nothing_is_published_before_it_is_final(site: Site, place: Path) -> None:
    site.add("a.txt", b"a")
    with site.open() as project:
        error = refusal(publish_log, project, open_writer(str(place)))
    assert error.exit_code == ExitCode.NOT_FINAL
    assert not place.exists()


def test_of_the_heads_only_the_newest_final_one_is_published(site: Site, place: Path) -> None:
    grow(site, 3)
    grow(site, 2)
    sql(site, "UPDATE anchors SET final = 0 WHERE head_size = 5")
    with site.open() as project:
        assert publish_log(project, PublicationFolder(place)).head.size == 3
        assert sorted(files(place)) == ["anchors/000", "checkpoint", "tile/0/000.p/3"]
        sql(site, "UPDATE anchors SET final = 0")
        error = refusal(publish_log, project, PublicationFolder(place))
    assert error.exit_code == ExitCode.NOT_FINAL


class Recorder:
    """A target that notes what is written, and fails before or after a given write."""

    def __init__(
        self, target: PublicationFolder, *, fails_at: int = -1, applied: bool = False
    ) -> None:
        self._target = target
        self._fails_at, self._applied = fails_at, applied
        self.written: list[list[str]] = []

    def read(self, path: str) -> bytes | None:
        return self._target.read(path)

    def create(self, files: Mapping[str, bytes]) -> None:
        self._write(list(files), lambda: self._target.create(files))

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        self._write([path], lambda: self._target.replace(path, data, before=before))

    def _write(self, paths: list[str], write: Callable[[], None]) -> None:
        fails = len(self.written) == self._fails_at
        self.written.append(paths)
        if not fails or self._applied:
            write()
        if fails:
            raise ZeroDivisionError


def test_tiles_are_written_before_the_checkpoint_that_needs_them(site: Site, place: Path) -> None:
    grow(site, 3)
    recorder = Recorder(PublicationFolder(place))
    with site.open() as project:
        publish_log(project, recorder)
    assert recorder.written == [["tile/0/000.p/3"], ["anchors/000"], [CHECKPOINT]]


def test_many_tiles_are_written_in_batches(
    site: Site, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.operate.publishing._BATCH", 2)
    grow(site, 256)
    with site.open() as project:
        recorder = Recorder(PublicationFolder(place))
        assert publish_log(project, recorder).tiles_written == 2
        assert recorder.written == [
            ["tile/0/000", "tile/1/000.p/1"], ["anchors/000"], [CHECKPOINT],
        ]  # fmt: skip
    grow(site, 300)
    with site.open() as project:
        recorder = Recorder(PublicationFolder(place))
        assert publish_log(project, recorder).tiles_written == 3
        assert recorder.written == [
            ["tile/0/001", "tile/0/002.p/44"], ["tile/1/000.p/2"], ["anchors/000"],
            [CHECKPOINT],
        ]  # fmt: skip
        recorder = Recorder(PublicationFolder(place))
        publish_log(project, recorder)
        assert recorder.written == []
    assert Reader(site).check(place).checkpoint.head.size == 556


def test_a_tile_of_ones_own_that_was_altered_is_not_published(site: Site, place: Path) -> None:
    grow(site, 300)
    tiles = site.folder / "tiles"
    flip(tiles / "tile/0/000", 9)
    error = refusal(publish, site, place)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert f"in {tiles}, tile/0/000 does not match the tile above it" in error.message
    assert error.hint is not None and "--rebuild" in error.hint
    flip(tiles / "tile/0/001.p/44", 9)
    error = refusal(publish, site, place)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert f"in {tiles}, the tiles on the right edge" in error.message
    assert error.hint is not None and "--rebuild" in error.hint
    assert not place.exists()


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "but applied"])
@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_publishing_that_fails_leaves_readers_the_old_log_and_goes_on(
    site: Site, place: Path, fails_at: int, applied: bool
) -> None:
    grow(site, 3)
    publish(site, place)
    grow(site, 2)
    with site.open() as project, pytest.raises(ZeroDivisionError):
        publish_log(project, Recorder(PublicationFolder(place), fails_at=fails_at, applied=applied))
    size = 5 if (fails_at, applied) == (2, True) else 3
    assert Reader(site).check(place).checkpoint.head.size == size
    assert publish(site, place).head.size == 5
    assert Reader(site).check(place).checkpoint.head.size == 5


def test_a_store_older_than_what_is_published_publishes_nothing(
    site: Site, place: Path, tmp_path: Path
) -> None:
    grow(site, 3)
    shutil.copytree(site.folder, tmp_path / "backup")
    grow(site, 2)
    publish(site, place)
    before = files(place)
    old = replace(site, folder=tmp_path / "backup")
    with old.open() as project:
        error = refusal(publish_log, project, open_writer(str(place)))
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "the published log has 5 leaves" in error.message
    assert files(place) == before


def test_a_place_that_holds_something_else_is_never_written_to(
    site: Site, place: Path, tmp_path: Path, devnet: Devnet
) -> None:
    other = make_site(tmp_path / "other", devnet, number=next(NUMBERS))
    grow(other, 3)
    publish(other, place)
    grow(site, 3)
    with site.open() as project:
        key, origin = load_log_key(project.config), checkpoint_origin(project.config)
        with project.database.read() as connection:
            (own,) = load_heads(connection)
    genuine = (place / CHECKPOINT).read_bytes()
    fork = Head(root=hash_leaf(b"fork"), size=2)
    for note, reason in (
        (genuine, "is not signed by this log's key"),
        (b"", "is damaged"),
        (b"hello\n", "is damaged"),
        (genuine.replace(b"\n3\n", b"\n2\n"), "is not signed by this log's key"),
        (sign_checkpoint(Checkpoint(origin=origin, head=fork), key), "its root of 2 leaves"),
        (sign_checkpoint(Checkpoint(origin=origin, head=own), generate_key(origin)),
            "is not signed by this log's key"),
    ):  # fmt: skip
        (place / CHECKPOINT).write_bytes(note)
        before = files(place)
        error = refusal(publish, site, place)
        assert error.exit_code == ExitCode.CHAIN_GUARD
        assert "holds something else" in error.message
        assert reason in error.message
        assert files(place) == before


def test_tiles_without_a_checkpoint_are_gone_on_with_only_if_they_are_ours(
    site: Site, place: Path
) -> None:
    grow(site, 256)
    publish(site, place)
    (place / CHECKPOINT).unlink()
    assert publish(site, place).head.size == 256
    (place / CHECKPOINT).unlink()
    flip(place / "tile/0/000", 3)
    assert "tiles of another log" in refusal(publish, site, place).message


@pytest.mark.parametrize("spoil", ["missing", "foreign", "folder", "public", "binary"])
def test_without_its_key_a_log_is_not_published(site: Site, place: Path, spoil: str) -> None:
    grow(site, 1)
    key = site.folder / "log-key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text("ascii").splitlines()[1]
    key.unlink()
    if spoil == "folder":
        key.mkdir()
    elif spoil == "binary":
        key.write_bytes(b"\xff\x00")
    elif spoil != "missing":
        text = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
        key.write_text(text if spoil == "public" else "nothing")
    error = refusal(publish, site, place)
    assert error.exit_code == (ExitCode.STORAGE if spoil == "folder" else ExitCode.USAGE)
    assert str(key) in error.message
    assert secret not in f"{error.message}{error.hint}"
    assert not place.exists()


def test_a_file_url_is_a_folder(site: Site, place: Path) -> None:
    grow(site, 3)
    publish(site, f"file://{place}")
    assert isinstance(open_writer(f"file://{place}"), PublicationFolder)
    assert Reader(site).check(place).checkpoint.head.size == 3


@pytest.mark.parametrize("name", ["tile/0/000.p/5", "anchors/000"])
def test_a_file_with_other_bytes_is_never_replaced(site: Site, place: Path, name: str) -> None:
    grow(site, 3)
    publish(site, place)
    (place / name).write_bytes(b"4 " + b"0" * 64 + b"\n")
    before = files(place)
    grow(site, 2)
    error = refusal(publish, site, place)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert name in error.message
    assert files(place) == before


@pytest.mark.parametrize("place", ["http://127.0.0.1:1", "nosuch://bucket", "s3://a@bucket"])
def test_a_place_that_cannot_be_written_to_is_refused_in_one_sentence(place: str) -> None:
    error = refusal(open_writer, place)
    assert error.exit_code == ExitCode.USAGE
    assert "\n" not in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_servers_url_is_read_and_never_written_to(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:1/log"
    assert isinstance(open_reader(url), WebPublication)
    assert "published to a web server's URL" in refusal(open_writer, url).message
