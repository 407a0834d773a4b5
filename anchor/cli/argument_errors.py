"""Messages for Typer's errors about a command line that cannot be parsed.

Typer words its errors itself.  Each is matched to the message whose English text equals Typer's
sentence; if there is none, the sentence is printed in English.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from anchor.base.messages.message import Message
from anchor.base.messages.validation import describe_fault


@runtime_checkable
class ArgumentsError(Protocol):
    """An error that Typer raises for a command line that it cannot parse."""

    exit_code: int

    def format_message(self) -> str: ...
    def show(self) -> None: ...


def is_help(error: ArgumentsError) -> bool:
    """Return whether the error is only that a group was called without a command."""
    context = getattr(error, "ctx", None)
    return context is not None and error.format_message() == context.get_help()


def describe_refusal(error: ArgumentsError) -> Message:
    """Return the sentence of an error as a message."""
    if is_help(error):
        return Message("usage-command-missing")
    text = error.format_message()
    fitting = (message for message in _list_candidates(error, text) if message == text)
    return next(fitting, Message("usage-arguments-refused", reason=text))


def describe_usage(error: ArgumentsError) -> list[Message]:
    """Return the command's usage and how to get its help; nothing if no command is known."""
    context = getattr(error, "ctx", None)
    if context is None:
        return []
    path, pieces = context.command_path, context.command.collect_usage_pieces(context)
    return [
        Message("usage-line", command=path, arguments=" ".join(pieces)),
        Message("usage-help-hint", command=path, option=context.help_option_names[0]),
    ]


def _list_candidates(error: Any, text: str) -> Iterator[Message]:
    """Yield messages that ``text`` may stand for, with the operands taken from it."""
    quoted = text[text.find("'") : text.rfind("'") + 1]
    yield Message("usage-command-unknown", name=quoted)
    name, _, similar = text.removeprefix("No such command ").partition(". Did you mean ")
    yield Message("usage-command-unknown-but-similar", name=name, similar=similar.rstrip("?"))
    yield Message("usage-argument-missing", name=quoted)
    yield Message("usage-argument-superfluous", arguments=text.partition(" (")[2][:-1])
    yield Message("usage-option-missing", option=quoted)
    yield Message("usage-option-value-missing", option=quoted)
    yield Message("usage-option-value-superfluous", option=quoted)
    option = getattr(error, "option_name", None)
    if option is not None:
        similar = ", ".join(sorted(getattr(error, "possibilities", None) or ()))
        yield Message("usage-option-unknown", option=option)
        yield Message("usage-option-unknown-but-similar", option=option, similar=similar)
    fault = _find_fault(error.__cause__)
    if fault is not None:
        hint = error.param.get_error_hint()
        yield Message("usage-argument-invalid", name=hint, reason=describe_fault(fault))


def _find_fault(cause: Any) -> dict[str, Any] | None:
    """Return the first fault that pydantic found in a value, down to the item of a list."""
    if not hasattr(cause, "errors"):
        return None
    fault: dict[str, Any] = cause.errors()[0]
    return _find_fault(fault.get("ctx", {}).get("error")) or fault
