"""The side file: what is appended is read again, whatever a crash, a disk or another did to it."""

from __future__ import annotations

import random
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.disks import small_disk
from support.stores import NOW, TenantJob, make_item

from anchor.base.digests import Digests
from anchor.base.errors import (
    SideFileHeldError,
    StorageError,
    UnknownVersionError,
    WriteRefusedError,
)
from anchor.base.types import Hash32, LogId
from anchor.log.merkle import hash_leaf
from anchor.operate.acceptance import EvidenceInput, accept, accept_once
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store import acknowledged_log
from anchor.store.acknowledged_log import SideFile
from anchor.store.acknowledged_log_frames import MAGIC, Entry
from anchor.store.api_keys import Quota
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_filled
from anchor.store.evidence import load_all
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.file_origins import tenant_of
from anchor.store.idempotency_keys import load_keys
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.quota import admit


def entry(number: int, tenant: str = "", *, has_key: bool = False) -> Entry:
    def make(name: bytes) -> bytes:
        return hash_leaf(name + b"%d" % number)

    key = make(b"key") if has_key else None
    return Entry(Hash32(make(b"leaf")), make(b"identity"), tenant, key)


def several() -> list[Entry]:
    return [
        entry(0),
        entry(1),
        entry(2, "acme"),
        entry(3, "acme", has_key=True),
        entry(4, has_key=True),
        entry(5, "schöne-namen"),
    ]


@pytest.fixture
def file(tmp_path: Path) -> SideFile:
    return SideFile(tmp_path / "acknowledged.log")


# The format


def test_what_is_appended_is_read_in_its_order(file: SideFile) -> None:
    entries = several()
    assert list(file.read_entries()) == []
    file.append(entries[:2])
    file.append([])
    file.append(entries[2:])
    assert list(file.read_entries()) == list(SideFile(file.path).read_entries()) == entries


def test_more_entries_than_a_frame_holds_are_several_frames(file: SideFile) -> None:
    entries = [entry(number, "acme") for number in range(1_234)]
    file.append(entries)
    assert list(file.read_entries()) == entries


def test_the_form_of_the_file_stays(file: SideFile) -> None:
    """By hand, from the description, so that an old file is read for ever."""
    made = [entry(0, "acme", has_key=True), entry(1)]
    file.append(made)
    with_key = b"\x01\x00\x04acme" + made[0].leaf + made[0].identity + (made[0].key or b"")
    without = b"\x00\x00\x00" + made[1].leaf + made[1].identity
    frames = [
        b"\xa5ack" + length + zlib.crc32(body).to_bytes(4, "big") + body + length
        for body in (with_key, without)
        for length in [len(body).to_bytes(4, "big")]
    ]
    assert file.path.read_bytes() == b"anchor-acknowledged/1\n" + b"".join(frames)


def test_it_holds_no_whole_digest_name_or_source(tmp_path: Path) -> None:
    with open_store(SqliteFile(tmp_path / "anchor.db"), tmp_path / "side") as store:
        item = make_item(7)
        store.write_with_retry(partial(insert_evidence, items=[item]))
    data = (tmp_path / "side").read_bytes()
    assert item.sha256 is not None
    for secret in (item.sha256, item.source.encode(), item.record):
        assert secret not in data


def test_it_is_private(file: SideFile) -> None:
    file.append(several())
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.remove_where(lambda each: each.leaf == entry(0).leaf)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.unlink()
    file.path.parent.chmod(0o2770)
    file.append(several())
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o660


def test_a_newer_form_is_not_guessed_at(file: SideFile) -> None:
    body = b"\x07\x00\x00" + bytes(64)
    length = len(body).to_bytes(4, "big")
    checksum = zlib.crc32(body).to_bytes(4, "big")
    file.path.write_bytes(MAGIC + b"\xa5ack" + length + checksum + body + length)
    with pytest.raises(UnknownVersionError):
        list(file.read_entries())


# Crashes and damage


@pytest.mark.fault(
    "F22",
    how="the side file ends at every byte of its last append",
    then="all before it are read; the next append cuts it off and loses none",
)
def test_a_torn_end_is_passed_over_and_cut_off(file: SideFile) -> None:
    entries = several()
    file.append(entries[:2])
    whole = file.path.stat().st_size
    file.append(entries[2:4])
    data = file.path.read_bytes()
    for size in range(whole, len(data)):
        file.path.write_bytes(data[:size])
        before = list(file.read_entries())
        assert before == list(SideFile(file.path).read_entries())
        # A frame for each tenant: of two in one append, the first may be whole.
        assert before in (entries[:2], entries[:3])
        SideFile(file.path).append([entry(9)])
        assert list(file.read_entries()) == [*before, entry(9)]
    for size in range(len(MAGIC) + 1):
        file.path.write_bytes(MAGIC[:size])
        assert list(file.read_entries()) == []
        SideFile(file.path).append([entry(9)])
        assert list(file.read_entries()) == [entry(9)]


@pytest.mark.fault(
    "F22",
    how="a power cut leaves zeros, or any sectors, of the last append",
    then="all before it are read; the next append cuts it off and loses none",
)
def test_sectors_that_were_not_written_are_cut_off(file: SideFile) -> None:
    chance = random.Random(1)
    file.append(several())
    start = file.path.stat().st_size
    file.append([entry(number) for number in range(100, 140)])
    data = bytearray(file.path.read_bytes())
    for _ in range(50):
        torn = bytearray(data)
        lost = [at for at in range(start - start % 512, len(data), 512) if chance.random() < 0.5]
        for at in lost or [start]:
            first, last = max(at, start), min(at + 512, len(data))
            torn[first:last] = bytes(last - first)
        file.path.write_bytes(torn)
        assert list(file.read_entries()) == several()
        SideFile(file.path).append([entry(9)])
        assert list(file.read_entries()) == [*several(), entry(9)]
    for zeros in (10, 600):
        file.path.write_bytes(bytes(zeros))
        assert list(file.read_entries()) == []
        SideFile(file.path).append([entry(9)])
        assert list(file.read_entries()) == [entry(9)]


@pytest.mark.fault(
    "F22",
    how="any byte of the side file is another one",
    then="what it belongs to is told and passed over; all else is read, and appended to",
)
def test_damage_is_told_and_passed_over(file: SideFile) -> None:
    for each in several():
        file.append([each])
    file.append([entry(8)])
    data = file.path.read_bytes()
    for at in range(len(data) - 100):
        file.path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with pytest.raises(StorageError, match="is damaged"):
            list(file.read_entries())
        told: list[str] = []
        found = list(file.read_entries(told.append))
        assert len(told) == 1 and "cannot be read" in told[0]
        assert len(found) >= len(several())
        assert set(found) <= {*several(), entry(8)}
        SideFile(file.path).append([entry(9)])
        assert list(file.read_entries(told.append)) == [*found, entry(9)]


def test_another_programs_file_is_left_alone(file: SideFile) -> None:
    file.path.write_bytes(b"2026-01-01 12:00 started\n" * 9)
    with pytest.raises(StorageError, match="is not the project's side file"):
        file.append(several())
    with pytest.raises(StorageError, match="is damaged"):
        list(file.read_entries())
    assert file.path.read_bytes() == b"2026-01-01 12:00 started\n" * 9


# Removing


def test_removed_entries_are_in_no_byte_of_it(file: SideFile) -> None:
    file.append(several())
    gone = {entry(1).leaf, entry(3).leaf, entry(77).leaf}
    assert file.remove_where(lambda each: each.leaf in gone) == 2
    assert list(file.read_entries()) == [e for e in several() if e.leaf not in gone]
    data = file.path.read_bytes()
    assert entry(1).identity not in data and (entry(3, has_key=True).key or b"") not in data
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    file.append([entry(9)])
    assert list(file.read_entries())[-1] == entry(9)


def test_removing_from_a_damaged_file_is_told(file: SideFile) -> None:
    for each in several():
        file.append([each])
    data = bytearray(file.path.read_bytes())
    data[len(MAGIC) + 20] ^= 1
    file.path.write_bytes(data)
    with pytest.raises(StorageError, match="is damaged"):
        file.remove_where(lambda each: each.leaf == entry(1).leaf)
    assert file.path.read_bytes() == data
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    told: list[str] = []
    assert file.remove_where(lambda each: each.leaf == entry(1).leaf, told.append) == 1
    assert len(told) == 1
    assert list(file.read_entries()) == several()[2:]


# Several at once


_APPEND = """
import sys
from pathlib import Path
from anchor.store.acknowledged_log import SideFile
from anchor.store.acknowledged_log_frames import Entry
file, first = SideFile(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 200):
    entry = Entry(number.to_bytes(32, "big"), bytes(32), "t%d" % first, None)
    file.append([entry] * (1 + number % 3))
"""


@pytest.mark.fault(
    "F22",
    how="several processes append to the side file while another one rewrites it again and again",
    then="each entry is there, in each process's order",
)
def test_several_processes_append_and_one_removes(file: SideFile) -> None:
    file.append([entry(number) for number in range(20)])
    command = [sys.executable, "-c", _APPEND, str(file.path)]
    writers = [subprocess.Popen([*command, str(1_000 * number)]) for number in range(1, 4)]
    removed = 0
    while any(writer.poll() is None for writer in writers):
        unwanted = entry(removed).leaf
        removed += file.remove_where(lambda each, leaf=unwanted: each.leaf == leaf)
        if removed == 20:
            break
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = list(file.read_entries())
    for number in range(1, 4):
        numbers = [int.from_bytes(e.leaf, "big") for e in found if e.tenant == f"t{1_000 * number}"]
        assert numbers == [
            each
            for each in range(1_000 * number, 1_000 * number + 200)
            for _ in range(1 + each % 3)
        ]


def test_a_holder_that_does_not_end_is_not_waited_for_for_ever(
    file: SideFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledged_log, "_PATIENCE", 0.05)
    file.append(several())
    with (
        file._locked(),
        pytest.raises(SideFileHeldError, match="another process holds"),
    ):
        SideFile(file.path).append([entry(9)])
    assert list(file.read_entries()) == several()


# Disks


@pytest.mark.fault(
    "F3",
    how="the disk of the side file is full (a small tmpfs; needs root)",
    then="nothing is acknowledged or stored (33), the file stays whole; with space it goes on",
)
def test_a_full_disk_stores_nothing(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", kib=64) as disk,
        open_store(SqliteFile(tmp_path / "anchor.db"), disk / "side") as store,
    ):
        store.write_with_retry(partial(insert_evidence, items=[make_item(0)]))
        filler = disk / "filler"
        filler.write_bytes(bytes(52 << 10))
        items = [make_item(number) for number in range(1, 2_000)]
        with pytest.raises(StorageError, match=r"side cannot be .*: No space left"):
            store.write_with_retry(partial(insert_evidence, items=items))
        assert identities(store) == [make_item(0).identity]
        assert [e.identity for e in SideFile(disk / "side").read_entries()] == identities(store)
        filler.unlink()
        store.write_with_retry(partial(insert_evidence, items=items[:200]))
        check_every_row_has_its_entry(store, disk / "side")


def test_a_try_leaves_nothing_and_finds_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kib=64) as disk:
        file = SideFile(disk / "side")
        file.try_appending()
        assert list(file.read_entries()) == []
        file.append(several())
        size = file.path.stat().st_size
        file.try_appending()
        assert file.path.stat().st_size == size
        (disk / "filler").write_bytes(bytes(52 << 10))
        with pytest.raises(WriteRefusedError, match="No space left"):
            file.try_appending()
        assert file.path.stat().st_size == size
        (disk / "filler").unlink()
        file.try_appending()
        assert [path.name for path in disk.iterdir()] == ["side"]
        assert list(file.read_entries()) == several()


@pytest.mark.fault(
    "F3",
    how="the disk of the side file is read-only (a tmpfs, mounted again; needs root)",
    then="nothing is acknowledged or stored (33); mounted for writing, it goes on",
)
def test_a_read_only_disk_stores_nothing(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", kib=64) as disk,
        open_store(SqliteFile(tmp_path / "anchor.db"), disk / "side") as store,
    ):
        store.write_with_retry(partial(insert_evidence, items=[make_item(0)]))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageError, match="Read-only file system") as caught:
            store.write_with_retry(partial(insert_evidence, items=[make_item(1)]))
        assert caught.value.exit_code == 33
        assert identities(store) == [make_item(0).identity]
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        store.write_with_retry(partial(insert_evidence, items=[make_item(1)]))
        check_every_row_has_its_entry(store, disk / "side")


def test_a_folder_that_is_gone_is_a_fault_of_the_store(tmp_path: Path) -> None:
    with open_store(SqliteFile(tmp_path / "anchor.db"), tmp_path / "gone" / "side") as store:
        with pytest.raises(StorageError, match="No such file"):
            store.write_with_retry(partial(insert_evidence, items=[make_item(1)]))
        assert identities(store) == []


# Every way in


@contextmanager
def open_store(location: StoreLocation, side: Path) -> Iterator[Database]:
    store, _ = create_filled(location, lambda _: None, SideFile(side))
    try:
        yield store
    finally:
        store.close()


def identities(store: Database) -> list[bytes]:
    with store.read() as connection:
        return [row.identity for row in load_all(connection)]


def check_every_row_has_its_entry(store: Database, side: Path) -> None:
    """See that the newest entry of each row's leaf names its identity, tenant and key."""
    found = {each.leaf: each for each in SideFile(side).read_entries()}
    with store.read() as connection:
        rows = list(load_all(connection))
        keys = {identity: key for key, identity in load_keys(connection, ())}
    assert rows
    for row in rows:
        tenant = tenant_of(row.source) or ""
        assert found[row.leaf] == Entry(row.leaf, row.identity, tenant, keys.get(row.identity))


def submission(number: int) -> EvidenceInput:
    item = make_item(number)
    digests = Digests(sha256=item.sha256, sm3=None, size=None)
    return EvidenceInput(source=item.source, name=item.source, digests=digests)


def of_tenant(number: int, tenant: str) -> NewEvidence:
    item = make_item(number)
    return item._replace(source=f"tenant:{tenant}/{item.source}", accepted_at=NOW)


def test_every_way_in_leaves_an_entry_for_each_row(location: StoreLocation, tmp_path: Path) -> None:
    side = tmp_path / "side"
    with open_store(location, side) as store:
        # Taking in asks for nothing else of a project.
        config = SimpleNamespace(
            log=LogId(bytes(32)), chain_id=1, file=tmp_path / "anchor.toml", folder=tmp_path
        )
        project = OpenProject(config=cast(Config, config), database=store)
        one, many = [submission(1)], [submission(number) for number in range(2, 1_600)]
        accept(project, one)
        accept(project, [*one, *many[:20], many[3]])
        accept(project, [*many, many[7]])  # where rows are copied into the table
        accept(project, many[:3], again=True)
        accept_once(project, submission(5_000))
        accept_once(project, submission(5_000))
        accept_once(project, submission(5_001), key="order 1")
        accept_once(project, submission(5_001), key="order 1")
        few = Quota(per_day=1_305)
        jobs = [
            TenantJob([of_tenant(6_000, "acme")]),
            TenantJob([of_tenant(6_001, "acme")], bytes(32)),
            TenantJob([of_tenant(number, "acme") for number in range(6_000, 7_300)]),
            TenantJob([of_tenant(number, "acme") for number in range(8_000, 8_009)], limits=few),
        ]
        for job in jobs:
            store.write_with_retry(partial(admit, submissions=[job], at=NOW))
        check_every_row_has_its_entry(store, side)
        written = [each.leaf for each in SideFile(side).read_entries()]
        # What is known already gets no second entry.
        assert len(written) == len(set(written)) == len(identities(store))


def test_evidence_gets_in_only_where_it_is_noted(tmp_path: Path) -> None:
    with (
        open_store(SqliteFile(tmp_path / "anchor.db"), tmp_path / "side") as store,
        store.hold_lease(),
        store.sequence() as connection,
    ):
        connection.info.clear()
        with pytest.raises(RuntimeError, match=r"by Database\.write only"):
            insert_evidence(connection, [make_item(1)])
