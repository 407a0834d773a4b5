"""verification/index.json, steps 5 and 7: every form of a header, of RLP and of a trie's node."""

from __future__ import annotations

from collections.abc import Iterator

import rlp
from support.proof_edits import put
from support.tries import keccak256
from support.vectors.headers import INTEGERS, NAMES, VALUES, place
from support.vectors.offline_world import (
    CODE_HASHES,
    DEVELOPMENT,
    LOG,
    Given,
    Json,
    bent,
    given,
    honest_world,
    simple,
    to_hex,
)
from support.vectors.receipt_rows import Row, S, ok, put_at, root_at
from support.vectors.states import slot_of
from support.vectors.tries import OTHER_HASH, branch, chain, list_made_up, longest_chain

KNOWN = len(VALUES)
NODE = "0x" + "00" * 40


def list_nodes() -> Iterator[Row]:
    """Step 7: nodes that the storage root commits to, and that no trie has."""
    key = keccak256(slot_of(LOG, root_at(9)))
    for name, (rule, nodes) in list_made_up(key).items():
        if rule != "node-length":
            row = with_storage(*chain(*nodes))
            yield f"the registry's storage: {name}", "storage-proof", 2, [7], row
    below = with_storage(*longest_chain(branch(_2=OTHER_HASH), key))
    yield "the registry's storage: a branch below the last digit", "storage-proof", 2, [7], below
    empty = with_storage(keccak256(b"\x80"), [bytes(40)])
    yield "the registry's storage: a node in the empty trie", "storage-proof", 2, [7], empty


def with_storage(root: bytes, proof: list[bytes]) -> Given:
    """A receipt whose registry has this storage root, with this proof."""
    code_hash = bytes.fromhex(CODE_HASHES[DEVELOPMENT])
    account = rlp.encode([b"\1", b"", root, code_hash])
    document = simple(honest_world().chain(account=account))
    return given(bent(document, lambda copied: put_at(copied, f"{S}.storage_proof", to_hex(proof))))


def with_header(header: bytes) -> Given:
    """A receipt with this header, and nothing that could follow."""

    def bend(copied: Json) -> None:
        copied["anchors"][0]["state"] = {
            "header": f"0x{header.hex()}",
            "account_proof": [NODE],
            "storage_proof": [NODE],
        }

    return given(bent(simple(), bend))


def list_headers() -> Iterator[Row]:
    """Step 5: each item of a header that has another form."""
    for name in NAMES[:KNOWN]:
        values: dict[str, object] = {"a list": []}
        if name in INTEGERS:
            values["a zero byte"] = b"\0"
            values["too long"] = b"\1" + bytes(INTEGERS[name])
        elif name != "extraData":
            values["a byte short"] = VALUES[place(name)][1:]
        for title, value in values.items():
            header = rlp.encode(put(VALUES, place(name), value))
            yield f"the header's {name}, {title}", "header", 2, [5], with_header(header)
    payload = b"".join(map(rlp.encode, VALUES))
    for name, spelled in {
        "a string whose length is missing": b"\xb8",
        "a string whose length is cut": b"\xb9\x01",
        "a string of 2^64 - 1 bytes": b"\xbf" + b"\xff" * 8,
        "a list of 2^64 - 1 bytes": b"\xff" + b"\xff" * 8,
        "a string of 2^63 - 1 bytes": b"\xbf\x7f" + b"\xff" * 7,
        "a length of 55 in a byte of its own": b"\xb8\x37" + bytes(55),
        "a length of 5 in a byte of its own": b"\xb8\x05" + bytes(5),
        "a length with a leading zero": b"\xb9\x00\x38" + bytes(56),
        "a byte of 7 with a prefix": b"\x81\x07",
        "a string beyond the header's end": b"\x85abc",
        "a list that an item overruns": b"\xc2\x83abc",
    }.items():
        header = rlp_list(payload + spelled)
        yield f"a 22nd item: {name}", "header", 2, [5], with_header(header)
    # The registry's proof begins after the header, so these pass step 5 and end at step 6.
    for name, spelled in {
        "a byte of 128 with a prefix": b"\x81\x80",
        "a string of 56 bytes": b"\xb8\x38" + bytes(56),
        "an empty list": b"\xc0",
    }.items():
        honest = simple()["anchors"][0]["state"]["header"]
        items = rlp.decode(bytes.fromhex(honest[2:]))
        header = rlp_list(b"".join(map(rlp.encode, items[:KNOWN])) + spelled)
        document = bent(
            simple(), lambda copied, h=header: put_at(copied, f"{S}.header", f"0x{h.hex()}")
        )
        yield ok(f"a 22nd item: {name}", given(document))


def rlp_list(payload: bytes) -> bytes:
    return b"\xf9" + len(payload).to_bytes(2, "big") + payload
