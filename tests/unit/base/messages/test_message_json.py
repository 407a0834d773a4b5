"""A message in a JSON document: its id, and its operands as numbers and strings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.messages.message_json import describe_message


def test_numbers_stay_numbers_and_all_else_is_text() -> None:
    message = Message("leaf-count", size=3)
    assert describe_message(message) == {"id": "leaf-count", "operands": {"size": 3}}
    described = describe_message(Message("exit-code", code=ExitCode.STORAGE))
    assert json.dumps(described) == '{"id": "exit-code", "operands": {"code": 33}}'
    described = describe_message(
        Message("demo-file-verified", name="a", time=datetime(2026, 1, 2, tzinfo=UTC))
    )
    assert described["operands"] == {"name": "a", "time": "2026-01-02 00:00:00+00:00"}


def test_an_operand_that_is_a_message_or_an_error_is_its_english_text() -> None:
    reason = Message("leaf-count", size=3)
    for operand in (reason, UsageError(reason)):
        message = Message("with-reason", failure=Path("a"), reason=operand)
        assert describe_message(message) == {
            "id": "with-reason",
            "operands": {"failure": "a", "reason": "3 leaves"},
        }


def test_text_that_is_no_message_has_no_id() -> None:
    assert describe_message("whatever it is") == {"id": None, "operands": {}}


def test_what_json_cannot_say_is_text() -> None:
    described = describe_message(Message("demo-done", count=1, seconds=float("inf")))
    assert json.loads(json.dumps(described))["operands"] == {"count": 1, "seconds": "inf"}
