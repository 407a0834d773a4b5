"""The states of a head, in the words of documents and of people."""

from __future__ import annotations

import pytest

from anchor.messages.message import translate
from anchor.monitor.timeline import HeadState, head_state_message


@pytest.mark.parametrize("state", HeadState)
def test_a_state_has_one_english_name_and_a_chinese_one(state: HeadState) -> None:
    message = head_state_message(state)
    assert message == state.value
    assert translate(message, "zh").isascii() is False
