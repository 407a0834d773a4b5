"""HTTP within bounds: what the deadline ends, what a hostile answer costs, who is told secrets."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.nodes import send, serve

from anchor.base.messages.message import Message
from anchor.base.system.http import BadResponse, BoundedSession, format_failure

_CALLS = 40
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_TLS_RECORD = b"\x16\x03\x03\x40\x00"  # a handshake record of 16 KiB, which never gets complete

Talk = Callable[[socket.socket], None]


def read_request(connected: socket.socket) -> bytes:
    """Return a whole request; its head and its body may arrive in two segments."""
    request = b""
    while not request.endswith(b"\r\n\r\n{}"):
        if not (received := connected.recv(65_536)):
            break  # the client is gone
        request += received
    return request


def drip(connected: socket.socket, begin: bytes) -> None:
    """Send ``begin``, and a byte each fifth of a second for ever."""
    connected.recv(65_536)
    connected.sendall(begin)
    while True:
        time.sleep(0.2)
        connected.sendall(b" ")


def drip_in_tls(context: ssl.SSLContext, connected: socket.socket, begin: bytes) -> None:
    connected.getpeername()  # of a client that is gone, ssl would leave the socket open
    with context.wrap_socket(connected, server_side=True) as secure:
        drip(secure, begin)


def say_nothing(connected: socket.socket) -> None:
    while connected.recv(65_536):
        pass


@contextmanager
def server(talk: Talk) -> Iterator[int]:
    """Listen, and let ``talk`` have each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threads: list[threading.Thread] = []

    def handle(connected: socket.socket) -> None:
        with connected:
            try:
                talk(connected)
            except (OSError, ssl.SSLError):
                pass  # the client is gone

    def accept() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=handle, args=(connected,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "the client still holds its socket"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def exchanges() -> int:
    return sum(thread.name == "anchor-http" for thread in threading.enumerate())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.fault(
    "E13",
    how="servers that send a byte each fifth of a second, as header, body or TLS, or nothing",
    then="given up in time; 40 such calls leave no thread and no socket behind",
)
@pytest.mark.parametrize(
    "where", ["header", "body", "TLS handshake", "header in TLS", "body in TLS", "nothing"]
)
def test_a_call_that_is_given_up_leaves_no_thread_and_no_socket(
    where: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    begin = _HEAD + b"Content-Length: 1000\r\n\r\n{" if "body" in where else _HEAD + b"X: "
    talks: dict[str, Talk] = {
        "TLS handshake": lambda connected: drip(connected, _TLS_RECORD),
        "nothing": say_nothing,
    }
    talk = talks.get(where) or (
        (lambda connected: drip_in_tls(context, connected, begin))
        if "in TLS" in where
        else (lambda connected: drip(connected, begin))
    )
    before = descriptors()
    with server(talk) as port, BoundedSession(timeout=0.3, max_bytes=1 << 20) as session:
        url = f"http{'s' if 'TLS' in where else ''}://127.0.0.1:{port}"
        spent: list[float] = []

        def call() -> None:
            started = time.monotonic()
            with pytest.raises(requests.RequestException):
                session.post(url, data=b"{}")
            spent.append(time.monotonic() - started)

        callers = [threading.Thread(target=call) for _ in range(_CALLS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(spent) == _CALLS
        # All at once on a machine that is busy with them.
        assert max(spent) < 30
        end = time.monotonic() + 60
        while exchanges() and time.monotonic() < end:
            time.sleep(0.05)
        assert exchanges() == 0
    assert descriptors() <= before + 1, "sockets are left open"


def test_a_connection_is_used_again_and_its_drip_is_ended_too() -> None:
    calls = []

    def talk(connected: socket.socket) -> None:
        calls.append(read_request(connected))
        connected.sendall(_HEAD + b"Content-Length: 2\r\n\r\n{}")
        calls.append(b"again")
        drip(connected, _HEAD)

    with server(talk) as port, BoundedSession(timeout=60, max_bytes=1 << 20) as session:
        assert session.post(f"http://127.0.0.1:{port}", data=b"{}").content == b"{}"
        session._timeout = 1.0
        with pytest.raises(requests.RequestException):
            session.post(f"http://127.0.0.1:{port}", data=b"{}")
        assert calls[1] == b"again"


@pytest.mark.parametrize(
    ("body", "is_refused"),
    [
        (b"[" * 33, True),
        (b"[" * 33 + b"]" * 33, True),
        (b"[" * 32 + b"]" * 32, False),
        (b'{"a":' * 33 + b"1" + b"}" * 33, True),
        (b"[" * 2_000_000, True),
        (b"[{" * 1_000_000, True),
        (b'["' + b"[" * 100 + b'"]', False),
        (b'["\\"' + b"[" * 100 + b'"]', False),
        (b'"' + b"[" * 2_000_000, False),
        (b"[" + b"[]," * 500_000 + b"[]]", False),
        (b"]" * 100, False),
    ],
)
def test_depth_is_bounded_in_a_time_that_only_the_length_decides(
    body: bytes, is_refused: bool
) -> None:
    with (
        serve(lambda handler, _: send(handler, 200, body)) as url,
        BoundedSession(timeout=20, max_bytes=4 << 20) as session,
    ):
        started = time.process_time()  # however busy the machine is
        if is_refused:
            with pytest.raises(BadResponse, match="nested too deeply"):
                session.post(url, data=b"{}")
        else:
            assert session.post(url, data=b"{}").content == body
        assert time.process_time() - started < 5


def test_neither_netrc_nor_other_programs_proxies_are_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("default login corpuser password s3cr3t-corp\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    seen: list[str | None] = []

    def respond(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        seen.append(handler.headers["Authorization"])
        send(handler, 200, b"{}")

    with serve(respond) as url, BoundedSession(timeout=60, max_bytes=100) as session:
        assert session.post(url, data=b"{}").content == b"{}"
    assert seen == [None]


def test_a_proxy_that_was_named_is_used_but_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        asked.append(handler.path)
        send(handler, 200, b"{}")

    with serve(respond) as proxy, serve(respond) as here:
        monkeypatch.setenv("ANCHOR_PROXY", proxy)
        with BoundedSession(timeout=60, max_bytes=100) as session:
            session.post("http://node.invalid:8545/v1", data=b"{}")
            session.post(f"{here}/v2", data=b"{}")
    assert asked == ["http://node.invalid:8545/v1", "/v2"]


def test_a_name_that_is_in_no_directory_is_told_apart_from_a_cut_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(requests.ConnectionError) as unknown:
        requests.get("http://nowhere.invalid/", timeout=1)
    assert format_failure(unknown.value) == Message("http-host-unknown")
    assert format_failure(requests.ConnectionError()) == Message("http-connection-failed")
