"""Passwords, keys and the secrets in an RPC URL appear in nothing that is printed or written.

Canaries stand for them.  The one exception, which is documented: a URL given with ``--rpc`` to
``init`` is written into anchor.toml, as it was given.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from support.chaos import open_proxy
from support.command import Ran, run_anchor, run_together, start_anchor
from support.nodes import ask, nonce, send, serve
from support.ports import free_port
from support.projects import Site

from anchor.base.errors import AnchorError, CannotCheckError, NodeRefusedError
from anchor.chain.devnet import Devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.signer.keystore import write_keystore

PASSWORD = "canary-password-7d1f"
KEY = bytes.fromhex("ca9a47" + "5e" * 29)
USER, SECRET, PATH_KEY, QUERY_KEY = (
    "canary-user-19b2",
    "canary-secret-c3a8",
    "canary-path-key-55e0",
    "canary-query-key-f00d",
)
URL_CANARIES = (USER, SECRET, PATH_KEY, QUERY_KEY)
CANARIES = (PASSWORD, KEY.hex(), *URL_CANARIES)


def with_secrets(url: str) -> str:
    """Put every kind of secret into a node's URL."""
    return f"http://{USER}:{SECRET}@{url.removeprefix('http://')}/v3/{PATH_KEY}?key={QUERY_KEY}"


def check_silence(text: str) -> None:
    for canary in CANARIES:
        assert canary.lower() not in text.lower(), (canary, text)


def check_files(folder: Path, *, but: tuple[str, ...]) -> None:
    spellings = [canary.encode() for canary in CANARIES] + [KEY]
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in but:
            content = path.read_bytes()
            for spelling in spellings:
                assert spelling not in content, (path, spelling)


@pytest.mark.release
@pytest.mark.fault(
    "J8",
    how="keys, passwords and every part of an RPC URL are canaries, in a whole life of a project",
    then="none is printed, and none is written but where init was told to",
)
def test_a_projects_whole_life_reveals_no_secret(tmp_path: Path, anvil: Devnet) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    keystore, password = secrets / "key.json", secrets / "password"
    write_keystore(keystore, KEY, PASSWORD, iterations=1_000)
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    ask(anvil.url, "anvil_setBalance", Account.from_key(KEY).address, hex(10**20))
    project = tmp_path / "project"
    ran: list[Ran] = []

    def anchor(*arguments: str | Path, cwd: Path = project, code: int = 0) -> None:
        ran.append(run_anchor(*arguments, cwd=cwd).expect(code))

    with open_proxy(anvil) as (_, plain_url):
        url = with_secrets(plain_url)
        anchor(
            "init", project, "--rpc", url, "--keystore", keystore, "--password-file", password,
            cwd=tmp_path,
        )  # fmt: skip
        file, note = project / "a.txt", project / "b.txt"
        file.write_bytes(b"a")
        note.write_bytes(b"b")
        anchor("deploy")
        anchor("add", file)
        anchor("seal")
        anchor("stamp", note, "--wait", "included")
        anchor("run", "--once", "--wait", "final")
        anchor("prove", file)
        ran += run_together(
            *(
                lambda words=words: run_anchor(*words, cwd=project).expect(0)
                for words in (
                    ("status",),
                    ("prove", "--all"),
                    ("upgrade", file),
                    ("verify", file, note),
                    ("verify", file, "--json", "--rpc", url),
                    ("explain", file),
                )
            )
        )
    ran += run_together(
        lambda: run_anchor("run", "--once", cwd=project).expect(20),
        lambda: run_anchor("verify", file, "--rpc", url, cwd=project).expect(20),
    )
    with start_anchor("run", cwd=project, log=tmp_path / "daemon") as daemon:
        daemon.printed("trying again in ")
        ran.append(daemon.interrupt().expect(0))
    (project / "anchor.toml").write_text(
        (project / "anchor.toml").read_text("utf-8").replace("wait_seconds = 600", "wait = "),
        "utf-8",
    )
    anchor("status", code=2)
    check_silence("\n".join(item.out + item.err for item in ran))
    check_files(project, but=("anchor.toml",))
    written = (project / "anchor.toml").read_text("utf-8")
    assert PASSWORD not in written
    assert KEY.hex() not in written
    # The policy is handed out to verifiers, so it names no node at all then.
    assert "rpc = []" in (project / "trust.toml").read_text("utf-8")


@pytest.mark.fault(
    "J8",
    how="a key is made, its keystore opened for the owner's calls, wrongly and rightly",
    then="neither key nor password is printed, or written but in the keystore, encrypted",
)
def test_the_owners_key_is_not_revealed(site: Site, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    password = secrets / "password"
    password.touch(0o600)
    password.write_text(PASSWORD + "\n")
    made = site.run("key", "new", secrets / "new.json", "--password-file", password)
    write_keystore(secrets / "owner.json", KEY, PASSWORD, iterations=1_000)
    other = made.expect(0).out.strip()
    owner = ("--owner-keystore", secrets / "owner.json", "--owner-password-file", password)
    ran = [
        made,
        site.run("key", "show", secrets / "new.json").expect(0),
        site.run("operator", "add", other, *owner).refused(31, "does not own this log"),
        site.run("operator", "add", other, "--json").expect(0),
        site.run("operator", "add", other, "--show-call", *owner).expect(0),
    ]
    password.write_text(PASSWORD + "x\n")
    # The keystore states the owner's address, so that it is opened.
    text = (secrets / "owner.json").read_text("utf-8")
    address = Account.from_key(KEY).address[2:]
    assert address.lower() in text.lower()
    owned = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    (secrets / "owner.json").write_text(text.lower().replace(address.lower(), owned), "utf-8")
    second = "0x" + "77" * 20
    ran.append(site.run("operator", "add", second, *owner).refused(31, "does not open with"))
    check_silence("\n".join(each.out + each.err for each in ran))
    check_files(site.folder, but=())
    check_files(secrets, but=("password",))


def test_a_wrong_password_is_not_quoted(site: Site) -> None:
    site.add("a.txt", b"a")
    (site.folder / "devnet-password").write_text(PASSWORD)
    check_silence(site.run("run", "--once").refused(31).err)
    (site.folder / "devnet-key.json").write_text(json.dumps({"crypto": {"password": PASSWORD}}))
    check_silence(site.run("run", "--once").refused(31).err)
    (site.folder / "devnet-key.json").write_text("[" * 65_536)
    site.run("run", "--once").refused(31, "is not a keystore file")
    (site.folder / "devnet-key.json").write_text(json.dumps({"crypto": {}}))
    (site.folder / "devnet-password").write_text(PASSWORD * 500)
    check_silence(site.run("run", "--once").refused(31).err)


@pytest.mark.fault(
    "K3",
    how="the node is another one than the project was made with",
    then="the work goes on; its URL is written nowhere",
)
def test_a_url_from_the_environment_is_written_nowhere(site: Site, anvil: Devnet) -> None:
    file = site.add("a.txt", b"a")
    before = nonce(site.url)
    with open_proxy(anvil) as (_, url):
        env = {"ANCHOR_CHAIN__RPC": with_secrets(url)}
        outputs = [
            site.run(*command, env=env).expect(0)
            for command in (("run", "--once"), ("prove", file), ("status",), ("verify", file))
        ]
    assert nonce(site.url) == before + 1
    check_silence("".join(item.out + item.err for item in outputs))
    check_files(site.folder, but=())


def test_a_malformed_url_is_not_quoted(site: Site) -> None:
    for url in (
        f"ws://{USER}:{SECRET}@node/{PATH_KEY}",
        f"http://[{USER}/{PATH_KEY}",
        f"http://{USER}:{SECRET}@host:port{QUERY_KEY}/",
        f"{PATH_KEY}",
    ):
        check_silence(site.run("status", env={"ANCHOR_CHAIN__RPC": url}).refused(2).err)


# Nodes that misbehave.  The handler's request line and headers hold what the client sent.


def echo(
    handler: BaseHTTPRequestHandler, status: int, wrap: Callable[[str], str], **headers: str
) -> None:
    said = f"{handler.requestline} {dict(handler.headers)} {USER}:{SECRET}"
    send(handler, status, wrap(said).encode(), **headers)


def rpc_error(said: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": said}})


def rpc_result(body: bytes) -> Callable[[str], str]:
    answer = {"jsonrpc": "2.0", "id": json.loads(body)["id"]}
    return lambda said: json.dumps({**answer, "result": said})


MISBEHAVIOUR: dict[str, Callable[[BaseHTTPRequestHandler, bytes], object]] = {
    "html": lambda handler, _: echo(handler, 200, lambda said: f"<html>{said}</html>"),
    "unauthorised": lambda handler, _: echo(handler, 401, lambda said: said),
    "server error": lambda handler, _: echo(handler, 500, rpc_error),
    "redirect": lambda handler, _: echo(handler, 307, str, Location=f"/{PATH_KEY}"),
    "refusal that quotes the request": lambda handler, _: echo(handler, 200, rpc_error),
    "result that quotes the request": lambda handler, body: echo(handler, 200, rpc_result(body)),
    "neither": lambda handler, _: echo(handler, 200, lambda said: json.dumps({said: said})),
    "list": lambda handler, _: echo(handler, 200, lambda said: json.dumps([said])),
    "deep": lambda handler, _: send(handler, 200, b"[" * 200_000),
    "long": lambda handler, _: send(handler, 200, b"x" * (17 << 20)),
    "cut": lambda handler, _: send(handler, 200, b"", **{"Transfer-Encoding": "chunked"}),
    "nothing": lambda handler, _: setattr(handler, "close_connection", True),
    "slow": lambda handler, _: time.sleep(1.2),
    "binary": lambda handler, _: send(handler, 200, bytes(range(256))),
    "bad length": lambda handler, _: send(handler, 200, b"{}", **{"Content-Encoding": "gzip"}),
}


@pytest.mark.fault(
    "J8",
    how="a node quotes our request in 15 kinds of broken answers",
    then="no secret in the error, its arguments or its traceback",
)
@pytest.mark.parametrize("name", list(MISBEHAVIOUR))
def test_whatever_a_node_answers_the_error_reveals_no_secret(name: str) -> None:
    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        MISBEHAVIOUR[name](handler, body)

    with serve(respond) as url:
        rpc = Rpc(with_secrets(url), timeout=0.4)
        for question in (Node(rpc).fetch_chain_id, lambda: Node(rpc).fetch_block("latest")):
            with pytest.raises(CannotCheckError) as caught:
                question()
            check_error(caught.value)
        rpc.close()


def check_error(error: AnchorError) -> None:
    check_silence(str(error))
    check_silence(f"{error.message} {error.hint} {error!r} {error.args}")
    check_silence("".join(traceback.format_exception(error)))
    if isinstance(error, NodeRefusedError):
        check_silence(f"{error.reason} {error.data}")


@pytest.mark.fault(
    "J8",
    how="the node behind a URL with secrets cannot be reached",
    then="named by scheme and host only",
)
@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid", "256.0.0.1:80"])
def test_an_unreachable_node_is_named_without_its_secrets(host: str) -> None:
    rpc = Rpc(with_secrets(f"http://{host}"), timeout=2)
    with pytest.raises(CannotCheckError) as caught:
        rpc.call("eth_chainId")
    check_error(caught.value)
    assert host.partition(":")[0] in str(caught.value)
    rpc.close()


@pytest.mark.fault(
    "J8",
    how="nodes that quote the request and its URL in their errors",
    then="no secret in any output",
)
@pytest.mark.parametrize("name", ["redirect", "refusal that quotes the request"])
def test_the_commands_reveal_no_secret_of_a_node_that_misbehaves(site: Site, name: str) -> None:
    site.add("a.txt", b"a")

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        MISBEHAVIOUR[name](handler, body)

    with serve(respond) as url:
        env = {"ANCHOR_CHAIN__RPC": with_secrets(url)}
        for ran in run_together(
            lambda: site.run("run", "--once", env=env).refused(20),
            lambda: site.run("status", "--json", env=env).refused(20),
        ):
            check_silence(ran.out + ran.err)
    assert site.heads() == []


def test_a_secret_in_a_trust_policy_is_not_printed(
    site: Site, anvil: Devnet, tmp_path: Path
) -> None:
    file = site.write("a.txt", b"a")
    site.run("stamp", file).expect(0)
    url = f"http://127.0.0.1:{free_port()}"
    policy = (site.folder / "trust.toml").read_text("utf-8")
    (tmp_path / "policy.toml").write_text(policy.replace(site.url, with_secrets(url)), "utf-8")
    ran = run_anchor("verify", file, "--trust", "policy.toml", cwd=tmp_path).expect(20)
    check_silence(ran.out + ran.err)
    with open_proxy(anvil) as (_, url):
        secret = policy.replace(site.url, with_secrets(url))
        (tmp_path / "policy.toml").write_text(secret, "utf-8")
        given = ("--trust", "policy.toml")
        for options in ((), ("--json",)):
            ran = run_anchor("verify", file, *options, *given, cwd=tmp_path).expect(0)
            check_silence(ran.out + ran.err)


@pytest.mark.fault(
    "J9",
    how="a signer is printed, as a traceback would",
    then="its address and nothing else",
)
def test_a_signer_shows_its_address_only() -> None:
    from anchor.chain.signer.keystore import KeystoreSigner

    signer: Any = KeystoreSigner(Account.from_key(KEY))
    check_silence(f"{signer!r} {signer}")
    assert Account.from_key(KEY).address in repr(signer)
