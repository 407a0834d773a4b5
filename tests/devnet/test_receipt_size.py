"""How large a receipt with its state proof is; prints how long its verification takes offline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import pytest
from support.command import environment
from support.fixtures import MakeSite
from support.hardhat import trust_newest_block
from support.large_chain import GENESIS_TIME, open_large_chain, stored_anchors
from support.nodes import ask
from support.projects import reading
from support.records import build_record

from anchor.base.digests import Digests, digest_bytes
from anchor.base.types import Address, Block, ChainId, Hash32, Head, make_log_id
from anchor.chain.beacon_proof import fetch_beacon_proofs
from anchor.chain.devnet import DEV_ADDRESS
from anchor.chain.node import Node
from anchor.ethereum.header import parse_header
from anchor.evidence.not_before import NotBefore
from anchor.log.batch_sha256 import hash_rows
from anchor.log.merkle import hash_leaf
from anchor.log.tree import Tree
from anchor.operate.state_proofs import StateProofs
from anchor.project.creation import plan_dev_project
from anchor.receipt.format import AnchorHints, Receipt, ReceiptAnchor, encode_receipt, parse_receipt
from anchor.receipt.state_proof import BeaconProof, StateProof
from anchor.registry.storage import anchor_slot, operator_key_slot
from anchor.verification.verifier import judge

LEAVES = 10**6
ANCHORS = 10**4
OPERATORS = 100
DEV_CHAIN_ID = 31_337
INDEX = 123_456  # among the first 2^19, whose paths are the longest
EVIDENCE = b"%PDF-1.7"


@pytest.mark.parametrize("client", ["own_anvil", "hardhat"])
def test_a_stamped_files_receipt_has_at_most_5_kib_on_a_devnet(
    client: str, new_site: MakeSite, request: pytest.FixtureRequest
) -> None:
    node = request.getfixturevalue(client)
    site = trust_newest_block(new_site(node), node)
    site.run("stamp", site.write("evidence.pdf", EVIDENCE)).expect(0)
    written = (site.folder / "evidence.pdf.anchor.json").read_bytes()
    assert parse_receipt(written).anchors[0].state is not None
    assert len(written) <= 5 * 1_024


@dataclass(frozen=True, kw_only=True)
class Large:
    """A receipt of 10^6 leaves by the state of a chain with 10^5 accounts and 10^4 anchors."""

    receipt: bytes
    evidence: Digests
    block_hash: Hash32
    storage_proofs: list[int]  # of every anchor: how many bytes of a receipt they take
    operator_proofs: list[tuple[int, int]]  # the same of operators' keys; without shared nodes
    beacon: BeaconProof  # of an earlier block, among 8,191


@pytest.fixture(scope="module")
def large(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Large:
    evidence = digest_bytes(EVIDENCE, ("sha256", "sm3"))
    record = build_record(
        digests=evidence,
        name="evidence.pdf",
        media_type="application/pdf",
        salt=b"\xab" * 32,
        recorded_at=datetime.fromtimestamp(GENESIS_TIME, tz=UTC),
    ).encoded
    leaves = bytearray(hash_rows(0, b"".join(n.to_bytes(8, "big") for n in range(LEAVES)), 8))
    leaves[32 * INDEX : 32 * (INDEX + 1)] = hash_leaf(record)
    tree, log = Tree(bytes(leaves)), make_log_id(DEV_ADDRESS, 0)
    heads = [Head(root=tree.root(size), size=size) for size in (*range(1, ANCHORS), LEAVES)]
    anchors = stored_anchors(heads)
    keys = {number: Address(number.to_bytes(20, "big")) for number in range(1, OPERATORS + 1)}
    folder = tmp_path_factory.mktemp("large")
    said: list[str] = []
    with (
        open_large_chain(anvil_path, folder, log, anchors, keys) as chain,
        reading(chain.url) as node,
    ):
        config = plan_dev_project(folder, node, url=chain.url, number=0)
        assert config.log == log
        stored = anchors[heads[-1].root]
        anchor = ReceiptAnchor(
            chain_id=config.chain_id,
            registry=config.registry,
            head=heads[-1],
            path=tuple(tree.inclusion_path(INDEX, LEAVES)),
            sequence=stored.sequence,
            block_number=stored.block_number,
            timestamp=stored.timestamp,
            hints=AnchorHints(tx_hash=Hash32(b"\x11" * 32), block_hash=config.genesis),
            state=None,
        )
        bare = Receipt(record=record, log=log, index=INDEX, promise=None, anchors=(anchor,))
        receipt = StateProofs(config, node, said.append).complete(bare)
        assert said == []
        state = receipt.anchors[0].state
        assert state is not None
        block = parse_header(state.header).number
        slots = [anchor_slot(log, root) for root in anchors]
        proofs = fetch_storage_proofs(chain.url, config.registry, slots, block)
        storage_proofs = [size_of(proof) for proof in proofs]
        beacon = fetch_beacon(node, chain.url, state)
        slots = [operator_key_slot(log, number) for number in keys]
        operator_proofs = [
            (size_of(proof), size_of(drop_shared(proof, state.storage_proof)))
            for proof in fetch_storage_proofs(chain.url, config.registry, slots, block)
        ]
    assert storage_proofs[-1] == size_of(state.storage_proof)
    return Large(
        receipt=encode_receipt(receipt),
        evidence=evidence,
        block_hash=parse_header(state.header).hash,
        storage_proofs=storage_proofs,
        operator_proofs=operator_proofs,
        beacon=beacon,
    )


def fetch_beacon(node: Node, url: str, state: StateProof) -> BeaconProof:
    """Prove the block before the state proof's own."""
    header = parse_header(state.header)
    block = Block(number=header.number, hash=header.hash, timestamp=header.timestamp)
    earlier = ask(url, "eth_getBlockByNumber", hex(header.number - 1), False)
    named = NotBefore(
        chain_id=ChainId(DEV_CHAIN_ID),
        block_number=header.number - 1,
        block_hash=Hash32(bytes.fromhex(earlier["hash"][2:])),
    )
    proofs = fetch_beacon_proofs(node, [named], chain_id=ChainId(DEV_CHAIN_ID), block=block)
    return proofs[named]


def drop_shared(proof: list[bytes], other: Sequence[bytes]) -> list[bytes]:
    """Leave out the nodes that both proofs begin with."""
    shared = 0
    while shared < min(len(proof), len(other)) and proof[shared] == other[shared]:
        shared += 1
    return proof[shared:]


def fetch_storage_proofs(
    url: str, registry: Address, slots: list[Hash32], block: int
) -> Iterator[list[bytes]]:
    for start in range(0, len(slots), 500):
        named = ["0x" + slot.hex() for slot in slots[start : start + 500]]
        answer = ask(url, "eth_getProof", "0x" + registry.hex(), named, hex(block))
        for item in answer["storageProof"]:
            yield [bytes.fromhex(node[2:]) for node in item["proof"]]


def size_of(proof: Sequence[bytes]) -> int:
    return len(json.dumps(["0x" + node.hex() for node in proof], separators=(",", ":")))


def best(work: Callable[[], object], runs: int) -> float:
    """Return how many seconds the fastest of several runs took."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@pytest.mark.slow
def test_a_receipt_of_a_large_log_on_a_large_chain_has_at_most_16_kib(large: Large) -> None:
    anchor = parse_receipt(large.receipt).anchors[0]
    assert anchor.state is not None
    assert (len(anchor.path), len(anchor.state.account_proof)) == (20, 6)
    longest = len(large.receipt) - large.storage_proofs[-1] + max(large.storage_proofs)
    print(f"receipt: {len(large.receipt):,} bytes; with the longest storage proof {longest:,}")
    assert longest <= 16 * 1024
    whole = [len(large.receipt) + len(',\n"operator_proof":') + n for n, _ in large.operator_proofs]
    saved = [n - apart for n, apart in large.operator_proofs]
    print(
        f"an operator's: {min(whole):,} to {max(whole):,} bytes, {mean(whole):,.0f} on average; "
        f"{mean(saved):,.0f} bytes of that in nodes that the storage proof has as well"
    )
    assert max(whole) <= 20 * 1024


@pytest.mark.slow
def test_a_receipt_with_a_beacon_has_at_most_24_kib_and_an_operators_28(large: Large) -> None:
    receipt = parse_receipt(large.receipt)
    (anchor,) = receipt.anchors
    assert anchor.state is not None
    proven = replace(anchor, state=replace(anchor.state, beacon=large.beacon))
    size = len(encode_receipt(replace(receipt, anchors=(proven,))))
    operator = max(whole for whole, _ in large.operator_proofs) + len(',\n"operator_proof":')
    longest = size - large.storage_proofs[-1] + max(large.storage_proofs)
    print(
        f"with a beacon: {size:,} bytes; {longest:,} at most; an operator's {longest + operator:,}"
    )
    state, beacon = anchor.state, large.beacon
    lists = (state.account_proof, state.storage_proof, beacon.account_proof, beacon.storage_proof)
    proofs = [*lists, state.successor.proof if state.successor else ()]
    nodes = [node for proof in proofs for node in proof]
    repeated = size_of(nodes) - size_of(list(dict.fromkeys(nodes)))
    apart = mean(own for _, own in large.operator_proofs) + len(',\n"operator_proof":')
    print(
        f"headers {2 * (len(state.header) + len(beacon.header)):,}, "
        f"proofs {[size_of(proof) for proof in proofs]}; "
        f"with each node once {size - repeated:,}, an operator's {size - repeated + apart:,.0f}"
    )
    assert longest <= 24 * 1024
    assert longest + operator <= 28 * 1024


@pytest.mark.slow
def test_a_large_receipt_is_judged(large: Large) -> None:
    def work() -> None:
        report = judge(
            large.receipt,
            large.evidence,
            policy=None,
            connect=None,
            block_hashes={large.block_hash},
            chain_ids={DEV_CHAIN_ID},
            accept_unpinned=True,
        )
        assert report.exit_code == 0

    seconds = best(work, runs=50)
    print(f"judge: {seconds * 1e3:.1f} ms")


@pytest.mark.slow
def test_a_large_receipt_is_verified_offline(large: Large, tmp_path: Path) -> None:
    (tmp_path / "evidence.pdf").write_bytes(EVIDENCE)
    (tmp_path / "evidence.pdf.anchor.json").write_bytes(large.receipt)
    command = [sys.executable, "-m", "anchor", "verify", "evidence.pdf", "--offline"]
    command += ["--block-hash", "0x" + large.block_hash.hex()]
    command += ["--chain-id", str(DEV_CHAIN_ID), "--accept-unpinned"]

    def work() -> None:
        subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)

    seconds = best(work, runs=10)
    print(f"anchor verify --offline: {seconds * 1e3:.0f} ms")
