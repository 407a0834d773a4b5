"""Files are digested whole, or it is said why not."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from support.evidence_files import (
    BOTH,
    change_while_read,
    find,
    hash_all,
    hash_one,
    reason,
    show,
    unprivileged,
    write,
)
from support.evidence_files import place as place

from anchor.base.digests import CHUNK_BYTES, digest_bytes
from anchor.evidence import file_hashing
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile
from anchor.evidence.file_hashing import (
    BATCH_BYTES,
    BATCH_FILES,
    FileDigest,
    hash_sources,
)

# A test here that hangs has found a bug: something waited for a FIFO, or went round in circles.


def test_results_hold_the_source_and_its_digests(place: Path) -> None:
    write("file", b"abc")
    source = SourceFile(path=Path("file"), name="x")
    assert hash_all([source]) == [FileDigest(source=source, digests=digest_bytes(b"abc", BOTH))]


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, BATCH_BYTES + 1])
def test_files_of_every_size_class_are_digested_whole(place: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    result = hash_one(write("file", content))
    assert isinstance(result, FileDigest)
    assert result.digests == digest_bytes(content, BOTH)


def test_2000_files_come_in_the_same_order_for_any_number_of_workers(place: Path) -> None:
    contents = {f"top/{n % 70}/{n * 7919 % 2000}": b"%d" % n * (n % 50) for n in range(2000)}
    # Two large ones in between, so that tasks finish out of order.
    contents |= {"top/3/large": bytes(2 * BATCH_BYTES), "top/5": bytes(BATCH_BYTES + 1)}
    contents["top/5/large"] = contents.pop("top/5")
    shuffled = list(contents)
    random.Random(1).shuffle(shuffled)
    for name in shuffled:
        write(name, contents[name])
    found = find("top")
    one, four = hash_all(found, workers=1), hash_all(found, workers=4)
    assert one == four
    assert [line.encode() for line in show(one)] == sorted(name.encode() for name in contents)
    for result in one:
        assert isinstance(result, FileDigest)
        assert result.digests == digest_bytes(contents[result.source.name], BOTH)


def test_processes_can_take_the_place_of_threads(place: Path) -> None:
    write("top/a", b"abc")
    write("top/b", bytes(BATCH_BYTES + 1))
    os.symlink("a", "top/link")
    found = [*find("top"), SourceFile(path=Path("gone"), name="gone")]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        assert list(hash_sources(found, BOTH, executor=executor)) == hash_all(found)


def test_problems_and_skips_are_handed_through_at_their_place(place: Path) -> None:
    a, b = write("a"), write("b")
    found: list[Discovered] = [
        Skipped(path=Path("s"), reason="by rule"),
        SourceFile(path=a, name="a"),
        IntakeProblem(path=Path("p"), reason="bad"),
        SourceFile(path=b, name="b"),
    ]
    assert show(hash_all(found)) == ["- s: by rule", "a", "! p: bad", "b"]


def test_the_counts_told_add_up(place: Path) -> None:
    for n in range(BATCH_FILES + 10):
        write(f"top/{n}", b"12345")
    told: list[tuple[int, int]] = []
    threads: set[int] = set()

    def on_done(files: int, size: int) -> None:
        told.append((files, size))
        threads.add(threading.get_ident())

    found = [*find("top"), SourceFile(path=Path("gone"), name="gone")]
    hash_all(found, on_done=on_done)
    assert sum(files for files, _ in told) == len(found)
    assert sum(size for _, size in told) == 5 * (BATCH_FILES + 10)
    # Between batches, the bytes of large files are told too.
    assert len([files for files, _ in told if files]) == 2
    assert threads == {threading.get_ident()}


def test_a_large_file_is_told_of_while_it_is_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.evidence.file_hashing._TELL_SECONDS", 0.01)
    size = 64 << 20
    with open("large", "wb") as file:
        file.truncate(size)
    told: list[tuple[int, int]] = []
    (hashed,) = hash_all(
        [SourceFile(path=Path("large"), name="large")],
        on_done=lambda files, read: told.append((files, read)),
    )
    assert isinstance(hashed, FileDigest) and hashed.digests.size == size
    assert sum(read for _, read in told) == size
    assert [files for files, _ in told] == [0] * (len(told) - 1) + [1]
    assert len([read for _, read in told if 0 < read < size]) >= 2, told


def test_a_vanished_file_is_a_problem_and_the_rest_goes_on(place: Path) -> None:
    for name in ("a", "b", "c"):
        write(f"top/{name}")
    found = find("top")
    os.unlink("top/b")
    assert show(hash_all(found)) == [
        "top/a",
        "! top/b: it cannot be read: No such file or directory",
        "top/c",
    ]


def test_a_file_without_read_permission_is_a_problem(place: Path) -> None:
    write("top/closed").chmod(0o000)
    write("top/open")
    found = find("top")
    with unprivileged():
        assert show(hash_all(found)) == [
            "! top/closed: it cannot be read: Permission denied",
            "top/open",
        ]


def test_an_input_output_error_is_a_problem() -> None:
    # Address 0 is never mapped, so the kernel answers EIO to a read there: a disk that fails.
    path = Path("/proc/self/mem")
    if not path.exists():
        pytest.skip("no /proc here")
    assert reason(hash_one(path, guarded=0)) == "it cannot be read: Input/output error"


def test_a_file_that_gives_more_bytes_than_its_size_says_is_a_problem() -> None:
    path = Path("/proc/self/status")
    if not path.exists():
        pytest.skip("no /proc here")
    assert "changed while it was being read" in reason(hash_one(path, guarded=0))


def test_a_file_that_ends_before_its_size_is_a_problem(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("file")
    monkeypatch.setattr(os, "read", lambda descriptor, size: b"")
    monkeypatch.setattr(file_hashing._Stoppable, "readinto", lambda stream, buffer: 0)
    assert "changed while it was being read" in reason(hash_one(path))


def test_a_link_in_the_files_place_is_not_followed(place: Path) -> None:
    write("secret")
    write("top/file")
    found = find("top", "top/file")
    os.unlink("top/file")
    os.symlink("../secret", "top/file")
    by_itself = SourceFile(path=Path("top/file"), name="x")
    for result in hash_all([*found, by_itself]):
        assert "symbolic link" in reason(result)
    assert isinstance(hash_one(Path("top/file"), guarded=0), FileDigest)


def test_a_folder_kept_open_for_one_source_is_not_lent_to_a_stricter_one(place: Path) -> None:
    write("real/sub/file")
    os.symlink("real", "link")
    path = Path("link/sub/file")
    loose, strict = (SourceFile(path=path, name="x", guarded=guarded) for guarded in (2, 3))
    results = hash_all([loose, strict, loose])
    assert [type(result) for result in results] == [FileDigest, IntakeProblem, FileDigest]


@pytest.mark.parametrize("kind", ["FIFO", "folder", "socket"])
def test_something_else_in_the_files_place_is_a_problem_and_hangs_nothing(
    place: Path, kind: str
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        make: dict[str, Callable[[str], None]] = {
            "FIFO": os.mkfifo,
            "folder": os.mkdir,
            "socket": listener.bind,
        }
        make[kind]("file")
        result = hash_one(Path("file"))
    expected = "cannot be read: No such device" if kind == "socket" else f"is a {kind}, not"
    assert expected in reason(result)


def _wait_for_the_clock(path: Path) -> None:
    """Wait until a new change time differs from the file's: clocks of file systems tick slowly."""
    probe = path.with_name("probe")
    while write(probe).stat().st_ctime_ns <= path.stat().st_ctime_ns:
        pass


def _append(path: Path) -> None:
    def run() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    writer = threading.Thread(target=run)
    writer.start()
    writer.join()


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _rewrite_and_hide_it(path: Path) -> None:
    before = path.stat()
    _wait_for_the_clock(path)
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = [_append, _truncate, _rewrite, _rewrite_and_hide_it]


@pytest.mark.parametrize("size", [100, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_keeps_changing_while_it_is_read_is_a_problem(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], size: int
) -> None:
    path = write("file", bytes(size))
    reads = change_while_read(monkeypatch, path, change, times=99)
    assert "changed while it was being read" in reason(hash_one(path))
    assert len(reads) == 2


@pytest.mark.parametrize("size", [100, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_once_is_read_again_as_it_is_now(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], size: int
) -> None:
    path = write("file", bytes(size))
    change_while_read(monkeypatch, path, change, times=1)
    result = hash_one(path)
    assert isinstance(result, FileDigest)
    assert result.digests == digest_bytes(path.read_bytes(), BOTH)


def test_a_file_system_that_gives_less_than_asked_for_is_read_to_the_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("file", b"0123456789")
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 3)))
    result = hash_one(path)
    assert isinstance(result, FileDigest)
    assert result.digests == digest_bytes(b"0123456789", BOTH)
