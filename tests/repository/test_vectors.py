"""The test vectors for implementers, tests/vectors: every case against this implementation."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError
from support.paths import ROOT
from support.proven_states import check_state
from support.vectors.cases import fill

from anchor.base.digests import Digests
from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    MalformedError,
    MismatchError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.base.types import MAX_LOG_SIZE, Address, ChainId, Hash32, Head, LogId, parse_hex
from anchor.ethereum.header import parse_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.trie import verify_trie_proof
from anchor.evidence.not_before import parse_not_before
from anchor.evidence.preservation_number import format_number, number_record, parse_number
from anchor.log.checkpoint import open_checkpoint, parse_origin
from anchor.log.merkle import hash_leaf, verify_consistency, verify_inclusion
from anchor.log.signed_note import open_note, parse_verifier
from anchor.log.tiles import Tile, TileBuilder, TileTree, parse_tile_path, tiles_of
from anchor.receipt.bundle import read_bundle
from anchor.receipt.format import BeaconDocument, read_beacon, validate_members
from anchor.receipt.history_proof import check_beacon
from anchor.receipt.state_proof import (
    StateProof,
    check_account,
    check_anchor,
    check_submitter,
)
from anchor.registry.storage import encode_anchor
from anchor.verification.receipt_choice import Wanted, choose_receipts

FOLDER = ROOT / "tests" / "vectors"

Case = dict[str, Any]

# What a verifier tells: the fields of the case that it found out itself.
Reader = Callable[[Case], Case]


def load_builder() -> ModuleType:
    """Import the script, which is no module of a package."""
    spec = importlib.util.spec_from_file_location(
        "build_vectors", ROOT / "scripts/_build/build_vectors.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)

    spec.loader.exec_module(module)
    return module


def refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


@cache
def document(name: str) -> dict[str, Any]:
    loaded = json.loads((FOLDER / name).read_bytes(), object_pairs_hook=refuse_repeated_names)
    assert isinstance(loaded, dict)
    return loaded


def as_hash(text: str) -> Hash32:
    # As receipts are read: merkle takes 32 bytes for granted.
    return Hash32(parse_hex(text, length=32, subject="a hash", prefix=False))


def read_inclusion(case: Case) -> Case:
    leaf = as_hash(case["leaf"])
    said = {}
    if "record" in case:
        assert hash_leaf(bytes.fromhex(case["record"])) == leaf
        said["record"] = case["record"]
    verify_inclusion(
        leaf=leaf,
        index=case["index"],
        size=case["size"],
        path=[as_hash(node) for node in case["path"]],
        root=as_hash(case["root"]),
    )
    return said | {name: case[name] for name in ("leaf", "index", "size", "path", "root")}


def read_consistency(case: Case) -> Case:
    verify_consistency(
        old_size=case["old_size"],
        old_root=as_hash(case["old_root"]),
        new_size=case["new_size"],
        new_root=as_hash(case["new_root"]),
        proof=[as_hash(node) for node in case["proof"]],
    )
    return {name: case[name] for name in ("old_size", "old_root", "new_size", "new_root", "proof")}


@cache
def tiles_with_bytes(size: int) -> dict[Tile, bytes]:
    builder = TileBuilder()
    leaves = b"".join(hash_leaf(number.to_bytes(8, "big")) for number in range(size))
    return dict([*builder.add(leaves), *builder.unfinished()])


def read_tree(case: Case) -> Case:
    tiles = tiles_with_bytes(case["size"])
    paths = [tile.path for tile in tiles_of(case["size"])]
    if paths != list(case["tiles"]):
        raise MismatchError("these are not the log's tiles")
    tree = TileTree(Head(root=as_hash(case["root"]), size=case["size"]), tiles.__getitem__)
    found = {}
    for path in case["tiles"]:
        tile = parse_tile_path(path)
        assert tile is not None
        found[path] = hashlib.sha256(tree.tile(tile)).hexdigest()
        if found[path] != case["tiles"][path]:
            raise MismatchError(f"{path} has other bytes")
    return {"size": tree.size, "root": tree.root(tree.size).hex(), "tiles": found}


def read_path(case: Case) -> Case:
    tile = parse_tile_path(case["path"])
    if tile is None:
        raise MalformedError("no tile's path")
    return {"path": tile.path, **tile._asdict()}


def read_key(case: Case) -> Case:
    verifier = parse_verifier(case["verifier"])
    return {
        "verifier": verifier.encode(),
        "key_name": verifier.name,
        "key_id": verifier.key_id.hex(),
        "public_key": verifier.public_key.hex(),
    }


def note_bytes(case: Case) -> bytes:
    if "note_hex" in case:
        return bytes.fromhex(case["note_hex"])
    return fill(case, "note").encode("utf-8")


def read_note(case: Case) -> Case:
    text = open_note(note_bytes(case), parse_verifier(case["verifier"]))
    if text == fill(case, "text"):
        text = case["text"]
    return {"note": case["note"], "verifier": case["verifier"], "text": text}


def read_checkpoint(case: Case) -> Case:
    checkpoint = open_checkpoint(note_bytes(case), parse_verifier(case["verifier"]))
    return {
        "note": case["note"],
        "verifier": case["verifier"],
        "origin": checkpoint.origin,
        "size": checkpoint.head.size,
        "root": checkpoint.head.root.hex(),
    }


def read_origin(case: Case) -> Case:
    chain_id, registry, log = parse_origin(case["origin"])
    return {
        "origin": case["origin"],
        "chain_id": chain_id,
        "registry": f"0x{registry.hex()}",
        "log": f"0x{log.hex()}",
    }


def as_bytes(text: str) -> bytes:
    assert re.fullmatch("0x([0-9a-f]{2})*", text), text
    return bytes.fromhex(text[2:])


def hash_in(text: str) -> Hash32:
    return Hash32(parse_hex(text, length=32, subject="a hash", prefix=True))


def read_trie(case: Case) -> Case:
    value = verify_trie_proof(
        root=hash_in(case["root"]),
        key=hash_in(case["key"]),
        nodes=[as_bytes(node) for node in case["proof"]],
    )
    given = {name: case[name] for name in ("root", "key", "proof")}
    return {**given, "value": None if value is None else f"0x{value.hex()}"}


def read_header(case: Case) -> Case:
    header = parse_header(as_bytes(case["header"]))
    return {
        "header": case["header"],
        "hash": f"0x{header.hash.hex()}",
        "number": header.number,
        "timestamp": header.timestamp,
        "state_root": f"0x{header.state_root.hex()}",
    }


STATE_GIVEN = (
    *("block_hash", "registry", "code_hash", "log", "root"),
    *("header", "account_proof", "storage_proof"),
)


def read_proof(case: Case) -> StateProof:
    return StateProof(
        header=as_bytes(case["header"]),
        account_proof=tuple(map(as_bytes, case["account_proof"])),
        storage_proof=tuple(map(as_bytes, case["storage_proof"])),
    )


def read_state(case: Case) -> Case:
    proven = check_state(
        read_proof(case),
        block_hash=hash_in(case["block_hash"]),
        registry=Address(as_bytes(case["registry"])),
        code_hash=hash_in(case["code_hash"]),
        log=LogId(as_bytes(case["log"])),
        root=as_hash(case["root"]),
    )
    anchor = proven.anchor
    return {
        **{name: case[name] for name in STATE_GIVEN},
        "number": proven.header.number,
        "timestamp": proven.header.timestamp,
        "word": None if anchor is None else f"0x{encode_anchor(anchor).hex()}",
    }


def read_submitter(case: Case) -> Case:
    state, nodes = read_proof(case), case["operator_proof"]
    proof = replace(state, operator_proof=tuple(map(as_bytes, nodes or ())))
    registry, log = Address(as_bytes(case["registry"])), LogId(as_bytes(case["log"]))
    header, storage_root = check_account(
        proof,
        block_hash=hash_in(case["block_hash"]),
        registry=registry,
        code_hash=hash_in(case["code_hash"]),
    )
    root = as_hash(case["root"])
    anchor = check_anchor(proof, storage_root, header=header, registry=registry, log=log, root=root)
    assert anchor is not None
    by = anchor.operator_id
    key = check_submitter(proof, storage_root, registry=registry, log=log, operator_id=by)
    given = {name: case[name] for name in (*STATE_GIVEN, "operator_proof")}
    return {**given, "operator_id": hex(by), "submitter": f"0x{key.hex()}"}


def read_earlier(case: Case) -> Case:
    named = parse_not_before(case["not_before"])
    if named is None:
        raise CannotCheckError("the record names no block")
    earlier = check_beacon(
        read_beacon(validate_members(BeaconDocument, case["beacon"])),
        named,
        header=parse_header(as_bytes(case["header"])),
        chain_id=ChainId(case["chain_id"]),
        anchored_at=case["anchored_at"],
    )
    given = {
        name: case[name] for name in ("header", "chain_id", "anchored_at", "not_before", "beacon")
    }
    return {**given, "number": earlier.number, "timestamp": earlier.timestamp}


def read_receipts_with_beacons(case: Case) -> Case:
    said = read_receipts(case)
    receipts = read_bundle(io.BytesIO(fill(case, "bundle").encode("utf-8")))
    for members, receipt in zip(said["receipts"], receipts, strict=True):
        states = [anchor.state for anchor in receipt.anchors if anchor.state is not None]
        beacon = states[0].beacon if states else None
        members["beacon"] = beacon and f"0x{hash_keccak256(beacon.header).hex()}"
    return said


def read_receipts(case: Case) -> Case:
    found = []
    for receipt in read_bundle(io.BytesIO(fill(case, "bundle").encode("utf-8"))):
        (covering,) = receipt.anchors or (receipt.promise,)
        assert covering is not None
        found.append(
            {
                "index": receipt.index,
                "record": receipt.record.decode("utf-8"),
                "size": covering.head.size,
                "root": covering.head.root.hex(),
                "path": [node.hex() for node in covering.path],
            }
        )
    return {"bundle": case["bundle"], "receipts": found}


def read_choice(case: Case) -> Case:
    evidence = case["evidence"]
    digests = Digests(
        sha256=as_hash(evidence["sha256"]), sm3=as_hash(evidence["sm3"]), size=evidence["size"]
    )
    receipts = read_bundle(io.BytesIO(case["bundle"].encode("utf-8")))
    (chosen,) = choose_receipts(receipts, [Wanted(name=case["file_name"], digests=digests)])
    if chosen is None:
        raise MalformedError("no receipt of the bundle is the file's")
    given = {name: case[name] for name in ("bundle", "file_name", "evidence")}
    return {**given, "index": chosen.index}


def read_numbered(case: Case) -> Case:
    if number_record(case["record"].encode()) != case["number"]:
        raise MismatchError("the number is of another record")
    return {"record": case["record"], "number": case["number"]}


def read_number(case: Case) -> Case:
    digest = parse_number(case["text"])
    return {"text": case["text"], "digest": digest.hex(), "number": format_number(digest)}


FILES: dict[str, dict[str, Reader]] = {
    "log/inclusion.json": {"inclusion": read_inclusion},
    "log/consistency.json": {"consistency": read_consistency},
    "log/tiles.json": {"trees": read_tree, "paths": read_path},
    "log/checkpoints.json": {
        "keys": read_key,
        "notes": read_note,
        "checkpoints": read_checkpoint,
        "origins": read_origin,
    },
    "state/trie.json": {"proofs": read_trie},
    "state/headers.json": {"headers": read_header},
    "state/states.json": {"states": read_state},
    "state/submitters.json": {"submitters": read_submitter},
    "state/beacons.json": {"beacons": read_earlier},
    "bundles/bundles.json": {"bundles": read_receipts},
    "bundles/beacons.json": {"bundles": read_receipts_with_beacons},
    "bundles/choices.json": {"choices": read_choice},
    "numbers/numbers.json": {"records": read_numbered, "numbers": read_number},
}
KINDS = [(name, kind) for name, readers in FILES.items() for kind in readers]
KIND_NAMES = [kind for _, kind in KINDS]

# How this implementation says that a rule is broken.
Refusal = tuple[type[AnchorError] | tuple[type[AnchorError], ...], str]
REFUSALS: dict[str, dict[str, Refusal]] = {
    "log/inclusion.json": {
        "hash-length": (MalformedError, "a hash must be 64 lower-case hex digits"),
        "index": (MismatchError, "is outside a tree"),
        "path-length": (MismatchError, "the path has"),
        "root": (MismatchError, "the path leads to another root"),
    },
    "log/consistency.json": {
        "hash-length": (MalformedError, "a hash must be 64 lower-case hex digits"),
        "sizes": (MismatchError, "a log cannot grow from"),
        "proof-empty": (MismatchError, "the consistency proof is empty"),
        "proof-length": (MismatchError, "the consistency proof is too (long|short)"),
        "roots": (MismatchError, "the consistency proof leads to other roots"),
    },
    "numbers/numbers.json": {
        "record": (MismatchError, "the number is of another record"),
        "symbol": (MalformedError, "a preservation number has no "),
        "length": (MalformedError, "a preservation number has 17 digits and letters, not "),
        "check": (MalformedError, "its check character does not match"),
    },
    "log/tiles.json": {
        "root": (MismatchError, "do not lead to the root of size"),
        "tile-set": (MismatchError, "these are not the log's tiles"),
        "tile-bytes": (MismatchError, "has other bytes"),
        "path-form": (MalformedError, "no tile's path"),
        "path-level": (MalformedError, "no tile's path"),
        "path-number": (MalformedError, "no tile's path"),
        "path-width": (MalformedError, "no tile's path"),
    },
    "log/checkpoints.json": {
        "utf-8": (MalformedError, "is not UTF-8"),
        "control-character": (MalformedError, "the control character U"),
        "empty-line": (MalformedError, "has no empty line before its signatures"),
        "signatures": (MalformedError, "does not end with a signature line and a newline"),
        "signature-line": (MalformedError, "is not of the form: em dash, key name, signature"),
        "signature-base64": (MalformedError, "the signature in .* is not base64$"),
        "signature-canonical": (MalformedError, "the signature in .* in canonical form"),
        "signature-empty": (MalformedError, "holds no signature after the key id"),
        "size": (MalformedError, "longer than 1,000,000 bytes"),
        "signature-number": (MalformedError, "has more than 100 signatures"),
        "signature-invalid": (MismatchError, "is not valid for its text"),
        "not-signed": (NotTrustedError, "the note is not signed by"),
        "checkpoint-lines": (MalformedError, "must have the lines origin, size and root"),
        "checkpoint-empty-line": (MalformedError, "the checkpoint's line [0-9]+ is empty"),
        "size-spelling": (MalformedError, "size must be a decimal number"),
        "size-maximum": (MalformedError, "size must be 0 … 281474976710655"),
        "root-base64": (MalformedError, "the checkpoint's root is not base64$"),
        "root-canonical": (MalformedError, "the checkpoint's root .* in canonical form"),
        "root-length": (MalformedError, "root must be 32 bytes long"),
        "key-form": (MalformedError, "joined by plus signs"),
        "key-id-spelling": (MalformedError, "the verifier key's id must be 8 lower-case hex"),
        "key-base64": (MalformedError, "the verifier key's last part is not base64$"),
        "key-canonical": (MalformedError, "the verifier key's last part .* in canonical form"),
        "key-empty": (MalformedError, "the verifier key's last part is empty"),
        "key-type": (UnknownVersionError, "signature type is not Ed25519"),
        "key-name": (MalformedError, "a key name must not be empty or contain a space or a plus"),
        "key-name-length": (MalformedError, "must not be longer than 255 bytes"),
        "key-length": (MalformedError, "key is 32 bytes long"),
        "key-id": (MalformedError, "the verifier key's id does not belong"),
        # It takes (-0, 1) for the neutral point.
        "key-point": (MalformedError, "is not a point on the curve|has a small order"),
        # pycryptodome takes the points of order 2 and 4 for none.
        "key-order": (MalformedError, "has a small order|is not a point on the curve"),
        "origin-form": (MalformedError, "the origin must be eip155"),
        "origin-chain-spelling": (MalformedError, "the origin's chain id must be a decimal"),
        "origin-chain-range": (MalformedError, "the origin's chain id must be 1 …"),
        "origin-registry": (MalformedError, "the origin's registry must be 0x and 40 lower-case"),
        "origin-log": (MalformedError, "the origin's log must be 0x and 64 lower-case"),
    },
    "state/trie.json": {
        "node-number": (MalformedError, "at most 65 are possible"),
        "node-length": (MalformedError, "has 533 bytes; at most 532 are possible"),
        "node-missing": (
            MalformedError,
            "is missing: the key's path continues beyond the last node",
        ),
        "node-extra": (MalformedError, "nodes; the key's path ends after"),
        "node-hash": (MismatchError, "^node [0-9]+ of the proof has hash 0x"),
        "node-embedded": (MalformedError, "it must be embedded in its parent"),
        "rlp": (MalformedError, "longer length encoding than|has data after"),
        "node-form": (MalformedError, "is neither a branch, an extension nor a leaf"),
        "branch-value": (MalformedError, "is a branch with a value"),
        "branch-children": (MalformedError, "is a branch with fewer than two children"),
        "branch-depth": (MalformedError, "is a branch deeper than any key reaches"),
        "child-form": (MalformedError, "bytes, not a hash|is long enough to be referenced"),
        "extension-path": (
            MalformedError,
            "is an extension (with an empty path|at least as long as the rest of)",
        ),
        "extension-child": (MalformedError, "without a child|stands below an extension"),
        "leaf-path": (MalformedError, "is a leaf whose key is not 32 bytes long"),
        "leaf-value": (MalformedError, "is a leaf without a value"),
        "hex-prefix": (MalformedError, "that is not in hex-prefix encoding"),
    },
    "state/headers.json": {
        "size": (MalformedError, "more than the 8,192 bytes that are allowed"),
        "rlp": (
            MalformedError,
            "^the header (ends|has data after|uses a longer length|has a prefix)",
        ),
        "list": (MalformedError, "the header is not a list"),
        "item-number": (UnknownVersionError, "items, which no fork known to this release has"),
        "item-list": (MalformedError, "the header's [A-Za-z0-9]+ is a list"),
        "item-length": (MalformedError, "is not a string of [0-9]+ bytes"),
        "integer-spelling": (MalformedError, "is an integer with a leading zero"),
        "integer-length": (MalformedError, "is an integer of more than [0-9]+ bits"),
    },
    "state/states.json": {
        "header": (MalformedError, "^the header "),
        "fork": (UnknownVersionError, "the header has 19 items"),
        "block-hash": (MismatchError, "the state proof's header has hash 0x.*, not 0x"),
        "account-proof": (
            (MalformedError, MismatchError),
            "^the account proof does not hold: ",
        ),
        "account": (NotTrustedError, "there is no account at 0x.* in block 200"),
        "account-form": (MalformedError, "^the account('s| does not have| has | uses )"),
        "code-hash": (NotTrustedError, "^the code at 0x.* in block 200 has hash 0x"),
        "storage-proof": (
            (MalformedError, MismatchError),
            "^the storage proof does not hold: ",
        ),
        "value-form": (MalformedError, "^the slot's value "),
        "word": (NotTrustedError, "holds a word that the registry never writes"),
        "later": (NotTrustedError, "holds an anchor whose time, 1790002401, is later than its"),
    },
    "state/submitters.json": {
        "unproven": (CannotCheckError, "does not prove the key of operator 1$"),
        "needless": (
            MalformedError,
            "proves an operator's key, but the owner submitted the anchor",
        ),
        "operator-proof": (
            (MalformedError, MismatchError),
            "^the operator proof does not hold: ",
        ),
        "value-form": (MalformedError, "^the slot's value "),
        "key": (NotTrustedError, "holds an anchor of operator [14], who has no key"),
    },
    "state/beacons.json": {
        "not-before": (CannotCheckError, "names no block"),
        "members": (MalformedError, "^the receipt's member "),
        "chain": (MismatchError, "a block of chain [0-9]+, and the block .* is of chain"),
        "beacon-header": (MalformedError, "^the header "),
        "fork": (UnknownVersionError, "the header has 19 items"),
        "number": (MismatchError, "the record names block [0-9]+, and the receipt proves block"),
        "hash": (MismatchError, "names block [0-9]+ with hash 0x.*, and the header .* has hash"),
        "order": (MismatchError, "which is not before block 20000"),
        "window": (MismatchError, "keeps only the hashes of the 8191 blocks before it"),
        "account-proof": (
            (MalformedError, MismatchError),
            "^the block history contract proof does not hold: ",
        ),
        "account": (NotTrustedError, "block 20000 has no contract that keeps the hashes"),
        "code-hash": (NotTrustedError, "has other code in block 20000, of hash 0x"),
        "storage-proof": (
            (MalformedError, MismatchError),
            "^the block history proof does not hold: ",
        ),
        "kept": (MismatchError, "the chain's history does not hold that hash for block"),
        "later": (MismatchError, "is of 1789999881, after the anchor of 1789999880"),
    },
    "bundles/choices.json": {"none": (MalformedError, "^no receipt of the bundle is the file's$")},
    "bundles/beacons.json": {
        "members": (MalformedError, "^line [0-9]+ of the bundle: the receipt's member"),
        "state": (MalformedError, "does not follow an anchor with a state proof"),
        "before": (MalformedError, "and no line with one precedes it"),
        "unused": (MalformedError, "no receipt refers to the proof of an earlier block"),
    },
    "bundles/bundles.json": {
        "line": (MalformedError, "^line [0-9]+ of the bundle: (the line|it is cut off)"),
        "header": (MalformedError, "^line 1 of the bundle: it is not the header"),
        "members": (MalformedError, "^line [0-9]+ of the bundle: the receipt's (member|record)"),
        "anchor": (MalformedError, "no anchor precedes|no receipt follows the anchor"),
        "order": (MalformedError, "is not greater than [0-9]+, the index of the receipt before"),
        "index": (MalformedError, "is outside a tree of"),
        "path": (MalformedError, "of the bundle: the path has"),
        "root": (MismatchError, "^line [0-9]+ of the bundle: the path leads to another root"),
        "count": (MalformedError, "more follows after the|the bundle ends after"),
        "version": (UnknownVersionError, "the bundle's format is"),
    },
}


UNSAID = ("name", "result", "exit_code", "padding")


def judge(case: Case, reader: Reader, refusals: dict[str, Refusal]) -> str:
    """Return what is wrong with this implementation's verdict, or nothing."""
    try:
        said = reader(case)
    except AnchorError as error:
        if case["result"] == "valid":
            return f"refused: {error}"
        kind, message = refusals[case["rule"]]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if case.get("exit_code", error.exit_code) != error.exit_code:
            return f"the result is {error.exit_code}"
        if type(error) in kinds and re.search(message, error.message):
            return ""
        return f"refused for another reason: {type(error).__name__}: {error}"
    except Exception as error:
        error.add_note(case["name"])
        raise
    if case["result"] != "valid":
        return "accepted"
    meant = {name: case[name] for name in case if name not in UNSAID}
    return "" if said == meant else f"read as {said}"


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=KIND_NAMES)
def test_every_case_ends_as_its_label_says(name: str, kind: str) -> None:
    wrong = {
        case["name"]: complaint
        for case in document(name)[kind]
        if (complaint := judge(case, FILES[name][kind], REFUSALS[name]))
    }
    assert wrong == {}


def test_no_file_and_no_list_is_passed_over() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*")}
    # Whole receipts, bundles and policies are read by test_verification_vectors.py; bags by
    # test_bag_vectors.py; what each release wrote by test_golden.py.
    judged = ("bundles/judged.json", "receipts/", "verification/", "policies/")
    others = ("bags/", "golden/", *judged)
    assert {name for name in there if not name.startswith(others)} == set(FILES)
    for name, readers in FILES.items():
        assert set(document(name)) == {"about", "rules", *readers}


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=KIND_NAMES)
def test_each_kind_has_named_cases_of_both_results(name: str, kind: str) -> None:
    cases = document(name)[kind]
    assert {case["result"] for case in cases} - {"unknown"} == {"valid", "invalid"}
    assert all(("rule" in case) == (case["result"] != "valid") for case in cases)
    assert len({case["name"] for case in cases}) == len(cases)
    without_names = [json.dumps(case | {"name": ""}) for case in cases]
    assert len(set(without_names)) == len(cases), "no case is there twice"


@pytest.mark.parametrize("name", FILES)
def test_each_rule_is_broken_by_a_case_and_known_here(name: str) -> None:
    broken = {case.get("rule") for kind in FILES[name] for case in document(name)[kind]} - {None}
    assert broken == set(document(name)["rules"]) == set(REFUSALS[name])


def test_what_is_valid_stays_within_the_bounds_of_a_log() -> None:
    for case in document("log/inclusion.json")["inclusion"]:
        assert case["result"] == "invalid" or case["size"] <= MAX_LOG_SIZE
    for case in document("log/consistency.json")["consistency"]:
        assert case["result"] == "invalid" or case["new_size"] <= MAX_LOG_SIZE


def test_the_largest_and_longest_proofs_are_there() -> None:
    inclusions = [
        case for case in document("log/inclusion.json")["inclusion"] if "rule" not in case
    ]
    growths = [
        case for case in document("log/consistency.json")["consistency"] if "rule" not in case
    ]
    assert max(case["size"] for case in inclusions) == MAX_LOG_SIZE
    assert max(len(case["path"]) for case in inclusions) == 48
    assert max(case["new_size"] for case in growths) == MAX_LOG_SIZE
    assert max(len(case["proof"]) for case in growths) == 49


def refuse_large_integers(text: str) -> int:
    assert abs(int(text)) < 2**53, text
    return int(text)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_small_ascii_that_every_json_reader_reads_alike(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    assert len(content) < 300_000
    content.decode("ascii")
    json.loads(content, parse_int=refuse_large_integers, parse_float=pytest.fail)


def sigstore_accepts(case: Case) -> bool:
    proof = SimpleNamespace(
        log_index=case["index"],
        tree_size=case["size"],
        hashes=[bytes.fromhex(node) for node in case["path"]],
        root_hash=bytes.fromhex(case["root"]),
    )
    entry = SimpleNamespace(canonicalized_body=bytes.fromhex(case["record"]), inclusion_proof=proof)
    try:
        verify_merkle_inclusion(SimpleNamespace(_inner=entry))  # type: ignore[arg-type]
    except VerificationError:
        return False
    return True


def test_sigstore_agrees_wherever_it_can_tell() -> None:
    # It hashes the record itself, and leaves it to others to compare index and size.
    cases = [
        case
        for case in document("log/inclusion.json")["inclusion"]
        if "record" in case and case.get("rule") != "index"
    ]
    wrong = [
        case["name"] for case in cases if sigstore_accepts(case) != (case["result"] == "valid")
    ]
    assert wrong == []
    assert {case["result"] for case in cases} == {"valid", "invalid"}
    assert len(cases) > 300


def test_the_files_are_what_the_script_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = load_builder()
    rendered = builder.render()
    monkeypatch.setattr(builder, "render", lambda: rendered)  # it takes a while
    assert builder.FOLDER == FOLDER
    monkeypatch.setattr(sys, "argv", ["build_vectors.py", "--check"])
    builder.main()

    for name, data in rendered.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "log/tiles.json").write_bytes(rendered["log/tiles.json"].replace(b"a", b"b", 1))
    (tmp_path / "log/inclusion.json").unlink()
    (tmp_path / "state/more.json").write_text("{}")
    monkeypatch.setattr(builder, "FOLDER", tmp_path)
    stale = r"^log/inclusion.json, log/tiles.json, state/more.json in tests/vectors: out of"
    with pytest.raises(SystemExit, match=stale):
        builder.main()
    monkeypatch.setattr(sys, "argv", ["build_vectors.py"])
    builder.main()
    assert builder.find_stale() == ["state/more.json"]
