"""verification/index.json: what its lists of cases have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from support.rfc9162_reference import root as root_of
from support.tries import keccak256
from support.vectors.offline_world import (
    ANCHORED,
    DEVELOPMENT,
    LOG,
    MAIN,
    NAMED,
    NAMED_HEADER,
    Given,
    Json,
    bent,
    entry_of,
    given,
    honest_world,
    policy_of,
    simple,
    time_of,
    world_of,
)
from support.vectors.states import slot_of

# name, rule (none of a valid one), exit code, steps that do not pass, what is given.
Row = tuple[str, str, int, list[int], Given]

A = "anchors.0"
S = f"{A}.state"


def put_at(document: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    holder: Any = document
    for parent in parents:
        holder = holder[int(parent) if parent.isdigit() else parent]
    if value is ...:
        del holder[last]
    else:
        holder[int(last) if last.isdigit() else last] = value


def named(**changes: Any) -> Json:
    """The member of a record that names the block of the world's beacon."""
    value = {
        "block_hash": f"0x{keccak256(NAMED_HEADER).hex()}",
        "block_number": NAMED,
        "chain_id": 31337,
    }
    return {**value, **changes}


def ok(name: str, given: Given) -> Row:
    return name, "", 0, [], given


def at(path: str, value: Any, document: Json | None = None) -> Given:
    """A receipt with a value changed, whose own blocks are named."""
    return given(bent(document or simple(), lambda copied: put_at(copied, path, value)))


def root_at(size: int) -> bytes:
    return root_of(honest_world().leaves[:size])


def on(*chains: int, size: int = 9, proven: bool = True) -> Json:
    """A receipt with an anchor on each of these chains."""
    here = honest_world()
    return here.receipt(
        *(here.anchor(here.chain(chain_id=each), size, is_proven=proven) for each in chains)
    )


WIDE = policy_of(entry_of(), entry_of(MAIN))
UNPINNED: Json = {"policy": None, "accept_unpinned": True}
# The bound is the anchor's time, 240 seconds before TIME, and 30 seconds.
ANCHORED_AT = time_of(ANCHORED[9][1])


def spell(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def recorded(time: str, **inputs: Any) -> Given:
    world = world_of(recorded_at=time)
    return given(simple(world.chain(), world=world), **inputs)


def with_entry(**changes: Any) -> Json:
    return policy_of(entry_of(**changes))


def absent_root(chain_id: int = DEVELOPMENT) -> Json:
    """A receipt of a head that was never anchored, with the proof of that."""
    chain = honest_world().chain(chain_id=chain_id)
    document = simple(chain)
    head = honest_world().head(12)
    document["anchors"][0].update(head)
    proof = chain.prove_slot(slot_of(LOG, bytes.fromhex(head["root"])))
    document["anchors"][0]["state"]["storage_proof"] = proof
    return document


def flip(node: str) -> str:
    return f"{node[:-1]}{int(node[-1], 16) ^ 1:x}"
