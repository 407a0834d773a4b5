"""Every parser of foreign bytes that a verifier runs, with true documents to bend.

``bend`` makes case ``number`` of a campaign with ``seed`` from these two alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from support.bent_receipts import honest_receipts, world
from support.paths import VECTORS
from support.tries import keccak256

from anchor.base.digests import parse_digest
from anchor.base.errors import AnchorError, MalformedError, MismatchError, UnknownVersionError
from anchor.base.types import Hash32, Head
from anchor.ethereum.header import parse_header
from anchor.ethereum.rlp import decode_rlp
from anchor.ethereum.trie import verify_trie_proof
from anchor.evidence.checksums import parse_checksum_lines
from anchor.evidence.record import parse_record
from anchor.log.checkpoint import open_checkpoint, parse_origin
from anchor.log.publication import encode_anchors, parse_anchors
from anchor.log.signed_note import parse_verifier
from anchor.log.tiles import parse_tile_path
from anchor.receipt.format import parse_receipt
from anchor.standalone import verify as standalone
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import parse_policy

ERRORS = (MalformedError, UnknownVersionError)


class Parser(NamedTuple):
    """What reads bytes, what it may raise, and bytes that it takes."""

    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    seeds: Sequence[bytes]


@functools.cache
def parsers() -> dict[str, Parser]:
    """Return every parser by its name."""
    receipts = [json.dumps(honest.document).encode() for honest in honest_receipts()]
    policy = world().policy()
    return {
        "receipt": Parser(parse_receipt, ERRORS, receipts),
        "record": Parser(parse_record, ERRORS, world().records),
        "policy": Parser(parse_policy, ERRORS, [encode_policy(policy.entries)]),
        "rlp": Parser(
            lambda data: decode_rlp(data, subject="it", max_bytes=8_192), ERRORS[:1], _headers()
        ),
        "header": Parser(parse_header, ERRORS, _headers()),
        "trie": Parser(_read_trie, (MalformedError, MismatchError), _proofs()),
        "checkpoint": Parser(lambda data: open_checkpoint(data, None), ERRORS, _notes()),
        "verifier key": Parser(
            lambda data: parse_verifier(_text(data)), ERRORS, _strings("keys", "verifier")
        ),
        "origin": Parser(
            lambda data: parse_origin(_text(data)), ERRORS, _strings("origins", "origin")
        ),
        "list of anchors": Parser(
            lambda data: parse_anchors(data, after=0, subject="it"), ERRORS, [_heads()]
        ),
        "tile's path": Parser(
            lambda data: parse_tile_path(_text(data)),
            (),
            [b"tile/0/000", b"tile/3/x001/x234/067.p/200", b"tile/5/x000/001"],
        ),
        "checksums": Parser(_read_checksums, ERRORS, [_checksums()]),
        "digest": Parser(
            lambda data: parse_digest(_text(data)), ERRORS, [b"sha256:" + b"ab" * 32, b"sm3:00"]
        ),
        "receipt, standalone": Parser(_read_receipt_alone, (standalone.Refusal,), receipts),
        "header, standalone": Parser(standalone.read_header, (standalone.Refusal,), _headers()),
        "trie, standalone": Parser(_read_trie_alone, (standalone.Refusal,), _proofs()),
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _load(name: str, kind: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("ascii"))[kind]
    return [case for case in cases if case["result"] == "valid"]


def _strings(kind: str, member: str) -> list[bytes]:
    return [case[member].encode() for case in _load("log/checkpoints.json", kind)]


def _notes() -> list[bytes]:
    cases = _load("log/checkpoints.json", "checkpoints")
    return [case["note"].encode() for case in cases if "note" in case]


def _headers() -> list[bytes]:
    cases = _load("state/headers.json", "headers")
    return [bytes.fromhex(case["header"][2:]) for case in cases if len(case["header"]) < 2_000]


def _heads() -> bytes:
    return encode_anchors([Head(root=Hash32(bytes([n]) * 32), size=7 * n) for n in range(1, 9)])


def _checksums() -> bytes:
    lines = (b"ab" * 32 + b"  plain", b"\\" + b"cd" * 32 + b" *a\\nb", b"SM3 (x) = " + b"ef" * 32)
    return b"\n".join((*lines, b"# comment", b"", b"SHA256 (y) = " + b"00" * 32)) + b"\r\n"


def _read_checksums(data: bytes) -> object:
    return list(parse_checksum_lines(data.split(b"\n"), subject="it"))


_MARK = b"|next|"


def _proofs() -> list[bytes]:
    """Keys and proofs: the key and each node, with a mark between them."""
    cases = [case for case in _load("state/trie.json", "proofs") if case["proof"]]
    return [
        _MARK.join(bytes.fromhex(text[2:]) for text in (case["key"], *case["proof"]))
        for case in cases
        if len(case["proof"]) < 10
    ]


def _mend(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return key, nodes and root: a bent node stays linked, so that what is in it is read."""
    key, *nodes = data.split(_MARK)
    for at in range(len(nodes) - 1, 0, -1):
        # 32 bytes after 0xa0 in the node above are taken for the hash of this one.
        place = nodes[at - 1].find(b"\xa0")
        if 0 <= place <= len(nodes[at - 1]) - 33:
            above = nodes[at - 1]
            nodes[at - 1] = above[: place + 1] + keccak256(nodes[at]) + above[place + 33 :]
    return key[:32].ljust(32, b"\x55"), nodes, keccak256(nodes[0] if nodes else b"\x80")


def _read_trie(data: bytes) -> object:
    key, nodes, root = _mend(data)
    return verify_trie_proof(root=Hash32(root), key=Hash32(key), nodes=nodes)


def _read_receipt_alone(data: bytes) -> object:
    return standalone.read_record(standalone.read_receipt(data).record)


def _read_trie_alone(data: bytes) -> object:
    key, nodes, root = _mend(data)
    return standalone.prove(root, key, nodes, "it")


# ------------------------------------------------------------------------------------------------

TOKENS = (
    b"", b"\0", b"\xff", b"\x80", b"\xc0", b"\xbf", b"\xf8", b"\xf9\xff\xff", b"\xa0", b"[", b"]",
    b"{", b"}", b'"', b"\\", b"\\u0000", b"\\ud800", b":", b",", b"-0", b"-", b"1e9", b"1.5",
    b"NaN", b"null", b"true", b"9" * 20, b"9" * 5_000, b"0x", b"0X", b" ", b"\t", b"\n", b"\r\n",
    b"\n\n", b"\x0b", b"\xe2\x80\x94 ", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", b"+", b"/", b"=", b"[[trust]]\n", b"'''", b'"""', b"#", b"a.b.c.",
    b"x000/", b".p/", b"00", b"anchor-receipt/2",
)  # fmt: skip


def bend(seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Return case ``number``: a true document, bent in one place or a few."""
    if number == 0:
        return b""
    rng = Random(f"{seed}/{number}")
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 32, 200)))
        how = rng.randrange(7)
        if how == 0 and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif how == 1 and data:
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x30, 0x22))
        elif how == 2:
            data[at:end] = rng.choice(TOKENS)
        elif how == 3:
            data[at:end] = data[at:end] * rng.choice((2, 3, 17))
        elif how == 4:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[at:end] = other[start : start + rng.choice((1, 4, 32, 64, 500))]
        elif how == 5:
            del data[at:end]
        else:
            data[at:end] = rng.randbytes(rng.choice((1, 2, 4, 33)))
        del data[1 << 17 :]
    return bytes(data)


def run_fuzz(name: str, seed: int, first: int, count: int) -> tuple[int, int]:
    """Read so many bent documents; return how many were taken, and how many refused.

    Raises:
        Exception: what the parser may not raise, with the case's number.
    """
    parser = parsers()[name]
    taken = refused = 0
    for number in range(first, first + count):
        data = bend(parser.seeds, seed, number)
        try:
            parser.read(data)
        except parser.raises as error:
            # A subclass of what is listed is a finding of its own: listed are all there are.
            assert not isinstance(error, AnchorError) or type(error) in parser.raises
            refused += 1
        except Exception as error:
            error.add_note(f"{name}, case {number} of seed {seed}: {data[:200]!r}")
            raise
        else:
            taken += 1
    return taken, refused
