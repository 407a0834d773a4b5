"""Finding and digesting files, with everything a hostile or busy file system can do."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from anchor.errors import UnknownVersionError, UsageError
from anchor.evidence import file_hashing
from anchor.evidence.checksums import encode_name
from anchor.evidence.digests import CHUNK_BYTES, SHA256, SM3, digest_bytes, digest_stream
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, find_sources
from anchor.evidence.file_hashing import (
    BATCH_BYTES,
    BATCH_FILES,
    MAX_TASKS,
    FileDigest,
    Result,
    hash_sources,
    hash_stdin,
)
from anchor.evidence.hashing_pool import count_usable_cores, open_executor

BOTH = (SHA256, SM3)
NOBODY = 65534

# A test here that hangs has found a bug: something waited for a FIFO, or went round in circles.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory that an unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.chdir(folder)
    yield folder
    monkeypatch.undo()
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root's right to pass over permissions; it comes back with the effective user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def write(path: str | Path, content: bytes = b"evidence") -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def find(*arguments: str | Path, follow: bool = False) -> list[Discovered]:
    return list(find_sources([Path(item) for item in arguments], follow_symlinks=follow))


def show(found: Sequence[Discovered | Result]) -> list[str]:
    """Write each item as one short line, with ! for a problem and - for what was skipped."""
    lines = []
    for item in found:
        if isinstance(item, IntakeProblem | Skipped):
            lines.append(
                f"{'!' if isinstance(item, IntakeProblem) else '-'} {item.path}: {item.reason}"
            )
        else:
            lines.append(item.name if isinstance(item, SourceFile) else item.source.name)
    return lines


def hash_all(found: Sequence[Discovered], workers: int = 2, **options: Any) -> list[Result]:
    with open_executor(workers) as executor:
        return list(hash_sources(found, BOTH, executor=executor, **options))


def hash_one(path: Path, guarded: int = 1) -> Result:
    (result,) = hash_all([SourceFile(path=path, name="x", guarded=guarded)])
    return result


def reason(result: Result | Discovered) -> str:
    assert isinstance(result, IntakeProblem), result
    return result.reason


# --- finding --------------------------------------------------------------------------------------


def test_a_file_is_named_by_its_base_name_and_a_folder_gives_whole_paths(place: Path) -> None:
    write("case/sub/b.txt")
    write("case/a.txt")
    found = find("case/sub/b.txt", "case")
    assert show(found) == ["b.txt", "case/a.txt"]
    assert [item.path for item in found] == [Path("case/sub/b.txt"), Path("case/a.txt")]


@pytest.mark.parametrize("spelling", [".", "../case", "sub/..", "{absolute}", "../case/."])
def test_a_folder_has_its_resolved_name_however_it_is_spelled(
    place: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    write("case/sub/b.txt")
    monkeypatch.chdir("case")
    found = find(spelling.format(absolute=place / "case"))
    assert show(found) == ["case/sub/b.txt"]
    assert show(hash_all(found)) == ["case/sub/b.txt"]


def test_the_order_is_that_of_whole_paths_as_bytes(place: Path) -> None:
    names = [
        "a.txt",
        "a/z",
        "a-b",
        "B",
        "a0",
        "é",
        "z/1",
        "z/10",
        "z/2",
        "a/b/c",
        "a/b.c",
        "Z",
        "~",
    ]
    for name in names:
        write(place / "top" / name)
    expected = sorted(f"top/{name}".encode() for name in names)
    assert [line.encode() for line in show(find("top"))] == expected


def test_sort_agrees_on_the_order(place: Path) -> None:
    letters = random.Random(7)
    for _ in range(200):
        write(place / "top" / "/".join(letters.choices(["a", "b.", "c-", "d0", "D"], k=3)) / "file")
    listed = "\n".join(show(find("top"))) + "\n"
    command = ["sort"]
    ran = subprocess.run(
        command, input=listed.encode(), env={"LC_ALL": "C"}, capture_output=True, check=True
    )
    assert ran.stdout.decode() == listed


@pytest.mark.fault(
    "J4",
    how="file names that are no Unicode",
    then="escaped where they are shown; the files are read",
)
def test_names_that_are_not_unicode_are_escaped_and_still_open(place: Path) -> None:
    raw = [b"caf\xe9", b"caf\\xe9", "café".encode(), b"a\nb", b"\xff"]
    for name in raw:
        write(place / "top" / os.fsdecode(name), content=name)
    found = find("top")
    assert [encode_name(line) for line in show(found)] == sorted(b"top/" + name for name in raw)
    for result in hash_all(found):
        assert isinstance(result, FileDigest)
        content = encode_name(result.source.name).removeprefix(b"top/")
        assert result.digests == digest_bytes(content, BOTH)
    assert show(find(Path(os.fsdecode(b"top/caf\xe9")))) == ["caf\\xe9"]


def test_a_path_reached_through_two_arguments_is_listed_once(place: Path) -> None:
    write("a/b/1")
    write("a/b/2")
    write("a/3")
    assert show(find("a", "a/b", "a/b/1", "./a", place / "a", "a/b/../3")) == [
        "a/3",
        "a/b/1",
        "a/b/2",
    ]
    assert show(find("a/b/1", "a/b/1")) == ["1"]
    assert show(find("a/b", "a", follow=True)) == ["b/1", "b/2", "a/3"]
    assert show(find("a", "a/b/1", follow=True)) == ["a/3", "a/b/1", "a/b/2"]


def test_a_folder_beside_one_of_the_same_beginning_is_not_covered_by_it(place: Path) -> None:
    write("ab/1")
    write("a/1")
    assert show(find("a", "ab")) == ["a/1", "ab/1"]


def test_two_hard_links_are_two_names(place: Path) -> None:
    write("a/1")
    os.link("a/1", "a/2")
    assert show(find("a", "a/2")) == ["a/1", "a/2"]


@pytest.mark.fault(
    "J5",
    how="symbolic links among the files",
    then="skipped, and said so",
)
def test_symbolic_links_are_skipped_with_a_reason(place: Path) -> None:
    write("a/file")
    write("outside/secret")
    os.symlink("file", "a/to-file")
    os.symlink("../outside", "a/to-folder")
    os.symlink("nowhere", "a/to-nothing")
    os.symlink("a", "link")
    note = "it is a symbolic link, and links are not followed"
    assert show(find("a", "link", "a/to-file")) == [
        "a/file",
        f"- a/to-file: {note}",
        f"- a/to-folder: {note}",
        f"- a/to-nothing: {note}",
        f"- link: {note}",
    ]


def test_links_on_the_way_to_an_argument_are_the_callers_choice(place: Path) -> None:
    write("real/sub/file")
    os.symlink("real", "link")
    found = find("link/sub", "link/sub/file", "real/sub")
    assert show(found) == ["sub/file"]
    assert show(hash_all(found)) == ["sub/file"]


def test_followed_links_are_names_of_their_own_and_folders_come_once(place: Path) -> None:
    write("a/file")
    write("outside/secret")
    os.symlink("file", "a/also")
    os.symlink("../outside", "a/linked")
    os.symlink("nowhere", "a/nothing")
    found = find("a", "outside", follow=True)
    assert show(found) == [
        "a/also",
        "a/file",
        "a/linked/secret",
        "! a/nothing: it cannot be read: No such file or directory",
        "- outside: a link leads to this folder a second time",
    ]
    assert [isinstance(item, FileDigest) for item in hash_all(found)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_followed_argument_counts_as_the_link_and_as_what_it_leads_to(place: Path) -> None:
    write("a/file")
    os.symlink("a", "link")
    os.symlink("a/file", "other")
    assert show(find("link", "a", "link/file", follow=True)) == ["a/file"]
    assert show(find("other", "a/file", "other", follow=True)) == ["other"]
    assert show(find("a", "other", follow=True)) == ["a/file"]


def test_a_file_already_listed_is_not_listed_again_through_a_linked_folder(place: Path) -> None:
    write("x/file")
    write("x/other")
    (place / "d").mkdir()
    os.symlink("../x", "d/link")
    assert show(find("x/file", "d", follow=True)) == ["file", "d/link/other"]


def test_the_root_folder_has_no_name_to_put_in_front() -> None:
    walk = find_sources([Path("/")], follow_symlinks=False)
    first = next(item for item in walk if isinstance(item, SourceFile))
    assert "/" + first.name == str(first.path)


def test_loops_of_links_end(place: Path) -> None:
    write("a/b/file")
    os.symlink("..", "a/b/up")
    os.symlink(".", "a/self")
    os.symlink("self2", "a/self2")
    for follow in (False, True):
        names = [line for line in show(find("a", follow=follow)) if line[0] not in "!-"]
        assert names == ["a/b/file"]
    notes = [line for line in show(find("a", follow=True)) if line[0] in "!-"]
    assert notes[:2] == [
        "- a/b/up: a link leads to this folder a second time",
        "- a/self: a link leads to this folder a second time",
    ]
    assert len(notes) == 3
    assert notes[2].startswith("! a/self2: it cannot be read: ")
    assert notes[2].endswith("links lead in a circle")


def test_a_ladder_of_links_is_not_walked_in_all_its_2_to_the_40_ways(place: Path) -> None:
    for step in range(40):
        folder = place / "top" / f"{step:02}"
        write(folder / "file")
        for side in ("left", "right"):
            os.symlink(f"../{step + 1:02}", folder / side)
    names = [line for line in show(find("top", follow=True)) if line[0] not in "!-"]
    assert len(names) == 40


@pytest.mark.fault(
    "J5",
    how="pipes, sockets and devices among the files",
    then="skipped and never opened",
)
def test_special_files_are_skipped_and_never_opened(place: Path) -> None:
    (place / "top").mkdir()
    os.mkfifo("top/pipe")
    write("top/file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("top/socket")
        for follow in (False, True):
            assert show(find("top", "/dev/null", follow=follow)) == [
                "top/file",
                "- top/pipe: it is a FIFO, not a regular file",
                "- top/socket: it is a socket, not a regular file",
                "- /dev/null: it is a character device, not a regular file",
            ]


def test_a_missing_argument_is_a_problem_and_the_rest_goes_on(place: Path) -> None:
    write("there")
    assert show(find("gone", "there", "there/below", "nul\0byte", "\ud800")) == [
        "! gone: it cannot be read: No such file or directory",
        "there",
        "! there/below: it cannot be read: Not a directory",
        "! nul\0byte: it cannot be read: no file can have this path",
        "! \ud800: it cannot be read: no file can have this path",
    ]


def test_a_folder_that_cannot_be_listed_is_a_problem_and_the_rest_goes_on(place: Path) -> None:
    write("top/a")
    write("top/closed/file")
    write("top/z")
    (place / "top/closed").chmod(0o000)
    with unprivileged():
        assert show(find("top")) == [
            "top/a",
            "! top/closed: it cannot be read: Permission denied",
            "top/z",
        ]


def test_a_file_in_an_unlisted_folder_is_not_taken_for_listed(place: Path) -> None:
    write("top/hidden/file")
    (place / "top/hidden").chmod(0o311)
    with unprivileged():
        found = find("top", "top/hidden/file")
        assert show(found)[1:] == ["file"]
        assert show(hash_all(found))[1:] == ["file"]


def test_a_folder_that_may_be_passed_but_not_listed_does_not_hide_what_is_below(
    place: Path,
) -> None:
    write("pass/list/file")
    write("pass/list/sub/file")
    (place / "pass").chmod(0o311)
    with unprivileged():
        found = find("pass/list")
        assert show(hash_all(found)) == ["list/file", "list/sub/file"]


def test_a_listing_that_breaks_off_is_a_problem_and_keeps_what_it_gave(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("top/a")
    real = os.scandir

    @contextmanager
    def broken(descriptor: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            with real(descriptor) as listing:
                yield from listing
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        yield entries()

    monkeypatch.setattr(os, "scandir", broken)
    assert show(find("top")) == ["! top: it cannot be read: Input/output error", "top/a"]


def test_a_folder_replaced_by_a_link_during_the_walk_is_not_followed(place: Path) -> None:
    write("top/a/file")
    write("top/b/file")
    write("outside/secret")
    walk = find_sources([Path("top")], follow_symlinks=False)
    assert show([next(walk)]) == ["top/a/file"]
    shutil.rmtree("top/b")
    os.symlink("../outside", "top/b")
    (rest,) = walk
    assert isinstance(rest, IntakeProblem)


def test_a_folder_above_replaced_by_a_link_is_not_followed_either(place: Path) -> None:
    write("top/mid/a/file")
    write("top/mid/b/file")
    write("outside/b/secret")
    walk = find_sources([Path("top")], follow_symlinks=False)
    first = next(walk)
    os.rename("top/mid", "top/was")
    os.symlink("../outside", "top/mid")
    (rest,) = walk
    assert isinstance(rest, IntakeProblem)
    assert isinstance(hash_all([first])[0], IntakeProblem)


def test_folders_nest_deeper_than_paths_or_python_do(place: Path) -> None:
    depth = 1_100
    home = os.open(".", os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir("deep")
            os.chdir("deep")
        write("file")
        os.fchdir(home)
        found = find("deep")
        assert show(found) == ["deep/" * depth + "file"]
        assert isinstance(hash_all(found)[0], FileDigest)
    finally:
        os.fchdir(home)
        os.close(home)
        subprocess.run(["rm", "-rf", "deep"], check=True)


# --- digesting ------------------------------------------------------------------------------------


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


def test_5000_files_come_in_the_same_order_for_any_number_of_workers(place: Path) -> None:
    contents = {f"top/{n % 70}/{n * 7919 % 5000}": b"%d" % n * (n % 50) for n in range(5000)}
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
    assert len(told) == 2
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
    assert "changed while it was read" in reason(hash_one(path, guarded=0))


def test_a_file_that_ends_before_its_size_is_a_problem(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("file")
    monkeypatch.setattr(os, "read", lambda descriptor, size: b"")
    monkeypatch.setattr(file_hashing._Stoppable, "readinto", lambda stream, buffer: 0)
    assert "changed while it was read" in reason(hash_one(path))


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


def _change_while_read(
    monkeypatch: pytest.MonkeyPatch, path: Path, change: Callable[[Path], None], times: int
) -> list[int]:
    """Let ``change`` happen between the first read and the second look, ``times`` times."""
    reads: list[int] = []

    def after_first_read() -> None:
        reads.append(1)
        if len(reads) <= times:
            change(path)

    def whole(data: bytes, algorithms: tuple[str, ...]) -> object:
        after_first_read()
        return digest_bytes(data, algorithms)

    class Watched:
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self._is_first = True

        def readinto(self, buffer: Any) -> int:
            count: int = self._stream.readinto(buffer)
            if self._is_first:
                self._is_first = False
                after_first_read()
            return count

    def streamed(stream: Any, algorithms: tuple[str, ...], *, limit: int | None = None) -> object:
        return digest_stream(cast(BinaryIO, Watched(stream)), algorithms, limit=limit)

    monkeypatch.setattr(file_hashing, "digest_bytes", whole)
    monkeypatch.setattr(file_hashing, "digest_stream", streamed)
    return reads


CHANGES = [_append, _truncate, _rewrite, _rewrite_and_hide_it]


@pytest.mark.parametrize("size", [100, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_keeps_changing_while_it_is_read_is_a_problem(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], size: int
) -> None:
    path = write("file", bytes(size))
    reads = _change_while_read(monkeypatch, path, change, times=99)
    assert "changed while it was read" in reason(hash_one(path))
    assert len(reads) == 2


@pytest.mark.parametrize("size", [100, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_once_is_read_again_as_it_is_now(
    place: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], size: int
) -> None:
    path = write("file", bytes(size))
    _change_while_read(monkeypatch, path, change, times=1)
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


# --- tasks ----------------------------------------------------------------------------------------


class _CountingExecutor(Executor):
    """Runs nothing until a result is asked for, and counts what is waiting."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self.batches.append(len(arguments[0]))

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                return call(*arguments, **named)

        return Lazy()


@pytest.mark.fault(
    "J1",
    how="sources without end",
    then="few are in memory at a time",
)
def test_few_tasks_exist_at_a_time_whatever_the_number_of_sources() -> None:
    taken = 0

    def endless() -> Iterator[Discovered]:
        nonlocal taken
        while True:
            taken += 1
            yield IntakeProblem(path=Path("x"), reason="bad")

    executor = _CountingExecutor()
    results = hash_sources(endless(), BOTH, executor=executor)
    next(results)
    assert taken <= (MAX_TASKS + 1) * BATCH_FILES + 1
    assert len(executor.batches) == MAX_TASKS
    for _ in range(20 * BATCH_FILES):
        next(results)
    assert taken <= (MAX_TASKS + 22) * BATCH_FILES
    results.close()  # type: ignore[attr-defined]


def test_small_files_share_a_task_and_large_ones_have_their_own(place: Path) -> None:
    half = BATCH_BYTES // 2
    for n, size in enumerate([1, 1, BATCH_BYTES + 1, 1, half, half, 1, BATCH_BYTES + 1]):
        with write(f"top/{n}").open("wb") as file:
            file.truncate(size)
    executor = _CountingExecutor()
    list(hash_sources(find("top"), BOTH, executor=executor))
    assert executor.batches == [2, 1, 2, 2, 1]


def test_an_interrupt_cancels_the_tasks_that_wait(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3 * BATCH_FILES):
        write(f"top/{n}")
    reads = _change_while_read(monkeypatch, place, lambda path: None, times=0)

    def interrupted() -> Iterator[Discovered]:
        yield from find("top")
        raise KeyboardInterrupt

    gate = threading.Event()
    with open_executor(1) as executor:
        executor.submit(gate.wait)
        try:
            with pytest.raises(KeyboardInterrupt):
                list(hash_sources(interrupted(), BOTH, executor=executor))
        finally:
            gate.set()
    assert reads == []


def test_tasks_of_any_executor_are_cancelled_when_the_caller_stops(place: Path) -> None:
    class Waiting(Executor):
        def __init__(self) -> None:
            self.tasks: list[Future[Any]] = []

        def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            self.tasks.append(Future())
            return self.tasks[-1]

    def interrupted() -> Iterator[Discovered]:
        for _ in range(5 * BATCH_FILES):
            yield IntakeProblem(path=Path("x"), reason="bad")
        raise KeyboardInterrupt

    executor = Waiting()
    with pytest.raises(KeyboardInterrupt):
        list(hash_sources(interrupted(), BOTH, executor=executor))
    assert [task.cancelled() for task in executor.tasks] == [True] * 4


def test_a_large_file_is_not_read_to_its_end_when_nobody_waits(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write("large").open("wb") as file:
        file.truncate(64 * CHUNK_BYTES)
    started, closed = threading.Event(), threading.Event()
    chunks: list[int] = []

    class Watched:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def readinto(self, buffer: Any) -> int:
            count: int = self._stream.readinto(buffer)
            chunks.append(count)
            started.set()
            assert closed.wait(30)
            return count

    def streamed(stream: Any, algorithms: tuple[str, ...], *, limit: int | None = None) -> object:
        return digest_stream(cast(BinaryIO, Watched(stream)), algorithms, limit=limit)

    monkeypatch.setattr(file_hashing, "digest_stream", streamed)

    def sources() -> Iterator[Discovered]:
        yield from find("large")
        # The first task is handed over when the second begins.
        yield SourceFile(path=Path("large"), name="again")
        assert started.wait(30)
        raise KeyboardInterrupt

    with open_executor(2) as executor:
        with pytest.raises(KeyboardInterrupt):
            list(hash_sources(sources(), BOTH, executor=executor))
        closed.set()
    assert len(chunks) <= 2


def test_no_descriptor_stays_open(place: Path) -> None:
    write("top/a/1")
    write("top/b/2", bytes(BATCH_BYTES + 1))
    os.mkfifo("top/pipe")
    write("top/closed/x")
    (place / "top/closed").chmod(0o000)
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    before = sorted(os.listdir("/proc/self/fd"))
    with unprivileged():
        found = find("top", "gone")
        hash_all([*found, SourceFile(path=Path("top/pipe"), name="x", guarded=2)])
        hash_all([SourceFile(path=Path("top/a/gone"), name="x", guarded=3)])
    assert sorted(os.listdir("/proc/self/fd")) == before


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[list[str]]:
    """Note each call of ``os`` by its name and the last component of what it is about."""
    calls: list[str] = []
    opened: dict[int, str] = {}

    def patch(name: str) -> None:
        real = getattr(os, name)

        def call(target: Any, *arguments: Any, **options: Any) -> Any:
            base = opened.get(target) if isinstance(target, int) else os.path.basename(target)
            calls.append(f"{name} {os.fsdecode(base or '')}")
            result = real(target, *arguments, **options)
            if name == "open":
                opened[result] = str(base)
            return result

        context.setattr(os, name, call)

    with monkeypatch.context() as context:
        for name in names:
            patch(name)
        yield calls


def test_a_file_is_opened_once_and_its_status_asked_for_three_times(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once to find it, and before and after it is read: the two that show an exchange stay."""
    write("alone.txt")
    write("folder/below.txt")
    with counting(monkeypatch, "stat", "lstat", "fstat", "open") as calls:
        results = list(
            hash_sources(
                find_sources([Path("alone.txt"), Path("folder")], follow_symlinks=False),
                BOTH,
                executor=open_executor(1),
            )
        )
    assert all(isinstance(result, FileDigest) for result in results)
    about = {name: [call for call in calls if call.endswith(f" {name}")] for name in
             ("alone.txt", "below.txt")}  # fmt: skip
    assert about["alone.txt"] == [
        "lstat alone.txt", "open alone.txt", "fstat alone.txt", "fstat alone.txt"
    ]  # fmt: skip
    assert about["below.txt"] == [
        "stat below.txt", "open below.txt", "fstat below.txt", "fstat below.txt"
    ]  # fmt: skip


def test_what_is_not_to_be_touched_is_not_even_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = write("store.db").stat()
    os.link("store.db", "another name.db")
    untouched = {(status.st_dev, status.st_ino): "it is ours"}
    with counting(monkeypatch, "open") as calls:
        results = hash_all(find("."), untouched=untouched)
    assert results == [
        Skipped(path=Path(name), reason="it is ours") for name in ("another name.db", "store.db")
    ]
    assert not [call for call in calls if call.endswith(".db")]


def test_an_unknown_algorithm_is_the_callers_error_not_a_problem(place: Path) -> None:
    with open_executor(1) as executor, pytest.raises(UnknownVersionError):
        list(hash_sources(find("."), [SHA256, "md5"], executor=executor))


def test_standard_input_is_digested_and_its_failure_is_one_sentence(place: Path) -> None:
    assert hash_stdin(BytesIO(b"abc"), BOTH) == digest_bytes(b"abc", BOTH)
    descriptor = os.open(place, os.O_RDONLY)

    class Folder:
        def readinto(self, buffer: Any) -> int:
            return len(os.read(descriptor, 1))

    try:
        with pytest.raises(UsageError, match="standard input cannot be read: Is a directory"):
            hash_stdin(cast(BinaryIO, Folder()), BOTH)
    finally:
        os.close(descriptor)


def test_a_pool_has_as_many_threads_as_asked_for_or_usable_cores() -> None:
    assert count_usable_cores() >= 1
    for workers, expected in ((3, 3), (None, count_usable_cores())):
        with open_executor(workers) as executor:
            assert executor._max_workers == expected
    for workers in (0, -1):
        with pytest.raises(UsageError, match="at least 1"):
            open_executor(workers)
