"""``explain``: what it prints is executed as printed, and redone with nothing but hashlib."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import VECTORS
from support.world import INDEX, REGISTRY, SIDE, SIZE, World, honest

from anchor.base.errors import MismatchError
from anchor.base.types import Hash32, Head
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.registry.storage import decode_anchor
from anchor.verification.explanation import Explanation, explain_receipt

GOLDEN = VECTORS / "receipts" / "anchor-receipt-1.json"

# What python3 is called where the tests run; a reader's shell has one of that name.
_SHIM = f'python3() {{ {shlex.quote(sys.executable)} "$@"; }}; '


def run(command: str, directory: Path) -> str:
    """Execute one printed command with sh, in a locale that knows no UTF-8."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run(
        ["sh", "-c", _SHIM + command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    assert re.fullmatch(r"[0-9a-f]{64}  -\n", done.stdout)
    return done.stdout[:64]


def commands(explanation: Explanation) -> tuple[str, str, str]:
    """Return the printed commands for the record, for the leaf and for one step."""
    found = [line.strip() for line in explanation.lines if line.strip().endswith("sha256sum")]
    record, leaf, step = found
    return record, leaf, step


def redo_in_shell(receipt: Receipt, directory: Path) -> list[str]:
    """Run the printed command of every hash, in the order in which they are explained."""
    (directory / "r.anchor.json").write_bytes(encode_receipt(receipt))
    explanation = explain_receipt(receipt)
    record_command, leaf_command, step_command = commands(explanation)
    hashes = []
    for step in explanation.steps:
        if step.get("what") == "record":
            hashes.append(run(record_command.replace("RECEIPT", "r.anchor.json"), directory))
        elif step.get("what") == "leaf":
            hashes.append(run(leaf_command.replace("RECEIPT", "r.anchor.json"), directory))
        elif "left" in step:
            command = step_command.replace("LEFT", step["left"]).replace("RIGHT", step["right"])
            hashes.append(run(command, directory))
    return hashes


@pytest.mark.parametrize("anchored", [True, False])
def test_every_printed_command_gives_the_hash_that_is_printed(
    anchored: bool, tmp_path: Path
) -> None:
    world = World()
    receipt = honest(world) if anchored else world.receipt(INDEX)
    hashes = redo_in_shell(receipt, tmp_path)
    explanation = explain_receipt(receipt)
    assert hashes == [step["hash"] for step in explanation.steps if "hash" in step]
    assert len(hashes) == 2 + 4
    assert hashes[-1] == world.tree.root(SIZE).hex()
    assert all(any(value in line for line in explanation.lines) for value in hashes)


def test_the_printed_command_gives_the_leaf_of_a_record_in_any_script(tmp_path: Path) -> None:
    world = World()
    record = world.records[INDEX].replace(b"evidence-6.txt", '名 "前"\\\\n\u0080.txt'.encode())
    record = record.replace('"前"'.encode(), '\\"前\\"'.encode())
    receipt = dataclasses.replace(world.receipt(INDEX), record=record)
    digest, leaf, *_ = redo_in_shell(receipt, tmp_path)
    assert digest == hashlib.sha256(record).hexdigest()
    assert leaf == hashlib.sha256(b"\x00" + record).hexdigest()


@pytest.mark.parametrize("index", range(9))
def test_the_root_can_be_recomputed_from_the_receipt_with_hashlib_alone(index: int) -> None:
    world = World()
    receipt = world.receipt(index, world.anchor(index, 9), world.anchor(index, 13, SIDE))
    document = json.loads(encode_receipt(receipt))
    promised = json.loads(encode_receipt(world.receipt(index)))
    for place in [promised["head"], *document["anchors"]]:
        node = hashlib.sha256(b"\x00" + document["record"].encode()).digest()
        position, last = document["index"], place["size"] - 1
        for sibling in map(bytes.fromhex, place["path"]):
            while not position & 1 and position == last:  # carried up, with no sibling here
                position, last = position >> 1, last >> 1
            pair = sibling + node if position & 1 else node + sibling
            node = hashlib.sha256(b"\x01" + pair).digest()
            position, last = position >> 1, last >> 1
        assert node.hex() == place["root"]
        assert node == world.tree.root(place["size"])


def test_the_golden_receipts_explanation_names_each_step_and_each_place() -> None:
    explanation = explain_receipt(parse_receipt(GOLDEN.read_bytes()))
    text = "\n".join(explanation.lines)
    assert "From leaf 3 to the root over 4 leaves:" in text
    assert "From leaf 3 to the root over 9 leaves:" in text
    assert "on chain 31337 keeps this root" in text
    assert "on chain 10 keeps this root" in text
    assert text.count("is the receipt's root") == 2
    assert "NOT" not in text
    numbered = re.findall(r"^ +(\d+)\. SHA-256\(01 ([0-9a-f]{64}) ([0-9a-f]{64})\)$", text, re.M)
    assert [int(number) for number, _, _ in numbered] == [1, 2, 1, 2, 3, 4]


def test_the_printed_slot_and_low_bytes_are_what_the_registry_holds() -> None:
    world = World()
    step = explain_receipt(honest(world)).steps[-1]
    word = world.main.fetch_storage(
        REGISTRY, Hash32(bytes.fromhex(step["slot"][2:])), world.main.block(40)
    )
    assert decode_anchor(word) == world.stored(world.main, SIZE)
    assert word[9:].hex() == step["low_bytes"]
    assert (step["chain_id"], step["registry"]) == (31337, "0x" + REGISTRY.hex())


def test_a_receipt_that_leads_elsewhere_is_said_to() -> None:
    world = World()
    receipt = world.receipt(INDEX)
    assert receipt.promise is not None
    elsewhere = dataclasses.replace(receipt.promise, head=Head(root=Hash32(bytes(32)), size=SIZE))
    bent = dataclasses.replace(receipt, promise=elsewhere)
    lines = explain_receipt(bent).lines
    assert any("is NOT the receipt's root" in line for line in lines)
    assert lines[-1].startswith("The receipt names no anchor yet")


def test_a_path_of_the_wrong_length_cannot_be_explained() -> None:
    receipt = World().receipt(INDEX)
    assert receipt.promise is not None
    receipt = dataclasses.replace(receipt, promise=dataclasses.replace(receipt.promise, path=()))
    with pytest.raises(MismatchError):
        explain_receipt(receipt)


def test_a_chain_that_proves_nothing_is_named_as_such() -> None:
    lines = explain_receipt(parse_receipt(GOLDEN.read_bytes())).lines
    named = [line for line in lines if line.startswith("Chain ")]
    assert named == [
        "Chain 31337 is a development chain: whoever runs it chooses its blocks and their times."
    ]
