"""The progress bar for hashing, drawn with rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anchor.cli.console import Output
from anchor.messages.message import Message
from anchor.units import format_bytes


@contextmanager
def show_hashing(output: Output, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that counts files and bytes; the bar is shown on a terminal only.

    ``total`` is the number of bytes to read, if it is known.
    """
    if output.as_json or not sys.stderr.isatty():
        yield lambda _files, _size: None
        return
    # Loading it takes a tenth of a short command's time.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[progress]}"),
        TimeElapsedColumn(),
    )
    done = read = 0

    def describe(speed: float | None) -> str:
        size = (
            format_bytes(read) if total is None else f"{format_bytes(read)}/{format_bytes(total)}"
        )
        if total is None:
            size = Message("hashing-files", count=done, size=size)
        rate = format_bytes(int(speed or 0))
        return output.say(Message("hashing-progress", size=size, rate=rate))

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        title = output.say(Message("hashing-title"))
        task = bar.add_task(title, total=total, progress=describe(None))

        def advance(files: int, size: int) -> None:
            nonlocal done, read
            done, read = done + files, read + size
            bar.update(task, advance=size, progress=describe(bar.tasks[0].speed))

        yield advance
