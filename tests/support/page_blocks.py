"""The command blocks of the documentation's pages, as their readers run them.

The blocks ``sh`` of a page are one shell session in a new folder.  A block ``text`` after one shows
what it prints: its lines in their order, ``...`` for lines left out.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
_MARK = "--- end of block {} ---"
# What differs from run to run: numbers of records, hashes, moments, figures, columns' widths.
_VARIABLE = (
    (re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}-[0-9A-Z*~$=]"), "NUMBER"),
    (re.compile(r"\b0x[0-9a-fA-F]{8,}|\b[0-9a-f]{16,}\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z| UTC)?"), "MOMENT"),
    (re.compile(r"\d[\d,.]*"), "N"),
    (re.compile(r" +"), " "),
)
_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and the lines that the page shows of what they print."""

    commands: str
    transcript: tuple[str, ...] = ()


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks ``sh`` of a page, each with the block ``text`` that follows it."""
    blocks: list[Block] = []
    is_after_commands = False
    for language, text in _FENCE.findall(page.read_text("utf-8")):
        if language == "sh":
            blocks.append(Block(text))
        elif language == "text" and is_after_commands:
            blocks[-1] = Block(blocks[-1].commands, tuple(text.splitlines()))
        is_after_commands = language == "sh"
    return blocks


def run_blocks(
    blocks: Sequence[Block], folder: Path, replaced: Mapping[str, str], before: str = ""
) -> list[str]:
    """Run blocks in one shell in ``folder``, and return what each printed.

    ``replaced`` are texts of the page with what stands in their place here, such as a node's
    address; ``before`` are commands that make what the page takes as given.
    """
    parts = [f"set -eu\nset -m\n{before}\necho '{_MARK.format(0)}'\n"]
    for number, block in enumerate(blocks, 1):
        commands = block.commands
        for text, value in replaced.items():
            commands = commands.replace(text, value)
        parts.append(f"{commands}\necho '{_MARK.format(number)}'\n")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "COLUMNS": "200",
    }
    with subprocess.Popen(
        ["bash", "-c", "".join(parts)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            printed, _ = shell.communicate(timeout=_SECONDS)
        finally:
            end_session(shell.pid)
    assert shell.returncode == 0, printed
    shown = re.split(r"--- end of block \d+ ---\n", printed)
    assert len(shown) == len(blocks) + 2, printed
    return shown[1:-1]


def end_session(leader: int) -> None:
    """Kill what the page's commands left running: each has a process group of its own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            pid = int(entry.name)
            with suppress(ProcessLookupError):
                if os.getsid(pid) == leader:
                    os.kill(pid, signal.SIGKILL)


def find_missing(transcript: Sequence[str], printed: str) -> str | None:
    """Return the first line of a transcript that was not printed in its place, if any."""
    lines = [_mask(line) for line in printed.splitlines()]
    at = 0
    for line in transcript:
        if line.strip() == "...":
            continue
        try:
            at = lines.index(_mask(line), at) + 1
        except ValueError:
            return line
    return None


def _mask(line: str) -> str:
    for pattern, name in _VARIABLE:
        line = pattern.sub(name, line)
    return line.strip()
