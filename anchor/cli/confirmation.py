"""Confirmation of commands that cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from anchor.cli.console import Output
from anchor.errors import UsageError
from anchor.messages.message import Message


def confirm(
    output: Output,
    question: Message,
    *,
    declined: Message,
    show: Callable[[], None] = lambda: None,
) -> None:
    """Ask ``question`` at the terminal, after ``show`` has printed what it is about.

    Raises:
        UsageError: The user declines, or standard input is not a terminal; ``declined`` says that
            nothing was done.
    """
    if output.as_json or not sys.stdin.isatty():
        raise UsageError(Message("confirmation-missing", declined=declined))
    show()
    if not typer.confirm(output.say(question), err=True):
        raise UsageError(declined)
