"""The addon that mitmdump runs while a page is captured: it writes what servers sent to files.

It runs in mitmproxy's own Python, whose packages are not ours, and so imports nothing but the
standard library.  ``recording_proxy`` starts it and reads its files.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any


class _BodyFile:
    """Passes a body on as it comes, and keeps a copy of it within the limit of all bodies."""

    def __init__(self, recorder: FlowRecorder, path: Path) -> None:
        self.size = 0
        self.is_whole = True
        self.path = path
        self._recorder = recorder
        self._file: IO[bytes] | None = path.open("xb")

    def __call__(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        if self._file is not None:
            self._recorder.left -= len(chunk)
            if self._recorder.left < 0:
                self._recorder.left += self.size
                self.is_whole = False
                self.close()
                self.path.unlink()
            else:
                self._file.write(chunk)
        return chunk

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()
            self._file = None


class FlowRecorder:
    """Writes a line of JSON for each response, failure and stream, and a file for each body."""

    def __init__(self) -> None:
        """Know nothing of the capture yet."""
        self.left = 0
        self._folder = Path()
        self._bodies: dict[str, _BodyFile] = {}
        self._lines: IO[str] | None = None
        self._master: Any = None

    def load(self, loader: Any) -> None:
        """Declare the options (mitmproxy's event)."""
        loader.add_option("anchor_folder", str, "", "Folder for what is recorded.")
        loader.add_option("anchor_max_bytes", int, 0, "Limit of all bodies.")
        self._master = loader.master

    def running(self) -> None:
        """Write where the proxy listens (mitmproxy's event)."""
        options = self._master.options
        self._folder, self.left = Path(options.anchor_folder), options.anchor_max_bytes
        self._lines = (self._folder / "flows.jsonl").open("x", encoding="ascii")
        ((_, port, *_),) = self._master.addons.get("proxyserver").listen_addrs()
        partial = self._folder / "port.tmp"
        partial.write_text(str(port), "ascii")
        partial.rename(self._folder / "port")

    def server_connect_error(self, data: Any) -> None:
        """Note why a server was not reached (mitmproxy's event)."""
        self._fail(data.server.address, data.server.error)

    def tls_failed_server(self, data: Any) -> None:
        """Note why TLS with a server was not established (mitmproxy's event)."""
        self._fail(data.conn.address, data.conn.error)

    def _fail(self, address: Iterable[Any], error: str | None) -> None:
        host, port, *_ = address
        self._write(kind="unreachable", host=_encode_host(host), port=port, error=error or "?")

    def requestheaders(self, flow: Any) -> None:
        """Refuse a request whose server was not reached, or else the proxy would answer it."""
        if flow.server_conn.error:
            self._write(kind="failure", error=flow.server_conn.error, **_describe_request(flow))
            flow.kill()

    def responseheaders(self, flow: Any) -> None:
        """Keep the body as it passes (mitmproxy's event)."""
        body = _BodyFile(self, self._folder / f"body-{len(self._bodies)}")
        self._bodies[flow.id] = body
        flow.response.stream = body

    def response(self, flow: Any) -> None:
        """Write down a response that is complete (mitmproxy's event)."""
        self._end(flow, None)

    def error(self, flow: Any) -> None:
        """Write down a response that was not completed, or did not come (mitmproxy's event)."""
        if flow.response is not None:
            self._end(flow, flow.error.msg)
        elif not flow.server_conn.error:
            self._write(kind="failure", error=flow.error.msg, **_describe_request(flow))
        elif flow.error.msg != "Connection killed.":  # it was connected to after the request
            self._write(kind="failure", error=flow.server_conn.error, **_describe_request(flow))

    def _end(self, flow: Any, error: str | None) -> None:
        body = self._bodies.get(flow.id)
        if body is not None:
            body.close()
        server, response = flow.server_conn, flow.response
        pems = [each.to_pem().decode("ascii") for each in server.certificate_list]
        self._write(
            kind="response",
            error=error,
            **_describe_request(flow),
            started_at=flow.request.timestamp_start,
            ended_at=response.timestamp_end or response.timestamp_start,
            request_headers=_list_fields(flow.request.headers),
            request_body=base64.b64encode(flow.request.raw_content or b"").decode("ascii"),
            status=response.status_code,
            reason=response.reason or "",
            protocol=response.http_version,
            headers=_list_fields(response.headers),
            address=server.peername[0] if server.peername else "",
            port=server.peername[1] if server.peername else 0,
            tls=server.tls_version,
            certificates=[
                base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode("ascii") for pem in pems
            ],
            body=None if body is None else body.path.name,
            size=0 if body is None else body.size,
            is_whole=body is None or body.is_whole,
        )

    def _write(self, **members: Any) -> None:
        if self._lines is not None:
            self._lines.write(json.dumps(members) + "\n")
            self._lines.flush()


def _describe_request(flow: Any) -> dict[str, Any]:
    request = flow.request
    host, port = _encode_host(request.host), request.port
    is_usual = port == {"http": 80, "https": 443}.get(request.scheme)
    authority = f"[{host}]" if ":" in host else host
    url = f"{request.scheme}://{authority}{'' if is_usual else f':{port}'}{request.path}"
    return {"url": url, "method": request.method}


def _encode_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _list_fields(headers: Any) -> list[tuple[str, str]]:
    """Return the fields as they were received, each byte as a character."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.fields]


addons = [FlowRecorder()]
