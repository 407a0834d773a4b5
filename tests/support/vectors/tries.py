"""trie.json: what a trie holds under a key of 32 bytes, by its proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import rlp
from support.proof_edits import put
from support.tries import BRANCH_CHILDREN, keccak256, make_trie, prove
from support.vectors.bends import flip
from support.vectors.cases import Case, invalid, valid

LONG = b"a value that is longer than a hash is, to be sure"

# What the keys begin with, and what they end with; the middle is filled with fives.
ALONE = {"12": LONG}
FORKED = {"1234": LONG, "1239": LONG[::-1], "1f": b"\x07", "c0": b"\x80"}
# Keys that differ in their last digits only: the nodes there are shorter than a hash.
DEEP = {"1" + "5" * 61 + "75": b"\x09", "1" + "5" * 61 + "76": b"\x0a", "1" + "5" * 61 + "85": b"v"}

RULES = {
    "node-number": "the proof has at most 65 nodes",
    "node-length": "a node has at most 532 bytes",
    "node-missing": "the proof goes on to where the key's path ends",
    "node-extra": "the proof has no node beyond that, nor one that is not on the path; in the "
    "empty trie it has none",
    "node-hash": "each node has the hash that the root, or the node before it, names",
    "node-embedded": "a node shorter than 32 bytes stands in its parent, and not in the list",
    "rlp": "each node is the one RLP encoding of an item",
    "node-form": "a node is a list of 17 items, or of 2",
    "branch-value": "a branch has no value: no key ends there",
    "branch-children": "a branch has two children or more",
    "branch-depth": "no branch is below the last digit of the key",
    "child-form": "a child is nothing, 32 bytes, or a list whose encoding is shorter than 32 "
    "bytes; of lists beside the path only the length is looked at",
    "extension-path": "an extension's path is not empty, and ends before the key does",
    "extension-child": "below an extension is a branch",
    "leaf-path": "a leaf's path ends where the keys do",
    "leaf-value": "a leaf's value is a string, and not empty",
    "hex-prefix": "a path is in hex-prefix encoding: flag 0 to 3, a zero where the path is even",
}

KEY = bytes.fromhex("12" + "34" * 31)
DIGITS = KEY.hex()
OTHER_HASH = b"\xee" * 32


def key_of(digits: str) -> bytes:
    return bytes.fromhex(digits.ljust(64, "5"))


def build_tries() -> dict[str, object]:
    """Return trie.json."""
    return {
        "about": "What does a trie of this root hold under this key (Yellow Paper, appendix D)?",
        "rules": RULES,
        "proofs": [*honest_cases(), *bent_cases(), *made_up_cases()],
    }


def case(
    name: str, root: bytes, key: bytes, proof: list[bytes], *, value: bytes | None = None
) -> Case:
    return valid(
        name,
        **fields_of(root, key, proof),
        value=None if value is None else f"0x{value.hex()}",
    )


def fields_of(root: bytes, key: bytes, proof: list[bytes]) -> dict[str, object]:
    return {
        "root": f"0x{root.hex()}",
        "key": f"0x{key.hex()}",
        "proof": [f"0x{node.hex()}" for node in proof],
    }


TRIES = {"one key": ALONE, "four keys": FORKED, "keys alike but for the end": DEEP}
ABSENT = {
    "one key": ["13", "125" + "5" * 60 + "6", "9"],
    "four keys": ["1235", "124", "1e", "2", "c05" + "5" * 60 + "6", "1234" + "5" * 59 + "6"],
    "keys alike but for the end": ["1" + "5" * 61 + "95", "1" + "5" * 61 + "77", "2", "16"],
}


def honest_cases() -> Iterator[Case]:
    yield case("the empty trie", keccak256(b"\x80"), KEY, [])
    for name, content in TRIES.items():
        trie = make_trie({key_of(digits): value for digits, value in content.items()})
        for digits in content:
            key = key_of(digits)
            yield case(
                f"{name}: {digits}", trie.root_hash, key, prove(trie, key), value=content[digits]
            )
        for digits in ABSENT[name]:
            key = key_of(digits)
            yield case(f"{name}: none at {digits}", trie.root_hash, key, prove(trie, key))


def bent_cases() -> Iterator[Case]:
    trie = make_trie({key_of(digits): value for digits, value in FORKED.items()})
    for digits in ("1234", "c0", "1235"):
        key = key_of(digits)
        honest = prove(trie, key)
        seen = [honest]
        for name, bend in LIST_BENDS.items():
            bent = bend(list(honest))
            if bent not in seen:
                seen.append(bent)
                rule = rule_of(honest, bent)
                yield invalid(f"{digits}: {name}", rule, **fields_of(trie.root_hash, key, bent))
        other = key_of("1239" if digits != "1239" else "1234")
        yield invalid(
            f"{digits}: another key's proof",
            rule_of(honest, prove(trie, other)),
            **fields_of(trie.root_hash, key, prove(trie, other)),
        )
        yield invalid(
            f"{digits}: a bit of the root flipped",
            "node-hash",
            **fields_of(flip(trie.root_hash, 99), key, honest),
        )
        yield invalid(
            f"{digits}: the empty trie's root",
            "node-extra",
            **fields_of(keccak256(b"\x80"), key, honest),
        )
    yield invalid(
        "the empty trie: its encoding as a node",
        "node-extra",
        **fields_of(keccak256(b"\x80"), KEY, [b"\x80"]),
    )
    yield from embedded_listed()


def embedded_listed() -> Iterator[Case]:
    """Nodes within others, listed all the same: some clients do."""
    trie = make_trie({key_of(digits): value for digits, value in DEEP.items()})
    key = key_of("1" + "5" * 61 + "75")
    nodes = [rlp.encode(node) for node in trie.get_proof(key)]
    assert len(nodes) > len(prove(trie, key))
    yield invalid(
        "keys alike but for the end: nodes within others listed as well",
        "node-extra",
        **fields_of(trie.root_hash, key, nodes),
    )


LIST_BENDS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no nodes": lambda p: [],
    "the root's node missing": lambda p: p[1:],
    "the last node missing": lambda p: p[:-1],
    "the root's node twice": lambda p: [p[0], *p],
    "the last node twice": lambda p: [*p, p[-1]],
    "the last two nodes swapped": lambda p: [*p[:-2], *p[-2:][::-1]],
    "the nodes reversed": lambda p: p[::-1],
    "a made-up leaf after the last": lambda p: [*p, rlp.encode([b"\x20" + KEY, b"made up"])],
    "a made-up leaf before the first": lambda p: [rlp.encode([b"\x20" + KEY, b"made up"]), *p],
    "an empty node after the last": lambda p: [*p, b""],
    "the empty trie's node after the last": lambda p: [*p, b"\x80"],
    "a bit of the first node flipped": lambda p: put(p, 0, flip(p[0], 100)),
    "the first bit of the last node flipped": lambda p: [*p[:-1], flip(p[-1], 7)],
    "the last bit of the last node flipped": lambda p: [
        *p[:-1], flip(p[-1], 8 * len(p[-1]) - 8)
    ],
    "the last node a byte short": lambda p: [*p[:-1], p[-1][:-1]],
    "the last node a zero byte longer": lambda p: [*p[:-1], p[-1] + b"\0"],
    "the first two nodes as one": lambda p: [b"".join(p[:2]), *p[2:]],
    "66 nodes": lambda p: [*p, *[p[-1]] * (66 - len(p))],
}  # fmt: skip


def rule_of(honest: list[bytes], bent: list[bytes]) -> str:
    """A key has one proof in a trie, so the first difference from it tells."""
    if len(bent) > 65:
        return "node-number"
    for ours, theirs in zip(honest, bent, strict=False):
        if ours != theirs:
            return "node-hash"
    return "node-missing" if len(bent) < len(honest) else "node-extra"


def hex_prefix(nibbles: str, *, is_leaf: bool) -> bytes:
    flag = 2 * is_leaf + len(nibbles) % 2
    return bytes.fromhex(f"{flag:x}" + ("" if len(nibbles) % 2 else "0") + nibbles)


def leaf(nibbles: str, value: Any = LONG) -> list[Any]:
    return [hex_prefix(nibbles, is_leaf=True), value]


def extension(nibbles: str, child: Any) -> list[Any]:
    return [hex_prefix(nibbles, is_leaf=False), child]


def branch(value: Any = b"", **children: Any) -> list[Any]:
    """A branch with children `_0` to `_f`; there is one at `_f` already, so that it may be."""
    node: list[Any] = [*[b""] * BRANCH_CHILDREN, value]
    node[15] = OTHER_HASH
    for name, child in children.items():
        node[int(name[1:], 16)] = child
    return node


def chain(*nodes: Any) -> tuple[bytes, list[bytes]]:
    """Return root and proof: items, bytes, or what makes items from the hash of the next node."""
    made: list[bytes] = []
    for node in reversed(nodes):
        items = node(keccak256(made[0])) if callable(node) else node
        made.insert(0, items if isinstance(items, bytes) else rlp.encode(items))
    return keccak256(made[0]), made


def longest_chain(end: Any, key: bytes = KEY) -> tuple[bytes, list[bytes]]:
    """Return 64 full branches, one for each digit of a key, above ``end``."""

    def full(digit: str) -> Callable[[bytes], list[Any]]:
        return lambda h: put([OTHER_HASH] * 16 + [b""], int(digit, 16), h)

    return chain(*map(full, key.hex()), end)


# Nodes that the root commits to, and that no trie of Ethereum's state has.
def list_made_up(key: bytes = KEY) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Return the broken rule and the nodes of each proof under a key."""
    digits = key.hex()
    last = int(digits[0], 16) ^ 3

    def on(child: Any, value: Any = b"") -> list[Any]:
        return put(branch(value), int(digits[0], 16), child)

    def beside(child: Any, value: Any = b"") -> list[Any]:
        return put(branch(value), last, child)

    def at(digit: int, child: Any) -> list[Any]:
        return put(branch(), int(digits[digit], 16), child)

    return {
        "a root of no items": ("node-form", ([],)),
        "a root of one item": ("node-form", ([b"x"],)),
        "a root of three items": ("node-form", ([b"\x20" + key, b"x", b"y"],)),
        "a root of sixteen items": ("node-form", (branch()[:16],)),
        "a root of eighteen items": ("node-form", ([*on(OTHER_HASH), b""],)),
        "a root that is a string": ("node-form", (rlp.encode(LONG),)),
        "a root that is a string of 17 bytes": ("node-form", (rlp.encode(LONG[:17]),)),
        "a root that is a string of 2 bytes": ("node-form", (rlp.encode(b"\x20v"),)),
        "a node in RLP of another spelling": (
            "rlp", (b"\xf8\x33" + rlp.encode(leaf(digits, b"v" * 16))[1:],)
        ),
        "a byte after a node's RLP": ("rlp", (rlp.encode(leaf(digits)) + b"\0",)),
        "a node of 533 bytes": ("node-length", (leaf(digits, bytes(493)),)),
        "a branch with a value": ("branch-value", (beside(OTHER_HASH, b"v"),)),
        "a branch whose value is a list": ("branch-value", (beside(OTHER_HASH, []),)),
        "a branch with one child": ("branch-children", (branch(),)),
        "a branch without children": ("branch-children", (branch(_f=b""),)),
        "a child of 31 bytes": ("child-form", (on(OTHER_HASH[1:]),)),
        "a child of 33 bytes beside the path": ("child-form", (beside(OTHER_HASH + b"\0"),)),
        "a leaf of 32 bytes inside, beside the path": (
            "child-form", (beside(leaf("1" * 29, b"v" * 14)),)
        ),
        "a long leaf inside": ("child-form", (on(leaf(digits[1:])),)),
        "an empty list inside": ("node-form", (on([]),)),
        "a short leaf on its own": (
            "node-embedded",
            (
                lambda h: extension(digits[:60], h),
                lambda h: at(60, h),
                leaf(digits[61:], b"v"),
            ),
        ),
        "an extension of nothing": (
            "extension-path",
            (lambda h: extension("", h), lambda h: on(h), leaf(digits[1:])),
        ),
        "an extension of the whole key": ("extension-path", (extension(digits, OTHER_HASH),)),
        "an extension beyond the key": ("extension-path", (extension(digits + "00", OTHER_HASH),)),
        "an extension without a child": ("extension-child", (extension(digits[0], b""),)),
        "an extension without a child, elsewhere": (
            "extension-child", (extension(f"{last:x}", b""),)
        ),
        "an extension to a child of 20 bytes": (
            "child-form", (extension(digits[0], OTHER_HASH[:20]),)
        ),
        "an extension below an extension": (
            "extension-child",
            (lambda h: extension(digits[:2], h), extension(digits[2:4], OTHER_HASH)),
        ),
        "a leaf below an extension": (
            "extension-child", (lambda h: extension(digits[:2], h), leaf(digits[2:]))
        ),
        "a leaf inside an extension": (
            "extension-child", (extension(digits[:62], leaf(digits[62:], b"v")),)
        ),
        "a leaf with too short a path": ("leaf-path", (leaf(digits[:-1]),)),
        "a leaf with too long a path": ("leaf-path", (leaf(digits + "0"),)),
        "another key's leaf with too short a path": ("leaf-path", (leaf("f" * 63),)),
        "a root of a few bytes": ("leaf-path", ([b"\x20", b"v"],)),
        "a leaf without a value": ("leaf-value", (leaf(digits, b""),)),
        "another key's leaf without a value": ("leaf-value", (leaf("f" * 64, b""),)),
        "a leaf whose value is a list": ("leaf-value", (leaf(digits, [LONG]),)),
        "an empty path": ("hex-prefix", ([b"", LONG],)),
        "a path that is a list": ("hex-prefix", ([[b"\x20"], LONG],)),
        "an even path of a leaf with a filled first byte": ("hex-prefix", ([b"\x21" + key, LONG],)),
        "an even path of an extension with a filled first byte": (
            "hex-prefix", (lambda h: [b"\x01" + key[:1], h], lambda h: at(2, h), leaf(digits[3:]))
        ),
        "an extension with a flag of 4": (
            "hex-prefix", (lambda h: [b"\x40" + key[:1], h], lambda h: at(2, h), leaf(digits[3:]))
        ),
        "a leaf with a flag of 6": ("hex-prefix", ([b"\x60" + key, LONG],)),
        "a leaf with a flag of 15": (
            "hex-prefix", (lambda h: on(h), [bytes.fromhex("f" + digits[1:]), LONG])
        ),
        "an extension of another whole key": (
            "extension-path", (extension(f"{last:x}" * 64, OTHER_HASH),)
        ),
        "an extension to a child of 20 bytes, elsewhere": (
            "child-form", (extension(f"{last:x}", OTHER_HASH[:20]),)
        ),
    }  # fmt: skip


def made_up_cases() -> Iterator[Case]:
    root, proof = chain(leaf(DIGITS, bytes(492)))
    assert len(proof[0]) == 532
    yield case("a node of 532 bytes", root, KEY, proof, value=bytes(492))
    end = leaf(DIGITS[61:], b"v" * 27)
    assert len(rlp.encode(end)) == 32
    under = f"_{DIGITS[60]}"
    root, proof = chain(lambda h: extension(DIGITS[:60], h), lambda h: branch(**{under: h}), end)
    yield case("a leaf of 32 bytes on its own", root, KEY, proof, value=b"v" * 27)
    short = leaf("1" * 29, b"v" * 13)
    assert len(rlp.encode(short)) == 31
    root, proof = chain(lambda h: branch(_1=h, _2=short), leaf(DIGITS[1:]))
    yield case("a leaf of 31 bytes inside, beside the path", root, KEY, proof, value=LONG)
    for name, odd in (
        ("an empty list", []),
        ("two empty strings", [b"", b""]),
        ("17 empty strings", [b""] * 17),
        ("a leaf of another depth", leaf("1" * 7, b"v")),
    ):
        root, proof = chain(lambda h, odd=odd: branch(_1=h, _2=odd), leaf(DIGITS[1:]))
        yield case(f"{name} inside, beside the path", root, KEY, proof, value=LONG)
    _, proof = chain(leaf(DIGITS))
    empty = keccak256(b"\x80")
    yield invalid("a node in the empty trie", "node-extra", **fields_of(empty, KEY, proof))
    for name, (rule, nodes) in list_made_up().items():
        root, proof = chain(*nodes)
        yield invalid(name, rule, **fields_of(root, KEY, proof))
    root, proof = longest_chain(leaf(""))
    assert len(proof) == 65
    yield case("65 nodes", root, KEY, proof, value=LONG)
    root, proof = longest_chain(branch(_2=OTHER_HASH))
    yield invalid("a branch below the last digit", "branch-depth", **fields_of(root, KEY, proof))
