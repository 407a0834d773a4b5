"""Patterns leave out of a folder what git leaves out, whatever the names and patterns."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.tools import check_program

from anchor.evidence.discovery import SourceFile, find_sources
from anchor.evidence.exclusion import Exclusion

Tree = Mapping[bytes, bytes]


def make(folder: Path, tree: Tree) -> None:
    for name, content in tree.items():
        file = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        Path(os.fsdecode(file)).write_bytes(content)


def list_ours(folder: Path, patterns: list[bytes]) -> set[bytes]:
    exclusion = Exclusion.of_options(patterns, gitignore=True)
    found = find_sources([folder], follow_symlinks=False, exclusion=exclusion)
    files = (os.fsencode(each.path) for each in found if isinstance(each, SourceFile))
    return {os.path.relpath(file, os.fsencode(folder)) for file in files}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of git without a file, in which rules for all of it are what we imply."""
    check_program("git")
    folder = tmp_path_factory.mktemp("repository")
    run_git(folder, "init", "-q")
    (folder / ".git/info/exclude").write_text("__pycache__/\n")
    return folder


def run_git(folder: Path, *words: str | bytes) -> bytes:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *words], cwd=folder, env=environment, check=True, capture_output=True
    ).stdout


def check_like_git(repository: Path, tree: Tree, *patterns: bytes) -> set[bytes]:
    """Return the files that we and git find in the same tree, which is gone then."""
    options = [word for pattern in patterns for word in (b"--exclude", pattern)]
    try:
        make(repository, tree)
        listed = run_git(repository, "ls-files", "-z", "--others", "--exclude-standard", *options)
        found = list_ours(repository, list(patterns))
    finally:
        for place in repository.iterdir():
            if place.name != ".git":
                shutil.rmtree(place) if place.is_dir() else place.unlink()
    expected = set(listed.split(b"\0")) - {b""}
    assert found == expected, (found - expected, expected - found)
    return found


FILES = (
    b"a", b"b.o", b"keep.o", b"foobar", b"name with spaces ", b"new\nline", b"caf\xe9.txt",
    "é.txt".encode(), b"#hash", b"!bang", b"back\\slash", b"[set]", b"tab\t", b"build/x.o",
    b"build/deep/y", b"d/build/z", b"d/e/f/g.o", b"d/e/keep.o", b"d/__pycache__/m.pyc",
    b"d/__pycache__x", b"d/a", b"d/abc", b"foo/bar/baz", b"foo/barbaz", b"fooX/Y/bar",
)  # fmt: skip


LINES = (
    b"", b"*.o", b"*.o\n!keep.o", b"/a", b"a", b"build/", b"/build", b"build/*\n!build/deep",
    b"build/\n!build/x.o", b"*\n!d", b"*\n!*/\n!*.o", b"**/e", b"d/**", b"d/**\n!d/a",
    b"d/**/g.o", b"**/e/**", b"**", b"*/", b"**/", b"/", b"!", b"!!bang", b"\\!bang", b"#hash",
    b"\\#hash", b"name with spaces", b"name with spaces\\ ", b"a   ", b"a\\  ", b"a\r\nb.o\r\n",
    b"new?line", b"new*", b"caf?.txt", b"?.txt", b"??.txt", b"caf\xe9.txt", b"[^a-z]*", b"[!a]",
    b"[[:alpha:]]", b"[[:digit:][:upper:]]*", b"[[:nonsense:]]", b"[a\\]b]", b"[]a]", b"[z-a]",
    b"[a-", b"[", b"\\[set]", b"[[]set[]]", b"back\\\\slash", b"back\\", b"tab\t", b"tab",
    b"foo**/bar", b"foo/bar/", b"foo/bar", b"foo/ba*/", b"foo**bar", b"**bar", b"***/e",
    b"d/*/f", b"d/e*/**/g*", b"/*/e/keep.o", b"//a", b"d//a", b"\xef\xbb\xbfa", b"a\0b", b".*",
    b"!.git\n!.*", b".gitignore", b"!__pycache__/", b"__pycache__/*\n!__pycache__/m.pyc",
    b"[/]a", b"d[/]a", b"d?a", b"d*a", b"*a*b*c*", b"d/a*b*c",
)  # fmt: skip


def test_the_same_files_are_left_out_as_by_git(repository: Path) -> None:
    tree: dict[bytes, bytes] = {}
    for number, lines in enumerate(LINES):
        alone, nested = b"alone%d/" % number, b"nested%d/" % number
        for name in FILES:
            tree[alone + name] = tree[nested + name] = b"evidence"
        tree[alone + b".gitignore"] = tree[nested + b"d/.gitignore"] = lines
        tree[nested + b".gitignore"] = b"*.o\nfoobar\n!/d/e/keep.o"
    found = check_like_git(repository, tree)
    assert len(LINES) < len(found) < len(tree)


def test_patterns_of_the_call_decide_before_every_file(repository: Path) -> None:
    tree = dict.fromkeys(FILES, b"evidence") | {b"d/.gitignore": b"a\n!abc\n"}
    assert b"d/a" in check_like_git(repository, tree, b"d*/*c", b"!a")
    assert b"d/abc" not in check_like_git(repository, tree, b"abc")
    assert b"d/abc" in check_like_git(repository, tree, b"/abc", b"!d/__pycache__/")


BYTES = [b"a", b"b", b".", b"-", b" ", b"\xe9", b"!", b"\\", b"[", b"]", b"*", b"?", b":"]
_NAMES = st.lists(st.sampled_from(BYTES[:7]), min_size=1, max_size=3).map(b"".join)
_PATHS = st.lists(_NAMES.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=4)
_PIECES = [
    *BYTES,
    b"**",
    b"/",
    b"/**/",
    b"**/",
    b"/**",
    b"[!a]",
    b"[a-b]",
    b"[[:punct:]]",
    b"a/",
    b"*/",
]
_LINES = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map(b"".join)
_FILES = st.lists(_LINES, max_size=4).map(b"\n".join)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    paths=st.lists(_PATHS, min_size=1, max_size=8),
    outer=_FILES,
    inner=_FILES,
    place=st.integers(0, 7),
)
@example(paths=[[b"aa", b"b"]], outer=b"a**/b", inner=b"", place=0)
def test_any_patterns_leave_out_what_they_do_in_git(
    repository: Path, paths: list[list[bytes]], outer: bytes, inner: bytes, place: int
) -> None:
    tree: dict[bytes, bytes] = {}
    folders: set[bytes] = set()
    for parts in paths:
        above = {b"/".join(parts[:end]) for end in range(1, len(parts))}
        path = b"/".join(parts)
        if path not in folders and not above & tree.keys():
            tree[path] = b"evidence"
            folders |= above
    tree[b".gitignore"] = outer
    if folders:
        tree[sorted(folders)[place % len(folders)] + b"/.gitignore"] = inner
    check_like_git(repository, tree)
