"""What two pictures differ in: the share of their pixels, and where the changes are."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image
from support.capture_bags import make_png

from anchor.base.errors import MalformedError
from anchor.comparison.picture_difference import (
    MAX_PIXELS,
    compare_pictures,
    measure_picture,
)

WHITE = make_png((100, 50))


def test_the_share_is_that_of_the_pixels_that_differ() -> None:
    difference = compare_pictures(WHITE, make_png((100, 50), boxes=((10, 10, 20, 15),)))
    assert (difference.changed, difference.total, difference.share) == (50, 5_000, 0.01)
    assert difference.marked is None


def test_pixels_that_one_picture_has_alone_differ() -> None:
    difference = compare_pictures(WHITE, make_png((80, 60)))
    assert (difference.first, difference.second) == ((100, 50), (80, 60))
    assert difference.total == 100 * 50 + 80 * 10
    assert difference.changed == 20 * 50 + 80 * 10


def test_equal_pictures_do_not_differ_however_they_are_encoded() -> None:
    for other in (WHITE, make_png((100, 50), mode="L"), make_png((100, 50), mode="RGBA")):
        difference = compare_pictures(WHITE, other, is_marked=True)
        assert (difference.changed, difference.share, difference.marked) == (0, 0.0, None)


def test_changes_are_red_in_the_marked_picture_and_nothing_else_is() -> None:
    second = make_png((100, 3_000), boxes=((10, 2_000, 20, 2_010),))
    marked = compare_pictures(make_png((100, 3_000)), second, is_marked=True).marked
    assert marked is not None
    picture = Image.open(io.BytesIO(marked))
    assert picture.size == (100, 3_000)
    red = (220, 0, 40)
    assert picture.getpixel((15, 2_005)) == red
    assert picture.getpixel((50, 1_000)) == (255, 255, 255)
    colours = {colour: count for count, colour in picture.getcolors() or []}
    assert colours[red] == 14 * 14  # two pixels around the change


def test_a_picture_of_the_greatest_height_is_compared() -> None:
    first = make_png((1_280, 16_384))
    second = make_png((1_280, 16_384), boxes=((0, 16_383, 1_280, 16_384),))
    difference = compare_pictures(first, second)
    assert difference.changed == 1_280


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"GIF89a" + bytes(40),
        WHITE[:60],
        WHITE[:60] + bytes(100),
        WHITE[:8] + struct.pack(">I4sII", 13, b"IHDR", 1 << 20, 1 << 20) + bytes(20),
        WHITE[:8] + struct.pack(">I4sII", 13, b"IHDR", 0, 5) + bytes(20),
    ],
    ids=["empty", "gif", "short", "overwritten", "huge", "flat"],
)
def test_what_is_no_picture_or_too_large_is_refused_and_never_same(picture: bytes) -> None:
    for pair in ((WHITE, picture), (picture, WHITE)):
        with pytest.raises(MalformedError):
            compare_pictures(*pair)


def test_the_limit_is_counted_in_pixels() -> None:
    header = WHITE[:8] + struct.pack(">I4s", 13, b"IHDR")
    assert measure_picture(header + struct.pack(">II", 4_096, 16_384)) == (4_096, 16_384)
    with pytest.raises(MalformedError, match=f"{MAX_PIXELS:,}"):
        measure_picture(header + struct.pack(">II", 4_097, 16_384))
