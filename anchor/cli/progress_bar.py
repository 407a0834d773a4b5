"""The progress bar for hashing, drawn with rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from anchor.cli.console import Output, human_size
from anchor.messages.message import Message


@contextmanager
def show_hashing(output: Output) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that counts files and bytes; the bar is shown on a terminal only."""
    if output.as_json or not sys.stderr.isatty():
        yield lambda _files, _size: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[progress]}"),
        TimeElapsedColumn(),
    )
    done = total = 0

    def describe() -> str:
        return output.say(Message("hashing-progress", count=done, size=human_size(total)))

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(output.say(Message("hashing-title")), total=None, progress=describe())

        def advance(files: int, size: int) -> None:
            nonlocal done, total
            done, total = done + files, total + size
            bar.update(task, advance=files, progress=describe())

        yield advance
