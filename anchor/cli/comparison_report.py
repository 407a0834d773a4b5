"""What ``anchor capture --compare`` prints and writes: the differences of two captures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.cli.console import Colour, Output
from anchor.comparison.capture_account import ResourceKey
from anchor.comparison.capture_bag import open_capture
from anchor.comparison.capture_comparison import (
    CaptureDifference,
    PageDifference,
    compare_captures,
)
from anchor.comparison.comparison_json import describe_comparison
from anchor.comparison.comparison_labels import FACT_LABELS, show_share
from anchor.comparison.comparison_page import render_comparison

_MOST_LINES = 60
_MOST_RESOURCES = 20


def report_comparison(output: Output, first: Path, second: Path, page: Path | None) -> bool:
    """Compare two captures, print the differences, and write them as a page if there is a path.

    Return whether every view could be compared.
    """
    bags = open_capture(first), open_capture(second)
    difference = compare_captures(*bags, is_marked=page is not None)
    if page is not None:
        write_file(page, render_comparison(*bags, difference, output.language))
    _print(output, difference)
    if page is not None:
        output.line(Message("comparison-written", path=page))
    output.result(
        {
            **describe_comparison(*bags, difference),
            "page": None if page is None else str(page),
        },
        kind="comparison",
    )
    return difference.is_complete


def _print(output: Output, difference: CaptureDifference) -> None:
    for fact in difference.facts:
        output.line(
            Message(
                "comparison-fact",
                name=FACT_LABELS[fact.name],
                first=fact.first or "–",
                second=fact.second or "–",
            )
        )
    for page in difference.pages:
        _print_page(output, page)
    for url in difference.pages_added:
        output.line(Message("comparison-page-added", url=url))
    for url in difference.pages_removed:
        output.line(Message("comparison-page-removed", url=url))
    resources = difference.resources
    output.line(
        Message(
            "comparison-resource-counts",
            added=len(resources.added),
            removed=len(resources.removed),
            changed=len(resources.changed),
            unknown=len(resources.unknown),
            same=resources.same,
        )
    )
    listed = [*_mark("+ ", resources.added), *_mark("- ", resources.removed)]
    listed += _mark("! ", (key for key, _, _ in resources.changed))
    listed += _mark("? ", resources.unknown)
    for mark, text in listed[:_MOST_RESOURCES]:
        output.text(text, mark=f"  {mark}")
    if len(listed) > _MOST_RESOURCES:
        rest = Message("comparison-more-lines", count=len(listed) - _MOST_RESOURCES)
        output.line(rest, mark="  ")


def _mark(mark: str, keys: Iterable[ResourceKey]) -> Iterator[tuple[str, str]]:
    for method, url in keys:
        yield mark, f"{method} {url}"


def _print_page(output: Output, page: PageDifference) -> None:
    output.line(Message("comparison-page", url=page.url))
    for name, reason in page.uncompared.items():
        text = Message("with-reason", failure=name, reason=reason)
        output.line(text, mark=Message("comparison-uncompared-mark"), colour=Colour.YELLOW)
    text_difference = page.text
    if text_difference is not None:
        output.line(
            Message(
                "comparison-text-share",
                share=show_share(text_difference.share),
                deleted=text_difference.deleted,
                inserted=text_difference.inserted,
            ),
            mark="  ",
        )
        if not text_difference.is_aligned:
            output.line(Message("comparison-text-unaligned"), mark="  ")
        for line in islice(text_difference.unified, _MOST_LINES):
            colour = {"-": Colour.RED, "+": Colour.GREEN}.get(line[0])
            output.text(line[1:], mark=f"  {line[0]}", colour=colour)
        rest = len(text_difference.unified) - _MOST_LINES
        if rest > 0:
            output.line(Message("comparison-more-lines", count=rest), mark="  ")
    for name, picture in page.pictures.items():
        output.line(
            Message(
                "comparison-picture-share",
                name=name,
                share=show_share(picture.share),
                first=f"{picture.first[0]}×{picture.first[1]}",
                second=f"{picture.second[0]}×{picture.second[1]}",
            ),
            mark="  ",
        )
