"""What all requests of tus 1.0 have in common: the header that names the protocol's version."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from anchor.base.messages.message import Message
from anchor.keeping.upload_rules import TUS_VERSION
from anchor.service.auth import Submitter
from anchor.service.caller import Caller
from anchor.service.problems import CLOSE, Problem
from anchor.service.upload_schemas import TusVersion

_VERSION = {"Tus-Resumable": TUS_VERSION}


class TusRoute(APIRoute):
    """A route whose every answer names the protocol's version."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        handle = super().get_route_handler()

        async def handle_upload(request: Request) -> Response:
            try:
                response = await handle(request)
            except Problem as problem:
                problem.headers.update(_VERSION)
                raise
            response.headers.update(_VERSION)
            return response

        return handle_upload


async def _require_version(caller: Submitter, tus_resumable: TusVersion = None) -> Caller:
    """Return the caller, who speaks a version of the protocol that is spoken here.

    Raises:
        Problem: The version is another one, or none (412).
    """
    if tus_resumable != TUS_VERSION:
        text = Message("upload-version-unknown", version=TUS_VERSION)
        raise Problem(412, text, headers={"Tus-Version": TUS_VERSION} | CLOSE)
    return caller


Uploader = Annotated[Caller, Depends(_require_version)]
"""Who uploads by the protocol."""
