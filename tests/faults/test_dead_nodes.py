"""A node that lets requests time out is remembered: later questions do not wait for it again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from support.nodes import send, serve
from support.projects import Site

from anchor.base.errors import NodeUnreachableError
from anchor.base.types import ChainId
from anchor.chain.devnet import Devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.node_quorum import NodeGroup
from anchor.chain.verifier_nodes import Nodes
from anchor.evidence.file_hashing import digest_file
from anchor.project.files import RECEIPT_SUFFIX
from anchor.verification.policy import TrustPolicy, parse_policy
from anchor.verification.verifier import judge

_TIMEOUT = 0.5


@dataclass
class Hanging:
    """Answers nothing while ``hangs``; ``asked`` counts what came."""

    hangs: bool = True
    asked: int = 0
    url: str = ""
    end: threading.Event = field(default_factory=threading.Event)

    def respond(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.asked += 1
        if self.hangs:
            self.end.wait(30)
            handler.close_connection = True
            return
        answer = {"jsonrpc": "2.0", "id": json.loads(body)["id"], "result": "0x7a69"}
        send(handler, 200, json.dumps(answer).encode())


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    node = Hanging()
    with serve(node.respond) as url:
        node.url = url
        yield node
        node.end.set()


@contextmanager
def reading(
    url: str, monotonic: Callable[[], float] = time.monotonic, timeout: float = _TIMEOUT
) -> Iterator[Node]:
    rpc = Rpc(url, timeout=timeout, monotonic=monotonic)
    try:
        yield Node(rpc)
    finally:
        rpc.close()


@pytest.mark.fault(
    "E13",
    how="a node lets each request time out, then answers again",
    then="asked once, and again after 10, 20, 40 seconds; 20 in between, at once",
)
def test_a_node_that_timed_out_is_left_alone_for_longer_each_time(hanging: Hanging) -> None:
    now = [0.0]
    with reading(hanging.url, lambda: now[0]) as node:
        for rest in (10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
            before = hanging.asked
            with pytest.raises(NodeUnreachableError, match="timed out") as caught:
                node.fetch_chain_id()
            assert caught.value.retry_after == rest
            for _ in range(5):
                with pytest.raises(
                    NodeUnreachableError, match=r"not asked for a while.* timed out"
                ):
                    node.fetch_chain_id()
            now[0] += rest - 0.1
            with pytest.raises(NodeUnreachableError, match="is not asked for a while"):
                node.fetch_chain_id()
            assert hanging.asked == before + 1
            now[0] += 0.2
        hanging.hangs = False
        node.rpc._session._timeout = 60
        assert node.fetch_chain_id() == 31337
        node.rpc._session._timeout = _TIMEOUT
        hanging.hangs = True
        with pytest.raises(NodeUnreachableError, match="timed out") as caught:
            node.fetch_chain_id()
        assert caught.value.retry_after == 10.0, "what worked is forgiven"


def test_a_node_that_refuses_the_connection_is_asked_again_at_once() -> None:
    with reading("http://127.0.0.1:9") as node:
        for _ in range(3):
            with pytest.raises(NodeUnreachableError, match="connection refused") as caught:
                node.fetch_chain_id()
            assert caught.value.retry_after is None


@pytest.mark.fault(
    "E13",
    how="the only node hangs while five files are verified",
    then="20 for each file, after one time-out for all of them",
)
def test_five_files_wait_for_a_dead_node_once(
    site: Site, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.chain.json_rpc.Rpc", partial(Rpc, timeout=_TIMEOUT))
    files = [site.add(f"{number}.txt", bytes([number])) for number in range(5)]
    site.anchor()
    assert site.run("prove", *files).code == 0
    policy = parse_policy((site.folder / "trust.toml").read_bytes())
    reached = Nodes([hanging.url], None, lambda _: ((), 1), lambda _: None)
    codes = [judge_file(file, policy, reached) for file in files]
    assert codes == [20] * 5
    assert hanging.asked == 1


def judge_file(file: Path, policy: TrustPolicy, reached: Nodes) -> int:
    receipt = file.with_name(file.name + RECEIPT_SUFFIX).read_bytes()
    report = judge(receipt, digest_file(file), policy=policy, connect=reached.connect)
    return int(report.exit_code)


@pytest.mark.fault(
    "E13",
    how="one of three nodes hangs",
    then="the others agree without it; it is waited for once, not in each round",
)
def test_a_hanging_witness_is_waited_for_once(anvil: Devnet, hanging: Hanging) -> None:
    with ExitStack() as stack:
        well, ill = (
            partial(reading, anvil.url, timeout=60),
            partial(reading, hanging.url, lambda: 0.0),
        )
        trio = [stack.enter_context(open_one()) for open_one in (well, ill, well)]
        reports: list[str] = []
        group = NodeGroup(
            trio, needed=2, chain_id=ChainId(31337), genesis=None, report=reports.append
        )
        for _ in range(6):
            group.select_primary()
            group.fetch_final_block(0)
        assert hanging.asked == 1
    assert len(reports) == 1, "told once"
