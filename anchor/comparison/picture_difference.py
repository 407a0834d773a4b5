"""The difference of two pictures (PNG): the share of pixels that differ, and where they do."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import reduce

from PIL import Image, ImageChops, ImageFilter

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

MAX_PIXELS: int = 1 << 26
"""Pixels of a picture that is compared: 16,384 in height at 4,096 in width."""

# Rows that are compared at once, so that no third picture is held in memory.
_ROWS = 1_024
_MARK = (220, 0, 40)
# How much of a picture's colour is left below the marks.
_PALE = 0.65
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8x8xII")

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureDifference:
    """Sizes (width, height) and pixels: those of either picture, and those that differ.

    Pixels that only one of the pictures has differ.  ``marked`` is the second picture as PNG, pale,
    with every change in red; None if it was not asked for or nothing differs.
    """

    first: Size
    second: Size
    total: int
    changed: int
    marked: bytes | None = None

    @property
    def share(self) -> float:
        """Return the share of the pixels that differ."""
        return self.changed / self.total


def compare_pictures(first: bytes, second: bytes, *, is_marked: bool = False) -> PictureDifference:
    """Compare two pictures pixel by pixel; ``is_marked`` asks for the marked one.

    Raises:
        MalformedError: A picture is not PNG, is damaged, or has more than ``MAX_PIXELS``.
    """
    sizes = measure_picture(first), measure_picture(second)
    if first == second:
        width, height = sizes[0]
        return PictureDifference(first=sizes[0], second=sizes[1], total=width * height, changed=0)
    one, other = _open(first), _open(second)
    common = min(one.width, other.width), min(one.height, other.height)
    area = common[0] * common[1]
    total = one.width * one.height + other.width * other.height - area
    canvas = None
    if is_marked:
        whole = max(one.width, other.width), max(one.height, other.height)
        canvas = Image.new("RGB", whole, _MARK)
    changed = total - area
    for top in range(0, common[1], _ROWS):
        box = (0, top, common[0], min(top + _ROWS, common[1]))
        mask = _mask(one.crop(box), other.crop(box))
        changed += mask.histogram()[255]
        if canvas is not None:
            strip = other.crop(box)
            strip = Image.blend(strip, Image.new("RGB", strip.size, "white"), _PALE)
            strip.paste(_MARK, mask=mask.filter(ImageFilter.MaxFilter(5)))
            canvas.paste(strip, box)
    marked = _encode(canvas) if canvas is not None and changed else None
    return PictureDifference(
        first=sizes[0], second=sizes[1], total=total, changed=changed, marked=marked
    )


def measure_picture(picture: bytes) -> Size:
    """Return width and height of a PNG by its header.

    Raises:
        MalformedError: It is not PNG, or has more than ``MAX_PIXELS``.
    """
    if not picture.startswith(_SIGNATURE) or len(picture) < _HEADER.size:
        raise MalformedError(Message("picture-not-png"))
    width, height = _HEADER.unpack_from(picture)
    if not 0 < width * height <= MAX_PIXELS:
        raise MalformedError(
            Message("picture-too-large", width=width, height=height, limit=MAX_PIXELS)
        )
    return width, height


def _open(picture: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(picture), formats=["PNG"]).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise MalformedError(Message("picture-not-png")) from error


def _mask(one: Image.Image, other: Image.Image) -> Image.Image:
    """Return a picture that is white where the two differ."""
    bands = ImageChops.difference(one, other).split()
    return reduce(ImageChops.lighter, bands).point([0] + [255] * 255)


def _encode(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
