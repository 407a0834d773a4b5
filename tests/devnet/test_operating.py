"""The operator's steps in this process: where receipts go, whom the sender believes, slow nodes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from support import fixtures
from support.chaos import lies, loses_request, open_proxy
from support.command import environment, snapshot
from support.nodes import nonce, send, serve
from support.paths import TESTS
from support.projects import Site, make_site, reading
from support.store_contents import alter_piece, load_pieces

from anchor.base.digests import digest_bytes
from anchor.base.errors import (
    AnchorError,
    ExitCode,
    NodeRefusedError,
    NodeUnreachableError,
    UsageError,
)
from anchor.base.system.clock import SystemClock, utc_now
from anchor.base.system.durable_files import write_file
from anchor.base.types import make_log_id
from anchor.chain.call_simulation import Intent
from anchor.chain.devnet import Devnet
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer.keystore import write_keystore
from anchor.cli.context import open_signer
from anchor.evidence import file_hashing
from anchor.evidence.discovery import SourceFile
from anchor.evidence.hashing_pool import open_executor
from anchor.operate import file_intake, finality
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.anchoring import make_manager
from anchor.operate.proving import Prover
from anchor.operate.receipt_files import ReceiptFolder
from anchor.operate.single_run import RunResult
from anchor.project.files import sidecar_path
from anchor.project.project import OpenProject
from anchor.receipt.format import Receipt, encode_receipt
from anchor.recovery.leaf_origins import find_receipts
from anchor.registry.calldata import encode_set_operator_call
from anchor.store.evidence import count_evidence, load_all
from anchor.store.location import SqliteFile, parse_location
from anchor.store.sealing import seal

# The devnets' second account; its key is as public as the first one's.
SECOND_KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")

_numbers = itertools.count(1)


devnet = fixtures.devnet


@pytest.fixture
def site(tmp_path: Path, devnet: Devnet) -> Site:
    return make_site(tmp_path / "project", devnet, number=next(_numbers))


def anchored(site: Site, url: str | None = None) -> RunResult:
    """Do what ``run --once`` does."""
    return site.round(url=url, clock=SystemClock(), wait_for="final")


def prove_first(project: OpenProject) -> Receipt:
    with project.database.read() as connection:
        first = next(iter(load_all(connection)))
    return Prover(project).prove(first)


def refusal(action: Callable[[], object]) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        action()
    return caught.value


# Receipts


def test_a_receipt_with_an_anchor_is_never_replaced_by_a_promise(site: Site) -> None:
    path = sidecar_path(site.add("a.txt", b"a"))
    with site.lead() as project:
        seal(project.database, utc_now())
        promise = prove_first(project)
    promise.save(path)
    anchored(site)
    with site.open() as project:
        whole = prove_first(project)
    assert (len(promise.anchors), len(whole.anchors)) == (0, 1)
    assert whole.save(path) == whole
    assert path.read_bytes() == encode_receipt(whole)
    assert promise.save(path) == whole
    assert path.read_bytes() == encode_receipt(whole)


def test_no_receipt_is_made_of_a_record_that_was_altered_in_the_store(site: Site) -> None:
    site.add("a.txt", b"a")
    anchored(site)
    with site.open() as project:
        with project.database.write() as connection:
            alter_piece(connection, 0, record=b"{}")
        error = refusal(lambda: prove_first(project))
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "does not hash to its leaf" in error.message


def test_receipts_tell_the_sizes_of_anchored_and_of_promised_heads(
    site: Site, tmp_path: Path
) -> None:
    path = sidecar_path(site.add("a.txt", b"a"))
    with site.lead() as project:
        seal(project.database, utc_now())
        promise = prove_first(project)
        log = project.config.log
    anchored(site)
    site.add("b.txt", b"b")
    anchored(site)
    with site.open() as project, project.database.read() as connection:
        last = Prover(project).prove(list(load_all(connection))[-1])
    assert find_receipts([tmp_path], log).sizes == set()
    promise.save(path)
    assert find_receipts([tmp_path], log).sizes == {1}
    last.save(path.with_name("b.txt.anchor.json"))
    assert find_receipts([tmp_path], log).sizes == {1, 2}


@pytest.mark.fault(
    "J12",
    how="the same short evidence is taken in twice, as a guesser would",
    then="two leaves that nobody can compute without their salts of 32 bytes",
)
def test_no_leaf_can_be_guessed_from_the_evidence(site: Site) -> None:
    with site.open() as project:
        digests = digest_bytes(b"yes", ("sha256",))
        again = EvidenceInput(source="a", name="a", digests=digests)
        for _ in range(2):
            assert accept(project, [again], again=True).new == 1
    pieces = load_pieces(site)
    records = [json.loads(piece.record or b"") for piece in pieces]
    salts = {record.pop("salt") for record in records}
    assert len(salts) == len({piece.leaf for piece in pieces}) == 2
    assert {len(bytes.fromhex(salt)) for salt in salts} == {32}
    assert records[0]["digests"] == records[1]["digests"]


def test_what_is_no_receipt_of_this_log_is_never_overwritten(site: Site) -> None:
    path = sidecar_path(site.add("a.txt", b"a"))
    with site.lead() as project:
        seal(project.database, utc_now())
        receipt = prove_first(project)
    stranger = encode_receipt(replace(receipt, log=make_log_id(DEV_ADDRESSES[1], 0)))
    for content in (b"", b"notes", b"{}", encode_receipt(receipt)[:-9], stranger):
        path.write_bytes(content)
        error = refusal(lambda: receipt.save(path))
        assert error.exit_code == ExitCode.USAGE
        assert f"{path} already exists and is not a receipt of this log" in error.message
        assert path.read_bytes() == content
    path.unlink()
    path.mkdir()
    assert refusal(lambda: receipt.save(path)).exit_code == ExitCode.USAGE
    path.rmdir()
    os.mkfifo(path)
    assert refusal(lambda: receipt.save(path)).exit_code == ExitCode.USAGE
    assert path.is_fifo()


def test_evidences_whose_names_clash_get_a_file_each(site: Site) -> None:
    site.add("a.txt", b"a")
    with site.lead() as project:
        seal(project.database, utc_now())
        receipt = prove_first(project)
    folder = ReceiptFolder(site.folder / "receipts")
    names = [("a", 3), ("a.5", 4), ("a", 5), ("a", 5), ("./a", 6), ("../a", 7), ("__/a", 8)]
    places = [folder.place(name, replace(receipt, index=index)) for name, index in names]
    assert len(set(places)) == len(names)
    assert [place.name for place in places[:3]] == [
        "a.anchor.json",
        "a.5.anchor.json",
        "a.5.5.anchor.json",
    ]
    assert all(place.resolve().is_relative_to(site.folder / "receipts") for place in places)


# Files


@pytest.mark.fault(
    "J5",
    how="a link is planted where a file is to be written",
    then="the link is replaced, and what it leads to is untouched",
)
def test_a_file_is_written_in_place_of_a_planted_link_not_through_it(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "out"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    write_file(path, b"new")
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"new"
    assert {item.name for item in tmp_path.iterdir()} == {"victim", "out"}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"file")
    for path in (tmp_path / "folder", tmp_path / "file" / "below", tmp_path / ("n" * 256)):
        with pytest.raises(UsageError, match="cannot be written"):
            write_file(path, b"new")
    assert sorted(str(item.relative_to(tmp_path)) for item in tmp_path.rglob("*")) == [
        "file",
        "folder",
        "folder/below",
    ]
    assert snapshot(tmp_path) == {"file": b"file"}


# Whom the sender believes


def one_more_at_latest(method: str, params: list[Any], result: Any) -> Any:
    is_asked = method == "eth_getTransactionCount" and params[1] == "latest"
    return hex(int(result, 16) + 1) if is_asked else result


def one_less_at_a_hash(method: str, params: list[Any], result: Any) -> Any:
    is_asked = method == "eth_getTransactionCount" and params[1] != "latest"
    return hex(max(int(result, 16) - 1, 0)) if is_asked else result


def absurd(method: str, params: list[Any], result: Any) -> Any:
    return hex(2**63) if method == "eth_getTransactionCount" else result


@pytest.mark.fault(
    "E10",
    how="the only node gives two answers to what the next nonce is, or an absurd one",
    then="exit code 20, nothing signed; an honest node's answer, one anchor",
)
@pytest.mark.parametrize("lie", [one_more_at_latest, one_less_at_a_hash, absurd])
def test_a_nonce_that_cannot_be_believed_is_never_signed_for(
    site: Site, devnet: Devnet, lie: Callable[[str, list[Any], Any], Any]
) -> None:
    site.add("a.txt", b"a")
    signed = site.rows("SELECT count(*) FROM attempts")
    sent = nonce(site.url)
    with open_proxy(devnet) as (proxy, url):
        proxy.always("eth_getTransactionCount", lies(lie))
        error = refusal(lambda: anchored(site, url))
    assert error.exit_code == ExitCode.CANNOT_CHECK
    assert site.rows("SELECT count(*) FROM attempts") == signed
    assert nonce(site.url) == sent
    assert anchored(site).anchored is not None
    assert nonce(site.url) == sent + 1


def test_a_key_is_not_changed_while_its_transaction_is_unsettled(
    site: Site, devnet: Devnet
) -> None:
    site.edit("wait_seconds = 600", "wait_seconds = 1")
    with site.lead() as project, reading(site.url) as node:
        config = project.config
        call = encode_set_operator_call(config.log, DEV_ADDRESSES[1], 1)
        manager = make_manager(project, node, open_signer(config), SystemClock(), lambda _: None)
        manager.send(Intent(to=config.registry, data=call, head_size=None))
    site.add("a.txt", b"a")
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_sendRawTransaction", *[loses_request] * 10)
        assert refusal(lambda: anchored(site, url)).exit_code == ExitCode.NOT_FINAL
    signed = site.rows("SELECT hex(raw) FROM attempts ORDER BY signed_at")
    sent = nonce(site.url)
    write_keystore(site.folder / "second.json", SECOND_KEY, "devnet", iterations=1_000)
    site.edit('"devnet-key.json"', '"second.json"')
    error = refusal(lambda: anchored(site))
    assert error.exit_code == ExitCode.SIGNER
    assert "is not settled yet" in error.message
    assert site.rows("SELECT hex(raw) FROM attempts ORDER BY signed_at") == signed
    assert nonce(site.url, "0x" + DEV_ADDRESSES[1].hex()) == 0
    site.edit('"second.json"', '"devnet-key.json"')
    anchored(site)
    assert nonce(site.url) == sent + 1
    site.edit('"devnet-key.json"', '"second.json"')
    site.add("b.txt", b"b")
    assert anchored(site).anchored is not None
    assert nonce(site.url, "0x" + DEV_ADDRESSES[1].hex()) == 1
    assert [size for size, _ in site.anchors_on_chain()] == [1, 2]


# What nodes say of a call that reverts


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0xc3ab7af0", "0xc3ab7af0"),  # geth, anvil and the rest
        ({"message": "reverted", "data": "0xc3ab7af0"}, "0xc3ab7af0"),  # hardhat 2
        ({"data": {"data": "0x00"}}, None),
        ({}, None),
        ([], None),
        (7, None),
        (None, None),
    ],
)
def test_a_reverts_bytes_are_found_where_each_node_puts_them(
    data: object, expected: str | None
) -> None:
    answer = {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "no", "data": data}}

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        send(handler, 200, json.dumps({**answer, "id": json.loads(body)["id"]}).encode())

    with serve(respond) as url:
        rpc = Rpc(url)
        with pytest.raises(NodeRefusedError) as caught:
            rpc.call("eth_call")
        rpc.close()
    assert caught.value.data == expected


# Slow nodes


def drip_body(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    drip(handler)


def drip_headers(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler)


def drip(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(240):  # two minutes
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.5)


SLOW = [drip_body, drip_headers]


@pytest.mark.fault(
    "E13",
    how="headers or body come byte by byte",
    then="given up in time, exit code 20",
)
@pytest.mark.parametrize("respond", SLOW)
def test_a_node_that_answers_byte_by_byte_is_given_up_in_time(
    respond: Callable[[BaseHTTPRequestHandler, bytes], None],
) -> None:
    with serve(respond) as url:
        rpc = Rpc(url, timeout=1.0)
        begin = time.monotonic()
        with pytest.raises(NodeUnreachableError, match="timed out") as caught:
            Node(rpc).fetch_chain_id()
        assert time.monotonic() - begin < 60, "it was read to its end"
        assert caught.value.exit_code == ExitCode.CANNOT_CHECK
        rpc.close()


@pytest.mark.fault(
    "E13",
    how="headers or body come byte by byte, in a process of its own",
    then="the process ends at once",
)
@pytest.mark.parametrize("respond", SLOW)
def test_a_process_ends_at_once_after_it_gave_a_node_up(
    respond: Callable[[BaseHTTPRequestHandler, bytes], None],
) -> None:
    program = (
        "import sys, time\n"
        "from anchor.chain.json_rpc import Rpc\n"
        "from anchor.base.errors import NodeUnreachableError\n"
        "try:\n"
        "    Rpc(sys.argv[1], timeout=1.0).call('eth_chainId')\n"
        "except NodeUnreachableError:\n"
        "    print(time.time())\n"
    )
    with serve(respond) as url:
        done = subprocess.run(
            [sys.executable, "-c", program, url],
            capture_output=True,
            env=environment(),
            timeout=100,
            check=True,
        )
        assert time.time() - float(done.stdout) < 60, "it waited for the end"
    assert done.stderr == b""


COMMIT_AFTER_HASHING = """
import os, sys
from pathlib import Path
from support.projects import Site

site = Site(folder=Path(sys.argv[1]), url="", number=0)
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.discovery import find_sources
from anchor.operate import finality
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.file_intake import gather
from anchor.base.digests import Digests

def some(first):
    return [
        EvidenceInput(
            source=f"digest:{number}",
            name="d",
            digests=Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=None),
        )
        for number in range(first, first + 50)
    ]

with site.open() as project, open_executor(1) as executor:
    found = find_sources([site.folder], follow_symlinks=True)
    gathered = gather(project, found, executor=executor)
    accept(project, some(1))
    print(sorted(skipped.path.name for skipped in gathered.skipped), flush=True)
    sys.stdin.readline()
    accept(project, some(1000))
    print("accepted", flush=True)
    sys.stdin.readline()
"""


def test_an_interrupt_while_a_chunk_is_stored_does_not_wait_until_all_is_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {"first": 1 << 20, "large": 1 << 40}  # sparse: it would take an hour to hash
    for name, size in paths.items():
        os.truncate(site.write(name, b""), size)
    is_reading, stoppable = threading.Event(), file_hashing._Stoppable

    def read(descriptor: int, stop: threading.Event | None) -> Any:
        if os.fstat(descriptor).st_size == paths["large"]:
            is_reading.set()
        else:
            assert is_reading.wait(30)  # so that both are hashed at once
        return stoppable(descriptor, stop)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(file_hashing, "_Stoppable", read)
    monkeypatch.setattr(file_intake, "_RUN_FILES", 1)
    monkeypatch.setattr(file_intake, "accept", interrupt)
    found = [SourceFile(path=site.folder / name, name=name) for name in paths]
    found += [SourceFile(path=site.write("last", b""), name="last")] * file_hashing.BATCH_FILES
    with site.open() as project, pytest.raises(KeyboardInterrupt), open_executor(2) as executor:
        file_intake.gather(project, found, executor=executor)


def test_a_project_that_lies_in_what_is_added_keeps_its_locks_and_all_it_commits(
    site: Site,
) -> None:
    """Closing its own database's file would drop SQLite's locks in the process that has it open."""
    site.write("a.txt", b"a")
    os.link(site.folder / "anchor.db", site.folder / "hard link")
    (site.folder / "soft link").symlink_to(site.folder / "anchor.db")
    command = [sys.executable, "-c", COMMIT_AFTER_HASHING, str(site.folder)]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        shown = process.stdout.readline()
        for name in ("anchor.db", "anchor.db-shm", "anchor.db-wal", "hard link", "soft link"):
            assert f"'{name}'" in shown
        # Another process opens the store and closes it, as its last one for all it can see.
        with site.open() as project, project.database.read() as connection:
            assert count_evidence(connection)[0] > 50
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "accepted\n"
        process.kill()
    with site.open() as project, project.database.read() as connection:
        total, _ = count_evidence(connection)
        names = {item.source.rpartition("/")[2] for item in load_all(connection)}
    assert total > 100
    assert {"a.txt", "trust.toml"} <= names
    assert not names & {"anchor.db", "anchor.db-wal", "anchor.db-shm", "hard link", "soft link"}


def test_a_store_in_another_folder_is_found_again(tmp_path: Path, devnet: Devnet) -> None:
    for number, name in enumerate(("sub/evidence.db", "../elsewhere.db", str(tmp_path / "x.db"))):
        folder = tmp_path / f"project {number}"
        place = parse_location(name, folder)
        assert isinstance(place, SqliteFile)
        folder.mkdir()
        place.path.parent.mkdir(exist_ok=True)
        made = make_site(folder, devnet, number=next(_numbers), deployed=False, store=place)
        with made.open() as project:
            assert project.config.store == SqliteFile(place.path)


def test_a_slower_look_does_not_take_finality_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes look at once; the one that asked earlier writes later."""
    site.add("a.txt", b"a")
    site.anchor()
    read = RegistryReader.anchor
    with site.open() as project, reading(site.url) as node:
        database = project.database
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE anchors SET final = 0")

        def not_final_yet(registry: RegistryReader, node: Any, root: Any, block: Any) -> Any:
            if block != "latest":
                return None
            with database.write() as connection:  # the other process
                connection.exec_driver_sql("UPDATE anchors SET final = 1")
            return read(registry, node, root, block)

        monkeypatch.setattr(RegistryReader, "anchor", not_final_yet)
        finality.refresh_anchors(project, node)
    assert site.rows("SELECT final FROM anchors") == [(1,)]
