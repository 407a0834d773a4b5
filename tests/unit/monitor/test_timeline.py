"""The states of a head, in the words of documents and of people."""

from __future__ import annotations

import pytest

from anchor.base.messages.message import translate
from anchor.monitor.timeline import HeadState, head_state_message


@pytest.mark.parametrize("state", HeadState)
def test_a_state_has_one_english_name_and_a_chinese_one(state: HeadState) -> None:
    message = head_state_message(state, is_by_depth=False)
    assert message == state.value
    assert translate(message, "zh").isascii() is False


@pytest.mark.parametrize("state", HeadState)
def test_only_a_final_state_says_that_a_number_of_blocks_decided(state: HeadState) -> None:
    message = head_state_message(state, is_by_depth=True)
    is_final = state in (HeadState.ANCHORED, HeadState.COVERED_FINALLY)
    assert ("(counts as final; not confirmed by the nodes)" in message) == is_final
    assert ("（视为最终确定，节点未确认）" in translate(message, "zh")) == is_final
