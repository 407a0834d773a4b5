"""The manual pages, as mandoc reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.tools import check_program

from anchor.base.errors import ExitCode
from anchor.cli.command_table import COMMANDS, EXAMPLES

sys.path.append(str(ROOT / "scripts/_build"))
from manual_pages import escape, write_manual


@pytest.fixture(scope="module")
def mandoc() -> str:
    return check_program("mandoc")


@pytest.fixture(scope="module")
def man(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    for name, text in write_manual().items():
        (folder / name).write_text(text, "utf-8")
    return folder


def read(mandoc: str, page: Path) -> str:
    """Return a page as plain text in lines of any length."""
    command = [mandoc, "-T", "utf8", "-O", "width=1000", page]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return subprocess.run(["col", "-b"], input=text, capture_output=True, text=True).stdout


def test_mandoc_has_nothing_to_say_but_that_they_have_no_date(mandoc: str, man: Path) -> None:
    pages = sorted(man.iterdir())
    command = [mandoc, "-T", "lint", "-W", "warning", *pages]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert lines == []
    assert done.stdout.count("missing date") == len(pages)


def test_a_page_shows_examples_as_they_are_typed(mandoc: str, man: Path) -> None:
    for words in ("verify", "trust pin", "collect", "add"):
        text = read(mandoc, man / f"anchor-{words.split()[0]}.1")
        for example in EXAMPLES[words]:
            assert example in " ".join(text.split()), example


def test_the_overview_has_every_exit_code_and_every_command(mandoc: str, man: Path) -> None:
    text = " ".join(read(mandoc, man / "anchor.1").split())
    for code in ExitCode:
        assert f"{int(code)} {code.meaning}" in text
    for name, summary in COMMANDS.items():
        assert f"anchor-{name}(1) {summary}".replace("`", "`") in text


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        (".hidden", "\\&.hidden"),
        ("a\n.b", "a\n\\&.b"),
        ("--out C:\\x", "\\-\\-out C:\\ex"),
        ("'x' `y`", "\\(aqx\\(aq \\(gay\\(ga"),
    ],
)
def test_what_roff_would_read_otherwise_is_escaped(text: str, roff: str) -> None:
    assert escape(text) == roff
