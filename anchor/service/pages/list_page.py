"""Pages of the lists that pages show, by the positions of the API's lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from anchor.base.messages.message import Message
from anchor.service.pages.language import Reader
from anchor.service.pagination import POSITION
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.list_position import ListPosition

LIST_ROWS = 50
"""The most rows of a list on one page."""

Row = TypeVar("Row")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage(Generic[Row]):
    """The rows of one page of a list; ``next`` is ``parameter`` in the address of the next page."""

    rows: Sequence[Row]
    parameter: str
    is_first: bool
    next: str | None


def make_list_page(
    rows: Sequence[Row], reader: Reader, parameter: str, name: Callable[[Row], str]
) -> ListPage[Row]:
    """Return the page with the first of up to ``LIST_ROWS`` + 1 rows.

    ``name`` returns what a request for the rows after one has as ``parameter``.
    """
    shown = rows[:LIST_ROWS]
    return ListPage(
        rows=shown,
        parameter=parameter,
        is_first=not reader.asked(parameter),
        next=name(shown[-1]) if len(rows) > LIST_ROWS else None,
    )


async def load_list_page(
    service: Service,
    reader: Reader,
    parameter: str,
    place: Callable[[Row], tuple[str, str]],
    load: Callable[Concatenate[Any, P], list[Row]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> ListPage[Row]:
    """Return the page that the reader asks for of a list that is ordered by a time and an id."""
    asked = reader.asked(parameter)
    if asked and not re.fullmatch(POSITION, asked):
        raise Problem(404, Message("listing-page-unknown"))
    kwargs["after"] = ListPosition.parse(asked) if asked else None
    kwargs["limit"] = LIST_ROWS + 1
    rows = await service.query(load, *args, **kwargs)
    return make_list_page(rows, reader, parameter, lambda row: str(ListPosition(*place(row))))
