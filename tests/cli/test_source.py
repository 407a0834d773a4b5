"""``anchor source``: the exact bytes, and explorers that answer as their APIs say, or do not."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.command import run_anchor
from support.nodes import send
from support.projects import Site

from anchor.errors import AnchorError, ExitCode
from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import load_artifact, load_standard_input, registry_address
from anchor.registry.source_client import KEY_VARIABLE, SERVERS, Explorer, Service, check_server_url
from anchor.registry.source_verification import Answer, SourceVerdict
from anchor.types import Address, ChainId, Hash32

KEY = "canary-explorer-key-81c4"
REGISTRY = format_address(registry_address())
PLACE = f"/v2/verify/31337/{REGISTRY}"
COMPILER = load_artifact().compiler_version


@dataclass
class Server:
    """An explorer on this machine; ``answers`` are given in order, the last one for ever."""

    url: str
    answers: list[Callable[[BaseHTTPRequestHandler], object]] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    def say(self, status: int, document: Any) -> Server:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers.append(lambda handler: send(handler, status, body))
        return self


@contextmanager
def serving() -> Iterator[Server]:
    server = Server("")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            server.requests.append((self.command, self.path, body))
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            answer(self)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing: clients go away in these tests."""

    http = Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


class FastClock:
    """Seconds pass only when one sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def publish(
    server: Server, service: Service, *, path: str = "", tx: Hash32 | None = None, **options: Any
) -> Answer:
    options = {"key": KEY, "timeout": 2.0} | options
    explorer = Explorer(service, server.url + path, **options)
    try:
        return explorer.publish(ChainId(31337), registry_address(), tx, FastClock(), lambda _: None)
    finally:
        explorer.close()


def refusal(action: Callable[[], object]) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        action()
    error = caught.value
    shown = f"{error!r} {error.message} {error.hint}" + "".join(traceback.format_exception(error))
    assert KEY[:8] not in shown
    return error


# Printed


def test_the_source_is_printed_byte_for_byte_without_a_project(tmp_path: Path) -> None:
    ran = run_anchor("source", cwd=tmp_path).expect(0)
    assert ran.out.encode("utf-8") == load_standard_input()
    document = run_anchor("source", "--json", cwd=tmp_path).expect(0).document
    assert document["standard_input"] == json.loads(load_standard_input())
    assert document["contract"] == "contracts/AnchorRegistry.sol:AnchorRegistry"
    assert document["compiler"] == COMPILER
    assert document["standard_address"] == REGISTRY


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--submit", "blockscout"], "sourcify or etherscan"),
        (["--chain-id", "1"], "go with --submit"),
        (["--submit", "sourcify"], "--chain-id is missing"),
        (["--submit", "etherscan", "--chain-id", "1"], "Etherscan wants an API key"),
        (["--submit", "sourcify", "--chain-id", "1", "--address", "0x12"], "--address must be"),
    ],
)
def test_what_is_asked_for_wrongly_is_bad_usage(
    tmp_path: Path, arguments: list[str], text: str
) -> None:
    run_anchor("source", *arguments, cwd=tmp_path).refused(2, text)


# Where to


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://explorer.example/api", "https://explorer.example/api"),
        ("https://explorer.example/api/?", "https://explorer.example/api"),
        ("http://127.0.0.1:5555/", "http://127.0.0.1:5555"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_a_server_is_asked_over_tls_or_on_this_machine(url: str, checked: str) -> None:
    assert check_server_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "http://explorer.example/api",
        "http://127.0.0.1.example/",
        "http://10.0.0.1/",
        "ftp://explorer.example",
        "explorer.example",
        "https://",
        "https://host:port/",
        f"https://user:{KEY}@explorer.example",
        f"https://explorer.example/api?apikey={KEY}",
        f"https://explorer.example/api#{KEY}",
    ],
)
def test_any_other_url_is_refused_and_not_quoted(url: str) -> None:
    assert refusal(lambda: check_server_url(url)).exit_code is ExitCode.USAGE


def test_the_servers_are_the_public_ones_over_tls() -> None:
    assert all(url.startswith("https://") for url in SERVERS.values())
    assert all(check_server_url(url) == url for url in SERVERS.values())


# Sourcify

ACCEPTED = {"verificationId": "72d12273-0723-448e-a9f6-f7957128efa5"}


def job(*, completed: bool = True, match: str | None = "match", **members: Any) -> dict[str, Any]:
    contract = {"match": match, "chainId": "31337", "address": REGISTRY}
    return {"isJobCompleted": completed, **ACCEPTED, "contract": contract, **members}


def test_sourcify_is_given_the_source_and_asked_until_it_decides(server: Server) -> None:
    server.say(202, ACCEPTED).say(200, job(completed=False, match=None))
    server.say(200, job(completed=False, match=None)).say(200, job())
    answer = publish(server, "sourcify", path="/server/", tx=Hash32(b"\x07" * 32))
    assert (answer.verification, answer.detail) == (SourceVerdict.VERIFIED, "match")
    (method, path, body), *polls = server.requests
    assert (method, path) == ("POST", f"/server{PLACE}")
    assert json.loads(body) == {
        "stdJsonInput": json.loads(load_standard_input()),
        "compilerVersion": COMPILER,
        "contractIdentifier": "contracts/AnchorRegistry.sol:AnchorRegistry",
        "creationTransactionHash": "0x" + "07" * 32,
    }
    asked = ("GET", f"/server/v2/verify/{ACCEPTED['verificationId']}", b"")
    assert polls == [asked] * 3
    assert KEY.encode() not in b"".join(body for _, _, body in server.requests)


SOURCIFY = [
    ([(202, ACCEPTED), (200, job(match="exact_match"))], 0, "exact_match"),
    ([(409, {"customCode": "already_verified", "message": "is verified"})], 0, "is verified"),
    (
        [(202, ACCEPTED), (200, job(error={"customCode": "already_verified", "message": "m"}))],
        0,
        "already_verified: m",
    ),
    ([(202, ACCEPTED), (200, job(match=None))], 10, "no match"),
    (
        [(202, ACCEPTED), (200, job(error={"customCode": "no_match", "message": "differs"}))],
        10,
        "no_match: differs",
    ),
    (
        [
            (202, ACCEPTED),
            (200, job(error={"customCode": "contract_not_deployed", "message": "m"})),
        ],
        20,
        "contract_not_deployed: m",
    ),
    ([(400, {"customCode": "unsupported_chain", "message": "m"})], 20, "unsupported_chain: m"),
    ([(429, {"customCode": "duplicate_verification_request", "message": "m"})], 20, "duplicate"),
    ([(409, {"customCode": "other", "message": "m"})], 20, "other: m"),
    ([(202, ACCEPTED), (200, job(completed=False))], 21, "within 180 seconds"),
    ([(202, {})], 20, "its API does not know"),
    ([(202, {"verificationId": "../../etc"}), (200, job())], 20, "its API does not know"),
    ([(202, ACCEPTED), (200, {"isJobCompleted": "yes"})], 20, "its API does not know"),
    ([(202, ACCEPTED), (200, job(match="perfect"))], 20, "its API does not know"),
    ([(202, ACCEPTED), (200, {"isJobCompleted": True})], 20, "its API does not know"),
    ([(202, ACCEPTED), (404, b"not found")], 20, "HTTP status 404 and no JSON"),
]

# Etherscan, and what speaks its API

GUID = "a7lpxkm9kpcpicx7daftmjifrfhiuhf5vqqnawhkfhzfrcpnxj"
TAKEN = {"status": "1", "message": "OK", "result": GUID}


def scan(result: Any, status: Any = "0") -> dict[str, Any]:
    return {"status": status, "message": "NOTOK", "result": result}


def test_etherscan_is_given_a_form_whose_key_is_in_no_url(server: Server) -> None:
    server.say(200, TAKEN).say(200, scan("Pending in queue"))
    server.say(200, scan("Pass - Verified", "1"))
    answer = publish(server, "etherscan", path="/v2/api")
    assert (answer.verification, answer.detail) == (SourceVerdict.VERIFIED, "Pass - Verified")
    forms = []
    for method, path, body in server.requests:
        parts = urlsplit(path)
        assert (method, parts.path, parts.query) == ("POST", "/v2/api", "chainid=31337")
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True)
        forms.append({name: values[0] for name, values in fields.items()})
    assert forms[0] == {
        "module": "contract",
        "action": "verifysourcecode",
        "apikey": KEY,
        "contractaddress": REGISTRY,
        "sourceCode": load_standard_input().decode("utf-8"),
        "codeformat": "solidity-standard-json-input",
        "contractname": "contracts/AnchorRegistry.sol:AnchorRegistry",
        "compilerversion": f"v{COMPILER}",
        "constructorArguements": "",
    }
    question = {"module": "contract", "action": "checkverifystatus", "guid": GUID, "apikey": KEY}
    assert forms[1:] == [question] * 2


def test_without_a_key_another_server_gets_none(server: Server) -> None:
    server.say(200, scan("Smart-contract already verified."))
    answer = publish(server, "etherscan", key=None)
    assert answer.verification is SourceVerdict.KNOWN
    assert b"apikey" not in server.requests[0][2]


ETHERSCAN = [
    ([(200, scan("Contract source code already verified"))], 0, "already verified"),
    ([(200, TAKEN), (200, scan("Already Verified"))], 0, "Already Verified"),
    ([(200, TAKEN), (200, scan("Fail - Unable to verify"))], 10, "Fail - Unable to verify"),
    ([(200, scan("Unable to locate ContractCode at 0x"))], 20, "Unable to locate"),
    ([(200, scan("Invalid API Key"))], 20, "Invalid API Key"),
    ([(200, TAKEN), (200, scan("Max rate limit reached"))], 20, "Max rate limit"),
    ([(200, TAKEN), (200, scan("Unknown UID"))], 20, "Unknown UID"),
    # A pass under the status of a failure is no pass.
    ([(200, TAKEN), (200, scan("Pass - Verified", "0"))], 20, "Pass - Verified"),
    ([(200, TAKEN), (200, scan("Pending in queue"))], 21, "within 180 seconds"),
    ([(200, scan(f"quotes {KEY}"))], 20, "quotes (hidden)"),
    # Cut short after it was hidden, not before: half a key is too much, too.
    ([(200, scan("x" * 190 + KEY))], 20, "x" * 190 + "(hidden)"),
    ([(200, scan("\x1b[2J" * 1000))], 20, "\\u001b"),
    ([(200, {"status": 1, "result": GUID})], 20, "its API does not know"),
    ([(200, {"status": "1", "result": ""})], 20, "its API does not know"),
    ([(200, [])], 20, "its API does not know"),
]

# Either


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 307, b"", Location="https://elsewhere.example/")


SPOILT: list[tuple[Callable[[BaseHTTPRequestHandler], object], str]] = [
    (lambda handler: send(handler, 200, b"<html>hello</html>"), "no JSON"),
    (lambda handler: send(handler, 200, b""), "no JSON"),
    (lambda handler: send(handler, 502, b"bad gateway"), "HTTP status 502"),
    (lambda handler: send(handler, 200, b"[" * 100_000), "nested too deeply"),
    (lambda handler: send(handler, 200, b" " * (5 << 20)), "more than 4,194,304 bytes"),
    (_redirect, "a redirect"),
    (lambda handler: time.sleep(0.8), "timed out"),
    (lambda handler: setattr(handler, "close_connection", True), "cannot be reached"),
]


def play(server: Server, answers: list[tuple[int, Any]]) -> Server:
    for status, document in answers:
        server.say(status, document)
    return server


@pytest.mark.parametrize(
    ("service", "answers", "code", "text"),
    [("sourcify", *case) for case in SOURCIFY] + [("etherscan", *case) for case in ETHERSCAN],
)
def test_each_answer_ends_with_its_own_code(
    server: Server, service: Service, answers: list[tuple[int, Any]], code: int, text: str
) -> None:
    play(server, answers)
    if code == 0:
        assert text in publish(server, service).detail
        return
    error = refusal(lambda: publish(server, service))
    assert int(error.exit_code) == code, error.message
    assert text in error.message
    assert len(error.message) < 500
    assert error.message.isprintable()


@pytest.mark.parametrize("service", ["sourcify", "etherscan"])
@pytest.mark.parametrize("stage", [0, 1], ids=["submission", "question"])
@pytest.mark.parametrize(("answer", "text"), SPOILT, ids=[text for _, text in SPOILT])
def test_a_spoilt_answer_is_no_verdict(
    server: Server,
    service: Service,
    stage: int,
    answer: Callable[[BaseHTTPRequestHandler], object],
    text: str,
) -> None:
    if stage:
        server.say(202, ACCEPTED if service == "sourcify" else TAKEN)
    server.answers.append(answer)
    error = refusal(lambda: publish(server, service, timeout=0.4))
    assert error.exit_code is ExitCode.CANNOT_CHECK
    assert text in error.message
    assert "/v2" not in f"{error.message} {error.hint}"


def test_a_server_that_is_not_there_is_named_without_its_path() -> None:
    error = refusal(lambda: publish(Server("http://127.0.0.1:1"), "etherscan", path="/secret"))
    assert error.exit_code is ExitCode.CANNOT_CHECK
    assert "http://127.0.0.1:1 cannot be reached" in error.message
    assert "secret" not in error.message


# The command


def test_the_command_takes_place_and_transaction_from_the_project(
    site: Site, server: Server
) -> None:
    path = site.folder / "deployments" / "31337" / "AnchorRegistry.json"
    known = json.loads(path.read_text())
    transaction = {
        "hash": "0x" + "09" * 32, "block_hash": "0x" + "08" * 32, "block_number": 1,
        "gas_used": 1, "deployer": format_address(Address(b"\x01" * 20)),
    }  # fmt: skip
    path.write_text(json.dumps(known | {"transaction": transaction}))
    server.say(202, ACCEPTED).say(200, job(completed=False)).say(200, job())
    ran = site.run("source", "--submit", "sourcify", "--url", server.url).expect(0)
    assert f"verified: {REGISTRY} on chain 31337" in ran.out
    assert "waiting for its verdict" in ran.err
    assert server.requests[0][1] == PLACE
    assert json.loads(server.requests[0][2])["creationTransactionHash"] == transaction["hash"]


def test_the_command_works_without_a_project_and_hides_the_key(
    tmp_path: Path, server: Server
) -> None:
    server.say(200, scan(f"no such key {KEY}"))
    words = ("source", "--submit", "etherscan", "--url", f"{server.url}/api", "--chain-id", "5")
    env = {KEY_VARIABLE: KEY}
    ran = run_anchor(*words, cwd=tmp_path, env=env).refused(20, "no such key (hidden)")
    assert KEY not in ran.out + ran.err
    assert KEY.encode() in server.requests[0][2]
    assert REGISTRY.encode() in server.requests[0][2]
    other = format_address(Address(b"\x02" * 20))
    server.answers.clear()
    server.say(200, scan("Already Verified"))
    ran = run_anchor(*words, "--address", other, "--json", cwd=tmp_path, env=env).expect(0)
    assert ran.document["verification"] == "already verified"
    assert ran.document["address"] == other
    assert server.requests[-1][1] == "/api?chainid=5"
    assert KEY not in ran.out + ran.err
