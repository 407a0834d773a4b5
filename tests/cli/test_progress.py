"""Progress of hashing goes to standard error: a bar on a terminal, elsewhere lines, seldom."""

from __future__ import annotations

import re
import sys
from io import StringIO

import pytest

from anchor.cli import progress_bar
from anchor.cli.console import Output
from anchor.cli.progress_bar import show_hashing


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_run_prints_lines_without_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_hashing(Output(as_json=True)) as progress:
        progress(1, 2_048)
    monkeypatch.setattr(progress_bar, "_LINE_SECONDS", 0.0)
    with show_hashing(Output(as_json=True)) as progress:
        progress(1, 2_048)
        progress.expect(4, 4_096)
        progress(1, 1_024)
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert re.fullmatch(r"hashing: 1 files, 2\.0 KiB, [\d.]+ .?i?B/s", first)
    assert re.fullmatch(r"hashing: 2 files, 3\.0 KiB/4\.0 KiB, [\d.]+ .?i?B/s, \d+ s left", second)


def test_a_terminal_shows_the_time_left_once_the_total_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "150")
    with show_hashing(Output(as_json=False)) as progress:
        progress(1, 1_024)
    assert "1 files, 1.0 KiB" in terminal.getvalue() and " left" not in terminal.getvalue()
    with show_hashing(Output(as_json=False)) as progress:
        progress.expect(4, 4_096)
        progress(1, 1_024)
    assert re.search(r"1\.0 KiB/4\.0 KiB, .*/s, \d+ s left", terminal.getvalue())
