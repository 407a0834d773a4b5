"""Signed notes against the specification's and Go's examples, an oracle, and every bent byte."""

from __future__ import annotations

import base64
import copy
import hashlib
import subprocess
import sys
import unicodedata
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from support.examples import some

from anchor.base.errors import (
    AnchorError,
    MalformedError,
    MismatchError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.log.signed_note import (
    MAX_NAME_BYTES,
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    NoteKey,
    NoteVerifier,
    encode_private_key,
    generate_key,
    open_note,
    parse_base64,
    parse_note,
    parse_private_key,
    parse_verifier,
    sign_note,
)

# golang.org/x/mod/sumdb/note, note.go and note_test.go.
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_VERIFIER = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WW"
    "d1RvMc+QQ=\n"
)
# c2sp.org/signed-note, section "Verifier keys", example.
FOO_VERIFIER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_TEXT = "This is an example message.\n"
FOO_NOTE = (
    FOO_TEXT
    + "\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYj"
    "OBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The same specification, introduction; it prints no key for it.
QUASIMODO_NOTE = (
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU"
    "0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)

PETER = NoteKey(name="PeterNeumann", seed=PETER_SEED)
PETERS = parse_verifier(PETER_VERIFIER)
ENOCHS = parse_verifier(ENOCH_VERIFIER)
NOTE = (TEXT + "\n" + PETER_LINE).encode()

# The order of the group of Ed25519 (RFC 8032 section 5.1).
ORDER = 2**252 + 27742317777372353535851937790883648493

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"),
    min_size=1,
    max_size=60,
)
SEEDS = st.binary(min_size=32, max_size=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(
    lambda text: "".join(c for c in text if c == "\n" or ord(c) >= 0x20) + "\n"
)


def with_line(line: str, text: str = TEXT) -> bytes:
    return f"{text}\n{line}".encode()


def line_of(name: str, identified: bytes) -> str:
    return f"— {name} {base64.b64encode(identified).decode()}\n"


def note_with(identified: bytes) -> bytes:
    return with_line(line_of("PeterNeumann", identified))


def refusal(call: Callable[[], object], kind: type[AnchorError] = MalformedError) -> str:
    with pytest.raises(AnchorError) as caught:
        call()
    assert type(caught.value) is kind
    assert len(caught.value.message) < 400
    return caught.value.message


# The examples.


def test_gos_example_is_signed_byte_for_byte() -> None:
    assert sign_note(TEXT, PETER) == NOTE


def test_gos_key_has_gos_verifier() -> None:
    assert PETER.verifier() == PETERS
    assert PETERS.encode() == PETER_VERIFIER
    assert (PETERS.name, PETERS.key_id.hex()) == ("PeterNeumann", "c74f20a3")


def test_gos_note_with_two_signatures_opens_under_either_key() -> None:
    note = with_line(PETER_LINE + ENOCH_LINE)
    assert open_note(note, PETERS) == open_note(note, ENOCHS) == TEXT


def test_the_specifications_example_opens() -> None:
    verifier = parse_verifier(FOO_VERIFIER)
    assert open_note(FOO_NOTE.encode(), verifier) == FOO_TEXT
    assert verifier.encode() == FOO_VERIFIER


def test_the_last_empty_line_ends_the_specifications_poem() -> None:
    note = parse_note(QUASIMODO_NOTE.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [(line.name, line.key_id.hex()) for line in note.signatures] == [
        ("quasimodo.example/salvatore", "367ba04b")
    ]
    assert len(note.signatures[0].signature) == 64


# What is bent is not accepted.


def test_no_bent_byte_is_accepted() -> None:
    for at in range(len(NOTE)):
        others = {NOTE[at] ^ (1 << bit) for bit in range(8)} | {0x0A, 0x20, 0x2B, 0x3D}
        for other in some(others, at):
            if other != NOTE[at]:
                bent = NOTE[:at] + bytes([other]) + NOTE[at + 1 :]
                with pytest.raises((MalformedError, MismatchError, NotTrustedError)):
                    open_note(bent, PETERS)


def test_no_note_with_a_byte_missing_or_twice_is_accepted() -> None:
    for at in range(len(NOTE)):
        for bent in (NOTE[:at] + NOTE[at + 1 :], NOTE[: at + 1] + NOTE[at:], NOTE[:at]):
            if bent != NOTE:
                with pytest.raises((MalformedError, MismatchError, NotTrustedError)):
                    open_note(bent, PETERS)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_as_malformed(note: bytes) -> None:
    refusal(lambda: open_note(note, PETERS))


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (b"", "no empty line"),
        (TEXT.encode(), "no empty line"),
        (PETER_LINE.encode(), "no empty line"),
        ((TEXT + PETER_LINE).encode(), "no empty line"),
        (("\n" + PETER_LINE).encode(), "no empty line"),
        ((TEXT + "\n").encode(), "does not end"),
        (NOTE[:-1], "does not end"),
        (NOTE + b"x", "does not end"),
        (NOTE + b"\n", "does not end"),
        (b"\x01" + NOTE, "U+0001 at 0"),
        (b"\x1f" + NOTE, "U+001F at 0"),
        (NOTE.replace(b"\n", b"\r\n"), "no empty line"),
        (NOTE[:-1] + b"\r\n", "U+000D"),
        (NOTE.replace(b"If", b"\tIf"), "U+0009"),
        (b"\xff" + NOTE, "not UTF-8 at byte 0"),
        (b"\xc0\x80" + NOTE, "not UTF-8"),
        (b"\xed\xa0\x80" + NOTE, "not UTF-8"),
        (NOTE + b"Unexpected line.\n", "line 2 is not"),
        (with_line(PETER_LINE.replace("—", "-")), "line 1 is not"),
        (with_line(PETER_LINE.replace("— ", "—")), "line 1 is not"),
        (with_line(PETER_LINE.replace("— ", "—\u00a0")), "line 1 is not"),
        (with_line(PETER_LINE.replace("— ", "—  ")), "line 1 is not"),
        (with_line(" " + PETER_LINE), "line 1 is not"),
        (with_line(PETER_LINE.replace("Peter", "Peter+")), "line 1 is not"),
        (with_line(PETER_LINE.replace("Peter", "Peter\u2003")), "line 1 is not"),
        (with_line(PETER_LINE.replace("Peter", "Peter ")), "is not base64"),
        (with_line(PETER_LINE.replace("=\n", "= \n")), "is not base64"),
        (with_line(PETER_LINE.replace("=\n", "\n")), "is not base64"),
        (with_line(PETER_LINE.replace("M=\n", "N=\n")), "canonical"),
        (with_line("— PeterNeumann\n"), "holds no signature"),
        (with_line("— PeterNeumann \n"), "holds no signature"),
        (with_line("— PeterNeumann x08gow==\n"), "holds no signature"),
    ],
)
def test_a_malformed_note_is_refused(note: bytes, message: str) -> None:
    assert message in refusal(lambda: open_note(note, PETERS))
    assert message in refusal(lambda: parse_note(note))


def test_another_keys_malformed_line_spoils_the_note() -> None:
    assert "line 2" in refusal(lambda: open_note(NOTE + b"\xe2\x80\x94 EnochRoot rwz+e\n", PETERS))


def test_a_note_has_at_most_a_hundred_signatures() -> None:
    other = line_of("x", b"abcde")
    assert open_note(with_line(PETER_LINE + other * (MAX_SIGNATURES - 1)), PETERS) == TEXT
    for tail in ("", "x"):
        note = with_line(PETER_LINE + other * MAX_SIGNATURES + tail)
        assert "more than 100" in refusal(lambda note=note: open_note(note, PETERS))
    crowd = with_line(other * (MAX_NOTE_BYTES // 20))
    assert "more than 100" in refusal(lambda: open_note(crowd, PETERS))


def test_a_note_has_at_most_a_million_bytes() -> None:
    room = MAX_NOTE_BYTES - len(sign_note("\n", PETER))
    note = sign_note("x" * room + "\n", PETER)
    assert len(note) == MAX_NOTE_BYTES
    assert len(open_note(note, PETERS)) == room + 1
    assert "longer than 1,000,000" in refusal(lambda: open_note(b"x" + note, PETERS))
    assert "longer than 1,000,000" in refusal(lambda: sign_note("x" * room + "x\n", PETER))
    assert "longer than 1,000,000" in refusal(lambda: sign_note("è" * 500_000 + "\n", PETER))


# Whose signature counts.


@pytest.mark.parametrize(
    "line",
    [
        ENOCH_LINE,
        PETER_LINE.replace("PeterNeumann", "CarmenSandiego"),  # only the id is known
        PETER_LINE.replace("x08g", "xxxx"),  # only the name is known
    ],
)
def test_a_signature_by_an_unknown_key_is_passed_over(line: str) -> None:
    assert "PeterNeumann+c74f20a3" in refusal(
        lambda: open_note(with_line(line), PETERS), NotTrustedError
    )
    assert open_note(with_line(line + PETER_LINE), PETERS) == TEXT
    assert open_note(with_line(PETER_LINE + line), PETERS) == TEXT


def test_a_signature_of_any_length_by_an_unknown_key_is_passed_over() -> None:
    long, short = line_of("pq.example", b"\1" * 4631), line_of("x", b"abcde")
    assert open_note(with_line(long + PETER_LINE + short), PETERS) == TEXT


def test_one_invalid_signature_by_the_known_key_spoils_a_valid_one() -> None:
    bad = line_of("PeterNeumann", PETERS.key_id + bytes(64))
    for lines in (bad, bad + PETER_LINE, PETER_LINE + bad):
        assert "PeterNeumann+c74f20a3" in refusal(
            lambda lines=lines: open_note(with_line(lines), PETERS), MismatchError
        )


def test_the_same_valid_signature_twice_is_one() -> None:
    assert open_note(with_line(PETER_LINE * 2), PETERS) == TEXT


@pytest.mark.parametrize("length", [1, 63, 65, 128])
def test_a_signature_of_another_length_is_not_valid(length: int) -> None:
    signature = parse_note(NOTE).signatures[0].signature
    cut = (signature * 2)[:length]
    refusal(lambda: open_note(note_with(PETERS.key_id + cut), PETERS), MismatchError)


def test_the_signature_with_its_scalar_above_the_groups_order_is_not_valid() -> None:
    signature = parse_note(NOTE).signatures[0].signature
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    malleated = signature[:32] + scalar.to_bytes(32, "little")
    refusal(lambda: open_note(note_with(PETERS.key_id + malleated), PETERS), MismatchError)


def test_a_signature_is_valid_for_its_own_text_only() -> None:
    for text in ("", "\n", TEXT[1:], TEXT + "\n", "\n" + TEXT, TEXT + TEXT):
        refusal(
            lambda text=text: open_note(with_line(PETER_LINE, text or "x\n"), PETERS), MismatchError
        )


@given(st.binary(min_size=64, max_size=64))
def test_no_arbitrary_signature_is_valid(signature: bytes) -> None:
    refusal(lambda: open_note(note_with(PETERS.key_id + signature), PETERS), MismatchError)


def test_a_verifier_with_the_same_name_and_id_but_another_key_does_not_verify() -> None:
    class Collided(NoteVerifier):
        @property
        def key_id(self) -> bytes:
            return PETERS.key_id

    collided = Collided(name="PeterNeumann", public_key=ENOCHS.public_key)
    refusal(lambda: open_note(NOTE, collided), MismatchError)


# Signing.


@given(TEXTS, NAMES, SEEDS)
def test_what_is_signed_opens_and_the_oracle_agrees(text: str, name: str, seed: bytes) -> None:
    key = NoteKey(name=name, seed=seed)
    verifier = key.verifier()
    note = sign_note(text, key)
    assert open_note(note, verifier) == text

    oracle = Ed25519PrivateKey.from_private_bytes(seed)
    public = oracle.public_key().public_bytes_raw()
    assert verifier.public_key == public
    assert verifier.key_id == hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    line = line_of(name, verifier.key_id + oracle.sign(text.encode()))
    assert note == (text + "\n" + line).encode()


@given(SEEDS, st.binary(max_size=40), st.integers(0, 511))
def test_the_oracle_and_we_agree_on_signatures_with_one_bit_bent(
    seed: bytes, data: bytes, bit: int
) -> None:
    text = data.hex() + "\n"
    key = NoteKey(name="k", seed=seed)
    signature = bytearray(parse_note(sign_note(text, key)).signatures[0].signature)
    signature[bit // 8] ^= 1 << bit % 8
    note = with_line(line_of("k", key.verifier().key_id + signature), text)
    refusal(lambda: open_note(note, key.verifier()), MismatchError)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(key.verifier().public_key).verify(
            bytes(signature), text.encode()
        )


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "a\n\n",
        "\n\n\na\n\n\n",
        "a\n\n— x eHh4eHh4\n",  # looks like a note of its own
        TEXT + "\n" + PETER_LINE,
        "next\u0085line, line\u2028and\u2029paragraph\x7f\n",
        "\ufeffbyte order mark\n",
    ],
)
def test_a_text_with_what_looks_like_structure_survives(text: str) -> None:
    assert open_note(sign_note(text, PETER), PETERS) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not end with a newline"),
        ("abc", "does not end with a newline"),
        ("abc\n\u2028", "does not end with a newline"),
        ("a\tb\n", "U+0009 at 1"),
        ("a\r\n", "U+000D at 1"),
        ("a\x00\n", "U+0000 at 1"),
        ("a\ud800\n", "lone surrogate"),
    ],
)
def test_a_text_that_no_note_may_hold_is_not_signed(text: str, message: str) -> None:
    assert message in refusal(lambda: sign_note(text, PETER))


# Names.


def test_the_spaces_a_name_must_not_hold_are_those_of_unicode() -> None:
    # Unicode's PropList.txt, White_Space, and what Go's unicode.IsSpace tells.
    white_space = {
        *range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
        0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
    }  # fmt: skip
    separators = {
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "Z"
    }
    assert separators <= white_space

    def is_refused(*codes: int) -> bool:
        try:
            NoteVerifier(name=f"a{''.join(map(chr, codes))}b", public_key=bytes(32))
        except MalformedError:
            return True
        return False

    refused = set()
    for start in range(0, sys.maxunicode + 1, 32):
        codes = range(start, start + 32)
        if is_refused(*codes):  # at least one of them
            refused.update(filter(is_refused, codes))
    assert refused == white_space | set(range(0x20)) | {ord("+")} | set(range(0xD800, 0xE000))


@pytest.mark.parametrize("name", ["", " ", "a b", "a+b", "a\nb", "a\x01b", "x" * 256, "è" * 128])
def test_what_is_no_name_names_no_key(name: str) -> None:
    refusal(lambda: generate_key(name))
    refusal(lambda: NoteVerifier(name=name, public_key=bytes(32)))
    refusal(lambda: parse_private_key(encode_private_key(PETER), name=name))


def test_a_name_has_at_most_255_bytes() -> None:
    key = generate_key("x" * MAX_NAME_BYTES)
    assert parse_verifier(key.verifier().encode()) == key.verifier()


# Verifier keys.


@given(NAMES, SEEDS)
def test_a_verifier_key_is_read_as_it_was_written(name: str, seed: bytes) -> None:
    verifier = NoteKey(name=name, seed=seed).verifier()
    assert parse_verifier(verifier.encode()) == verifier


def test_no_part_of_a_verifier_key_is_one() -> None:
    length = len(PETER_VERIFIER)
    for start in range(length + 1):
        for end in range(start, length + 1):
            if (start, end) != (0, length):
                refusal(lambda part=PETER_VERIFIER[start:end]: parse_verifier(part))


def test_no_bent_verifier_key_is_one() -> None:
    encoded = PETER_VERIFIER.encode()
    for at in range(len(encoded)):
        for other in {encoded[at] ^ (1 << bit) for bit in range(7)} | {encoded[at] + 1, 0x20}:
            bent = (encoded[:at] + bytes([other]) + encoded[at + 1 :]).decode()
            if bent != PETER_VERIFIER:
                with pytest.raises((MalformedError, UnknownVersionError)):
                    parse_verifier(bent)


def encoded_verifier(typed_key: bytes, name: str = "x") -> str:
    key_id = hashlib.sha256(name.encode() + b"\n" + typed_key).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(typed_key).decode()}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Go's note_test.go: the wrong length, with an adjusted id.
        (
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
            "is not base64",
        ),
        ("", "joined by plus signs"),
        ("PeterNeumann", "joined by plus signs"),
        ("PeterNeumann+c74f20a3", "joined by plus signs"),
        (PETER_VERIFIER.replace("c74f20a3", "C74F20A3"), "lower-case hex"),
        (PETER_VERIFIER.replace("c74f20a3", "0c74f20a3"), "lower-case hex"),
        (PETER_VERIFIER.replace("Peter", "peter"), "does not belong"),
        (PETER_VERIFIER + "\n", "is not base64"),
        (" " + PETER_VERIFIER, "a key name"),
        (encoded_verifier(b"\x01" + PETERS.public_key, name="a b"), "a key name"),
        (encoded_verifier(b"\x01" + PETERS.public_key, name=""), "a key name"),
        (encoded_verifier(b"\x01" + PETERS.public_key[:31]), "32 bytes"),
        (encoded_verifier(b"\x01" + PETERS.public_key + b"\0"), "32 bytes"),
        (encoded_verifier(b"\x01"), "32 bytes"),
        (encoded_verifier(b"\x01" + b"\xff" * 32), "not a point"),
        (encoded_verifier(b"\x01" + b"\2" + bytes(31)), "not a point"),
        ("x+00000000+", "is empty"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str, message: str) -> None:
    assert message in refusal(lambda: parse_verifier(text))


def test_a_verifier_key_of_any_length_is_refused_in_time() -> None:
    for text in ("x" * 5000, "x+c74f20a3+" + "A" * 4096):
        assert "joined by plus signs" in refusal(lambda text=text: parse_verifier(text))


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # Go's note_test.go
        encoded_verifier(b"\x04" + PETERS.public_key),
        encoded_verifier(b"\x06" + bytes(1312)),
    ],
)
def test_a_verifier_key_of_another_type_is_unknown(text: str) -> None:
    assert "0x01" in refusal(lambda: parse_verifier(text), UnknownVersionError)


@pytest.mark.parametrize(
    "public_key",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ],
)
def test_a_public_key_under_which_anybody_can_sign_is_refused(public_key: str) -> None:
    weak = bytes.fromhex(public_key)
    refusal(lambda: parse_verifier(encoded_verifier(b"\x01" + weak)))
    # R is the neutral point and s is 0: valid under a small order without any private key.
    verifier = NoteVerifier(name="x", public_key=weak)
    forged = line_of("x", verifier.key_id + b"\1" + bytes(63))
    refusal(lambda: open_note(with_line(forged), verifier))


# Private keys.


@given(SEEDS)
def test_a_private_key_is_read_as_it_was_written_and_by_others(seed: bytes) -> None:
    key = NoteKey(name="k", seed=seed)
    pem = encode_private_key(key)
    assert parse_private_key(pem, name="k") == key
    loaded = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(loaded, Ed25519PrivateKey)
    assert loaded.private_bytes_raw() == seed
    assert pem == loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()  # fmt: skip
    for spelled in (pem.strip(), pem.replace("\n", "\r\n"), pem + "\n"):
        assert parse_private_key(spelled, name="k") == key


def test_a_new_key_is_made_of_fresh_random_bytes() -> None:
    assert generate_key("k").seed != generate_key("k").seed
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return PETER_SEED

    assert generate_key("PeterNeumann", random_bytes=random_bytes) == PETER
    assert asked == [32]


def test_no_text_made_of_a_key_shows_it() -> None:
    shown = f"{PETER!r} {PETER} {PETER.verifier()!r} {[PETER]} {copy.copy(PETER)!r} {vars(NoteKey)}"
    for secret in (repr(PETER_SEED)[2:-1], PETER_SEED.hex(), str(int.from_bytes(PETER_SEED))):
        assert secret not in shown
    assert repr(PETER) == "NoteKey(name='PeterNeumann')"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_no_key(length: int) -> None:
    secret = (b"secret!?" * 8)[:length]
    message = refusal(lambda: NoteKey(name="k", seed=secret))
    assert "secret" not in message


def pem_of(key: object, encryption: object = None) -> str:
    return key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    ).decode()


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
    ],
    ids=["P-256", "secp256k1", "RSA", "Ed448", "X25519"],
)
def test_a_private_key_of_another_algorithm_is_refused(key: object) -> None:
    with pytest.raises((UnknownVersionError, MalformedError), match="not an Ed25519"):
        parse_private_key(pem_of(key), name="k")


def test_a_p256_key_is_of_an_unknown_algorithm() -> None:
    pem = pem_of(ec.generate_private_key(ec.SECP256R1()))
    refusal(lambda: parse_private_key(pem, name="k"), UnknownVersionError)


def test_what_is_no_private_key_is_refused() -> None:
    pem = encode_private_key(PETER)
    oracle = Ed25519PrivateKey.from_private_bytes(PETER_SEED)
    public = oracle.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ssh = oracle.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    encrypted = pem_of(oracle, serialization.BestAvailableEncryption(b"password"))
    for text in ("", "x", pem[:60], pem[1:], "x" + pem, pem + "x", pem + pem, public.decode()):
        refusal(lambda text=text: parse_private_key(text, name="k"))
    for text in (ssh.decode(), encrypted, pem + "\n" * 20_000):
        assert "unencrypted PKCS #8" in refusal(lambda text=text: parse_private_key(text, name="k"))
    relabelled = public.decode().replace("PUBLIC", "PRIVATE")
    assert "public key" in refusal(lambda: parse_private_key(relabelled, name="k"))


def test_a_damaged_private_key_is_refused_without_showing_it() -> None:
    first, body, last = encode_private_key(PETER).splitlines()
    for at in range(len(body)):
        for other in "\0A=-\nzé ":
            text = "\n".join((first, body[:at] + other + body[at + 1 :], last, ""))
            try:
                key = parse_private_key(text, name="k")
            except (MalformedError, UnknownVersionError) as error:
                assert error.__cause__ is None
                assert error.__suppress_context__ or error.__context__ is None
                assert body[20:40] not in str(error)
            else:
                assert key.seed != PETER_SEED or other == body[at]


@given(st.binary(max_size=80))
def test_arbitrary_bytes_in_a_pem_frame_are_refused(der: bytes) -> None:
    body = base64.b64encode(der).decode()
    text = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    with pytest.raises((MalformedError, UnknownVersionError)):
        parse_private_key(text, name="k")


# Base64.


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert parse_base64(text, subject="it") == data
    for other in (text + "=", text + "\n", " " + text, text.rstrip("=") if "=" in text else "-"):
        refusal(lambda other=other: parse_base64(other, subject="it"))


@pytest.mark.parametrize(
    "text", ["A", "AB", "AB=", "AB==", "AAB=", "A===", "é", "A-_=", "AA==AA=="]
)
def test_other_base64_is_refused(text: str) -> None:
    refusal(lambda: parse_base64(text, subject="it"))


def test_reading_a_note_loads_no_cryptography() -> None:
    script = (
        "import sys, anchor.cli, anchor.log.signed_note\n"
        f"anchor.log.signed_note.parse_note({NOTE!r})\n"
        "print('Crypto' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"
