"""Files and folders are found, whatever a hostile or busy file system holds."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evidence_files import (
    BOTH,
    find,
    hash_all,
    show,
    unprivileged,
    write,
)
from support.evidence_files import place as place

from anchor.base.digests import digest_bytes
from anchor.evidence.checksums import decode_name, encode_name
from anchor.evidence.discovery import IntakeProblem, SourceFile, find_sources
from anchor.evidence.file_hashing import (
    FileDigest,
)
from anchor.evidence.record import source_of

# A test here that hangs has found a bug: something waited for a FIFO, or went round in circles.


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


_PART = st.one_of(
    st.sampled_from(
        [b"a", b"b", b"\\x5c", b"\\xe9", b"\xe9", b"\xe4\xb8", "证据".encode(), b"a b\n"]
    ),
    st.binary(min_size=1, max_size=5).map(lambda raw: raw.translate(None, b"\0/")).filter(bool),
).filter(lambda part: part not in (b".", b".."))
_PLACE = st.lists(_PART, min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(_PLACE, min_size=1, max_size=4),
    links=st.lists(st.tuples(_PLACE, _PLACE), max_size=3),
    spelled=st.sampled_from(["top", ".", "top/../top", "link", "link/../top", "{}/top"]),
    follow=st.booleans(),
)
def test_a_file_found_has_the_origin_that_its_path_has(
    files: list[list[bytes]],
    links: list[tuple[list[bytes], list[bytes]]],
    spelled: str,
    follow: bool,
) -> None:
    # The walk resolves each folder once; `source_of` resolves that of each path.
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            os.symlink("top", "link")
            os.mkdir("top")
            for parts, target in [*((parts, None) for parts in files), *links]:
                path = os.path.join(b"top", *parts)
                with suppress(OSError):  # a file is where a folder was to be
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    if target is None:
                        Path(os.fsdecode(path)).write_bytes(b"x")
                    else:
                        os.symlink(os.path.join(os.fsencode(name), b"top", *target), path)
            places = [path for path in Path("top").rglob("*") if path.is_file()]
            found = find(spelled.format(name), *places[:1], follow=follow)
            found += find(*places, follow=follow)
            sources = [source for source in found if isinstance(source, SourceFile)]
            assert sources or spelled == "link"
            for source in sources:
                folder = os.path.realpath(source.path.parent)
                path = os.fsencode(os.path.join(folder, source.path.name))
                assert source.origin == decode_name(path) == source_of(source.path)
        finally:
            os.chdir(before)


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
    assert notes[2].endswith("its links form a circle")


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
