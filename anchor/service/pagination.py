"""Lists in pages: their parameters, and ``Link`` headers with the next page (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from anchor.store.list_position import ListPosition

Row = TypeVar("Row")

PageLimit = Annotated[int, Query(ge=1, le=200)]
AfterTenant = Annotated[
    str, Query(max_length=64, description="Only tenants whose names come after this one.")
]


POSITION = "^[0-9TZ:.-]{1,40}/[0-9a-f]{1,32}$"
"""What ``ListPosition`` writes."""

AfterPosition = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=POSITION,
        description="`next` of the page before.",
    ),
]


def read_position(after: str | None) -> ListPosition | None:
    """Return the position that a request's ``AfterPosition`` names."""
    return None if after is None else ListPosition.parse(after)


class PageLinks:
    """The ``Link`` header of one answer that is a page of a list."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response

    def name_next(self, parameter: str, value: object | None) -> None:
        """Name the next page, which has ``value`` as a parameter; None: this page is the last."""
        if value is not None:
            url = self._request.url.include_query_params(**{parameter: value})
            self._response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'

    def name_position(
        self, rows: Sequence[Row], limit: int, place: Callable[[Row], tuple[str, str]]
    ) -> str | None:
        """Name the page after these rows unless they are the last; return its ``after``.

        ``place`` returns the time and the id by which the list is ordered.
        """
        following = str(ListPosition(*place(rows[-1]))) if len(rows) == limit else None
        self.name_next("after", following)
        return following


CurrentPage = Annotated[PageLinks, Depends()]
