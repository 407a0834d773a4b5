"""``/verify.html``: the verifier page of this release, as the wheel carries it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.service.problems import Problem

router = APIRouter(include_in_schema=False)

_POLICY = re.compile(
    r"<meta\s+http-equiv=\"?Content-Security-Policy\"?\s+content=\"([^\"]+)\"", re.IGNORECASE
)


@router.get("/verify.html")
async def verify_html() -> Response:
    """Return the page, with the content security policy that it names itself."""
    page = _load_page()
    if page is None:
        raise Problem(404, "this installation has no verifier page")
    headers = {"Cache-Control": "no-cache"}
    found = _POLICY.search(page.decode("utf-8"))
    if found is not None:
        # What a page cannot say in itself: that it is shown in no frame.
        headers["Content-Security-Policy"] = f"{found[1]}; frame-ancestors 'none'"
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


@cache
def _load_page() -> bytes | None:
    file = resources.files("anchor").joinpath("web", "verify.html")
    return file.read_bytes() if file.is_file() else None
