"""A bounded JSON-RPC 2.0 server over HTTP on the loopback interface, independent of any chain."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anchor.base.canonical import check_depth
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error

HOST = "127.0.0.1"

# A contract creation is below 100 KiB of hex; no larger request is needed.
MAX_BODY = 1 << 20
# A batch is answered in memory; geth's own limit is 1000.
MAX_BATCH = 100
# Bytes of a refused body that are still read, so that the client gets the refusal, not a reset.
MAX_DISCARD = 8 << 20
# The EVM nests calls on the Python stack; some systems give threads only half a megabyte.
THREAD_STACK = 16 << 20
# A client that stops sending must not occupy a thread.
SOCKET_TIMEOUT = 10.0

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
# execution-apis, error group of tags that name no block (yet).
UNKNOWN_BLOCK = -39001
EXECUTION_REVERTED = 3

Dispatch = Callable[[str, list[Any]], Any]
"""Answers one call, or raises `RpcError`."""


class RpcError(Exception):
    """The refusal of a call, sent to the client as a JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class LoopbackServer(ThreadingHTTPServer):
    """An HTTP server for one `Dispatch` on 127.0.0.1 until `stop`, with one thread per request."""

    # Threads end with the process; a burst of clients must not be refused.
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, dispatch: Dispatch) -> None:
        self.dispatch = dispatch
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = describe_os_error(error) if isinstance(error, OSError) else error
            raise UsageError(
                Message("port-cannot-listen", host=HOST, port=port, reason=reason),
                hint=Message("port-taken-hint"),
            ) from error
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="devnet", daemon=True
        )
        self._thread.start()

    def server_bind(self) -> None:
        """Bind without http.server's reverse look-up of the address, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Pass the connection to a thread with enough stack for the EVM."""
        usual = threading.stack_size(THREAD_STACK)
        try:
            super().process_request(request, client_address)
        finally:
            threading.stack_size(usual)

    def stop(self) -> None:
        """Stop listening; requests being answered are cut when the process ends."""
        self.shutdown()
        self._thread.join()
        self.server_close()


def answer(body: bytes, dispatch: Dispatch) -> bytes:
    """Answer one request body, single or batch; empty if it holds notifications only."""
    try:
        check_depth(body, subject="the request")
        message = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, MalformedError):
        return _encode(_failure(None, RpcError(PARSE_ERROR, "parse error")))
    if not isinstance(message, list):
        response = _answer_one(message, dispatch)
        return b"" if response is None else _encode(response)
    if not 0 < len(message) <= MAX_BATCH:
        size = f"a batch of {len(message)} requests, not of 1 to {MAX_BATCH}"
        return _encode(_failure(None, RpcError(INVALID_REQUEST, size)))
    responses = [_answer_one(request, dispatch) for request in message]
    answered = [response for response in responses if response is not None]
    return _encode(answered) if answered else b""


def _answer_one(message: Any, dispatch: Dispatch) -> dict[str, Any] | None:
    """Answer one request object; None for a notification (a request without ``id``)."""
    members = message if isinstance(message, dict) else {}
    ident, method, params = (members.get("id"), members.get("method"), members.get("params", []))
    if isinstance(ident, bool) or not isinstance(ident, str | int | float | None):
        return _failure(None, RpcError(INVALID_REQUEST, "id must be a string or a number"))
    is_request = members.get("jsonrpc") == "2.0" and isinstance(params, list | dict)
    if not is_request or not isinstance(method, str):
        return _failure(ident, RpcError(INVALID_REQUEST, "not a JSON-RPC 2.0 request"))
    try:
        if isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "non-array args")
        response = {"jsonrpc": "2.0", "id": ident, "result": dispatch(method, params)}
    except RpcError as error:
        response = _failure(ident, error)
    except Exception as error:  # noqa: BLE001
        # Our own bug: the client gets an answer, and the server continues.
        response = _failure(ident, RpcError(INTERNAL_ERROR, f"internal error: {error!r}"))
    return response if "id" in members else None


def _failure(ident: Any, error: RpcError) -> dict[str, Any]:
    detail: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        detail["data"] = error.data
    return {"jsonrpc": "2.0", "id": ident, "error": detail}


def _encode(response: Any) -> bytes:
    return json.dumps(response, separators=(",", ":")).encode()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _is_loopback(host: str | None) -> bool:
    """Return whether a Host header names this machine.

    A page on a foreign name that resolves to 127.0.0.1 (DNS rebinding) is same-origin to a browser
    and needs no CORS; only this header reveals it.
    """
    name, _, port = (host or "").rpartition(":")
    if not port.isascii() or not port.isdigit():
        name = host or ""
    return name.lower() in {"127.0.0.1", "localhost", "[::1]"}


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    server_version = "anchor-devnet"
    sys_version = ""
    timeout = SOCKET_TIMEOUT
    # Headers and body go out in two writes; Nagle would hold the second back.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one JSON-RPC body; the connection closes after it."""
        length = self.headers.get("Content-Length", "")
        if not _is_loopback(self.headers.get("Host")):
            self._refuse(HTTPStatus.FORBIDDEN, "the Host header does not name this machine")
        elif self.headers.get_content_type() != "application/json":
            # A browser sends other types across origins without asking first.
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        elif not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length")
        elif len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY} bytes")
        else:
            self._answer_body(int(length))

    def do_OPTIONS(self) -> None:
        """Allow web pages of any origin to send JSON; nothing on a devnet is worth anything."""
        if not _is_loopback(self.headers.get("Host")):
            self._refuse(HTTPStatus.FORBIDDEN, "the Host header does not name this machine")
            return
        self.send_response(HTTPStatus.NO_CONTENT)
        self._allow_pages()
        self.send_header("Access-Control-Allow-Methods", "POST")
        self.send_header("Access-Control-Allow-Headers", "content-type")
        self.send_header("Connection", "close")
        self.end_headers()

    def _allow_pages(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")

    def _answer_body(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) == length:
            self._respond(HTTPStatus.OK, "application/json", answer(body, self.server.dispatch))

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._respond(status, "text/plain; charset=utf-8", f"{reason}\n".encode())
        self.connection.shutdown(socket.SHUT_WR)
        left = MAX_DISCARD
        while left > 0 and (chunk := self.rfile.read1(1 << 16)):
            left -= len(chunk)

    def _respond(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self._allow_pages()
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Serve the connection; a client that disconnects or times out is not an error."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the library does not write to stderr."""
