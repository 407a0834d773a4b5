"""Routes of pages: errors are pages in words, and whoever has to sign in is sent to do so."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.service.pages.language import Reader, read_reader
from anchor.service.pages.rendering import answer_page
from anchor.service.problems import Problem, explain

HOME = "/account"
"""Where a sign-in leads that was not begun elsewhere."""

_MAX_ADDRESS = 500


class SignInNeeded(Exception):
    """The page is for somebody who is signed in."""


class PageRoute(APIRoute):
    """A route whose errors are answered as pages in the reader's language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            reader = read_reader(request)
            try:
                return await handle(request)
            except SignInNeeded:
                return RedirectResponse(sign_in_address(request, reader), status_code=303)
            except RequestValidationError:  # a part of the path that no page has
                return answer_problem(Problem(404, Message("address-not-found")), reader)
            except (Problem, AnchorError, OSError) as error:
                return answer_problem(explain(error), reader)

        return handle_page


def answer_problem(problem: Problem, reader: Reader) -> Response:
    """Return an error answer as a page, with its status and headers."""
    values = {
        "here": "account",
        "title": Message("page-not-answered"),
        "text": problem.detail,
        "hint": None,
    }
    page = answer_page("message.html", values, reader, status=problem.status)
    # It has no form, and its address may hold a token.
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers.update(problem.headers)
    return page


def sign_in_address(request: Request, reader: Reader) -> str:
    """Return the address of the sign-in that leads back to the page that is requested."""
    address = request.url.path
    if request.url.query:
        address += f"?{request.url.query}"
    # A form is not sent again after a sign-in.
    back = local_address(address) if request.method == "GET" else HOME
    return reader.link("/login") if back == HOME else reader.link("/login", next=back)


def local_address(text: str) -> str:
    """Return an address if it is one of this site, otherwise that of the account's page.

    Browsers read a backslash as a slash, remove tabs and newlines, and take ``//host`` for another
    site.
    """
    if not text.startswith("/") or text.startswith("//") or len(text) > _MAX_ADDRESS:
        return HOME
    if not text.isascii() or not text.isprintable() or "\\" in text or " " in text:
        return HOME
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc or parts.path.startswith("//") else text
