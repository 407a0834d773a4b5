"""The charts of the dashboard: each bar as high as its value, and words for those who see none."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from support.page_service import PageService

from anchor.base.types import Hash32, Head
from anchor.monitor.overview import Throughput, read_overview
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages import dashboard

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
GWEI = 10**9
FIRST = AnchorLine(
    head=Head(root=Hash32(bytes(32)), size=10),
    covers=10,
    sequence=1,
    block_number=1,
    sealed_at=NOW - 7_200,
    included_at=NOW - 7_200 + 60,
    final=True,
    final_at=NOW - 7_200 + 1_200,
    gas_used=70_000,
    gas_price=20 * GWEI,
    tx_hash=None,
)
FOREIGN = replace(FIRST, sequence=2, final_at=NOW - 7_200 + 600, gas_used=None, gas_price=None)
WAITING = replace(
    FIRST,
    sequence=3,
    sealed_at=NOW - 300,
    included_at=NOW,
    final=False,
    final_at=None,
    gas_price=5 * GWEI,
)
SEALED = Throughput(start=NOW - 900, width=300.0, counts=(0, 1_200, 300))


@pytest.fixture
def draw(served: PageService, monkeypatch: pytest.MonkeyPatch):
    """A function that returns the charts of a dashboard with these anchors and leaves, by name."""

    def draw(
        anchors: tuple[AnchorLine, ...], throughput: Throughput, language: str = "en"
    ) -> dict[str, ElementTree.Element]:
        overview = replace(read_overview(served.project, time.time()), anchors=anchors, read_at=NOW)
        monkeypatch.setattr(dashboard, "read_overview", lambda project, moment: overview)
        monkeypatch.setattr(dashboard, "read_throughput", lambda project, moment: throughput)
        page = served.ask(f"/dashboard?lang={language}", served.admin).text
        figures = map(ElementTree.fromstring, re.findall(r"<figure.*?</figure>", page, re.DOTALL))
        return {str(figure[0].get("id")): figure for figure in figures}

    return draw


def heights(figure: ElementTree.Element) -> list[list[float]]:
    """Return the heights of each bar, which stand on the ground, one bar beside the other."""
    groups = list(figure.iter("g"))
    for place, group in enumerate(groups):
        for bar in group.iter("rect"):
            assert float(bar.attrib["x"]) == place
            assert float(bar.attrib["y"]) + float(bar.attrib["height"]) == pytest.approx(100)
    assert figure.find("svg").get("viewBox") == f"0 0 {len(groups)} 100"
    return [[float(bar.attrib["height"]) for bar in group.iter("rect")] for group in groups]


def tooltips(figure: ElementTree.Element) -> list[str]:
    return [str(title.text) for title in figure.iter("title")]


def texts(figure: ElementTree.Element) -> list[str]:
    return ["".join(line.itertext()) for line in figure.iter("p")]


def test_each_bar_is_as_high_as_its_value_from_the_oldest_to_the_newest(draw) -> None:
    charts = draw((WAITING, FOREIGN, FIRST), SEALED)
    assert list(charts) == ["throughput", "latency", "price"]

    assert heights(charts["throughput"]) == [[0], [100], [25]]
    assert texts(charts["throughput"]) == [
        "1,200 leaves",
        "15 min ago5 min ago",
        "1,500 leaves since 2026-09-21 13:58:20 UTC.",
    ]
    assert tooltips(charts["throughput"])[1] == "1,200 leaves in 5 min from 2026-09-21 14:03:20 UTC"

    assert heights(charts["latency"]) == [[100, 5], [50, 5], [0, 25]], "to finality, to the block"
    assert texts(charts["latency"]) == [
        "20 min",
        "2 h ago5 min ago",
        "final included Anchors: 3. Final: 2.",
    ]
    assert tooltips(charts["latency"]) == [
        "anchor 1: included after 1 min, final after 20 min",
        "anchor 2: included after 1 min, final after 10 min",
        "anchor 3: included after 5 min",
    ]

    assert heights(charts["price"]) == [[100], [25]], "nobody knows what a foreign anchor paid"
    assert texts(charts["price"])[0] == "20 gwei"
    assert tooltips(charts["price"]) == [
        "anchor 1: 20 gwei per gas, 0.0014 ether in total",
        "anchor 3: 5 gwei per gas, 0.00035 ether in total",
    ]


def test_every_picture_is_described_by_its_title_its_scale_and_its_note(draw) -> None:
    for name, figure in draw((FIRST,), SEALED).items():
        picture = figure.find("svg")
        assert picture.get("role") == "img"
        ids = {element.get("id") for element in figure.iter()} - {None}
        assert set(picture.get("aria-labelledby").split()) == ids
        assert all(each.startswith(name) for each in ids), "ids are of one picture each"


def test_without_anchors_nothing_is_drawn_of_them(draw) -> None:
    charts = draw((), replace(SEALED, counts=(0, 0)))
    assert list(charts) == ["throughput"]
    assert heights(charts["throughput"]) == [[0], [0]]
    assert texts(charts["throughput"])[0] == "1 leaf", "the scale begins at one"
    assert list(draw((FOREIGN,), SEALED)) == ["throughput", "latency"]


def test_a_chart_is_in_the_language_of_its_page_and_in_beijing_time(draw) -> None:
    charts = draw((FIRST,), SEALED, "zh")
    assert charts["throughput"][0].text == "每 5 分钟编入日志的叶数"
    assert texts(charts["throughput"])[2] == (
        "自 北京时间 2026-09-21 21:58:20（2026-09-21 13:58:20 UTC） 起共编入 1,500 片叶。"
    )
    assert tooltips(charts["latency"]) == ["第 1 次锚定：1 分钟 后入块，20 分钟 后最终确定"]
