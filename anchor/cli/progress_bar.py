"""The progress bar for hashing, drawn with rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from anchor.cli.console import Output, human_size


@contextmanager
def show_hashing(output: Output) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that counts files and bytes; the bar is shown on a terminal only."""
    if output.as_json or not sys.stderr.isatty():
        yield lambda _files, _size: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} files, {task.fields[size]}"),
        TimeElapsedColumn(),
    )
    total = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("hashing", total=None, size="0 B")

        def advance(files: int, size: int) -> None:
            nonlocal total
            total += size
            bar.update(task, advance=files, size=human_size(total))

        yield advance
