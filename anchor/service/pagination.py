"""``Link`` headers of lists in pages (RFC 8288): the address of the next page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response


class PageLinks:
    """The ``Link`` header of one answer that is a page of a list."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response

    def name_next(self, parameter: str, value: object | None) -> None:
        """Name the next page, which has ``value`` as a parameter; None: this page is the last."""
        if value is not None:
            url = self._request.url.include_query_params(**{parameter: value})
            self._response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


CurrentPage = Annotated[PageLinks, Depends()]
