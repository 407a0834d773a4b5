"""The comparison of two captures as one HTML page: side by side, with the changes marked."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.messages.catalogue import Language
from anchor.comparison.capture_bag import CaptureBag
from anchor.comparison.capture_comparison import (
    MAX_PICTURE_BYTES,
    CaptureDifference,
    PageDifference,
)
from anchor.comparison.comparison_labels import FACT_LABELS, show_share
from anchor.comparison.comparison_words import list_page_words
from anchor.comparison.page_rendering import embed_png, render_page
from anchor.comparison.picture_difference import PictureDifference

# Bytes of pictures in one page; a browser holds more, but hardly scrolls them.
_MAX_EMBEDDED = 1 << 27
# Resources of each kind in the page; the JSON document has all.
_MOST_RESOURCES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """A screenshot of both captures, and the second one with the changes marked, as URLs.

    They are None if the page would become too large, ``marked`` also if nothing changed.
    """

    name: str
    difference: PictureDifference
    first: str | None
    second: str | None
    marked: str | None


def render_comparison(
    first: CaptureBag, second: CaptureBag, difference: CaptureDifference, language: Language
) -> bytes:
    """Return the page; the difference has to have marked pictures."""
    left = _MAX_EMBEDDED
    pages: list[tuple[PageDifference, list[ShownPicture]]] = []
    for page in difference.pages:
        shown = []
        for name, each in page.pictures.items():
            sizes = (first.measure(page.folders[0] + name), second.measure(page.folders[1] + name))
            size = sum(map(int, filter(None, sizes))) + len(each.marked or b"")
            is_shown = size <= left
            left -= size if is_shown else 0
            shown.append(
                ShownPicture(
                    name=name,
                    difference=each,
                    first=_embed(first, page.folders[0] + name) if is_shown else None,
                    second=_embed(second, page.folders[1] + name) if is_shown else None,
                    marked=embed_png(each.marked) if each.marked and is_shown else None,
                )
            )
        pages.append((page, shown))
    return render_page(
        "comparison.html",
        language,
        first=first,
        second=second,
        difference=difference,
        pages=pages,
        labels=FACT_LABELS,
        words=list_page_words(),
        share=show_share,
        most=_MOST_RESOURCES,
    )


def _embed(capture: CaptureBag, name: str) -> str | None:
    data = capture.read(name, MAX_PICTURE_BYTES)
    return None if data is None else embed_png(data)
