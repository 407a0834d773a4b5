"""The platform with providers to sign in by: a mock of PyPI's, and one that bends its answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from support.memory_projects import MemorySite
from support.npm_packages import install_packages
from support.page_service import NO_NODE, run_app
from support.paths import ROOT
from support.ports import free_port

from anchor.project.project import OpenProject, open_project
from anchor.project.sign_in_config import PlatformConfig, SignInConfig
from anchor.service.app import create_app
from anchor.service.settings import Settings
from anchor.service.worker import Service

_CERTIFIED = ROOT / "tests" / "providers"
CLIENT, SECRET = "anchor", "TEST_SIGN_IN_SECRET"


@dataclass(frozen=True)
class Platform:
    """The service with its providers; each browser has cookies of its own."""

    url: str
    service: Service

    @property
    def project(self) -> OpenProject:
        return self.service.project

    @contextmanager
    def browser(self, **headers: str) -> Iterator[httpx.Client]:
        """Open a browser: it goes where it is told to, and follows nothing by itself."""
        with httpx.Client(
            base_url=self.url, timeout=30, trust_env=False, headers=headers
        ) as client:
            yield client


@contextmanager
def serve_platform(
    site: MemorySite,
    *providers: SignInConfig,
    open_sign_up: bool = False,
    settings: Settings | None = None,
    listener: socket.socket | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Platform]:
    """Serve a project's pages with these providers, under a name of this machine."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    url = f"http://{host}:{listener.getsockname()[1]}"
    platform = PlatformConfig(url=url, open_sign_up=open_sign_up, providers=providers)
    project = open_project(replace(site.config, rpc=NO_NODE, platform=platform))
    app = create_app(project, settings or Settings())
    with run_app(app, listener):
        yield Platform(url, app.state.service)


@contextmanager
def run_mock(*users: dict[str, Any], name: str = "mock") -> Iterator[SignInConfig]:
    """Run ``oidc-provider-mock``, which knows these users and any other subject."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    # In a process of its own: it uses what its libraries have deprecated, and so warns.
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    for user in users:
        command += ["--user-claims", json.dumps(user)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait_for(issuer, process)
            os.environ[SECRET] = "any"
            yield SignInConfig(
                name=name,
                label=name.title(),
                issuer=issuer,
                client_id=CLIENT,
                secret_variable=SECRET,
            )
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def run_certified(platform_url: str) -> Iterator[SignInConfig]:
    """Run the certified ``oidc-provider`` of npm, whose one client is this platform."""
    install_packages(_CERTIFIED)
    port = free_port()
    issuer = f"http://localhost:{port}"
    os.environ[SECRET] = "s3cret/+ %&"
    command = ["node", "provider.mjs", str(port), f"{platform_url}/login/callback/certified"]
    environment = os.environ | {"CLIENT_SECRET": os.environ[SECRET]}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=_CERTIFIED, env=environment, stdout=output, stderr=output
        )
        try:
            _wait_for(issuer, process)
            yield SignInConfig(
                name="certified",
                label="Certified",
                issuer=issuer,
                client_id=CLIENT,
                secret_variable=SECRET,
            )
        finally:
            process.terminate()
            process.wait(20)


def confirm(address: str, subject: str) -> str:
    """Sign in and consent at the certified provider; return where it sends the browser."""
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=60) as client:
        answer = client.get(address)
        for _ in range(10):
            location = urljoin(str(answer.url), answer.headers.get("Location", ""))
            if "/login/callback/" in location:
                return location
            if answer.status_code == 303:
                answer = client.get(location)
                continue
            prompt = "login" if 'name="login"' in answer.text else "consent"
            data = {"prompt": prompt, "login": subject, "password": "any"}
            answer = client.post(answer.url, data=data)
    raise AssertionError(answer.text)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < end, "the provider does not start"
        with suppress(httpx.TransportError):
            httpx.get(url, trust_env=False, timeout=60)
            return
        time.sleep(0.05)


def begin(browser: httpx.Client, provider: str = "mock", back: str = "") -> str:
    """Choose a provider; return the address there to which the browser is sent."""
    query = {"provider": provider} | ({"next": back} if back else {})
    answer = browser.get("/login/start", params=query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def authorise(address: str, subject: str | None) -> str:
    """Confirm (or, with None, decline) at the mock; return where it sends the browser."""
    data = {"action": "deny"} if subject is None else {"sub": subject}
    answer = httpx.post(address, data=data, trust_env=False, timeout=60)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["Location"])


def sign_in(
    browser: httpx.Client, subject: str, provider: str = "mock", back: str = ""
) -> httpx.Response:
    """Sign in at the mock; return the answer to coming back."""
    return browser.get(authorise(begin(browser, provider, back), subject))


def query_of(address: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


Bend = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes an ID token's claims and header before it is signed; or returns another token."""


@dataclass
class BentProvider:
    """A provider whose answers are as a test wants them."""

    port: int
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(
            2048, {"kid": "one", "use": "sig", "alg": "RS256"}
        )
    )
    others: list[RSAKey | ECKey] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    bend: Bend = lambda claims, header: None
    token_answer: tuple[int, bytes] | None = None
    discovery_answer: tuple[int, bytes] | None = None
    is_silent: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def config(self) -> SignInConfig:
        return SignInConfig(name="bent", label="Bent", issuer=self.issuer, client_id=CLIENT)

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a request."""
        self.requests.append(path)
        if self.is_silent:
            self.is_over.wait()
        if path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorise",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            } | self.metadata
            return self.discovery_answer or (200, json.dumps(document).encode())
        if path == "/keys":
            return 200, json.dumps(KeySet([self.key, *self.others]).as_dict(private=False)).encode()
        return self.token_answer or (200, json.dumps(self.make_tokens()).encode())

    def make_tokens(self) -> dict[str, Any]:
        """Return the token endpoint's answer."""
        header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": "1", "aud": CLIENT, "nonce": self.nonce,
            "exp": int(time.time()) + 300, "iat": int(time.time()), "name": "Ann",
        }  # fmt: skip
        other = self.bend(claims, header)
        token = jwt.encode(header, claims, self.key) if other is None else other
        return {"access_token": "a", "token_type": "Bearer", "id_token": token}


@contextmanager
def run_bent() -> Iterator[BentProvider]:
    """Run such a provider."""
    state: list[BentProvider] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = state[0].answer(urlsplit(self.path).path)
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that disconnect."""

    server = Server(("localhost", 0), Handler)
    state.append(BentProvider(server.server_port))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state[0]
    finally:
        state[0].is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
