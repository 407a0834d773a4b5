"""Bags around a path: a file that is added to a bag makes it invalid."""

from __future__ import annotations

from pathlib import Path

from anchor.bag.bag_format import BAGIT
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message


def check_outside_bags(path: Path | None) -> None:
    """Refuse a path to write to that is a bag's folder or lies in one; None is no path."""
    if path is None:
        return
    place = path.resolve()
    for folder in (place, *place.parents):
        if (folder / BAGIT).is_file() and (folder / "data").is_dir():
            raise UsageError(
                Message("output-in-bag", path=path, bag=folder), hint=Message("output-in-bag-hint")
            )
