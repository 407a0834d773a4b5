"""Patterns of gitignore(5); tests/cli/test_gitignore.py compares them with git."""

from __future__ import annotations

import time

import pytest

from anchor.base.errors import MalformedError
from anchor.evidence import ignore_pattern
from anchor.evidence.ignore_pattern import IgnorePattern, parse_gitignore


@pytest.mark.parametrize(
    ("raw", "meant", "not_meant"),
    [
        (b"*.o", [b"a.o", b"d/.o", b"new\nline.o"], [b"a.o/b", b"a.ob"]),
        (b"/a", [b"a"], [b"d/a", b"a\n"]),
        (b"d/**", [b"d/a", b"d/e/f"], [b"d", b"xd/a"]),
        (b"**/e", [b"e", b"d/e"], [b"d/e/f", b"de"]),
        (b"a/**/b", [b"a/b", b"a/x/y/b"], [b"a/xb", b"ab"]),
        (b"caf?", [b"caf\xe9"], ["café".encode(), b"caf/"]),
        (b"[[:digit:]a-c\\]]", [b"7", b"b", b"]"], [b"d", b"/"]),
        (b"[!a]", [b"b", b"\xff"], [b"a", b"/"]),
    ],
)
def test_a_pattern_means_whole_paths(
    raw: bytes, meant: list[bytes], not_meant: list[bytes]
) -> None:
    pattern = IgnorePattern.parse(raw, "test")
    assert pattern is not None
    assert all(pattern.matches(path, is_folder=False) for path in meant)
    assert not any(pattern.matches(path, is_folder=False) for path in not_meant)


@pytest.mark.parametrize("raw", [b"", b"!", b"/", b"[a", b"a\\", b"[[:none:]]"])
def test_a_pattern_that_can_match_nothing_is_none(raw: bytes) -> None:
    assert IgnorePattern.parse(raw, "test") is None


def test_no_pattern_takes_long() -> None:
    started = time.perf_counter()
    for raw in (b"*a" * 100 + b"b", b"**/" + b"*a*/**/" * 20 + b"b", b"/a*" * 50, b"**/a" * 50):
        pattern = IgnorePattern.parse(raw, "test")
        assert pattern is not None
        assert not pattern.matches(b"a" * 250, is_folder=False)
        assert not pattern.matches(b"a/" * 500 + b"c", is_folder=False)
    assert time.perf_counter() - started < 5


def test_a_file_of_patterns_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(parse_gitignore(b"a\n" * (ignore_pattern.MAX_LINES - 1), "x")) == 4_095
    with pytest.raises(MalformedError, match=r"262,144 bytes or 4,096 lines"):
        parse_gitignore(b"a\n" * ignore_pattern.MAX_LINES, "x")
    with pytest.raises(MalformedError):
        parse_gitignore(b"#" * (ignore_pattern.MAX_BYTES + 1), "x")
