"""A message is its English text, and can be told in another language with all its operands."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join, translate

FAILURE = Message("with-reason", failure="a.txt", reason=Message("list-comma", first=1, rest="2"))


def test_a_message_is_its_english_text_and_keeps_its_id_and_operands() -> None:
    assert FAILURE == "a.txt: 1, 2"
    assert (FAILURE.id, FAILURE.operands["failure"]) == ("with-reason", "a.txt")
    assert json.dumps([FAILURE]) == '["a.txt: 1, 2"]'
    assert type(str(FAILURE)) is str


def test_operands_that_are_messages_are_translated_within() -> None:
    assert translate(FAILURE, "zh") == "a.txt：1、2"
    assert translate(FAILURE, "en") == FAILURE
    assert translate("a node's own words", "zh") == "a node's own words"


def test_an_operand_is_inserted_and_never_read_as_a_template() -> None:
    hostile = Message("with-reason", failure="{reason.__class__}", reason="{0}")
    assert hostile == "{reason.__class__}: {0}"
    assert translate(hostile, "zh") == "{reason.__class__}：{0}"


def test_an_exception_stands_for_its_message() -> None:
    wrapped = Message("with-reason", failure="x", reason=UsageError(FAILURE))
    assert translate(wrapped, "zh") == "x：a.txt：1、2"
    assert Message("with-reason", failure="x", reason=OSError("gone")) == "x: gone"


@pytest.mark.parametrize("copied", [pickle.loads(pickle.dumps(FAILURE)), copy.deepcopy(FAILURE)])
def test_a_copy_can_still_be_translated(copied: Message) -> None:
    assert translate(copied, "zh") == "a.txt：1、2"


def test_a_list_is_joined_as_each_language_does() -> None:
    assert join(["a", "b", "c"]) == "a, b, c"
    assert translate(join(["a", "b", "c"]), "zh") == "a、b、c"
    assert translate(join(["a", "b"], "clause"), "zh") == "a，b"
    assert join(["a", "b"], "semicolon") == "a; b"
    assert translate(join(["a", FAILURE], "and"), "zh") == "a 与 a.txt：1、2"
    assert (join([]), join([FAILURE]).id) == ("", "with-reason")
    many = translate(join(str(number) for number in range(10_000)), "zh")
    assert many.count("、") == 9_999


def test_a_message_without_its_operands_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        Message("with-reason", failure="x")
    with pytest.raises(KeyError):
        Message("no-such-message")
