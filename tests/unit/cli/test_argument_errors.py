"""What Typer refuses is said by a message of the catalogues, in Typer's own English."""

from __future__ import annotations

import shlex

import pytest
from typer.exceptions import TyperException

from anchor.base.messages.message import translate
from anchor.cli import app
from anchor.cli.argument_errors import ArgumentsError, describe_refusal, describe_usage


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ("trust", "usage-command-missing"),
        ("nothing-like-it", "usage-command-unknown"),
        ("trust nothing-like-it", "usage-command-unknown"),
        ("verfy", "usage-command-unknown-but-similar"),
        ("key show", "usage-argument-missing"),
        ("key show a b 'c (d)'", "usage-argument-superfluous"),
        ("trust pin", "usage-option-missing"),
        ("verify --trust", "usage-option-value-missing"),
        ("verify --quiet=3", "usage-option-value-superfluous"),
        ("add --unheard-of", "usage-option-unknown"),
        ("verify -x", "usage-option-unknown"),
        ("verify a --chain-idd 1", "usage-option-unknown-but-similar"),
        ("add --workers abc", "usage-argument-invalid"),
        ("add --workers 0", "usage-argument-invalid"),
        ("add --workers 65", "usage-argument-invalid"),
        ("add --workers 1.5", "usage-argument-invalid"),
        ("transactions give-up one", "usage-argument-invalid"),
    ],
)
def test_each_refusal_has_its_message(line: str, id: str) -> None:
    refusal = refuse(line)
    message = describe_refusal(refusal)
    assert message.id == id
    if id != "usage-command-missing":
        assert message == refusal.format_message()
    assert translate(message, "zh") != message


def test_the_first_bad_item_of_several_is_named_without_its_list() -> None:
    message = describe_refusal(refuse("verify a --chain-id 1 --chain-id x"))
    assert "'--chain-id'" in message
    assert translate(message, "zh").startswith("'--chain-id' 的值无效：")


def test_the_usage_is_that_of_the_command() -> None:
    usage, hint = describe_usage(refuse("trust pin"))
    assert usage == "Usage: anchor trust pin [OPTIONS]"
    assert hint == "Try 'anchor trust pin -h' for help."


def refuse(line: str) -> ArgumentsError:
    """Return the error of a command line."""
    with pytest.raises(TyperException) as raised:
        app.main(shlex.split(line), prog_name="anchor", standalone_mode=False)
    assert isinstance(raised.value, ArgumentsError)
    return raised.value
