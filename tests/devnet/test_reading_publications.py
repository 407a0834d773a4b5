"""A published log is read and checked against the registry by somebody who trusts nobody."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from support.projects import Site, make_site, reading
from support.publication_reading import Reader, flip
from support.publication_reading import devnet as devnet
from support.publication_reading import place as place
from support.publication_reading import server as server
from support.publication_reading import site as site
from support.publications import (
    DEV_CHAIN,
    NUMBERS,
    check_with,
    entry_of,
    grow,
    policy,
    publish,
    refusal,
)

from anchor.base.errors import ExitCode
from anchor.base.types import Address, ChainId, Hash32, Head, make_log_id
from anchor.chain.chain_reader import ChainReader
from anchor.chain.devnet import Devnet
from anchor.log.checkpoint import Checkpoint, sign_checkpoint
from anchor.log.merkle import hash_leaf
from anchor.log.publication import (
    CHECKPOINT,
    MAX_FILE_BYTES,
    PublicationFolder,
    WebPublication,
    open_reader,
    open_writer,
    read_tile,
)
from anchor.log.signed_note import generate_key, parse_verifier
from anchor.log.tiles import Tile, TileBuilder, tiles_of
from anchor.log.tree import Tree
from anchor.project.log_key import checkpoint_origin, load_log_key
from anchor.project.project import trust_entry
from anchor.verification.log_audit import TITLES, check_log, check_tiles
from anchor.verification.policy import TrustPolicy
from anchor.verification.steps import VerificationTarget


@pytest.mark.parametrize("kind", ["folder", "web server"])
def test_every_source_reads_up_to_one_bound_and_says_what_is_not_there(
    place: Path, server: str, kind: str
) -> None:
    most, more = bytes(MAX_FILE_BYTES), bytes(MAX_FILE_BYTES + 1)
    open_writer(str(place)).create({"tile/most": most, "tile/more": more})
    source = open_reader(server if kind == "web server" else str(place))
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


class BusyServer(BaseHTTPRequestHandler):
    """Answers each request with the next of ``answers``, and with a file after those."""

    answers: ClassVar[list[tuple[int, str | None]]] = []

    def do_GET(self) -> None:
        status, asked = self.answers.pop(0) if self.answers else (200, None)
        self.send_response(status)
        if asked is not None:
            self.send_header("Retry-After", asked)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"file")

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("answers", "waits", "status"),
    [
        ([(429, "1"), (503, "7")], [1.0, 7.0], 200),
        ([(429, "1")] * 119 + [(429, "2")], [1.0] * 119, 429),
        ([(429, "0")] * 200, [0.0] * 121, 429),
        ([(429, "121")], [], 429),
        ([(429, None)], [], 429),
        ([(500, "1")], [], 500),
    ],
    ids=["busy", "busy for long", "a loop", "an hour", "without a time", "another status"],
)
def test_a_busy_server_is_asked_again_when_it_says(
    answers: list[tuple[int, str | None]], waits: list[float], status: int
) -> None:
    """As `anchor serve` limits what one address reads in a second."""
    slept: list[float] = []
    BusyServer.answers = list(answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), BusyServer) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        reader = WebPublication(f"http://127.0.0.1:{web.server_port}", slept.append)
        if status == 200:
            assert reader.read("checkpoint") == b"file"
        else:
            assert f"status {status}" in refusal(reader.read, "checkpoint").message
        web.shutdown()
    assert slept == waits


def test_what_is_no_file_in_a_published_folder_is_not_waited_for(place: Path) -> None:
    (place / "tile").mkdir(parents=True)
    os.mkfifo(place / CHECKPOINT)
    before = os.listdir("/proc/self/fd")
    with open(os.open(place / CHECKPOINT, os.O_RDWR), "wb"):  # somebody may write, one day
        for path in (CHECKPOINT, "tile"):
            error = refusal(PublicationFolder(place).read, path)
            assert error.exit_code == ExitCode.CANNOT_CHECK
            assert f"{path} is not a file" in error.message
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
    PublicationFolder(place).create({path: bytes(length) for path, length in there.items()})
    assert refusal(read_tile, PublicationFolder(place), tile).exit_code == code
    (place / tile.path).parent.mkdir(parents=True, exist_ok=True)
    (place / tile.path).write_bytes(b"3" * 32 * tile.width)
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
            assert "computed from tile/0/000 is not hash 0 of tile/1/000.p/1" in error.message
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
            assert "could not be read" in error.message
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
            assert f"computed from {tile.path} is not" in error.message
        if tile.level:
            last = tile.width - 1
            below = Tile(tile.level - 1, 256 * tile.number + last)
            assert f"{below.path} is not hash {last} of {tile.path}:" in error.message
        tiles[tile] = genuine
