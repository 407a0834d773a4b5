"""An incident rests on what enough nodes say of a final block, and is looked at again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from support.bent_nodes import BentNode, bent_node
from support.nodes import ask, wait_until
from support.operators import Operator
from support.projects import Site, reading

from anchor.base.errors import CannotCheckError, IncidentError, QuorumError
from anchor.chain.devnet import Devnet
from anchor.operate.single_run import RunState
from anchor.project.config import load_config
from anchor.project.nodes import open_chain
from anchor.registry.storage import head_slot

ZERO = "0x" + "00" * 32
OPEN = "SELECT count(*) FROM incidents WHERE accepted_at IS NULL AND withdrawn_at IS NULL"
NOTED = "SELECT seen_block, withdrawn_block, withdrawn_at IS NOT NULL FROM incidents"


@pytest.fixture
def final(new_site: Callable[..., Site], own_anvil: Devnet) -> Site:
    """A project with one final anchor, and evidence that waits."""
    site = new_site(own_anvil)
    site.add("a.txt", b"a")
    site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    assert "1 leaves, anchor 1" in site.run("status").out
    site.add("b.txt", b"b")
    return site


@pytest.fixture
def liar(final: Site) -> Iterator[BentNode]:
    with bent_node(final.url) as node:
        yield node


def forget_anchors(site: Site) -> Callable[[list[Any], Any], Any]:
    """Show the log's head, and none of its anchors."""
    head = f"0x{head_slot(load_config(site.folder / 'anchor.toml').log).hex()}"
    return lambda params, right: right if params[1] == head else ZERO


def round_by(site: Site, node: BentNode) -> RunState:
    with reading(node.url) as reader:
        return site.round(reader).state


@pytest.mark.fault(
    "E10",
    how="the only node does not show a final anchor, once; later it does",
    then="32 and an incident with its block; a later final block withdraws it, noted, and the log "
    "goes on",
)
def test_an_incident_that_rests_on_a_wrong_answer_is_withdrawn(final: Site, liar: BentNode) -> None:
    liar.bend["eth_getStorageAt"] = forget_anchors(final)
    for _ in range(2):
        with pytest.raises(
            IncidentError, match="was not in the registry, according to final block"
        ):
            round_by(final, liar)
    assert final.rows(OPEN) == [(1,)]
    assert len(final.heads()) == 1, "nothing is sealed"
    final.run("doctor").expect(32, "was not in the registry, according to final block")
    # A final block that is older than the one seen says nothing for the anchor either.
    liar.bend = {"eth_getBlockByNumber": lambda params, right: (
        ask(final.url, "eth_getBlockByNumber", "0x5", False) if params[0] == "finalized" else right
    )}  # fmt: skip
    with pytest.raises(IncidentError):
        round_by(final, liar)
    liar.bend = {}
    assert round_by(final, liar) is RunState.INCLUDED
    assert final.rows(OPEN) == [(0,)]
    ((seen, withdrawn, is_noted),) = final.rows(NOTED)
    assert 0 < seen <= withdrawn
    assert is_noted
    assert final.anchors_on_chain() == [(1, 1), (2, 2)]
    final.run("status").expect(0)


@pytest.mark.fault(
    "E10",
    how="a daemon's only node does not show a final anchor for a while",
    then="the daemon does nothing meanwhile, looks again, and goes on without a hand",
)
def test_a_daemon_goes_on_after_its_node_tells_the_truth_again(final: Site, liar: BentNode) -> None:
    final = replace(final, url=liar.url)
    liar.bend["eth_getStorageAt"] = forget_anchors(final)
    operator = Operator(final)
    operator.clock.at = {20.0: liar.bend.clear}
    operator.run(until=90)
    events = operator.events()
    assert events[0] == "failed"
    assert "included" in events
    assert final.anchors_on_chain() == [(1, 1), (2, 2)]
    assert final.rows(OPEN) == [(0,)]


@pytest.mark.fault(
    "E10",
    how="one of three nodes, the one that is read, does not show a final anchor",
    then="no incident: cannot check (20), naming it; then the log goes on without a hand",
)
def test_one_node_of_three_opens_no_incident(final: Site) -> None:
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(final.url)) for _ in range(3)]
        witnesses = json.dumps([node.url for node in nodes[1:]])
        final.edit(f'rpc = "{final.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
        nodes[0].bend["eth_getStorageAt"] = forget_anchors(final)
        with final.lead() as project:
            chain = open_chain(project.config, lambda _: None)
        with pytest.raises(QuorumError, match="the nodes disagree"):
            final.round(chain)
        assert final.rows("SELECT count(*) FROM incidents") == [(0,)]
        nodes[0].bend.clear()
        assert final.round(chain).state is RunState.INCLUDED


@pytest.mark.fault(
    "E3",
    how="the node shows the log's head of before the newest final anchor",
    then="cannot check (20): nothing is sealed or sent by it",
)
@pytest.mark.parametrize("word", ["nothing", "an earlier head"])
def test_a_head_behind_what_is_final_is_no_state_to_go_on_from(
    final: Site, liar: BentNode, word: str
) -> None:
    (_, first), *_ = final.heads()
    final.anchor()
    ask(final.url, "anvil_mine", "0x10")
    final.run("status").expect(0)
    final.add("c.txt", b"c")
    head = f"0x{head_slot(load_config(final.folder / 'anchor.toml').log).hex()}"
    shown = ZERO if word == "nothing" else f"0x{first.hex()}"
    liar.bend["eth_getStorageAt"] = lambda params, right: shown if params[1] == head else right
    with pytest.raises(CannotCheckError, match="but a head of 2 leaves is already final"):
        round_by(final, liar)
    assert len(final.heads()) == 2
    liar.bend.clear()
    assert round_by(final, liar) is RunState.INCLUDED
    assert wait_until(lambda: final.anchors_on_chain() == [(1, 1), (2, 2), (3, 3)])
