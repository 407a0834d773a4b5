"""The page and nodes: whom it asks and when, and that no node can make a verdict false."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.bent_nodes import Bend, BentNode, Refused, bent_node
from support.bent_receipts import honest_receipts, world
from support.desk import Desk, compare, open_desk
from support.nodes import ask, other_chain, send, serve, stop_the_clock
from support.page_script import PageScript, run_page_script
from support.projects import Site, make_site
from support.world import MAIN, SIDE

import anchor.page
from anchor.base.errors import ExitCode, MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.verifier_nodes import Nodes
from anchor.ethereum.header import parse_header
from anchor.evidence.file_hashing import digest_file
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import parse_receipt
from anchor.registry.storage import successor_slot
from anchor.verification.policy import parse_policy
from anchor.verification.report import Report
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

Respond = Callable[[BaseHTTPRequestHandler, bytes], None]
PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()


@pytest.fixture(scope="module")
def anchored(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project with one final piece of evidence, its receipt, and the operator's promise of it."""
    site = make_site(tmp_path_factory.mktemp("page") / "project", module_anvil, number=0)
    site.add("a.txt", b"a")
    site.run("seal").expect(0)
    assert site.run("prove", "a.txt").code == 0
    receipt = site.folder / ("a.txt" + RECEIPT_SUFFIX)
    receipt.rename(site.folder / "promise.json")
    site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    stop_the_clock(site.url)  # what is final stays so while two look at it
    assert site.run("prove", "a.txt").code == 0
    return site


# What is given where no policy is: both chains are named, and the receipt's word is taken.
ACCEPTED: Any = {"chain_ids": (MAIN, SIDE), "accept_unpinned": True}


def take_the_receipts_word(desk: Desk) -> None:
    desk.fill(chains=f"{MAIN}, {SIDE}")
    desk.tab.check("#unpinned")


@dataclass
class Case:
    """A file, its receipt and a policy; three nodes before an anvil."""

    file: Path
    receipt: Path
    policy: Path
    nodes: list[BentNode]
    agreed: str

    def urls(self, nodes: int) -> list[str]:
        return [node.url for node in self.nodes[:nodes]]

    def judge(self, urls: list[str], quorum: int | None, named: Sequence[Hash32] = ()) -> Report:
        return judge(
            self.receipt.read_bytes(),
            digest_file(self.file),
            policy=parse_policy(self.policy.read_bytes()),
            connect=Nodes(urls, quorum, lambda _: ((), 1), lambda _: None).connect,
            block_hashes=named,
        )


@dataclass
class Court:
    """Somebody with such a case at the page."""

    case: Case
    desk: Desk

    def verify(self, nodes: int = 3, quorum: int | None = None) -> tuple[int, str | None]:
        """Return the exit code, and the assurance that was reached."""
        case = self.case
        self.desk.give(file=case.file, receipt=case.receipt, policy=case.policy)
        urls = case.urls(nodes)
        self.desk.fill(nodes="\n".join(urls), quorum=str(quorum or ""))
        return self.outcome(urls, quorum)

    def outcome(self, urls: list[str], quorum: int | None = None) -> tuple[int, str | None]:
        """Press the button; see that the package says the same, and who was asked."""
        page = self.desk.verify()
        compare(page, self.case.judge(urls, quorum))
        assert {url.rstrip("/") for url in self.desk.network} <= set(urls)
        return ending(page)

    @property
    def shown(self) -> str:
        return self.desk.tab.inner_text("#report")


def ending(page: dict[str, Any]) -> tuple[int, str | None]:
    anchors = page["files"][0]["anchors"]
    return page["exit_code"], anchors[0]["assurance"] if anchors else None


@pytest.fixture(params=["proof", "quorum"])
def case(request: pytest.FixtureRequest, anchored: Site, tmp_path: Path) -> Iterator[Case]:
    """Nodes that agree amount to a proof where the receipt holds one, else to their word."""
    file, receipt = tmp_path / "a.txt", tmp_path / ("a.txt" + RECEIPT_SUFFIX)
    file.write_bytes((anchored.folder / file.name).read_bytes())
    document = json.loads((anchored.folder / receipt.name).read_bytes())
    if request.param == "quorum":
        del document["anchors"][0]["state"]
    receipt.write_text(json.dumps(document))
    policy = tmp_path / "mine.toml"
    policy.write_bytes((anchored.folder / "trust.toml").read_bytes())
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(anchored.url)) for _ in range(3)]
        yield Case(file, receipt, policy, nodes, request.param)


@pytest.fixture
def court(case: Case, browser: Browser) -> Iterator[Court]:
    desk = open_desk(browser)
    desk.open(PAGE)
    yield Court(case, desk)
    desk.tab.context.close()


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.fixture
def verify(script: PageScript, case: Case) -> Callable[..., tuple[int, str | None]]:
    """Judge by the page's script, in Node; see that the package says the same."""

    def run(
        nodes: int = 3, quorum: int | None = None, named: Sequence[Hash32] = ()
    ) -> tuple[int, str | None]:
        urls = case.urls(nodes)
        page = script.judge_evidence(
            case.receipt.read_bytes(),
            digest_file(case.file),
            policy=case.policy.read_text("utf-8"),
            block_hashes=["0x" + each.hex() for each in named],
            rpc=urls,
            quorum=quorum,
        )
        compare(page, case.judge(urls, quorum, named))
        return ending(page)

    return run


Verify = Callable[..., tuple[int, str | None]]


@pytest.mark.parametrize(("nodes", "quorum"), [(3, None), (2, None), (1, None), (3, 1), (3, 3)])
def test_two_nodes_of_those_named_have_to_agree(
    verify: Verify, case: Case, nodes: int, quorum: int | None
) -> None:
    assurance = "rpc" if nodes == 1 or quorum == 1 else case.agreed
    assert verify(nodes, quorum) == (0, assurance)


def test_those_named_are_asked_and_shown_and_nobody_else(court: Court) -> None:
    assert court.verify(2) == (0, court.case.agreed)
    assert [bool(node.calls) for node in court.case.nodes] == [True, True, False]
    # With a state proof a node is asked for nothing of it but whether the log was closed since.
    slots = {params[1] for params in court.case.nodes[0].asked("eth_getStorageAt")}
    closed = f"0x{successor_slot(parse_receipt(court.case.receipt.read_bytes()).log).hex()}"
    assert (slots == {closed}) == (court.case.agreed == "proof")
    assert closed in slots
    assert all(url in court.shown for url in court.case.urls(2))
    assert court.desk.said == []


def test_nobody_is_asked_before_the_button_is_pressed_nor_for_what_is_filled_in(
    court: Court,
) -> None:
    court.desk.give(file=court.case.file, receipt=court.case.receipt, policy=court.case.policy)
    court.desk.fill(nodes=court.case.nodes[0].url)
    asks = Message("page-asks-nodes", names=court.case.nodes[0].url)
    court.desk.tab.get_by_text(asks).wait_for()
    court.desk.tab.wait_for_timeout(500)
    assert court.desk.network == []
    court.desk.tab.check("#offline")
    assert court.desk.verify()["exit_code"] == 20
    assert court.desk.network == []


def test_the_policys_own_nodes_are_asked_where_no_others_are_named(court: Court) -> None:
    # Not the devnet itself, which lets no page read it.
    url = court.case.nodes[0].url
    text = court.case.policy.read_text()
    court.case.policy.write_text(re.sub("rpc = .*", f'rpc = ["{url}"]', text))
    court.desk.give(file=court.case.file, receipt=court.case.receipt, policy=court.case.policy)
    court.desk.tab.get_by_text(Message("page-asks-nodes", names=url)).wait_for()
    assert court.outcome([url]) == (0, "rpc")
    assert court.desk.network


def keep_from_pages(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Answer without the header that lets pages of other origins read the answer."""
    body = b'{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_node_that_lets_no_page_read_it_leaves_it_open(court: Court) -> None:
    court.desk.give(file=court.case.file, receipt=court.case.receipt)
    take_the_receipts_word(court.desk)
    with serve(keep_from_pages) as url:
        court.desk.fill(nodes=url)
        assert court.desk.verify()["exit_code"] == 20
    assert Message("page-connection-failed") in court.shown


def test_a_devnet_answers_the_page(court: Court, anchored: Site) -> None:
    court.desk.give(file=court.case.file, receipt=court.case.receipt, policy=court.case.policy)
    court.desk.fill(nodes=anchored.url)
    assert court.outcome([anchored.url])[0] == 0


ASK = """url => fetch(url, {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}',
}).then(answer => answer.json())"""


def test_the_embedded_devnet_answers_the_page(court: Court) -> None:
    with open_devnet(anvil=None) as embedded:
        assert court.desk.tab.evaluate(ASK, embedded.url)["result"] == "0x7a69"


def test_a_typed_development_chain_needs_no_node_that_names_a_final_block(court: Court) -> None:
    def names_none(params: list[Any], right: Any) -> Any:
        if params[0] == "finalized":
            raise Refused(-32602, "Unknown block")
        return right

    node = court.case.nodes[0]
    (entry,) = parse_policy(court.case.policy.read_bytes()).entries
    node.bend["eth_getBlockByNumber"] = names_none
    court.desk.give(file=court.case.file, receipt=court.case.receipt)
    owner = "0x" + entry.owner.hex()
    court.desk.fill(chain=str(entry.chain_id), owner=owner, nodes=node.url)
    assert ending(court.desk.verify()) == (0, "rpc")
    court.desk.fill(chain="", owner="")
    court.desk.give(policy=court.case.policy)
    assert ending(court.desk.verify()) == (20, None)
    assert Message("node-final-block-unknown-hint").replace("`", "") in court.shown.replace("`", "")


def no_storage(*_: object) -> str:
    return "0x" + "00" * 32


def other_storage(_: object, right: str) -> str:
    return f"0x{int(right, 16) + (1 << 60):064x}"


def later_storage(_: object, right: str) -> str:
    return f"0x{int(right, 16) + (1 << 160):064x}"  # half a year after the final block


def fork(_: object, right: dict[str, object] | None) -> object:
    return right and {**right, "hash": "0x" + "f0" * 32}


def refuse(*_: object) -> None:
    raise Refused(-32000, "<b>not today</b>")


# Who agrees on the final block and differs in what is in it makes it 20; who is on another chain,
# syncing, or says nothing, is left out.  A state proof asks for nothing but blocks.
LIES: dict[str, tuple[str, Bend, int, int]] = {
    "storage": ("eth_getStorageAt", no_storage, 0, 20),
    "other storage": ("eth_getStorageAt", other_storage, 0, 20),
    "a later time": ("eth_getStorageAt", later_storage, 0, 20),
    "code": ("eth_getCode", lambda *_: "0x", 0, 20),
    "chain": ("eth_chainId", lambda *_: "0x1", 0, 0),
    "no block": ("eth_getBlockByNumber", lambda *_: None, 0, 0),
    "syncing": ("eth_syncing", lambda *_: {"startingBlock": "0x0"}, 0, 0),
    "a fork": ("eth_getBlockByNumber", fork, 0, 0),
    "refusing": ("eth_getBlockByNumber", refuse, 0, 0),
    "no quantity": ("eth_chainId", lambda *_: "0x01", 0, 0),
    "a malformed block": ("eth_getBlockByNumber", lambda *_: [], 0, 0),
    "a hash of 31 bytes": ("eth_getBlockByNumber", lambda _, b: {**b, "hash": "0x00"}, 0, 0),
}


@pytest.mark.parametrize("liar", [0, 1, 2])
@pytest.mark.parametrize("lie", LIES)
def test_one_node_that_lies_falsifies_no_verdict(
    verify: Verify, case: Case, lie: str, liar: int
) -> None:
    method, bend, proven, read = LIES[lie]
    case.nodes[liar].bend[method] = bend
    expected = proven if case.agreed == "proof" else read
    assert verify() == (expected, None if expected else case.agreed)


def test_what_the_policy_asks_for_is_not_less_for_a_single_node(verify: Verify, case: Case) -> None:
    text = case.policy.read_text()
    for asked, worth in (("quorum", 1), ("proof", 2 if case.agreed == "quorum" else 1)):
        case.policy.write_text(text.replace('assurance = "rpc"', f'assurance = "{asked}"'))
        assert verify(nodes=worth) == (20, None)
    case.policy.write_text(text.replace('assurance = "rpc"', f'assurance = "{case.agreed}"'))
    assert verify(nodes=2) == (0, case.agreed)


def test_nodes_too_few_of_which_have_reached_the_anchor_leave_it_open(
    verify: Verify, case: Case, anchored: Site
) -> None:
    if case.agreed == "proof":
        return  # then the proof's block tells
    block = json.loads(case.receipt.read_bytes())["anchors"][0]["block_number"]
    for node, newest in zip(case.nodes, (block + 1, block - 1, block - 1), strict=True):
        node.bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, newest)
        node.bend["eth_getStorageAt"] = no_storage
    assert verify() == (20, None)


def test_of_the_policys_own_nodes_two_have_to_agree_unless_it_asks_for_more(
    script: PageScript, verify: Verify, case: Case
) -> None:
    def name(nodes: list[str], quorum: str) -> None:
        case.policy.write_text(re.sub("rpc = .*\nquorum = .*", f"rpc = {nodes}{quorum}", text))

    text = case.policy.read_text()
    name(case.urls(2), "")
    assert verify(nodes=0) == (0, case.agreed)
    # One server under two names would agree with itself.
    name([case.nodes[0].url, case.nodes[0].url + "/"], "")
    policy = base64.b64encode(case.policy.read_bytes()).decode()
    assert script.ask("policy", text=policy).code == ExitCode.USAGE
    with pytest.raises(MalformedError, match=Message("quorum-node-named-twice")):
        parse_policy(case.policy.read_bytes())
    # What the policy asks for is not less because of what is filled in.
    name([], "\nquorum = 3")
    assert verify(nodes=3, quorum=1) == (0, case.agreed)
    # A single one, of which nobody counts who agrees, is no three.
    assert [verify(nodes=nodes) for nodes in (1, 2)] == [(20, None), (20, None)]
    case.nodes[2].bend["eth_getBlockByNumber"] = refuse
    assert verify(nodes=3, quorum=1) == (20, None)


def test_a_node_that_no_page_may_ask_leaves_it_open(script: PageScript, case: Case) -> None:
    page = script.judge_evidence(
        case.receipt.read_bytes(),
        digest_file(case.file),
        policy=re.sub("rpc = .*", 'rpc = ["http://node.example"]', case.policy.read_text()),
        block_hashes=[],
        rpc=[],
    )
    assert page["exit_code"] == 20
    insecure = Message("page-node-url-insecure", url="http://node.example")
    assert page["files"][0]["steps"][-1]["detail"] == insecure


def test_a_named_hash_of_no_such_block_decides_though_nodes_vouch(
    verify: Verify, case: Case
) -> None:
    is_compared = "state" in json.loads(case.receipt.read_bytes())["anchors"][0]
    named = [Hash32(bytes([17]) * 32)]
    assert verify(named=named) == ((20, None) if is_compared else (0, case.agreed))


def test_a_node_that_lags_delays_nothing_and_vouches_for_nothing_newer(
    verify: Verify, case: Case, anchored: Site
) -> None:
    block = json.loads(case.receipt.read_bytes())["anchors"][0]["block_number"]
    case.nodes[2].bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, block - 1)
    assert verify() == (0, case.agreed)

    # The second's final block is one that the first has lost: only one is left who knows it.
    newest = int(ask(anchored.url, "eth_blockNumber"), 16)

    def lost(params: list[Any], right: Any) -> Any:
        return None if params[0] == hex(newest - 2) else at_block(*at, params, right)

    at = (anchored.url, newest)
    case.nodes[0].bend["eth_getBlockByNumber"] = lost
    case.nodes[1].bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, newest - 1)
    assert verify() == (20, None)


def test_who_agreed_has_to_answer_to_the_end(verify: Verify, case: Case) -> None:
    case.nodes[0].bend["eth_getCode"] = refuse
    assert verify(nodes=2) == ((0, "proof") if case.agreed == "proof" else (20, None))
    assert verify(nodes=3) == (0, case.agreed)


def test_a_redirect_is_not_followed_to_a_node_that_would_answer(
    script: PageScript, case: Case
) -> None:
    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        send(handler, 307, b"", Location=case.nodes[0].url)

    with serve(respond) as url:
        page = script.judge_evidence(
            case.receipt.read_bytes(),
            digest_file(case.file),
            policy=case.policy.read_text("utf-8"),
            block_hashes=[],
            rpc=[url],
        )
    assert page["exit_code"] == 20
    assert case.nodes[0].calls == []


@pytest.mark.parametrize("which", ["the proof's", "the final"])
def test_a_node_that_knows_another_block_leaves_it_open(
    verify: Verify, case: Case, which: str, anchored: Site
) -> None:
    """It is the proof's block that is compared, or the one before it that is final."""
    if case.agreed == "quorum":
        return
    state = parse_receipt(case.receipt.read_bytes()).anchors[0].state
    assert state is not None
    number = parse_header(state.header).number

    def other(params: list[Any], right: Any) -> Any:
        if which == "the final":
            return at_block(anchored.url, number, params, right)
        return {**right, "hash": "0x" + "f0" * 32} if params[0] == hex(number) else right

    case.nodes[0].bend["eth_getBlockByNumber"] = other
    assert verify(nodes=1) == (20 if which == "the proof's" else 21, None)


@pytest.mark.parametrize("lie", LIES)
def test_a_single_node_that_lies_is_believed_or_not_as_by_the_package(
    verify: Verify, case: Case, lie: str
) -> None:
    """Alone it may deny an anchor (11, 12), as the report says; it never makes a false one."""
    method, bend, *_ = LIES[lie]
    case.nodes[0].bend[method] = bend
    assert verify(nodes=1)[0] in (0, 10, 11, 12, 20)


def test_who_is_left_out_is_named_with_the_reason(court: Court) -> None:
    court.case.nodes[0].bend["eth_syncing"] = lambda *_: {"startingBlock": "0x0"}
    assert court.verify() == (0, court.case.agreed)
    syncing = Message("node-still-syncing", name=court.case.nodes[0].url)
    assert Message("node-left-out", reason=syncing) in court.shown


def test_nodes_that_are_down_leave_it_open(court: Court) -> None:
    court.case.nodes[1].down = True
    assert court.verify() == (0, court.case.agreed)
    court.case.nodes[2].down = True
    assert court.verify() == (20, None)
    assert Message("page-connection-failed") in court.shown
    assert court.desk.tab.locator(".verdict.unknown").count() == 1
    court.desk.check_accessible()


def test_nodes_of_which_half_are_on_a_fork_leave_it_open(court: Court) -> None:
    def final(_: object, right: dict[str, object]) -> object:
        # They agree about the genesis block, by which the policy tells chains apart.
        return right if right["number"] == "0x0" else {**right, "hash": "0x" + "f0" * 32}

    court.case.nodes[1].bend["eth_getBlockByNumber"] = final
    assert court.verify(nodes=2) == (20, None)
    assert "disagree about" in court.shown


def at_block(url: str, newest: int, params: list[Any], right: Any) -> Any:
    """Answer as a node whose newest block is ``newest``, and whose final one is before it."""
    number = {"latest": newest, "finalized": newest - 1}.get(params[0])
    if number is None:
        return right if int(params[0], 16) <= newest else None
    return ask(url, "eth_getBlockByNumber", hex(number), False)


@pytest.mark.parametrize(("behind", "code"), [(0, 21), (1, 20)])
def test_what_is_not_final_yet_is_pending_and_not_refused(
    court: Court, anchored: Site, behind: int, code: int
) -> None:
    block = json.loads(court.case.receipt.read_bytes())["anchors"][0]["block_number"]
    for node in court.case.nodes:
        node.bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, block - behind)
    expected = 21 if court.case.agreed == "proof" else code
    assert court.verify() == (expected, None)


def test_a_promise_is_looked_up_and_pending_until_the_registry_holds_it(
    court: Court, anchored: Site
) -> None:
    court.case.receipt.write_bytes((anchored.folder / "promise.json").read_bytes())
    assert court.verify() == (0, "quorum")
    for node in court.case.nodes:
        node.bend["eth_getStorageAt"] = no_storage
    assert court.verify() == (21, None)


def test_an_altered_file_and_another_log_are_refused_whatever_nodes_say(
    court: Court, tmp_path: Path
) -> None:
    policy = court.case.policy.read_text()
    owner = next(line for line in policy.splitlines() if line.startswith("owner"))
    court.case.policy.write_text(policy.replace(owner, f'owner = "0x{"77" * 20}"'))
    assert court.verify()[0] == 12
    court.case.policy.write_text(policy)
    court.case.file.write_bytes(b"altered")
    assert court.verify()[0] == 10


def test_nodes_of_another_chain_are_not_trusted_and_a_mixture_leaves_it_open(
    court: Court, anchored: Site
) -> None:
    # The embedded chain lets no page read it; what stands before it does.
    with other_chain(1) as url, bent_node(url) as other:
        court.case.nodes[0] = other
        assert court.verify(nodes=1) == (12, None)
        assert court.verify(nodes=2) == (20, None)


def test_a_block_named_by_hand_is_asserted_and_asks_nobody(court: Court, anchored: Site) -> None:
    receipt = anchored.folder / ("a.txt" + RECEIPT_SUFFIX)
    state = parse_receipt(receipt.read_bytes()).anchors[0].state
    assert state is not None
    court.desk.fill(hashes="0x" + parse_header(state.header).hash.hex())
    if court.case.agreed == "proof":
        court.desk.give(file=court.case.file, receipt=court.case.receipt)
        take_the_receipts_word(court.desk)
        page = court.desk.verify()
        assert page["exit_code"] == 0
        assert page["files"][0]["anchors"][0]["finality"] == "asserted"
        assert court.desk.network == []


def test_each_chain_of_a_receipt_is_asked_at_its_own_nodes(script: PageScript) -> None:
    """Of two chains, one node each: what they say but for the chain id is an error."""
    honest = next(h for h in honest_receipts() if h.name == "two chains', nothing pinned")
    receipt = json.dumps(honest.document).encode()
    evidence = world().evidence(honest.given.leaf)
    asked: list[tuple[str, str]] = []

    def on(chain_id: str) -> Respond:
        def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
            message = json.loads(body)
            asked.append((chain_id, message["method"]))
            error = {"error": {"code": -32000, "message": "no"}}
            known = {"result": chain_id} if message["method"] == "eth_chainId" else error
            send(handler, 200, json.dumps({"id": message["id"], **known}).encode())

        return respond

    with serve(on("0x7a69")) as main, serve(on("0xa")) as side:
        for urls in ([main, side], [side], [main]):
            asked.clear()
            page = script.judge_evidence(
                receipt, evidence, policy=None, block_hashes=[], rpc=urls, quorum=1, **ACCEPTED
            )
            details = [step["detail"] for step in page["files"][0]["steps"] if step["number"] == 5]
            by_page = set(asked)
            asked.clear()
            connect = Nodes(urls, 1, lambda _: ((), 1), lambda _: None).connect
            compare(page, judge(receipt, evidence, policy=None, connect=connect, **ACCEPTED))
            assert set(asked) == by_page
            others = [Message("chain-nodes-of-others", chain=chain) for chain in (31337, 10)]
            assert sum(detail in others for detail in details) == 2 - len(urls)


def test_who_cannot_be_asked_leaves_it_open_though_the_rest_is_only_not_final(
    script: PageScript,
) -> None:
    honest = next(h for h in honest_receipts() if h.name == "two chains', nothing pinned")
    receipt = json.dumps(honest.document).encode()
    evidence = world().evidence(honest.given.leaf)

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        message = json.loads(body)
        result: object = "0x7a69"
        if message["method"] == "eth_getBlockByNumber":
            number = "0x26" if message["params"][0] == "finalized" else "0x27"
            result = {"number": number, "hash": "0x" + "00" * 32, "timestamp": "0x1"}
        send(handler, 200, json.dumps({"id": message["id"], "result": result}).encode())

    with serve(respond) as url:
        page = script.judge_evidence(
            receipt, evidence, policy=None, block_hashes=[], rpc=[url], quorum=1, **ACCEPTED
        )
        fifth = [step["detail"] for step in page["files"][0]["steps"] if step["number"] == 5]
        connect = Nodes([url], 1, lambda _: ((), 1), lambda _: None).connect
        compare(page, judge(receipt, evidence, policy=None, connect=connect, **ACCEPTED))
    _, _, final = Message("block-not-final-yet", block="|", final=0x26).partition("|")
    assert fifth[0].endswith(final)
    assert fifth[1] == Message("chain-nodes-of-others", chain=10)
    assert page["exit_code"] == 20


# ------------------------------------------------------------------------------------------------
# Servers that are no nodes.


def answer(text: str, status: int = 200) -> Respond:
    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked = json.loads(body)["id"]
        send(handler, status, text.replace("ID", str(asked)).encode())

    return respond


def redirect(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, 307, b"", Location="/elsewhere")


def flood(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Access-Control-Allow-Origin", "*")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * (1 << 20))


BAD: dict[str, Respond] = {
    "no JSON": answer("<html>"),
    "a name twice": answer('{"id": ID, "result": "0x7a69", "result": "0x1"}'),
    "another id": answer('{"id": 77, "result": "0x7a69"}'),
    "an id in words": answer('{"id": "ID", "result": "0x7a69"}'),
    "no id": answer('{"result": "0x7a69"}'),
    "no id, and no error": answer('{"id": null, "result": "0x7a69"}'),
    "both": answer('{"id": ID, "result": "0x7a69", "error": {"code": 1}}'),
    "neither": answer('{"id": ID}'),
    "a list": answer("[]"),
    "a tower": answer("[" * 1000),
    "an error that is none": answer('{"id": ID, "error": "no"}'),
    "an error that tells the URL": answer(
        '{"id": ID, "error": {"code": 1, "message": "/a-secret-key"}}'
    ),
    "an error with markup": answer('{"id": ID, "error": {"code": 1, "message": "<img src=x>"}}'),
    "HTTP status 500": answer('{"id": ID, "result": "0x7a69"}', 500),
    "a redirect": redirect,
    "a flood": flood,
    # An answer but for its length; ID becomes a digit, so that one blank is too many.
    "a byte too many": answer('{"id": ID, "result": "0x7a69"}'.ljust((16 << 20) + 2)),
    "an error without end": answer(
        f'{{"id": ID, "error": {{"code": 1, "message": "{"no" * 9999}"}}}}'
    ),
    "nothing": lambda handler, body: setattr(handler, "close_connection", True),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_leaves_it_open(script: PageScript, anchored: Site, name: str) -> None:
    file = anchored.folder / "a.txt"
    receipt = file.with_name(file.name + RECEIPT_SUFFIX).read_bytes()
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked.append(json.loads(body)["method"])
        BAD[name](handler, body)

    with serve(respond) as url:
        page = script.judge_evidence(
            receipt,
            digest_file(file),
            policy=None,
            block_hashes=[],
            rpc=[f"{url}/a-secret-key"],
            **ACCEPTED,
        )
    assert (page["exit_code"], page["nodes"]) == (20, [url])
    told = page["files"][0]["steps"][-1]["detail"]
    assert f"the node {url}" in told
    assert len(told) < 500
    assert asked == ["eth_chainId"]  # had it been taken for an answer, more would be asked
    assert "a-secret-key" not in json.dumps(page)


@pytest.mark.parametrize(
    ("place", "quoted", "shown"),
    [
        ("/?apikey=a-secret-key", "no key a-secret-key here", "no key (hidden) here"),
        ("/?apikey=a-secret-key", "POST /?apikey=a-secret-key", "POST /?(hidden)"),
        (
            "/a-secret-key/longer-a-secret-key-2",
            "longer-a-secret-key-2 a-secret-key",
            "(hidden) (h",
        ),
    ],
)
def test_whatever_of_a_url_may_be_a_key_is_hidden_in_what_its_node_says(
    script: PageScript, anchored: Site, place: str, quoted: str, shown: str
) -> None:
    file = anchored.folder / "a.txt"
    receipt = file.with_name(file.name + RECEIPT_SUFFIX).read_bytes()
    with serve(answer(f'{{"id": ID, "error": {{"code": 1, "message": "{quoted}"}}}}')) as url:
        page = script.judge_evidence(
            receipt, digest_file(file), policy=None, block_hashes=[], rpc=[url + place], **ACCEPTED
        )
    assert page["exit_code"] == 20
    assert shown in page["files"][0]["steps"][-1]["detail"]
    assert "secret" not in json.dumps(page)


@pytest.mark.parametrize("name", ["a flood", "a redirect", "an error with markup", "nothing"])
def test_what_is_no_answer_leaves_it_open_in_the_browser(
    browser: Browser, anchored: Site, name: str
) -> None:
    desk = open_desk(browser)
    desk.open(PAGE)
    file = anchored.folder / "a.txt"
    desk.give(file=file, receipt=file.with_name(file.name + RECEIPT_SUFFIX))
    take_the_receipts_word(desk)
    with serve(BAD[name]) as url:
        desk.fill(nodes=f"{url}/a-secret-key")
        assert desk.verify()["exit_code"] == 20
    shown = desk.tab.inner_text("#report")
    assert "a-secret-key" not in shown
    assert f"the node {url}" in shown
    assert desk.tab.locator("#report img").count() == 0
    desk.tab.context.close()


@pytest.mark.slow
def test_a_node_that_never_ends_its_answer_is_given_up(browser: Browser, anchored: Site) -> None:
    """Asked in the browser: a Node that collects its garbage forgets about the time."""
    done = threading.Event()

    def hang(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Access-Control-Allow-Origin", "*")
        handler.send_header("Content-Length", "99")
        handler.end_headers()
        done.wait(40)

    desk = open_desk(browser)
    desk.open(PAGE)
    file = anchored.folder / "a.txt"
    desk.give(file=file, receipt=file.with_name(file.name + RECEIPT_SUFFIX))
    take_the_receipts_word(desk)
    with serve(hang) as url:
        desk.fill(nodes=url)
        assert desk.verify()["exit_code"] == 20
        done.set()
    late = Message("node-unreachable", name=url, reason=Message("http-timed-out"))
    assert late in desk.tab.inner_text("#report")
    desk.tab.context.close()
