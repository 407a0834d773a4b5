"""Pages as answers, and errors as pages."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import Response

from anchor.errors import AnchorError
from anchor.service.pages.rendering import POLICY, render
from anchor.service.problems import explain


def answer_page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """Return a page, with the policy that lets a browser load nothing from elsewhere."""
    return Response(
        render(template, values),
        status_code=status,
        media_type="text/html; charset=utf-8",
        # With no referrer at all, browsers do not say either where a form was sent from.
        headers={"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"},
    )


def answer_trouble(error: AnchorError, here: str) -> Response:
    """Return an error as a page, without what is the operator's own."""
    problem = explain(error)
    values = {
        "here": here,
        "title": "That cannot be shown now",
        "text": problem.detail,
        "hint": None,
    }
    page = answer_page("message.html", values, status=problem.status)
    page.headers.update(problem.headers)
    return page
