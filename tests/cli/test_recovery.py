"""Crashes, lost messages and reorganisations: the next ordinary run finishes, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chaos import Call, HasUrl, loses_request, loses_response, open_proxy
from support.crashes import CRASHES, JOURNAL, NODE, crashing
from support.fixtures import MakeSite
from support.hardhat import trust_newest_block
from support.nodes import ask, nonce, stop_the_clock
from support.projects import Site

from anchor.chain.devnet import Devnet

SAVED = CRASHES.index(("after", *JOURNAL, "save_attempt", "1"))
SENT = CRASHES.index(("after", *NODE, "send_raw_transaction", "1"))


FAULTS = {
    "seal": pytest.mark.fault(
        "A4",
        how="the run is killed after the seal, before it reserves a nonce",
        then="the next run anchors the same root, once",
    ),
    "reserve_slot": pytest.mark.fault(
        "A5",
        how="the run is killed after it reserved a nonce, before it signs",
        then="the next run signs for the same nonce; one anchor",
    ),
    "sign_transaction": pytest.mark.fault(
        "A6",
        how="the run is killed after it signed, before the bytes are stored",
        then="nothing was sent; the next run signs again, for the same nonce",
    ),
    "save_attempt": pytest.mark.fault(
        "A7",
        how="the run is killed after it stored the signed bytes, before it sends them",
        then="the next run sends them; nothing else is signed",
    ),
    "send_raw_transaction": pytest.mark.fault(
        "A8",
        how="the run is killed after the node took the transaction, before it hears so",
        then="the next run looks for it by its hash, and sends nothing new; one anchor",
    ),
    "fetch_receipt": pytest.mark.fault(
        "A11",
        how="the run is killed after it saw the receipt, before it writes that down",
        then="the next run sees it again; one anchor",
    ),
}


def attempts(site: Site) -> list[str]:
    """Return the hash of every transaction ever signed for an anchor, oldest first."""
    query = "SELECT hex(tx_hash) FROM attempts WHERE head_size IS NOT NULL ORDER BY nonce"
    return [f"0x{row[0].lower()}" for row in site.rows(query)]


def check_one_anchor_for_each_head(site: Site) -> None:
    sizes = [size for size, _ in site.heads()]
    sequences = range(1, len(sizes) + 1)
    assert site.anchors_on_chain() == list(zip(sizes, sequences, strict=True))
    assert site.head_on_chain() == site.heads()[-1][1]


def check_every_nonce_is_settled(site: Site) -> None:
    assert site.rows("SELECT count(*) FROM slots WHERE outcome IS NOT 'included'") == [(0,)]


@pytest.fixture(params=["embedded", "hardhat"])
def node(request: pytest.FixtureRequest) -> HasUrl:
    """Both nodes that mine at once and never reorganise."""
    found: HasUrl = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def anchored(new_site: MakeSite, request: pytest.FixtureRequest) -> Site:
    """A log with one anchor, whose journal is settled."""
    node = request.getfixturevalue(getattr(request, "param", "embedded"))
    site = trust_newest_block(new_site(node), node)
    site.add("first", b"first")
    site.anchor()
    return site


# Between storing and sending is where nodes differ: hardhat's pool is not py-evm's.
@pytest.mark.parametrize(
    ("anchored", "crash"),
    [
        *(("embedded", crash) for crash in CRASHES),
        *(("hardhat", crash) for crash in CRASHES[SAVED : SENT + 1]),
    ],
    indirect=["anchored"],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]} {value[3]}",
)
def test_after_a_kill_at_any_effect_the_next_run_anchors_once(
    anchored: Site, crash: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    if crash[0] == "after" and crash[3] in FAULTS:
        request.applymarker(FAULTS[crash[3]])
    *place, call = crash
    # The fixture's transaction is final by now, and settled by the run before its own.
    earlier = crash[3] in ("fetch_receipt", "settle_slot")
    before, sent_before = attempts(anchored), nonce(anchored.url)
    anchored.add("second", b"second")
    command = crashing(*place, str(int(call) + earlier))
    anchored.run("run", "--once", command=command, killed=True)
    stored = attempts(anchored)
    assert stored[: len(before)] == before
    # Persist before effect: what was sent is stored, at whatever point the process ended.
    assert len(stored) == len(before) + (CRASHES.index(crash) >= SAVED)
    assert nonce(anchored.url) == sent_before + (CRASHES.index(crash) >= SENT)
    anchored.run("run", "--once").expect(0, "anchored (counts as final")
    check_one_anchor_for_each_head(anchored)
    assert nonce(anchored.url) == sent_before + 1
    # What was stored is what was sent: a second signing happens only where nothing was stored.
    assert attempts(anchored)[: len(stored)] == stored
    assert len(attempts(anchored)) == len(before) + 1
    assert ask(anchored.url, "eth_getTransactionReceipt", attempts(anchored)[-1])["status"] == "0x1"


def test_a_stored_transaction_is_finished_before_newer_evidence_is_anchored(anchored: Site) -> None:
    sent_before = nonce(anchored.url)
    anchored.add("older", b"older")
    anchored.run(
        "run", "--once", command=crashing("after", *JOURNAL, "save_attempt", "1"), killed=True
    )
    stored = attempts(anchored)
    anchored.add("newer", b"newer")
    anchored.run("run", "--once").expect(0, "resuming the transaction of an earlier run")
    check_one_anchor_for_each_head(anchored)
    check_every_nonce_is_settled(anchored)
    assert nonce(anchored.url) == sent_before + 2
    assert attempts(anchored)[:-1] == stored


def test_a_kill_while_deploying_deploys_once(new_site: MakeSite, own_anvil: Devnet) -> None:
    site = new_site(own_anvil, deployed=False)
    words = ("after", *NODE, "send_raw_transaction", "1")
    site.run("deploy", command=crashing(*words), killed=True)
    site.run("deploy").expect(0, "nothing was sent")
    assert nonce(site.url) == 1
    site.add("a", b"a")
    site.run("run", "--once", "--wait", "included").expect(0)
    check_one_anchor_for_each_head(site)
    assert nonce(site.url) == 2


@pytest.mark.fault(
    "E1",
    how="the answer to the send is lost after the node took it, in a process of its own",
    then="it is looked up, not repeated; one anchor",
)
def test_a_send_whose_answer_is_lost_is_looked_up_not_repeated(
    new_site: MakeSite, node: HasUrl
) -> None:
    site = trust_newest_block(new_site(node), node)
    site.add("a", b"a")
    with open_proxy(node) as (proxy, url):
        proxy.on("eth_sendRawTransaction", loses_response)
        ran = site.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url})
    ran.expect(0, "the node gave no valid answer; checking whether it accepted the transaction")
    assert len(proxy.sent()) == 1
    check_one_anchor_for_each_head(site)


@pytest.mark.fault(
    "E2",
    how="the send never arrives, in a process of its own",
    then="exit code 21; the next process sends the same bytes; one anchor",
)
def test_a_send_that_never_arrives_is_repeated_with_the_same_bytes(
    new_site: MakeSite, node: HasUrl
) -> None:
    site = trust_newest_block(new_site(node), node)
    site.edit("wait_seconds = 600", "wait_seconds = 1")
    site.add("a", b"a")
    sent_before = nonce(site.url)
    with open_proxy(node) as (proxy, url):
        proxy.on("eth_sendRawTransaction", loses_request)
        lost = site.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url})
        lost.refused(21, "sent but not included within 1 seconds", "continues with the same nonce")
        assert nonce(site.url) == sent_before
        site.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url}).expect(0)
    first, second = proxy.sent()
    assert first == second
    assert nonce(site.url) == sent_before + 1
    check_one_anchor_for_each_head(site)


@pytest.mark.fault(
    "E1",
    how="the node falls silent after it took the send, in a process of its own",
    then="exit code 20; the next process finds the anchor and sends nothing; one anchor",
)
def test_a_node_that_falls_silent_after_the_send_leaves_nothing_to_repeat(
    new_site: MakeSite, node: HasUrl
) -> None:
    site = trust_newest_block(new_site(node), node)
    site.add("a", b"a")
    with open_proxy(node) as (proxy, url):

        def takes_it_and_falls_silent(call: Call) -> bytes:
            proxy.on("eth_getTransactionReceipt", loses_response)
            return call.forward()

        proxy.on("eth_sendRawTransaction", takes_it_and_falls_silent)
        silent = site.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url})
        silent.refused(20, "cannot be reached")
        site.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url}).expect(0)
    assert len(proxy.sent()) == 1
    assert len(attempts(site)) == 1
    check_one_anchor_for_each_head(site)


@pytest.mark.fault(
    "D1",
    how="a reorganisation drops our transaction, as separate runs see it",
    then="status shows it gone; the next run sends the same bytes",
)
def test_a_reorganisation_rolls_back_and_the_same_bytes_are_sent_again(
    new_site: MakeSite, own_anvil: Devnet, tmp_path: Path
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    site.add("a", b"a")
    site.run("run", "--once", "--wait", "included").expect(0, "included (still reversible)")
    (signed,) = attempts(site)
    ask(site.url, "anvil_reorg", 1, [])
    assert ask(site.url, "eth_getTransactionReceipt", signed) is None
    assert site.anchors_on_chain() == []
    status = site.run("status", "--json").expect(0).document
    assert status["chain"] == {
        "head": None,
        "final": None,
        "clock_off": None,
        "reversible": 0,
        "unanchored": 1,
        "unproven": None,
        "low_on_funds": False,
    }
    site.run("run", "--once", "--wait", "included").expect(0, f"sending transaction {signed}")
    assert attempts(site) == [signed]
    assert ask(site.url, "eth_getTransactionReceipt", signed)["status"] == "0x1"
    check_one_anchor_for_each_head(site)


@pytest.mark.fault(
    "D2",
    how="our transaction is included again in the next block",
    then="the new block is stored; nothing is sent",
)
def test_an_anchor_that_moved_to_another_block_is_followed(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    site.add("a", b"a")
    site.run("run", "--once", "--wait", "included").expect(0)
    (block,) = site.rows("SELECT block_number FROM anchors")
    (raw,) = site.rows("SELECT hex(raw) FROM attempts WHERE head_size IS NOT NULL")
    ask(site.url, "anvil_mine", "0x1")
    ask(site.url, "anvil_reorg", 2, [[f"0x{raw[0]}", 1]])
    ran = site.run("run", "--once", "--wait", "included").expect(0)
    assert "sending" not in ran.err
    assert site.rows("SELECT block_number FROM anchors") == [(block[0] + 1,)]
    check_one_anchor_for_each_head(site)
