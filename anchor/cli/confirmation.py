"""Confirmation of commands that cannot be undone, and of projects that were changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from anchor.base.errors import ProjectChangedError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.project.allowlist import allow_project, find_config

T = TypeVar("T")


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


def choose_config(option: Path | None) -> Path:
    """Return what ``find_config`` does, after asking about a project that was changed."""
    return ask_about_change(lambda: find_config(option))


def ask_about_change(choose: Callable[[], T]) -> T:
    """Return what ``choose`` does; ask at the terminal whether a changed project still counts.

    Raises:
        ProjectChangedError: The user declines, or there is no terminal.
    """
    try:
        return choose()
    except ProjectChangedError as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        output = Output(as_json=False)
        output.note(error.message, mark=Message("warning-mark"))
        if not typer.confirm(output.say(Message("project-changed-question")), err=True):
            raise
        allow_project(error.config)
    return ask_about_change(choose)
