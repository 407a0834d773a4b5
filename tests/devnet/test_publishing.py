"""A published log: what goes out, in what order, and what a reader makes of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from support import fixtures
from support.command import Ran
from support.disasters import sql
from support.projects import Site, make_site, reading
from support.publications import (
    DEV_CHAIN,
    NUMBERS,
    check_with,
    entry_of,
    grow,
    policy,
    publish,
    refusal,
    submissions,
)

from anchor.chain.chain_reader import ChainReader
from anchor.chain.devnet import Devnet
from anchor.cli.commands import audit, export_log
from anchor.errors import ExitCode
from anchor.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.log.merkle import hash_leaf
from anchor.log.publication import (
    CHECKPOINT,
    MAX_FILE_BYTES,
    PublicationBucket,
    PublicationFolder,
    WebPublication,
    encode_anchors,
    open_reader,
    open_writer,
    parse_anchors,
    read_anchors,
    read_tile,
)
from anchor.log.signed_note import generate_key, parse_verifier
from anchor.log.tiles import Tile, TileBuilder, tiles_of
from anchor.log.tree import Tree
from anchor.operate.acceptance import accept
from anchor.operate.publishing import publish_log
from anchor.project.config import load_config
from anchor.project.log_key import checkpoint_origin, load_log_key
from anchor.project.project import trust_entry
from anchor.recovery.store_audit import audit_project, rebuild_tiles
from anchor.store.heads import load_heads
from anchor.store.sealing import read_leaves, seal, write_tiles
from anchor.system.clock import utc_now
from anchor.types import Address, ChainId, Hash32, Head, make_log_id
from anchor.verification.log_audit import TITLES, CheckedLog, check_log, check_tiles
from anchor.verification.policy import TrustPolicy
from anchor.verification.steps import VerificationTarget

devnet = fixtures.devnet


@pytest.fixture
def site(tmp_path: Path, devnet: Devnet) -> Site:
    return make_site(tmp_path / "project", devnet, number=next(NUMBERS))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "published"


@dataclass
class Reader:
    """Somebody who has nothing of the operator's but what is published, and a policy."""

    site: Site

    def check(
        self, place: Path | str, *, vkey: str | None = None, pinned: bool = True
    ) -> CheckedLog:
        with self.site.open() as project:
            policy = TrustPolicy(entries=(trust_entry(project.config),)) if pinned else None
        self.told: list[int] = []
        source = open_reader(str(place))
        note = source.read(CHECKPOINT)
        assert note is not None
        with reading(self.site.url) as node:
            return check_log(
                note,
                partial(read_tile, source),
                policy=policy,
                verifier=None if vkey is None else parse_verifier(vkey),
                connect=lambda _: ChainReader(node),
                report_step=lambda number, *_: self.told.append(number),
                anchored=partial(read_anchors, source),
                chain_ids=(DEV_CHAIN,),
                accept_unpinned=True,
            )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


# Publishing


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

    def write(self, files: Mapping[str, bytes]) -> None:
        fails = len(self.written) == self._fails_at
        self.written.append(list(files))
        if not fails or self._applied:
            self._target.write(files)
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
    assert f"in {tiles}, tile/0/000 is not what the tile above it says" in error.message
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
    assert "what is published has 5 leaves" in error.message
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


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_an_object_store_holds_the_same_files_as_a_folder(
    site: Site, place: Path, tmp_path: Path, scheme: str
) -> None:
    url = f"file://{tmp_path}/bucket/log" if scheme == "file" else f"memory://log{next(NUMBERS)}"
    grow(site, 3)
    publish(site, place)
    publish(site, url)
    grow(site, 2)
    publish(site, place)
    assert publish(site, url).tiles_written == 1
    store = open_writer(url)
    assert isinstance(store, PublicationFolder if scheme == "file" else PublicationBucket)
    for path, data in files(place).items():
        assert store.read(path) == data
    if scheme == "file":
        assert files(tmp_path / "bucket/log") == files(place)
    assert Reader(site).check(url).checkpoint.head.size == 5


@pytest.mark.parametrize("place", ["http://127.0.0.1:1", "nosuch://bucket", "s3://bucket"])
def test_a_place_that_cannot_be_written_to_is_refused_in_one_sentence(place: str) -> None:
    error = refusal(open_writer, place)
    assert error.exit_code == ExitCode.USAGE
    assert "\n" not in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_servers_url_is_read_and_never_written_to(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:1/log"
    assert isinstance(open_reader(url), WebPublication)
    assert "published to a web server's URL" in refusal(open_writer, url).message


class Broken:
    """A store whose package fails, with a secret in its error's text."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def cat_file(self, *_: object, **__: object) -> bytes:
        raise self._error("https://user:SECRET@store")

    def pipe(self, *_: object, **__: object) -> None:
        raise self._error("https://user:SECRET@store")


def test_a_stores_own_error_is_not_quoted() -> None:
    store = PublicationBucket("memory://x")
    store._store = Broken(RuntimeError)
    for error in (refusal(store.read, "a"), refusal(store.write, {"a": b""})):
        assert error.exit_code == ExitCode.CANNOT_CHECK
        assert "RuntimeError" in error.message
        assert "SECRET" not in str(error)
        assert error.__suppress_context__ and error.__cause__ is None
    store._store = Broken(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        store.read("a")


# Reading


@pytest.fixture
def server(place: Path) -> Iterator[str]:
    place.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/status/"):
                self.send_error(int(self.path.removeprefix("/status/")))
            elif "//" in self.requestline:  # another file, for most servers
                self.send_error(404)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place))) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


@pytest.mark.parametrize("kind", ["folder", "web server", "object store"])
def test_every_source_reads_up_to_one_bound_and_says_what_is_not_there(
    place: Path, server: str, kind: str
) -> None:
    store = f"memory://log{next(NUMBERS)}" if kind == "object store" else str(place)
    most, more = bytes(MAX_FILE_BYTES), bytes(MAX_FILE_BYTES + 1)
    open_writer(store).write({"tile/most": most, "tile/more": more})
    source = open_reader(server if kind == "web server" else store)
    assert source.read("tile/most") == most
    assert source.read("tile/none") is None
    assert source.read("tile/most/below") is None
    error = refusal(source.read, "tile/more")
    assert error.exit_code == ExitCode.CANNOT_CHECK
    assert "tile/more" in error.message


def test_a_web_server_that_fails_does_not_say_that_a_file_is_missing(server: str) -> None:
    source = open_reader(server)
    for status in (404, 410):
        assert source.read(f"status/{status}") is None
    for status in (201, 302, 403, 500, 503):
        error = refusal(source.read, f"status/{status}")
        assert error.exit_code == ExitCode.CANNOT_CHECK
        assert str(status) in error.message


@pytest.mark.timeout(10)
def test_what_is_no_file_in_a_published_folder_is_not_waited_for(place: Path) -> None:
    (place / "tile").mkdir(parents=True)
    os.mkfifo(place / CHECKPOINT)
    before = os.listdir("/proc/self/fd")
    with open(os.open(place / CHECKPOINT, os.O_RDWR), "wb"):  # somebody may write, one day
        for path in (CHECKPOINT, "tile"):
            error = refusal(PublicationFolder(place).read, path)
            assert error.exit_code == ExitCode.CANNOT_CHECK
            assert f"{path} is no file" in error.message
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("tile", "there", "code"),
    [
        (Tile(0, 0), {"tile/0/000": 8191}, ExitCode.MISMATCH),
        (Tile(0, 0), {"tile/0/000": 8193}, ExitCode.MISMATCH),
        (Tile(0, 0), {"tile/0/000.p/255": 8160}, ExitCode.CANNOT_CHECK),
        (Tile(0, 0, 3), {"tile/0/000.p/3": 97, "tile/0/000": 8192}, ExitCode.MISMATCH),
        (Tile(0, 0, 3), {"tile/0/000": 8191}, ExitCode.CANNOT_CHECK),
        (Tile(0, 0, 3), {}, ExitCode.CANNOT_CHECK),
    ],
)
def test_a_published_tile_has_its_length_or_is_cut_from_the_full_one(
    place: Path, tile: Tile, there: dict[str, int], code: ExitCode
) -> None:
    PublicationFolder(place).write({path: bytes(length) for path, length in there.items()})
    assert refusal(read_tile, PublicationFolder(place), tile).exit_code == code
    PublicationFolder(place).write({tile.path: b"3" * 32 * tile.width})
    assert read_tile(PublicationFolder(place), tile) == b"3" * 32 * tile.width


def test_a_reader_checks_a_log_over_plain_http_and_against_the_registry(
    site: Site, place: Path, server: str
) -> None:
    grow(site, 300)
    published = publish(site, place)
    reader = Reader(site)
    for source in (server, server + "/", place):
        checked = reader.check(source, vkey=published.verifier_key)
        assert reader.told == sorted(TITLES)
        assert checked.checkpoint.head == published.head
        assert (checked.anchor.size, checked.anchor.sequence) == (300, 1)
    # Without a policy the chain's own word on finality counts, and py-evm has none.
    error = refusal(reader.check, server, pinned=False)
    assert (error.exit_code, reader.told) == (ExitCode.CANNOT_CHECK, [1, 2, 3, 4])


def test_a_partial_tile_that_was_replaced_by_the_full_one_is_read_from_it(
    site: Site, place: Path
) -> None:
    grow(site, 200)
    publish(site, place)
    old = (place / CHECKPOINT).read_bytes()
    grow(site, 100)
    publish(site, place)
    (place / CHECKPOINT).write_bytes(old)
    shutil.rmtree(place / "tile/0/000.p")
    assert Reader(site).check(place).checkpoint.head.size == 200


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
def test_a_flipped_bit_in_a_published_tile_is_found(site: Site, place: Path, path: str) -> None:
    grow(site, 300)
    publish(site, place)
    size = (place / path).stat().st_size
    for bit in (0, 8 * size // 2, 8 * size - 1):
        flip(place / path, bit)
        error = refusal(Reader(site).check, place)
        assert error.exit_code == ExitCode.MISMATCH
        if path != "tile/0/001.p/44":
            assert "tile/0/000 does not lead to hash 0 of tile/1/000.p/1" in error.message
        flip(place / path, bit)
    Reader(site).check(place)


def test_a_missing_or_short_tile_is_told_apart_from_a_wrong_one(site: Site, place: Path) -> None:
    grow(site, 300)
    publish(site, place)
    tile = place / "tile/0/000"
    data = tile.read_bytes()
    tile.write_bytes(data[:-1])
    assert refusal(Reader(site).check, place).exit_code == ExitCode.MISMATCH
    tile.write_bytes(data + bytes(1 << 16))
    assert refusal(Reader(site).check, place).exit_code == ExitCode.CANNOT_CHECK
    tile.unlink()
    error = refusal(Reader(site).check, place)
    assert error.exit_code == ExitCode.CANNOT_CHECK
    assert "tile/0/000 is missing" in error.message


def test_each_step_of_a_reading_can_fail(
    site: Site, place: Path, tmp_path: Path, devnet: Devnet
) -> None:
    grow(site, 3)
    published = publish(site, place)
    with site.open() as project:
        config = project.config
        key, origin, entry = load_log_key(config), checkpoint_origin(config), trust_entry(config)

    def signed(head: Head, name: str = origin) -> bytes:
        return sign_checkpoint(Checkpoint(origin=name, head=head), replace(key, name=name))

    head = published.head
    genuine = signed(head)
    other = make_site(tmp_path / "other", devnet, number=next(NUMBERS))
    foreign = make_log_id(entry.owner, 999_999)
    good = TrustPolicy(entries=(entry,))
    cases: list[tuple[int, ExitCode, bytes, TrustPolicy | None, str | None]] = [
        (1, ExitCode.USAGE, b"", good, None),
        (1, ExitCode.USAGE, genuine[:-1], good, None),
        (1, ExitCode.USAGE, signed(head, "example.com/log"), good, None),
        (2, ExitCode.NOT_TRUSTED, genuine, good, generate_key(origin).verifier().encode()),
        (2, ExitCode.NOT_TRUSTED, sign_checkpoint(Checkpoint(origin=origin, head=head),
            replace(key, name="other")), good, replace(key, name="other").verifier().encode()),
        (2, ExitCode.MISMATCH, genuine.replace(b"\n3\n", b"\n4\n"), good, published.verifier_key),
        (3, ExitCode.NOT_TRUSTED, signed(head, origin[:-64] + foreign.hex()), good, None),
        (3, ExitCode.NOT_TRUSTED, signed(head, origin.replace("eip155:", "eip155:9")), good, None),
        (3, ExitCode.NOT_TRUSTED, genuine,
            policy(replace(entry, registry=Address(bytes(20)))), None),
        (3, ExitCode.NOT_TRUSTED, signed(head, origin.replace("/0x", "/0x" + "00" * 20, 1)
            .replace("00" * 20 + config.registry.hex(), "00" * 20)), None, None),
        (4, ExitCode.NOT_TRUSTED, genuine, policy(replace(entry, genesis=hash_leaf(b"x"))), None),
        (5, ExitCode.NOT_TRUSTED, genuine, policy(replace(entry, code_hash=hash_leaf(b"x"))), None),
        (6, ExitCode.NOT_ANCHORED, signed(replace(head, root=hash_leaf(b"x"))), good, None),
        (6, ExitCode.MISMATCH, signed(replace(head, size=4)), good, None),
        (6, ExitCode.MISMATCH, signed(replace(head, size=2)), good, None),
        (7, ExitCode.NOT_TRUSTED, genuine, policy(replace(entry, operators=())), None),
    ]  # fmt: skip
    assert other.number != site.number
    for step, code, note, trusted, vkey in cases:
        told: list[int] = []
        with reading(site.url) as node:
            error = refusal(
                check_log,
                note,
                partial(read_tile, PublicationFolder(place)),
                policy=trusted,
                verifier=None if vkey is None else parse_verifier(vkey),
                connect=lambda _, node=node: ChainReader(node),
                report_step=lambda number, *_, told=told: told.append(number),
                chain_ids=(DEV_CHAIN,),
                accept_unpinned=True,
            )
        assert (error.exit_code, len(told) + 1) == (code, step), error.message


def test_of_several_places_that_a_policy_pins_the_checkpoints_own_is_asked_first(
    site: Site, place: Path
) -> None:
    grow(site, 1)
    publish(site, place)
    entry = entry_of(site)
    asked: list[tuple[int, tuple[str, ...]]] = []
    with reading(site.url) as node:

        def connect(target: VerificationTarget) -> ChainReader:
            asked.append((target.chain_id, target.rpc))
            return ChainReader(node)

        ours = replace(entry, rpc=("https://node.example",))
        for other in (
            replace(entry, chain_id=ChainId(42)),
            replace(entry, registry=Address(bytes(20))),
        ):
            asked.clear()
            error = refusal(check_with, place, connect, other, ours)
            # Where the log could be forked is not known, which is no verdict about it.
            assert error.exit_code == ExitCode.CANNOT_CHECK
            assert "could not be looked at" in error.message
            assert asked == [(entry.chain_id, ours.rpc), (other.chain_id, other.rpc)]


@pytest.mark.parametrize("contradicts", [0, 1])
def test_all_that_a_policy_says_about_one_place_has_to_hold(
    site: Site, place: Path, contradicts: int
) -> None:
    grow(site, 1)
    publish(site, place)
    with site.open() as project:
        entry = trust_entry(project.config)
    for change, code, step in [
        ({"genesis": Hash32(bytes(32))}, ExitCode.NOT_TRUSTED, 4),
        ({"code_hash": Hash32(bytes(32))}, ExitCode.NOT_TRUSTED, 5),
        ({"operators": ()}, ExitCode.NOT_TRUSTED, 7),
    ]:
        entries = [entry, replace(entry, **change)]  # type: ignore[arg-type]
        told: list[int] = []
        with reading(site.url) as node:
            error = refusal(
                check_log,
                (place / CHECKPOINT).read_bytes(),
                partial(read_tile, PublicationFolder(place)),
                policy=policy(entries[contradicts], entries[not contradicts]),
                verifier=None,
                connect=lambda *_, node=node: ChainReader(node),
                report_step=lambda number, *_, told=told: told.append(number),
            )
        assert (error.exit_code, len(told) + 1) == (code, step), error.message


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_536, 66_000])
def test_a_flipped_bit_anywhere_in_a_larger_log_is_found(size: int) -> None:
    leaves = b"".join(hash_leaf(index.to_bytes(4, "big")) for index in range(size))
    builder = TileBuilder()
    tiles = dict(builder.add(leaves)) | dict(builder.unfinished())
    assert set(tiles) == set(tiles_of(size))
    head = Head(root=Tree(leaves).root(size), size=size)
    read: list[Tile] = []

    def reader(tile: Tile) -> bytes:
        read.append(tile)
        return tiles[tile]

    assert check_tiles(head, reader, {}) == len(tiles)
    assert sorted(read) == sorted(tiles), "each of them once"
    lowest = [tile for tile in tiles if not tile.level]
    for tile in (*lowest[:: max(1, len(lowest) // 12)], *(tiles.keys() - {*lowest})):
        genuine = tiles[tile]
        tiles[tile] = genuine[:-1] + bytes([genuine[-1] ^ 1])
        error = refusal(check_tiles, head, tiles.__getitem__, {})
        assert error.exit_code == ExitCode.MISMATCH
        if size > 256 and tile.is_full and tile.level == 0:
            assert error.message.startswith(tile.path)
        if tile.level:
            last = tile.width - 1
            below = Tile(tile.level - 1, 256 * tile.number + last)
            assert f"{below.path} does not lead to hash {last} of {tile.path}:" in error.message
        tiles[tile] = genuine


# The list of anchors


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
        (lambda lines: lines[:2], ExitCode.USAGE, "does not lead to the checkpoint's size 6"),
        (lambda lines: [*lines[:2], b"7" + lines[2][1:]], ExitCode.USAGE, "does not lead to"),
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
        assert "anchor 2 of this log is not known" in error.message
        assert files(place) == before
        publish_log(project, PublicationFolder(place / "other"))
    assert "anchors/000" not in files(place / "other"), "a list with a gap would prove nothing"
    shown = site.run("export-log", place, env={"ANCHOR_CHAIN__RPC": "http://127.0.0.1:1"})
    shown.refused(20, "anchor 2 of this log is not known")
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


# One's own log


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
        assert breach == f"{path} was altered: hash {bit // 256} in it is not the log's"
        flip(site.folder / "tiles" / path, bit)
    assert audited(site) == ()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE evidence SET record = x'7b7d' WHERE id = 2", "the record of leaf 1"),
        ("UPDATE evidence SET leaf = zeroblob(32) WHERE id = 2", "the record of leaf 1"),
        ("UPDATE heads SET root = zeroblob(32)", "the root of the head of size 3"),
        ("UPDATE heads SET right_edge = zeroblob(64)", "the right edge stored"),
        ("DELETE FROM evidence WHERE id = 2", "leaf 1 is missing"),
        ("DELETE FROM positions WHERE leaf_index = 1", "leaf 1 is missing"),
        ("DELETE FROM positions WHERE leaf_index = 2", "1 pieces of evidence have no place"),
        ("INSERT INTO waiting VALUES (2)", "1 pieces of evidence wait for a place that they have"),
        ("DELETE FROM evidence WHERE id = 3", "cannot be recomputed"),
    ],
)
def test_an_audit_names_what_was_altered_in_the_store(
    site: Site, statement: str, expected: str
) -> None:
    grow(site, 3)
    sql(site, statement)
    breaches = audited(site)
    assert any(expected in breach for breach in breaches), breaches


def test_one_missing_leaf_is_named_once_in_each_place_that_misses_it(site: Site) -> None:
    grow(site, 2)
    grow(site, 3)
    sql(site, "DELETE FROM positions WHERE leaf_index = 1")
    assert [breach.partition(":")[0] for breach in audited(site)] == [
        "leaf 1 is missing",
        "1 pieces of evidence have no place in the log and do not wait for one",
        "the head of size 2 cannot be recomputed",
        "the tiles cannot be made again",
    ]


def test_an_erased_record_is_no_breach(site: Site) -> None:
    grow(site, 3)
    sql(site, "UPDATE evidence SET record = NULL WHERE id = 2")
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
    assert audited(site) == ("there are tiles for 303 leaves, but the log has 3",)
    (site.folder / "tiles/size").write_bytes(b"3\n")
    found = audited(site)
    assert "tile/0/000 has hashes of leaves that the log lacks" in found
    assert "tile/0/001.p/47 has hashes of leaves that the log lacks" in found
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
    sql(site, "UPDATE evidence SET leaf = zeroblob(32) WHERE id = 2")
    with site.open() as project:
        error = refusal(rebuild_tiles, project)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "no longer lead to the root of size 3" in error.message
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
    assert audited(site) == ("tile/0/000.p/3 was altered: hash 0 in it is not the log's",)
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
    assert "tile/0/000.p/3 is not what the log's right edge says" in error.message
    assert error.hint is not None and "--rebuild" in error.hint
    with site.open() as project:
        rebuild_tiles(project)
    site.anchor()
    assert audited(site) == ()


def test_tiles_of_another_size_than_any_head_stop_the_work(site: Site) -> None:
    grow(site, 3)
    (site.folder / "tiles/size").write_text("2\n")
    site.add("a.txt", b"a")
    assert "a size this log never had" in refusal(site.anchor).message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4\n", "there are tiles for 4 leaves, but the log has 3"),
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
        sql(site, f"UPDATE evidence SET record = x'7b7d' WHERE id <= {count}")
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
    for statement, expected in [
        ("UPDATE evidence SET leaf = zeroblob(32) WHERE id = 2", "no longer lead to the root"),
        ("DELETE FROM positions WHERE leaf_index = 2", "holds 2 of the log's leaves 0 to 2"),
    ]:
        sql(site, statement)
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


# On the command line


def test_the_commands_publish_read_and_audit(site: Site, place: Path, server: str) -> None:
    grow(site, 3)
    shown = site.run("export-log", place)
    assert shown.code == 0, shown.err
    vkey = shown.out.split("verifier key: ")[1].strip()
    shown = site.run("audit", server, "--key", vkey)
    assert shown.code == 0, shown.err
    steps = [line.split()[:2] for line in shown.out.splitlines()[1:9]]
    assert steps == [[f"{number}.", "pass"] for number in range(1, 9)]
    shown = site.run("audit", "--json")
    assert (shown.code, shown.document["breaches"]) == (0, [])
    flip(place / "tile/0/000.p/3", 0)
    shown = site.run("audit", place)
    assert shown.code == ExitCode.MISMATCH
    assert " 8. fail " in shown.out
    assert shown.out.endswith("NOT VERIFIED (exit code 10)\n")
    shown = site.run("audit", place, "--json")
    assert (shown.code, shown.document["exit_code"]) == (10, 10)
    assert [step["verdict"] for step in shown.document["steps"]] == [
        "pass", "cannot tell", *["pass"] * 5, "fail"
    ]  # fmt: skip
    flip(site.folder / "tiles/tile/0/000.p/3", 0)
    shown = site.run("audit")
    assert shown.code == ExitCode.MISMATCH
    assert "tile/0/000.p/3 was altered" in shown.out
    assert site.run("audit", "--rebuild").code == 0


def test_an_audit_takes_the_readers_own_policy_and_node(
    site: Site, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    grow(site, 3)
    publish(site, place)
    monkeypatch.chdir(tmp_path)  # outside the project
    trust = shutil.copy(site.folder / "trust.toml", tmp_path / "mine.toml")
    trust.write_text(trust.read_text().replace(site.url, "http://127.0.0.1:1"))
    audit.command(str(place), trust=trust, rpc=[site.url], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    (policy,) = shown["policies"]
    assert (policy["file"], policy["source"]) == (str(trust), "option")
    assert shown["nodes"] == [site.url]
    assert [step["number"] for step in shown["steps"]] == list(TITLES)
    trust.write_bytes(trust.read_bytes().replace(b"logs = [", b"logs = [1"))
    with pytest.raises(typer.Exit) as caught:
        audit.command(str(place), trust=trust, rpc=[site.url], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert caught.value.exit_code == shown["exit_code"] == ExitCode.NOT_TRUSTED
    assert [step["verdict"] for step in shown["steps"]] == ["pass", "cannot tell", "fail"]


def test_a_log_that_somebody_writes_to_is_published_and_not_audited(
    site: Site, place: Path
) -> None:
    grow(site, 1)
    with site.lead():
        error = refusal(audit.command, config_path=site.folder / "anchor.toml")
        assert error.exit_code == ExitCode.CHAIN_GUARD
        assert "another process" in error.message
        export_log.command(str(place), config_path=site.folder / "anchor.toml")
    assert Reader(site).check(place).checkpoint.head.size == 1


def test_where_a_log_is_published_may_stand_in_the_configuration(site: Site, place: Path) -> None:
    grow(site, 1)
    config_path = site.folder / "anchor.toml"
    error = refusal(export_log.command, config_path=config_path)
    assert (error.exit_code, "[publish] target" in (error.hint or "")) == (ExitCode.USAGE, True)
    site.edit('# [publish]\n# target = "published"', '[publish]\ntarget = "../published"')
    assert site.folder.parent == place.parent
    export_log.command(config_path=config_path)
    assert Reader(site).check(place).checkpoint.head.size == 1


@pytest.mark.parametrize(
    "target", ["sftp://canary-user:canary-password@host/log", "s3://bucket/log?key=canary-token"]
)
def test_a_url_with_secrets_is_refused_in_the_file_and_taken_from_the_environment(
    site: Site, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_PUBLISH__TARGET", target)
    assert load_config(site.folder / "anchor.toml").publish == target
    monkeypatch.delenv("ANCHOR_PUBLISH__TARGET")
    site.edit('# [publish]\n# target = "published"', f'[publish]\ntarget = "{target}"')
    error = refusal(load_config, site.folder / "anchor.toml")
    assert error.exit_code == ExitCode.USAGE
    assert "may hold a password" in error.message
    assert not any(canary in f"{error.message}{error.hint}" for canary in CANARIES)


def test_the_node_is_asked_what_is_final_and_without_one_the_stores_word_counts(
    site: Site, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(site, 3)
    sql(site, "UPDATE anchors SET final = 0")
    config_path = site.folder / "anchor.toml"
    export_log.command(str(place / "one"), config_path=config_path)
    site.edit(site.url, "http://127.0.0.1:1")
    export_log.command(str(place / "other"), config_path=config_path)
    assert "going by what the store knew last" in capsys.readouterr().err
    assert files(place / "one") == files(place / "other")


def test_a_store_older_than_the_chain_is_not_published(
    site: Site, place: Path, tmp_path: Path
) -> None:
    grow(site, 3)
    shutil.copytree(site.folder, tmp_path / "backup")
    grow(site, 2)
    error = refusal(export_log.command, str(place), config_path=tmp_path / "backup/anchor.toml")
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert not place.exists()


CANARIES = ("canary-user", "canary-password", "canary-token")


def with_secrets(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://canary-user:canary-password@{rest}/?token=canary-token"


def check_silence(*ran: Ran) -> None:
    for item in ran:
        for canary in CANARIES:
            assert canary not in item.out + item.err, (canary, item)


def test_a_published_logs_url_is_used_with_its_secrets_and_shown_without(
    site: Site, place: Path, server: str
) -> None:
    grow(site, 3)
    publish(site, place)
    url = with_secrets(server)
    ran = [site.run("audit", url).expect(0), site.run("audit", url, "--json").expect(0)]
    for path in [*site.folder.glob("anchor.db*"), site.folder / "tiles/size"]:
        path.unlink()
    shutil.rmtree(site.folder / "tiles/tile")
    ran.append(site.run("restore", url, "--json").expect(0))
    assert ran[-1].document["source"] == server
    (place / CHECKPOINT).rename(place / "away")
    ran.append(site.run("restore", url, "--replace").refused(20, f"no checkpoint in {server}"))
    ran.append(site.run("audit", url).refused(20, "there is no checkpoint"))
    check_silence(*ran)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("http://127.0.0.1:1", "127.0.0.1:1 did not answer|published to a web server's URL"),
        ("http://127.0.0.1:canary-token", "is not a URL|published to a web server's URL"),
        ("http://[127.0.0.1", "is not a URL|published to a web server's URL"),
        ("s3://bucket/log", "s3:// cannot be used: Install s3fs"),
        ("nosuch://host/log", "nosuch:// cannot be used: Protocol not known"),
        ("simplecache::s3://bucket/log", "a chained URL cannot be used, nor"),
        ("zip://log::http://127.0.0.1/x.zip", "a chained URL cannot be used, nor"),
        ("ftp://127.0.0.1:1/log", "the ftp:// store cannot be opened: ConnectionRefused"),
        ("ftp://127.0.0.1:canary-token/log", "the ftp:// store cannot be opened: ValueError"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_without_the_secrets_in_it(
    site: Site, place: str, expected: str
) -> None:
    grow(site, 1)
    url = with_secrets(place)
    for command in (["export-log", url], ["audit", url], ["restore", url, "--replace"]):
        ran = site.run(*command), site.run(*command, "--json")
        for shown in ran:
            assert shown.code in (ExitCode.USAGE, ExitCode.CANNOT_CHECK), shown
            assert re.search(expected, shown.err), shown
            assert "Traceback" not in shown.err
        check_silence(*ran)


@pytest.mark.parametrize("option", [{"trust": Path("x")}, {"rpc": "x"}, {"key": "x"}])
def test_each_option_for_a_published_log_needs_one(option: dict[str, Any]) -> None:
    assert "go with a published log" in refusal(audit.command, **option).message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--key", "x"], "go with a published log"),
        (["--rebuild", "somewhere"], "--rebuild is for the project's own"),
        (["--originals", "somewhere"], "--originals is for the project's own"),
        (["--offline", "somewhere"], "--offline is for the project's own"),
        (["somewhere"], "there is no checkpoint"),
        (["http://127.0.0.1:1"], "did not answer"),
        (["somewhere", "--key", "x"], "key"),
    ],
)
def test_bad_calls_of_audit_get_one_sentence(
    site: Site, arguments: list[str], expected: str
) -> None:
    shown = site.run("audit", *arguments)
    assert shown.code in (ExitCode.USAGE, ExitCode.CANNOT_CHECK)
    assert expected in shown.err
