"""checkpoints.json: keys, notes and origins, and the checkpoints that are made of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from support.proof_edits import EMPTY_ROOT, ZERO
from support.rfc9162_reference import hash_leaf
from support.vectors.bends import flip
from support.vectors.cases import Case, invalid, valid
from support.vectors.keys import (
    LOG,
    WITNESS,
    Key,
    encode_base64,
    invalid_keys,
    last_bits_set,
    valid_keys,
)
from support.vectors.notes import invalid_notes, note_of, valid_notes
from support.vectors.origins import ORIGIN, invalid_origins, valid_origins
from support.vectors.trees import MAX_SIZE, record_of

# A root whose base64 differs in the alphabets of RFC 4648 sections 4 and 5.
TREE_ROOT = next(
    root
    for number in range(1000)
    if {"+", "/"} <= set(encode_base64(root := hash_leaf(record_of(number))))
)
ROOT_LINE = encode_base64(TREE_ROOT)
SIZE = 20852163
TEXT = f"{ORIGIN}\n{SIZE}\n{ROOT_LINE}\n"


def build_checkpoints() -> dict[str, object]:
    """Return checkpoints.json."""
    return {
        "about": "Verifier keys and signed notes (C2SP signed-note), checkpoints (C2SP "
        "tlog-checkpoint), and this project's origins.",
        "rules": {
            "utf-8": "a note is UTF-8",
            "control-character": "a note holds no character below U+0020 but newline",
            "empty-line": "a text that ends in a newline and an empty line stand before the "
            "signatures",
            "signatures": "signature lines follow the last empty line, each with its newline",
            "signature-line": "a signature line is em dash, space, key name, space, base64",
            "signature-base64": "a signature is base64 (RFC 4648 section 4)",
            "signature-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "signature-empty": "a signature is longer than the key id",
            "size": "a note has at most 1,000,000 bytes",
            "signature-number": "a note has at most 100 signatures (this project's limit)",
            "signature-invalid": "every signature with the key's name and id is one of the text "
            "(C2SP: SHOULD)",
            "not-signed": "at least one signature has the key's name and id",
            "checkpoint-lines": "a checkpoint has the lines origin, size and root",
            "checkpoint-empty-line": "no line of a checkpoint is empty",
            "size-spelling": "the size is decimal, without a sign or leading zeros",
            "size-maximum": "the size is below 2^48 (this project's limit)",
            "root-base64": "the root is base64 (RFC 4648 section 4)",
            "root-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "root-length": "the root is 32 bytes long",
            "key-form": "a verifier key is name, id and key, joined by plus signs",
            "key-id-spelling": "the id is 8 lower-case hex digits (lower-case: this project's)",
            "key-base64": "the key is base64 (RFC 4648 section 4)",
            "key-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "key-empty": "the key begins with its signature type",
            "key-type": "the signature type is 0x01, Ed25519 (the only one in this project)",
            "key-name": "a key name is not empty and holds no space, plus or control character",
            "key-name-length": "a key name has at most 255 bytes (this project's limit)",
            "key-length": "an Ed25519 key is 32 bytes long",
            "key-id": "the id is SHA-256(name || 0x0a || 0x01 || key), its first 4 bytes",
            "key-point": "the key is a point on the curve (RFC 8032 section 5.1.3)",
            "key-order": "the point's order is not 1, 2, 4 or 8 (this project's)",
            "origin-form": "an origin is eip155:CHAIN ID/REGISTRY/LOG",
            "origin-chain-spelling": "the chain id is decimal, without a sign or leading zeros",
            "origin-chain-range": "the chain id is 1 to 2^53 - 1",
            "origin-registry": "the registry is 0x and 40 lower-case hex digits",
            "origin-log": "the log is 0x and 64 lower-case hex digits",
        },
        "keys": [*valid_keys(), *invalid_keys()],
        "notes": [*valid_notes(), *invalid_notes()],
        "checkpoints": [*valid_checkpoints(), *invalid_checkpoints()],
        "origins": [*valid_origins(), *invalid_origins()],
    }


def valid_checkpoints() -> Iterator[Case]:
    empty = encode_base64(EMPTY_ROOT)
    for name, text in (
        ("a checkpoint", TEXT),
        ("the empty log", f"{ORIGIN}\n0\n{empty}\n"),
        ("one leaf", f"{ORIGIN}\n1\n{ROOT_LINE}\n"),
        ("2^31 leaves", f"{ORIGIN}\n{2**31}\n{ROOT_LINE}\n"),
        ("2^32 + 1 leaves", f"{ORIGIN}\n{2**32 + 1}\n{ROOT_LINE}\n"),
        ("2^48 - 1 leaves, the most", f"{ORIGIN}\n{MAX_SIZE}\n{ROOT_LINE}\n"),
        ("a zero root", f"{ORIGIN}\n{SIZE}\n{encode_base64(ZERO)}\n"),
        ("an extension line", TEXT + "extension\n"),
        ("many extension lines", TEXT + "".join(f"{number}\n" for number in range(20))),
        ("an extension line of one space", TEXT + " \n"),
        ("an extension line like a signature", TEXT + "\u2014 x YWJjZGU=\n"),
        # The specification wants them to be the same; the caller has to compare.
        ("an origin that is not the key's name", f"example.com/log\n{SIZE}\n{ROOT_LINE}\n"),
        ("spaces in the origin", f"go.sum database tree\n{SIZE}\n{ROOT_LINE}\n"),
        ("U+0085 and U+2028 in the origin", f"a\u0085b\u2028c\n{SIZE}\n{ROOT_LINE}\n"),
    ):
        yield valid(name, note=LOG.note(text), verifier=LOG.verifier, **fields_of(text))
    cosigned = f"{TEXT}\n{LOG.signature_line(TEXT)}{WITNESS.signature_line(TEXT)}"
    yield valid("cosigned by a witness", note=cosigned, verifier=LOG.verifier, **fields_of(TEXT))
    yield valid(
        "cosigned, for the witness's key",
        note=cosigned,
        verifier=WITNESS.verifier,
        **fields_of(TEXT),
    )


def fields_of(text: str) -> dict[str, object]:
    origin, size, root = text.split("\n")[:3]
    return {"origin": origin, "size": int(size), "root": base64.b64decode(root).hex()}


def invalid_checkpoints() -> Iterator[Case]:
    """Signed texts that are no checkpoints, and checkpoints that are not signed."""
    tail = f"\n{ROOT_LINE}\n"
    yield from refused(
        "checkpoint-lines",
        {
            "an origin alone": f"{ORIGIN}\n",
            "no root": f"{ORIGIN}\n{SIZE}\n",
            "no size": f"{ORIGIN}\n{ROOT_LINE}\n",
        },
    )
    yield from refused(
        "checkpoint-empty-line",
        {
            "an empty origin": f"\n{SIZE}{tail}",
            "an empty size": f"{ORIGIN}\n{tail}",
            "an empty root": f"{ORIGIN}\n{SIZE}\n\n",
            "an empty line before the origin": f"\n{TEXT}",
            "an empty line after the root": f"{TEXT}\n",
            "an empty line between extensions": f"{TEXT}a\n\nb\n",
        },
    )
    yield from refused(
        "size-spelling",
        {
            f"the size {json.dumps(size)}": f"{ORIGIN}\n{size}{tail}"
            for size in (
                "00", "07", "+7", "-7", "-0", "7.0", "7.", "0x7", "7e0", "1_000", "1,000", "7 ",
                " 7", "seven", "\u0667", "1\u0667", "\uff17", "\u00b2", "9" * 17, "9" * 400,
            )
        },
    )  # fmt: skip
    yield from refused(
        "size-maximum",
        {
            f"the size {size}": f"{ORIGIN}\n{size}{tail}"
            for size in (2**48, 2**48 + 1, 2**53 - 1, 2**53 + 1)
        },
    )
    yield from refused(
        "root-base64",
        {
            name: f"{ORIGIN}\n{SIZE}\n{root}\n"
            for name, root in (
                ("the root without its padding", ROOT_LINE.rstrip("=")),
                ("the root with padding too much", ROOT_LINE + "="),
                ("the root cut short", ROOT_LINE[:-2]),
                ("a space after the root", ROOT_LINE + " "),
                ("a space before the root", " " + ROOT_LINE),
                ("the root in URL-safe base64", ROOT_LINE.translate({43: "-", 47: "_"})),
                ("the root with 0x and in hex", "0x" + TREE_ROOT.hex() + "0"),
                ("the root with a letter that is not ASCII", "\u00e9" + ROOT_LINE[1:]),
            )
        },
    )
    yield from refused(
        "root-canonical",
        {"bits beyond the root's last byte": f"{ORIGIN}\n{SIZE}\n{last_bits_set(ROOT_LINE)}\n"},
    )
    yield from refused(
        "root-length",
        {
            name: f"{ORIGIN}\n{SIZE}\n{root}\n"
            for name, root in (
                ("a root of 31 bytes", encode_base64(TREE_ROOT[:31])),
                ("a root of 33 bytes", encode_base64(TREE_ROOT + b"\0")),
                ("a root of 64 bytes", encode_base64(TREE_ROOT * 2)),
                ("a root of one byte", encode_base64(b"a")),
                ("the root in hex", TREE_ROOT.hex()),
            )
        },
    )
    yield from refused(
        "control-character",
        {
            "a tab in the origin": f"a\tb\n{SIZE}{tail}",
            "a carriage return after the size": f"{ORIGIN}\n{SIZE}\r{tail}",
            "a NUL in an extension line": f"{TEXT}\0\n",
        },
    )
    note, signature = LOG.note(TEXT), LOG.sign(TEXT)
    for rule, cases in {
        "signatures": {
            "no signature": TEXT + "\n",
            "no newline at the end": note[:-1],
        },
        "empty-line": {
            "no signature and no empty line": TEXT,
            "no newline after the root": TEXT[:-1] + "\n" + LOG.signature_line(TEXT[:-1]),
        },
        "signature-invalid": {
            "one leaf more than signed": note.replace(f"{SIZE}", f"{SIZE + 1}"),
            "another root than signed": note.replace(ROOT_LINE, encode_base64(EMPTY_ROOT)),
            "another origin than signed": note.replace(f"{ORIGIN}\n", "example.com/log\n"),
            "an extension line that was not signed": f"{TEXT}more\n\n{LOG.signature_line(TEXT)}",
            "an empty line that was not signed": f"{TEXT}\n\n{LOG.signature_line(TEXT)}",
        },
        "not-signed": {
            "signed by another key": WITNESS.note(TEXT),
            "signed by another key of the same name": Key(ORIGIN, "thief").note(TEXT),
            "signed under another key id": note_of(TEXT, signature, identifier=flip(LOG.id, 9)),
            "signed under another name": note_of(TEXT, signature, name="example.com/log"),
            "a cosigned checkpoint as another key's text": WITNESS.note(note),
        },
    }.items():
        for name, bent in cases.items():
            yield invalid(name, rule, note=bent, verifier=LOG.verifier)


def refused(rule: str, texts: dict[str, str]) -> Iterator[Case]:
    for name, text in texts.items():
        yield invalid(name, rule, note=LOG.note(text), verifier=LOG.verifier)
