"""The exchanges about copies of originals, shared by both clients: tus 1.0, and ranges."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import httpx

from anchor.base.errors import CannotCheckError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.client.answers import PASSING, explain, read_answer
from anchor.client.evidence_answers import StatusCopy, read_status_copy
from anchor.client.exchanges import Exchange, Exchanges, ServiceRequest, pause_after

# One request's bytes: what is lost at most when a connection breaks.
_PIECE = 8 << 20
_TUS = {"Tus-Resumable": "1.0.0"}
_SETTLED = ("kept", "refused")
# Seconds between two looks at a copy that is being compared.
_LOOK = 1.0

ReadBytes = Callable[[int, int], bytes]
"""Returns so many bytes of a file, at most, from an offset on."""
WriteBytes = Callable[[int, bytes], None]
"""Writes bytes into a file at an offset."""


@dataclass(frozen=True, slots=True)
class CopyExchanges:
    """The exchanges about copies of one client."""

    exchanges: Exchanges

    def upload(self, id: str, length: int, read: ReadBytes, timeout: float) -> Exchange[StatusCopy]:
        """Upload an original from where an earlier upload ended, and wait until it is compared."""
        named = base64.b64encode(id.encode("utf-8")).decode("ascii")
        headers = {"Upload-Length": str(length), "Upload-Metadata": f"evidence {named}"}
        made = yield from self._ask("POST", "/v1/uploads", headers)
        path = made.headers.get("Location", "")
        if not path.startswith("/v1/uploads/"):
            raise MalformedError(Message("answer-member-invalid", name="Location"))
        offset = yield from self._find_offset(path)
        failures = 0
        while offset < length:
            data = read(offset, min(_PIECE, length - offset))
            if not data:
                raise UsageError(Message("copy-file-shorter", length=length))
            reply = yield ServiceRequest(
                method="PATCH",
                path=path,
                content=data,
                headers={
                    **_TUS,
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                },
                wait=60.0,
            )
            if isinstance(reply, httpx.Response) and reply.is_success:
                offset, failures = _read_offset(reply), 0
                continue
            failures += 1
            may_go_on = not isinstance(reply, httpx.Response) or (
                reply.status_code in (*PASSING, httpx.codes.CONFLICT)
            )
            if not may_go_on or failures >= self.exchanges.attempts:
                raise _explain(reply)
            yield pause_after(failures)
            offset = yield from self._find_offset(path)
        return (yield from self._wait(id, timeout))

    def download(self, id: str, offset: int, write: WriteBytes) -> Exchange[int]:
        """Fetch the bytes of a kept copy from an offset on; return how many it has in all."""
        path = f"{_path(id)}/copy"
        copy = yield from self.find(id)
        length = 0 if copy is None else copy.length
        if copy is None or offset > length:
            yield from self._ask("GET", path, {"Range": f"bytes={offset}-"})
            raise MalformedError(Message("answer-member-invalid", name="kept_copy"))
        while offset < length:
            end = min(offset + _PIECE, length)
            asked = {"Range": f"bytes={offset}-{end - 1}"}
            answer = yield from self._ask("GET", path, asked)
            ranged = f"bytes {offset}-{end - 1}/{length}"
            if len(answer.content) != end - offset or answer.headers["Content-Range"] != ranged:
                raise MalformedError(Message("answer-member-invalid", name="Content-Range"))
            write(offset, answer.content)
            offset = end
        return length

    def delete(self, id: str) -> Exchange[None]:
        """Delete the copy of a piece of evidence."""
        yield from self._ask("DELETE", f"{_path(id)}/copy")

    def find(self, id: str) -> Exchange[StatusCopy | None]:
        """Fetch how far the copy of a piece of evidence is."""
        answer = yield from self._ask("GET", _path(id))
        return read_answer(answer, read_status_copy)

    def _wait(self, id: str, timeout: float) -> Exchange[StatusCopy]:
        end = self.exchanges.monotonic() + timeout
        while True:
            copy = yield from self.find(id)
            if copy is None:
                raise UsageError(Message("copy-deleted-meanwhile"))
            if copy.state in _SETTLED or self.exchanges.monotonic() >= end:
                return copy
            yield _LOOK

    def _find_offset(self, path: str) -> Exchange[int]:
        return _read_offset((yield from self._ask("HEAD", path)))

    def _ask(
        self,
        method: Literal["GET", "HEAD", "POST", "DELETE"],
        path: str,
        headers: dict[str, str] | None = None,
    ) -> Exchange[httpx.Response]:
        given = {**_TUS, **(headers or {})} if path.startswith("/v1/uploads") else headers or {}
        request = ServiceRequest(method=method, path=path, headers=given, wait=60.0)
        return (yield from self.exchanges.ask(request))


def _read_offset(answer: httpx.Response) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise MalformedError(Message("answer-member-invalid", name="Upload-Offset"))
    return int(text)


def _explain(reply: httpx.Response | httpx.RequestError | None) -> Exception:
    if isinstance(reply, httpx.Response):
        return explain(reply)
    return CannotCheckError(
        Message("service-no-answer", error=type(reply).__name__),
        hint=Message("service-no-answer-hint"),
    )


def _path(id: str) -> str:
    return f"/v1/evidence/{quote(id, safe='')}"
