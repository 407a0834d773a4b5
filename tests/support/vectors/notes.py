"""checkpoints.json, notes: signed texts of any kind."""

from __future__ import annotations

from collections.abc import Iterator

from support.vectors.bends import flip
from support.vectors.cases import Case, invalid, squeeze, valid
from support.vectors.keys import (
    C2SP_VERIFIER,
    GO_VERIFIER,
    LOG,
    NEUTRAL_POINT,
    POINT_OF_ORDER_8,
    WITNESS,
    Key,
    key_id,
    last_bits_set,
    signature_line,
    verifier_of,
)

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of Ed25519's group (RFC 8032 section 5.1)."""

# What the keys of the two examples signed there.
C2SP_TEXT = "This is an example message.\n"
C2SP_LINE = (
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mF"
    "XmRKuwHjG1Yu72IneyaQM=\n"
)
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)


def fill_note(size: int) -> tuple[str, Case]:
    """Return a signed note of so many bytes, and what fills its text."""
    times = size - len(LOG.note("\n").encode())
    return squeeze(LOG.note("a" * times + "\n"), "a", times)


def valid_notes() -> Iterator[Case]:
    filled, padding = fill_note(1_000_000)
    yield valid("1,000,000 bytes", note=filled, padding=padding, verifier=LOG.verifier, text="\n")
    yield valid(
        "C2SP's example",
        note=f"{C2SP_TEXT}\n{C2SP_LINE}", verifier=C2SP_VERIFIER, text=C2SP_TEXT,
    )  # fmt: skip
    yield valid("Go's example", note=f"{GO_TEXT}\n{GO_LINE}", verifier=GO_VERIFIER, text=GO_TEXT)
    for name, text in (
        ("a text of one empty line", "\n"),
        ("empty lines in the text", "a\n\nb\n\n\n"),
        ("a note as the text", WITNESS.note("inner\n")),
        ("the key's own note as the text", LOG.note("inner\n")),
        ("a byte order mark", "\ufeffa\n"),
        ("U+0085 and U+2028, which end no line", "a\u0085b\u2028c\n"),
        ("U+007F, which is not forbidden", "a\x7fb\n"),
        ("characters beyond U+FFFF", "\U0001f512\n"),
        ("spaces at the ends of lines", " a \n b \n"),
    ):
        yield valid(name, note=LOG.note(text), verifier=LOG.verifier, text=text)
    text = "text\n"
    ours, other = LOG.signature_line(text), WITNESS.signature_line(text)
    foreign = signature_line("x", b"abcde")
    for name, lines in (
        ("the same signature twice", ours * 2),
        ("another key's signature before", other + ours),
        ("another key's signature after", ours + other),
        (
            "another key's signature, invalid",
            signature_line(WITNESS.name, WITNESS.id + bytes(64)) + ours,
        ),
        ("the name with another id", signature_line(LOG.name, WITNESS.id + bytes(64)) + ours),
        ("the id with another name", signature_line(WITNESS.name, LOG.id + bytes(64)) + ours),
        ("a signature of one byte by another key", foreign + ours),
        ("a signature of 2,420 bytes by another key", ours + signature_line("pq", b"\1" * 2424)),
        ("16 signatures, the least a verifier has to read", foreign * 15 + ours),
        ("100 signatures", ours + foreign * 99),
    ):
        yield valid(name, note=f"{text}\n{lines}", verifier=LOG.verifier, text=text)


def invalid_notes() -> Iterator[Case]:
    text = "text\n"
    note, ours, signature = LOG.note(text), LOG.signature_line(text), LOG.sign(text)
    for name, encoded in (
        ("a byte 0xff", b"\xff" + note.encode()),
        ("an overlong zero", b"\xc0\x80" + note.encode()),
        ("an encoded surrogate", b"\xed\xa0\x80" + note.encode()),
        ("Latin-1", f"caff\u00e8\n\n{ours}".encode().replace(b"\xc3\xa8", b"\xe8")),
    ):
        yield invalid(name, "utf-8", note_hex=encoded.hex(), verifier=LOG.verifier)
    latin = b"caff\xe8\n"
    line = signature_line(LOG.name, LOG.id + LOG.private.sign(latin))
    encoded = latin + b"\n" + line.encode()
    yield invalid("Latin-1, signed", "utf-8", note_hex=encoded.hex(), verifier=LOG.verifier)
    filled, padding = fill_note(1_000_001)
    yield invalid("1,000,001 bytes", "size", note=filled, padding=padding, verifier=LOG.verifier)
    scalar = (int.from_bytes(signature[32:], "little") + GROUP_ORDER).to_bytes(32, "little")
    foreign = signature_line("x", b"abcde")
    padded = signature_line("x", b"abcdefgh")
    for rule, cases in {
        "empty-line": {
            "empty": "",
            "a text alone": text,
            "a signature line alone": ours,
            "no empty line": text + ours,
            "no text": "\n" + ours,
            "a text without its newline": "text\n" + LOG.signature_line("text"),
            "carriage returns before all newlines": note.replace("\n", "\r\n"),
            "a space in the empty line": f"{text} \n{ours}",
        },
        "control-character": {
            "a NUL in the text": LOG.note("te\0xt\n"),
            "a tab in the text": LOG.note("te\txt\n"),
            "U+001F in the text": LOG.note("te\x1fxt\n"),
            "U+000B in the text": LOG.note("te\x0bxt\n"),
            "a carriage return in the text": LOG.note("text\r\n"),
            "a carriage return at the end": note[:-1] + "\r\n",
            "a tab in another key's name": note + signature_line("a\tb", b"abcde"),
        },
        "signatures": {
            "no signature lines": text + "\n",
            "no newline at the end": note[:-1],
            "an empty line at the end": note + "\n",
            "an unfinished line at the end": note + "x",
            "a last line without its newline": note + foreign[:-1],
        },
        "signature-line": {
            "another line after the signatures": note + "x\n",
            "a hyphen for the em dash": note.replace("\u2014", "-"),
            "an en dash for the em dash": note.replace("\u2014", "\u2013"),
            "no space after the em dash": note.replace("\u2014 ", "\u2014"),
            "two spaces after the em dash": note.replace("\u2014 ", "\u2014  "),
            "a space before the em dash": f"{text}\n {ours}",
            "U+00A0 after the em dash": note.replace("\u2014 ", "\u2014\u00a0"),
            "a plus in a key name": note + signature_line("a+b", b"abcde"),
            "U+2003 in a key name": note + signature_line("a\u2003b", b"abcde"),
            "U+0085 in a key name": note + signature_line("a\u0085b", b"abcde"),
            "an empty key name": note + signature_line("", b"abcde"),
        },
        "signature-base64": {
            "a space in a key name": note + signature_line("a b", b"abcde"),
            "two spaces after the name": note.replace(LOG.name + " ", LOG.name + "  "),
            "a space after the signature": note[:-1] + " \n",
            "a signature without its padding": note + padded.replace("=", ""),
            "padding too much": note[:-1] + "=\n",
            "URL-safe base64": note + "\u2014 x YWJjZG-_\n",
            "a signature in hex of odd length": note + "\u2014 x 0123456\n",
        },
        "signature-canonical": {
            "bits beyond the last byte": last_bits_set(note),
            "bits beyond the last byte of another key's": note + last_bits_set(padded),
        },
        "signature-empty": {
            "no signature after the name": note + "\u2014 x\n",
            "no signature after the name and a space": note + "\u2014 x \n",
            "a key id alone": note + signature_line("x", b"abcd"),
            "a key id cut short": note + signature_line("x", b"abc"),
        },
        "signature-number": {
            "101 signatures": note + foreign * 100,
        },
        "signature-invalid": {
            "another text": note.replace(text, "Text\n"),
            "a space more in the text": note.replace(text, "text \n"),
            "an empty line more": f"{text}\n\n{ours}",
            "signed without the text's newline": f"{text}\n{LOG.signature_line('text')}",
            "signed with the empty line": f"{text}\n{LOG.signature_line('text' * 2)}",
            "a bit of R flipped": note_of(text, flip(signature, 0)),
            "a bit of S flipped": note_of(text, flip(signature, 256)),
            "the last bit flipped": note_of(text, flip(signature, 511)),
            "S plus the group's order": note_of(text, signature[:32] + scalar),
            "a zero signature": note_of(text, bytes(64)),
            "a signature of 63 bytes": note_of(text, signature[:-1]),
            "a signature of 65 bytes": note_of(text, signature + b"\0"),
            "another key's signature under this name and id": note_of(text, WITNESS.sign(text)),
            "an invalid signature beside a valid one": note
            + signature_line(LOG.name, LOG.id + bytes(64)),
            "an invalid signature before a valid one": note_of(text, bytes(64)) + ours,
        },
        "not-signed": {
            "another key's signature alone": WITNESS.note(text),
            "another key of the same name": Key(LOG.name, "thief").note(text),
            "another key id": note_of(text, signature, identifier=flip(LOG.id, 0)),
            "the key id's bytes reversed": note_of(text, signature, identifier=LOG.id[::-1]),
            "another name": note_of(text, signature, name="example.com"),
            "the name with other capitals": note_of(text, signature, name=LOG.name.upper()),
            "the key's note as another key's text": WITNESS.note(note),
        },
    }.items():
        for name, bent in cases.items():
            yield invalid(name, rule, note=bent, verifier=LOG.verifier)
    # R is the neutral point and S is 0: no private key is needed.
    for order, point in (("1", NEUTRAL_POINT), ("8", POINT_OF_ORDER_8)):
        forged = signature_line("x", key_id("x", b"\1" + point) + NEUTRAL_POINT + bytes(32))
        yield invalid(
            f"forged under a key of order {order}",
            "key-order",
            note=f"{text}\n{forged}",
            verifier=verifier_of("x", b"\1" + point),
        )


def note_of(
    text: str, signature: bytes, *, name: str = LOG.name, identifier: bytes = LOG.id
) -> str:
    return f"{text}\n{signature_line(name, identifier + signature)}"
