"""What the daemon says, and of what an incident consists, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from anchor.base.messages.message import Message, translate
from anchor.base.types import Hash32, Head
from anchor.operate.clock_check import ClockFault
from anchor.operate.daemon import Pace
from anchor.operate.events import (
    Event,
    anchoring_event,
    clock_event,
    finality_event,
    reorganisation_event,
)
from anchor.operate.incident_handling import describe_incident
from anchor.operate.single_run import RunResult, RunState, run_state_message
from anchor.project.config import Config
from anchor.store.heads import AnchoredHead, AnchorPosition
from anchor.store.incidents import Incident

HEAD = Head(root=Hash32(b"\x11" * 32), size=2)
ANCHORED = AnchoredHead(
    head=HEAD,
    sequence=7,
    block_number=40,
    timestamp=1_800_000_000,
    final=False,
    tx_hash=None,
    block_hash=None,
)
RESULT = RunResult(sealed=1, anchored=ANCHORED, state=RunState.INCLUDED, timed_out=False)
FINAL = replace(RESULT, state=RunState.FINAL)
BY_NODES, BY_DEPTH = (cast(Config, SimpleNamespace(final_after=count)) for count in (None, 12))


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        (
            anchoring_event(RESULT, ANCHORED, BY_NODES).text,
            "sealed 1 leaf; anchor 7 of 2 leaves in block 40: included (still reversible)",
            "已编入 1 片叶；第 7 次锚定（2 片叶）在区块 40：已入区块（仍可能因重组而失效）",
        ),
        (
            finality_event(ANCHORED, BY_NODES).text,
            "anchor 7 is final: 2 leaves",
            "第 7 次锚定已最终确定：2 片叶",
        ),
        (
            anchoring_event(FINAL, replace(ANCHORED, final=True), BY_DEPTH).text,
            (
                "sealed 1 leaf; anchor 7 of 2 leaves in block 40: anchored (counts as final; not "
                "confirmed by the nodes)"
            ),
            ("已编入 1 片叶；第 7 次锚定（2 片叶）在区块 40：已锚定（视为最终确定，节点未确认）"),
        ),
        (
            finality_event(ANCHORED, BY_DEPTH).text,
            "anchor 7 counts as final; not confirmed by the nodes: 2 leaves",
            "第 7 次锚定视为最终确定，节点未确认：2 片叶",
        ),
        (
            reorganisation_event(ANCHORED, Message("anchor-moved-to-block", block=41)).text,
            "anchor 7, which was included in block 40, is now in block 41",
            "原已入区块 40 的第 7 次锚定现在区块 41 中",
        ),
        (
            clock_event(ClockFault(wall_time=0.0, seconds=-172_800.0, is_certain=True)).text,
            (
                "this machine's clock says 1970-01-01 00:00:00 UTC, at least 2 d behind the "
                "chain's time; no records are made meanwhile"
            ),
            (
                "本机时钟显示 北京时间 1970-01-01 08:00:00（1970-01-01 00:00:00 UTC），"
                "比链的时间至少慢 2 天；其间不制作任何记录"
            ),
        ),
        (
            Pace(seconds=60.0, leaves=100, size=4_096).describe(),
            (
                "sealing evidence at most 60 seconds after it was accepted, or as soon as 100 are "
                "waiting or their records reach 4,096 bytes"
            ),
            (
                "证据被接收后最迟 60 秒内编入，或在等待编入的叶达到 100 片时编入，"
                "或在其记录达到 4,096 字节时编入"
            ),
        ),
    ],
)
def test_an_event_reads_in_both_languages(text: Message, english: str, chinese: str) -> None:
    assert (text, translate(text, "zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("block", "seen", "english", "chinese"),
    [
        (None, None, "was not in the registry", "不在登记合约中"),
        (
            None,
            12,
            "was not in the registry, according to final block 12",
            "据最终确定的区块 12，不在登记合约中",
        ),
        (9, None, "was in block 9", "位于区块 9"),
        (9, 12, "was in block 9, according to final block 12", "据最终确定的区块 12，位于区块 9"),
    ],
)
def test_an_incident_says_where_the_anchor_was_seen(
    block: int | None, seen: int | None, english: str, chinese: str
) -> None:
    before = AnchorPosition(sequence=7, block_number=5, timestamp=1)
    after = None if block is None else AnchorPosition(sequence=7, block_number=block, timestamp=1)
    text = describe_incident(
        Incident(head=HEAD, before=before, current=after, seen_block=seen, noticed_at="then")
    )
    assert text == f"anchor 7 was final in block 5, but later {english} (noticed then)"
    assert (
        translate(text, "zh") == f"第 7 次锚定曾在区块 5 中最终确定，此后{chinese}（发现于 then）"
    )


@pytest.mark.parametrize("event", [anchoring_event, finality_event])
def test_the_figures_name_the_number_of_blocks_that_decided(event: Callable[..., Event]) -> None:
    given = (RESULT, ANCHORED) if event is anchoring_event else (ANCHORED,)
    by_nodes, by_depth = (event(*given, config) for config in (BY_NODES, BY_DEPTH))
    assert by_depth.figures == {**by_nodes.figures, "final_after_blocks": 12}
    assert by_depth.event == by_nodes.event


def test_the_state_of_a_run_is_shown_in_the_words_of_its_document() -> None:
    for state in RunState:
        message = run_state_message(state, is_by_depth=False)
        assert message == state.value
        assert translate(message, "zh") != state.value
