"""What makes a capture one to be recorded."""

from __future__ import annotations

import dataclasses

import pytest

from anchor.base.messages.message import Message
from anchor.comparison.capture_change import list_changes
from anchor.comparison.capture_comparison import (
    CaptureDifference,
    FactDifference,
    PageDifference,
)
from anchor.comparison.picture_difference import PictureDifference
from anchor.comparison.resource_difference import ResourceDifference
from anchor.comparison.text_difference import TextDifference


def differ(
    *, text: int = 0, pixels: int = 0, facts: tuple[str, ...] = (), missing: bool = False
) -> CaptureDifference:
    page = PageDifference(
        url="https://example.org/",
        folders=("", ""),
        text=TextDifference(first_size=50, second_size=50, deleted=text, inserted=0, hunks=()),
        pictures={
            "screenshot-1x1.png": PictureDifference(
                first=(10, 10), second=(10, 10), total=100, changed=pixels
            )
        },
        uncompared={"page.txt": Message("picture-not-png")} if missing else {},
    )
    return CaptureDifference(
        facts=tuple(FactDifference(name=name, first="a", second="b") for name in facts),
        pages=(page,),
        pages_added=(),
        pages_removed=(),
        resources=ResourceDifference(added=(), removed=(), changed=(), unknown=(), same=1),
    )


@pytest.mark.parametrize(
    ("difference", "count"),
    [
        (differ(), 0),
        (differ(text=10), 0),
        (differ(text=11), 1),
        (differ(pixels=5), 0),
        (differ(pixels=6), 1),
        (differ(facts=("started_at", "address", "certificate_sha256", "browser")), 0),
        (differ(facts=("status", "title", "final_url")), 3),
        (differ(missing=True), 1),
        (dataclasses.replace(differ(), pages_added=("https://example.org/new",)), 1),
    ],
)
def test_a_change_is_what_exceeds_a_threshold_or_cannot_be_told(
    difference: CaptureDifference, count: int
) -> None:
    assert len(list_changes(difference, (0.1, 0.05))) == count
