"""The page that lists the recorded changes of watched pages, newest first, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from anchor.comparison.page_rendering import embed_png, render_page
from anchor.messages.catalogue import Language
from anchor.messages.message import Message
from anchor.page_watch.watch_state import RecordedChange

COMPARISON_SUFFIX: Final = ".comparison.html"
"""The end of the name of the page that compares a bag with the one before."""

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render_changes(changes: Sequence[RecordedChange], folder: Path, language: Language) -> bytes:
    """Return the page; its links lead to files beside it, those of the captures' ``folder``."""
    return render_page(
        "changes.html",
        language,
        folder=_TEMPLATES,
        changes=[
            (
                change,
                [embed_png(picture) for picture in change.pictures],
                (folder / f"{change.bag}{COMPARISON_SUFFIX}").is_file(),
            )
            for change in reversed(changes)
        ],
        suffix=COMPARISON_SUFFIX,
        link=lambda name: quote(name, safe=""),
        words=MappingProxyType(
            {
                "title": Message("changes-title"),
                "limits": Message("changes-limits"),
                "none": Message("changes-none"),
                "first": Message("comparison-first"),
                "second": Message("comparison-second"),
                "before": Message("changes-before"),
                "after": Message("changes-after"),
                "compare": Message("changes-comparison"),
            }
        ),
    )
