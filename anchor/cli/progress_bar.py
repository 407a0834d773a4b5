"""Progress of hashing on standard error: a bar on a terminal (rich), else a line a minute."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from anchor.base.messages.message import Message
from anchor.base.units import format_bytes, format_duration
from anchor.cli.console import Output
from anchor.evidence.hashing_progress import HashingProgress

_LINE_SECONDS = 60.0


@contextmanager
def show_hashing(output: Output, total: int | None = None) -> Iterator[HashingProgress]:
    """Yield what counts files and bytes, and shows them.

    ``total`` is the number of bytes to read, if it is known.
    """
    if output.as_json or not sys.stderr.isatty():
        shown = 0.0

        def show_line(progress: HashingProgress) -> None:
            nonlocal shown
            if progress.elapsed >= shown + _LINE_SECONDS:
                shown = progress.elapsed
                output.note(_describe(progress), mark=Message("hashing-line-mark"))

        progress = HashingProgress(show_line)
        _expect(progress, total)
        yield progress
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(output.say(Message("hashing-title")), total=total, progress="")

        def show_bar(progress: HashingProgress) -> None:
            bar.update(
                task,
                completed=progress.size,
                total=progress.total_size,
                progress=output.say(_describe(progress)),
            )

        progress = HashingProgress(show_bar)
        _expect(progress, total)
        show_bar(progress)
        yield progress


def _expect(progress: HashingProgress, total: int | None) -> None:
    if total is not None:
        progress.expect(0, total)


def _describe(progress: HashingProgress) -> Message:
    size: str | Message = format_bytes(progress.size)
    if progress.total_size is not None:
        size = f"{size}/{format_bytes(progress.total_size)}"
    if progress.files:
        size = Message("hashing-files", count=progress.files, size=size)
    rate = format_bytes(int(progress.rate))
    line = Message("hashing-progress", size=size, rate=rate)
    if progress.seconds_left is None:
        return line
    left = format_duration(progress.seconds_left)
    return Message("hashing-progress-left", progress=line, left=left)
