"""checkpoints.json, keys: verifier keys, and the private ones that sign the notes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.vectors.cases import Case, invalid, valid
from support.vectors.origins import ORIGIN

# Points under which anybody can sign, encoded.
NEUTRAL_POINT = b"\1" + bytes(31)
POINT_OF_ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def signature_line(name: str, id_and_signature: bytes) -> str:
    return f"\u2014 {name} {encode_base64(id_and_signature)}\n"


@dataclass(frozen=True)
class Key:
    """A key that anybody has."""

    name: str
    label: str

    @property
    def private(self) -> Ed25519PrivateKey:
        seed = hashlib.sha256(b"anchor test vectors: " + self.label.encode()).digest()
        return Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return key_id(self.name, b"\1" + self.public)

    @property
    def verifier(self) -> str:
        return verifier_of(self.name, b"\1" + self.public)

    def sign(self, text: str) -> bytes:
        return self.private.sign(text.encode())

    def signature_line(self, text: str) -> str:
        return signature_line(self.name, self.id + self.sign(text))

    def note(self, text: str) -> str:
        return f"{text}\n{self.signature_line(text)}"


def key_id(name: str, typed_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + typed_key).digest()[:4]


def verifier_of(name: str, typed_key: bytes) -> str:
    return f"{name}+{key_id(name, typed_key).hex()}+{encode_base64(typed_key)}"


LOG = Key(ORIGIN, "log")
WITNESS = Key("witness.example/w1", "witness")
# Its base64 holds a plus, the character that separates a verifier key's parts.
PLUS = next(
    key for number in range(1000) if "+" in encode_base64((key := Key("plus", str(number))).public)
)

# C2SP signed-note, section "Verifier keys"; Go's golang.org/x/mod/sumdb/note, note_test.go.
C2SP_VERIFIER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def last_bits_set(text: str) -> str:
    """Set a bit of base64 beyond the last byte: the next letter decodes to the same."""
    at = len(text.rstrip("=\n")) - 1
    return text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :]


def valid_keys() -> Iterator[Case]:
    for name, verifier, key_name in (
        ("C2SP's example", C2SP_VERIFIER, "example.com/foo"),
        ("Go's example", GO_VERIFIER, "PeterNeumann"),
        ("a log's key", LOG.verifier, LOG.name),
        ("a witness's key", WITNESS.verifier, WITNESS.name),
        ("a plus in the base64", PLUS.verifier, PLUS.name),
        ("a name that is not ASCII", Key("caff\u00e8", "x").verifier, "caff\u00e8"),
        ("a name of 255 bytes", Key("x" * 255, "x").verifier, "x" * 255),
    ):
        identifier, encoded = verifier.removeprefix(key_name + "+").split("+", 1)
        public = base64.b64decode(encoded)[1:].hex()
        yield valid(
            name, verifier=verifier, key_name=key_name, key_id=identifier, public_key=public
        )


def invalid_keys() -> Iterator[Case]:
    name, identifier, encoded = C2SP_VERIFIER.split("+")
    typed = base64.b64decode(encoded)
    other = key_id("example.com/bar", typed).hex()
    for rule, cases in {
        "key-form": {
            "empty": "",
            "a name alone": name,
            "no key": f"{name}+{identifier}",
            "no id": f"{name}+{encoded}",
        },
        "key-id-spelling": {
            "an id in capitals": f"{name}+{identifier.upper()}+{encoded}",
            "an id with 0x": f"{name}+0x{identifier}+{encoded}",
            "an id a digit short": f"{name}+{identifier[:-1]}+{encoded}",
            "an id a digit longer": f"{name}+0{identifier}+{encoded}",
            "a plus in the name": f"a+{C2SP_VERIFIER}",
        },
        "key-base64": {
            "a newline at the end": C2SP_VERIFIER + "\n",
            "a space at the end": C2SP_VERIFIER + " ",
            "no padding": verifier_of(name, typed + b"\0").rstrip("="),
            "a fourth part": C2SP_VERIFIER + "+-",
            "URL-safe base64": PLUS.verifier[:14]
            + encode_base64(b"\1" + PLUS.public).replace("+", "-").replace("/", "_"),
        },
        "key-canonical": {
            "bits beyond the last byte": last_bits_set(verifier_of(name, typed + b"\0")),
        },
        "key-empty": {
            "an empty key": f"{name}+{identifier}+",
        },
        "key-type": {
            "a key of type 0x00": verifier_of(name, b"\0" + typed[1:]),
            "a key of type 0x04": verifier_of(name, b"\4" + typed[1:]),
            "a key of type 0xff": verifier_of(name, b"\xff" + typed[1:]),
            "a key without its type": verifier_of(name, typed[1:]),
        },
        "key-name": {
            "an empty name": verifier_of("", typed),
            "a space in the name": verifier_of("example.com foo", typed),
            "a space before the name": verifier_of(" " + name, typed),
            "U+00A0 in the name": verifier_of("example.com\u00a0foo", typed),
            "U+2003 in the name": verifier_of("example.com\u2003foo", typed),
            "U+3000 in the name": verifier_of("example.com\u3000foo", typed),
            "U+2028 in the name": verifier_of("example.com\u2028foo", typed),
            "a tab in the name": verifier_of("example.com\tfoo", typed),
            "a newline in the name": verifier_of("example.com\nfoo", typed),
        },
        "control-character": {
            "U+0001 in the name": verifier_of("example.com\1foo", typed),
        },
        "key-name-length": {
            "a name of 256 bytes": verifier_of("x" * 256, typed),
            "a name of 256 bytes in 128 characters": verifier_of("\u00e8" * 128, typed),
        },
        "key-length": {
            "a key of 31 bytes": verifier_of(name, typed[:-1]),
            "a key of 33 bytes": verifier_of(name, typed + b"\0"),
            "a key of no bytes": verifier_of(name, b"\1"),
        },
        "key-id": {
            "the id of another name": f"{name}+{other}+{encoded}",
            "another name": f"example.com/bar+{identifier}+{encoded}",
            "another key": f"{name}+{identifier}+{encode_base64(bytes([1]) + LOG.public)}",
            "the id without the type": f"{name}+{key_id(name, typed[1:]).hex()}+{encoded}",
            "the id's bytes reversed": f"{name}+{bytes.fromhex(identifier)[::-1].hex()}+{encoded}",
        },
        "key-point": {
            "no point on the curve": verifier_of(name, b"\1\2" + bytes(31)),
            "a coordinate above the field": verifier_of(name, b"\1" + b"\xff" * 32),
            "the field's prime as coordinate": verifier_of(
                name, b"\1\xed" + b"\xff" * 30 + b"\x7f"
            ),
            "the neutral point with its sign set": verifier_of(name, b"\1\1" + bytes(30) + b"\x80"),
            "the point of order 2 with its sign set": verifier_of(name, b"\1\xec" + b"\xff" * 31),
        },
        "key-order": {
            "the neutral point": verifier_of(name, b"\1" + NEUTRAL_POINT),
            "the point of order 2": verifier_of(name, b"\1\xec" + b"\xff" * 30 + b"\x7f"),
            "a point of order 4": verifier_of(name, b"\1" + bytes(32)),
            "a point of order 8": verifier_of(name, b"\1" + POINT_OF_ORDER_8),
        },
    }.items():
        for title, verifier in cases.items():
            yield invalid(title, rule, verifier=verifier)
