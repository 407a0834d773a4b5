"""The charts: right numbers at right places, readable axes, words for those who see none."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from anchor.messages.catalogue import Language
from anchor.messages.message import translate
from anchor.monitor.overview import DAY, HOUR, Throughput
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages.charts import chart_gas, chart_latency, chart_price, chart_throughput
from anchor.service.pages.svg_chart import (
    HEIGHT,
    WIDTH,
    Chart,
    Mark,
    Series,
    draw_chart,
)
from anchor.service.pages.ticks import format_amount, mark_amounts, mark_durations, mark_times
from anchor.types import Hash32, Head

SVG = "{http://www.w3.org/2000/svg}"
NOW = 1_790_000_000.0
GWEI = 10**9


def anchor(number: int, **changes: object) -> AnchorLine:
    line = AnchorLine(
        head=Head(root=Hash32(bytes(32)), size=10 * number),
        covers=10,
        sequence=number,
        block_number=number,
        sealed_at=NOW - 600 * (20 - number),
        included_at=NOW - 600 * (20 - number) + 12,
        final=True,
        final_at=NOW - 600 * (20 - number) + 800,
        gas_used=70_000 + number,
        gas_price=20 * GWEI,
        tx_hash=None,
    )
    return replace(line, **changes)


LINES = [anchor(number) for number in range(20, 0, -1)]


def parse(chart: Chart, language: Language = "en") -> ElementTree.Element:
    """Return the picture as XML, which any SVG inside HTML should be as well."""
    drawn = draw_chart(chart, language)
    return ElementTree.fromstring(drawn.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" '))


def chart_of(marks: list[Mark], **changes: object) -> Chart:
    chart = Chart(
        name="x",
        title="A title",
        description="A description",
        empty="Nothing",
        start=NOW - DAY,
        end=NOW,
        series=[Series(style="first", marks=marks)],
        scale=mark_amounts,
    )
    return replace(chart, **changes)


numbers = st.floats(min_value=0, max_value=1e15, allow_nan=False)


@settings(max_examples=examples(200))
@given(most=numbers, count=st.integers(2, 8))
def test_marks_of_amounts_begin_at_nought_and_reach_the_most(most: float, count: int) -> None:
    ticks = mark_amounts(most, count)
    values = [tick.value for tick in ticks]
    assert values[0] == 0
    assert values == sorted(set(values))
    if most >= 1e-9:
        assert values[-1] >= most * (1 - 1e-6)
        assert 2 <= len(values) <= 2 * count + 2
        assert len({tick.text for tick in ticks}) == len(ticks), "no two marks say the same"


@settings(max_examples=examples(200))
@given(most=st.floats(min_value=0, max_value=1e9), count=st.integers(2, 8))
def test_marks_of_durations_begin_at_nought_and_reach_the_most(most: float, count: int) -> None:
    ticks = mark_durations(most, count)
    values = [tick.value for tick in ticks]
    assert values[0] == 0
    assert values[-1] >= most * (1 - 1e-6)
    assert values == sorted(set(values))
    assert len(values) <= 2 * count + 2
    assert len({tick.text for tick in ticks}) == len(ticks)


@settings(max_examples=examples(200))
@given(start=st.integers(0, 2 * 10**9), span=st.integers(60, 400 * DAY), count=st.integers(2, 8))
def test_marks_of_times_lie_between_the_ends(start: int, span: int, count: int) -> None:
    ticks = mark_times(start, start + span, count)
    assert all(start <= tick.value <= start + span for tick in ticks)
    assert len(ticks) <= count + 1
    assert all(re.fullmatch(r"\d\d:\d\d|\d\d? [A-Z][a-z]{2}", tick.text) for tick in ticks)


def test_times_are_marked_by_the_hour_and_midnight_by_its_day() -> None:
    midnight = 1_790_035_200  # of 22 September 2026
    assert [tick.text for tick in mark_times(midnight - 6 * HOUR, midnight + 6 * HOUR, 4)] == [
        "18:00", "21:00", "22 Sep", "03:00", "06:00",
    ]  # fmt: skip
    (day,) = [tick.text for tick in mark_times(midnight, midnight, 4)]
    assert translate(day, "zh") == "9 月 22 日"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (950, "950"), (1_200, "1.2 k"), (2_500_000, "2.5 M"), (3e9, "3 G"), (0.25, "0.25")],
)
def test_amounts_are_spelled_shortly(value: float, text: str) -> None:
    assert format_amount(value) == text


@settings(max_examples=examples(100))
@given(
    marks=st.lists(
        st.tuples(st.floats(NOW - 2 * DAY, NOW + DAY), numbers, st.text(max_size=20)), max_size=30
    ),
    limit=st.none() | numbers,
)
def test_whatever_is_drawn_stays_inside_the_picture_and_is_well_formed(
    marks: list[tuple[float, float, str]], limit: float | None
) -> None:
    """Texts may hold anything but what XML itself cannot."""
    drawn = [
        Mark(at=at, value=value, text="".join(filter(str.isprintable, text)))
        for at, value, text in marks
    ]
    drawn += [replace(mark, until=mark.at + HOUR) for mark in drawn[:5]]
    line = None if limit is None else Mark(at=NOW, value=limit, text="<limit>")
    picture = parse(chart_of(drawn, limit=line))
    for element in picture.iter():
        for name, most in (("x", WIDTH), ("x1", WIDTH), ("x2", WIDTH), ("cx", WIDTH), ("y", HEIGHT),
                           ("y1", HEIGHT), ("y2", HEIGHT), ("cy", HEIGHT)):  # fmt: skip
            if name in element.attrib:
                assert -8 <= float(element.attrib[name]) <= most + 8, (element.tag, name)
        for name in ("width", "height"):
            assert float(element.get(name, "0")) >= 0
        assert "style" not in element.attrib
    circles = list(picture.iter(f"{SVG}circle"))
    assert len(circles) == len(marks)


def test_a_larger_value_is_higher_and_a_later_one_further_to_the_right() -> None:
    marks = [Mark(at=NOW - HOUR * (10 - n), value=float(n * n), text=str(n)) for n in range(1, 10)]
    circles = list(parse(chart_of(marks)).iter(f"{SVG}circle"))
    xs = [float(circle.attrib["cx"]) for circle in circles]
    ys = [float(circle.attrib["cy"]) for circle in circles]
    assert xs == sorted(set(xs))
    assert ys == sorted(set(ys), reverse=True)


def test_a_mark_is_where_the_axes_say() -> None:
    picture = parse(chart_of([Mark(at=NOW - 12 * HOUR, value=50.0, text="half")]))
    (circle,) = picture.iter(f"{SVG}circle")
    amounts = {
        text.text: float(text.attrib["y"]) - 4
        for text in picture.iter(f"{SVG}text")
        if text.attrib["class"] == "amount"
    }
    assert float(circle.attrib["cy"]) == pytest.approx(
        amounts["0"] + (amounts["40"] - amounts["0"]) * 50 / 40, abs=0.2
    )


def test_every_picture_has_a_name_and_a_description() -> None:
    charts = [
        chart_throughput(Throughput(start=NOW - DAY, width=1_800.0, counts=(0, 5, 1_200))),
        chart_latency(LINES, NOW),
        chart_gas(LINES, NOW),
        chart_price(LINES, NOW, 30 * GWEI),
    ]
    names = set()
    for chart in charts:
        picture = parse(chart)
        assert picture.get("role") == "img"
        ids = picture.attrib["aria-labelledby"].split()
        texts = {e.attrib["id"]: e.text for e in picture if "id" in e.attrib}
        assert [texts[name] for name in ids] == [chart.title, chart.description]
        names |= set(ids)
    assert len(names) == 8, "ids are of one picture each"


@pytest.mark.parametrize(
    "chart",
    [
        chart_throughput(Throughput(start=NOW - DAY, width=1_800.0, counts=(0,) * 48)),
        chart_latency([], NOW),
        chart_gas([], NOW),
        chart_price([], NOW, GWEI),
        chart_gas([anchor(1, gas_used=None)], NOW),
    ],
)
def test_where_there_is_nothing_that_is_said(chart: Chart) -> None:
    picture = parse(chart)
    (text,) = picture.iter(f"{SVG}text")
    assert text.text == chart.empty
    (description,) = picture.iter(f"{SVG}desc")
    assert description.text == chart.empty


def test_latency_shows_what_is_final_and_what_is_not() -> None:
    waiting = anchor(20, final=False, final_at=None)
    picture = parse(chart_latency([waiting, *LINES[1:]], NOW))
    groups = {g.attrib["class"]: len(list(g)) for g in picture.iter(f"{SVG}g")}
    assert groups == {"first": 19, "second": 20}
    (description,) = picture.iter(f"{SVG}desc")
    assert "in a block after 12 s" in str(description.text)
    assert "were final after 13 min 20 s" in str(description.text)


@pytest.mark.parametrize(("cap", "is_drawn"), [(30, True), (21, True), (100, False)])
def test_the_fee_cap_is_drawn_where_it_is_near(cap: int, is_drawn: bool) -> None:
    picture = parse(chart_price(LINES, NOW, cap * GWEI))
    lines = [line for line in picture.iter(f"{SVG}line") if line.attrib["class"] == "limit"]
    assert bool(lines) == is_drawn


def test_bars_have_the_leaves_of_their_time() -> None:
    counts = (0, 10, 0, 20)
    picture = parse(chart_throughput(Throughput(start=NOW, width=300.0, counts=counts)))
    bars = list(picture.iter(f"{SVG}rect"))
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    titles = [str(bar[0].text) for bar in bars]
    assert [title.split()[0] for title in titles] == ["10", "20"]


def test_a_chart_is_in_the_language_of_its_page() -> None:
    throughput = Throughput(start=NOW, width=300.0, counts=(0, 1, 20))
    picture = parse(chart_throughput(throughput), "zh")
    texts = [str(element.text) for element in picture.iter() if element.text]
    assert texts[:2] == [
        "每 5 分钟编入日志的叶数",
        "自 9 月 21 日 14:13 UTC 起共编入 21 片叶；最多的 5 分钟内有 20 片叶。",
    ]
    assert texts[-2:] == [
        "自 9 月 21 日 14:18 UTC 起 5 分钟内编入 1 片叶",
        "自 9 月 21 日 14:23 UTC 起 5 分钟内编入 20 片叶",
    ]
    picture = parse(chart_latency(LINES, NOW), "zh")
    amounts = [e.text for e in picture.iter(f"{SVG}text") if e.attrib["class"] == "amount"]
    assert amounts == ["0", "5 分钟", "10 分钟", "15 分钟"]
    (empty,) = parse(chart_gas([], NOW), "zh").iter(f"{SVG}text")
    assert empty.text == "尚无本项目的锚定"
