"""Checkpoints against the specification's and Go's examples, and every way to misspell one."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import some

from anchor.base.errors import AnchorError, MalformedError, MismatchError, NotTrustedError
from anchor.base.types import MAX_LOG_SIZE, Address, ChainId, Hash32, Head, LogId, make_log_id
from anchor.log.checkpoint import (
    Checkpoint,
    encode_checkpoint,
    log_origin,
    open_checkpoint,
    parse_checkpoint,
    parse_origin,
    sign_checkpoint,
)
from anchor.log.merkle import EMPTY_ROOT, hash_leaf
from anchor.log.signed_note import NoteKey, generate_key, open_note, parse_note, sign_note

# c2sp.org/tlog-checkpoint, introduction, with the witness's line of c2sp.org/tlog-cosignature.
SOFA_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SOFA_NOTE = (
    SOFA_TEXT
    + "\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URY"
    "N7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dl"
    "rDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
SOFA_ROOT = Hash32(
    bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
)
# golang.org/x/mod/sumdb/tlog, note_test.go: the record is "hello world".
GO_TEXT = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"

CHAIN = ChainId(11155111)
REGISTRY = Address(bytes.fromhex("52908400098527886e0f7030069857d2e4169ee7"))
LOG = make_log_id(Address(b"\xab" * 20), 3)
ORIGIN = (
    "eip155:11155111/0x52908400098527886e0f7030069857d2e4169ee7"
    "/0x000000000000000000000003" + "ab" * 20
)
ROOT = hash_leaf(b"")
ROOT_LINE = base64.b64encode(ROOT).decode()
CHECKPOINT = Checkpoint(origin=ORIGIN, head=Head(root=ROOT, size=7))
KEY = NoteKey(name=ORIGIN, seed=b"\5" * 32)
VERIFIER = KEY.verifier()

ORIGINS = st.text(
    st.characters(exclude_categories=["Cs"], min_codepoint=0x20), min_size=1, max_size=80
)
HEADS = st.builds(
    lambda root, size: Head(root=Hash32(root), size=size),
    st.binary(min_size=32, max_size=32),
    st.integers(0, MAX_LOG_SIZE),
)


def refusal(call: Callable[[], object], kind: type[AnchorError] = MalformedError) -> str:
    with pytest.raises(AnchorError) as caught:
        call()
    assert type(caught.value) is kind
    assert len(caught.value.message) < 400
    return caught.value.message


# The text.


def test_the_specifications_example_is_read_and_written() -> None:
    checkpoint = Checkpoint(
        origin="example.com/behind-the-sofa", head=Head(root=SOFA_ROOT, size=20852163)
    )
    assert parse_checkpoint(SOFA_TEXT) == checkpoint
    assert encode_checkpoint(checkpoint) == SOFA_TEXT
    assert open_checkpoint(SOFA_NOTE.encode(), None) == checkpoint


def test_gos_example_is_read_and_written() -> None:
    checkpoint = Checkpoint(
        origin="go.sum database tree",
        head=Head(root=hash_leaf(b"hello world"), size=123456789012),
    )
    assert parse_checkpoint(GO_TEXT) == checkpoint
    assert encode_checkpoint(checkpoint) == GO_TEXT


def test_an_empty_log_has_a_checkpoint() -> None:
    text = "x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert parse_checkpoint(text) == Checkpoint(origin="x", head=Head(root=EMPTY_ROOT, size=0))


@given(ORIGINS, HEADS)
def test_a_checkpoint_is_read_as_it_was_written(origin: str, head: Head) -> None:
    checkpoint = Checkpoint(origin=origin, head=head)
    assert parse_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "extension", ["JOE\n", "JOE\n" * 1000, " \n", "a\u2028b\n", "\u0085\n", "— x eHh4eHh4\n"]
)
def test_extension_lines_are_passed_over(extension: str) -> None:
    assert parse_checkpoint(SOFA_TEXT + extension) == parse_checkpoint(SOFA_TEXT)


def test_only_a_newline_ends_the_origin() -> None:
    origin = "a\u2028b\u0085c\u2029"
    assert parse_checkpoint(f"{origin}\n7\n{ROOT_LINE}\n").origin == origin


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "newline"),
        ("\n", "lines origin"),
        ("x\n", "lines origin"),
        ("x\n7\n", "lines origin"),
        (f"x\n7\n{ROOT_LINE}", "newline"),
        (f"x\n7\n{ROOT_LINE}\nextension", "newline"),
        (f"\n7\n{ROOT_LINE}\n", "line 1 is empty"),
        (f"x\n\n{ROOT_LINE}\n", "line 2 is empty"),
        ("x\n7\n\n", "line 3 is empty"),
        (f"x\n7\n{ROOT_LINE}\n\n", "line 4 is empty"),
        (f"x\n7\n{ROOT_LINE}\na\n\nb\n", "line 5 is empty"),
        (f"x\n7\n{ROOT_LINE}\na\n\n", "line 5 is empty"),
        (f"\nx\n7\n{ROOT_LINE}\n", "line 1 is empty"),
        (f"x\r\n7\n{ROOT_LINE}\n", "U+000D"),
        (f"x\t\n7\n{ROOT_LINE}\n", "U+0009"),
        (f"x\n7\n{ROOT_LINE}\n\0\n", "U+0000"),
        (f"\ud800\n7\n{ROOT_LINE}\n", "surrogate"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, message: str) -> None:
    assert message in refusal(lambda: parse_checkpoint(text))


@pytest.mark.parametrize(
    "size",
    [
        *[
            "00",
            "07",
            "+7",
            "-7",
            "-0",
            "7.0",
            "0x7",
            "7_0",
            "1e3",
            "bananas",
            "٧",
            "７",
            "²",
            "12345678901234567",
        ],
        "7 ",
        " 7",
    ],
)
def test_a_size_is_decimal_without_leading_zeros(size: str) -> None:
    assert "leading zeros" in refusal(lambda: parse_checkpoint(f"x\n{size}\n{ROOT_LINE}\n"))


def test_what_is_too_long_is_refused_in_time() -> None:
    origin, size = "x" * 1_000_000, "9" * 100_000
    assert "longer than 1,000,000" in refusal(
        lambda: parse_checkpoint(f"{origin}\n7\n{ROOT_LINE}\n")
    )
    assert "leading zeros" in refusal(lambda: parse_checkpoint(f"x\n{size}\n{ROOT_LINE}\n"))


def test_a_size_is_below_2_to_the_48() -> None:
    largest = parse_checkpoint(f"x\n281474976710655\n{ROOT_LINE}\n")
    assert largest.head.size == MAX_LOG_SIZE == 2**48 - 1
    for size in ("281474976710656", "9999999999999999"):
        assert "281474976710655" in refusal(
            lambda size=size: parse_checkpoint(f"x\n{size}\n{ROOT_LINE}\n")
        )


@pytest.mark.parametrize(
    "root",
    [
        ROOT_LINE[:-1],
        ROOT_LINE + "=",
        ROOT_LINE + " ",
        " " + ROOT_LINE,
        ROOT_LINE.replace("=", ""),
        ROOT_LINE[:-2] + chr(ord(ROOT_LINE[-2]) + 1) + "=",  # bits beyond the last byte
        ROOT_LINE.replace("+", "-").replace("/", "_"),
        base64.b64encode(ROOT[:31]).decode(),
        base64.b64encode(ROOT + b"\0").decode(),
        "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=",  # Go's note_test.go
        "ThisIsn'tBase64",
        ROOT.hex(),
        "0x" + ROOT.hex(),
        "=",
    ],
)
def test_a_root_is_canonical_base64_of_32_bytes(root: str) -> None:
    assert root != ROOT_LINE
    assert "root" in refusal(lambda: parse_checkpoint(f"x\n7\n{root}\n"))


@pytest.mark.parametrize(
    ("origin", "root", "size"),
    [
        ("", ROOT, 7),
        ("a\nb", ROOT, 7),
        ("a\n", ROOT, 7),
        ("a\tb", ROOT, 7),
        ("a\ud800", ROOT, 7),
        ("a", ROOT[:31], 7),
        ("a", ROOT + b"\0", 7),
        ("a", ROOT, -1),
        ("a", ROOT, MAX_LOG_SIZE + 1),
    ],
)
def test_no_checkpoint_is_made_that_could_not_be_read(origin: str, root: bytes, size: int) -> None:
    refusal(lambda: Checkpoint(origin=origin, head=Head(root=Hash32(root), size=size)))


# The signed note.


def test_a_signed_checkpoint_opens_under_its_key() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    assert note.startswith(f"{ORIGIN}\n7\n{ROOT_LINE}\n\n— {ORIGIN} ".encode())
    assert open_checkpoint(note, VERIFIER) == CHECKPOINT
    assert open_note(note, VERIFIER) == encode_checkpoint(CHECKPOINT)


@given(HEADS)
def test_every_head_survives_signing(head: Head) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, head=head)
    assert open_checkpoint(sign_checkpoint(checkpoint, KEY), VERIFIER) == checkpoint


def test_no_bent_byte_of_a_signed_checkpoint_is_accepted() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    for at in range(len(note)):
        others = {note[at] ^ (1 << bit) for bit in range(8)} | {0x0A, 0x20, 0x30, 0x39}
        for other in some(others, at):
            if other != note[at]:
                bent = note[:at] + bytes([other]) + note[at + 1 :]
                with pytest.raises((MalformedError, MismatchError, NotTrustedError)):
                    open_checkpoint(bent, VERIFIER)


def test_another_keys_checkpoint_is_not_trusted() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    other = generate_key(ORIGIN).verifier()
    refusal(lambda: open_checkpoint(note, other), NotTrustedError)
    refusal(lambda: open_checkpoint(SOFA_NOTE.encode(), VERIFIER), NotTrustedError)


def test_a_bent_head_is_a_mismatch_with_a_verifier_and_unseen_without() -> None:
    bent = sign_checkpoint(CHECKPOINT, KEY).replace(b"\n7\n", b"\n8\n")
    refusal(lambda: open_checkpoint(bent, VERIFIER), MismatchError)
    assert open_checkpoint(bent, None).head.size == 8


def test_without_a_verifier_the_signature_lines_must_still_be_well_formed() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    assert open_checkpoint(note, None) == CHECKPOINT
    for bad in (
        encode_checkpoint(CHECKPOINT).encode(),
        encode_checkpoint(CHECKPOINT).encode() + b"\n",
        note[:-1],
        note + b"x\n",
        note.replace("—".encode(), b"-"),
        note[:-3] + b"\n",
    ):
        refusal(lambda bad=bad: open_checkpoint(bad, None))


def test_a_signed_note_that_is_no_checkpoint_is_refused() -> None:
    note = sign_note("hello\n", KEY)
    refusal(lambda: open_checkpoint(note, VERIFIER))
    refusal(lambda: open_checkpoint(note, None))


def test_a_signature_inside_the_text_is_no_signature() -> None:
    inner = sign_checkpoint(CHECKPOINT, KEY).decode()
    outer = sign_note(inner, generate_key("x"))
    assert parse_note(outer).text == inner
    refusal(lambda: open_checkpoint(outer, VERIFIER), NotTrustedError)
    refusal(lambda: open_checkpoint(outer, None))


# The origin.


def test_an_origin_names_chain_registry_and_log() -> None:
    assert log_origin(CHAIN, REGISTRY, LOG) == ORIGIN
    assert parse_origin(ORIGIN) == (CHAIN, REGISTRY, LOG)


@given(
    st.integers(1, 2**53 - 1),
    st.binary(min_size=20, max_size=20),
    st.binary(min_size=32, max_size=32),
)
def test_an_origin_is_read_as_it_was_written_and_names_a_key(
    chain_id: int, registry: bytes, log: bytes
) -> None:
    named = (ChainId(chain_id), Address(registry), LogId(log))
    origin = log_origin(*named)
    assert parse_origin(origin) == named
    assert NoteKey(name=origin, seed=bytes(32)).name == origin


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("eip155:", ""),
        ("eip155:", "eip155"),
        ("eip155:", "EIP155:"),
        ("eip155:", "eip155:eip155:"),
        ("eip155:", "https://eip155:"),
        ("eip155:", " eip155:"),
        ("11155111", ""),
        ("11155111", "0"),
        ("11155111", "011155111"),
        ("11155111", "+1"),
        ("11155111", "0x1"),
        ("11155111", "١"),
        ("11155111", str(2**53)),
        ("11155111", "1" * 17),
        ("/0x5", "/5"),
        ("/0x5", "//0x5"),
        ("/0x5", "/0X5"),
        ("/0x5", "/0x"),
        ("/0x5", "/0x55"),
        ("6e0f", "6E0f"),
        ("6e0f", "6g0f"),
        ("/0x0", "/0"),
        ("/0x0", "0x0"),
        ("/0x0", "/0x00"),
        ("/0x0", "/0x"),
        ("ab" * 20, "AB" + "ab" * 19),
        ("ab" * 20, "ab" * 20 + "/"),
        ("ab" * 20, "ab" * 20 + "\n"),
        ("ab" * 20, "ab" * 20 + "/x"),
    ],
)
def test_another_spelling_is_no_origin(old: str, new: str) -> None:
    assert ORIGIN.count(old) == 1
    assert "origin" in refusal(lambda: parse_origin(ORIGIN.replace(old, new)))


@pytest.mark.parametrize(
    "text", ["", "/", "//", "eip155:", "eip155:1", "eip155:1/2", "example.com/x"]
)
def test_the_origins_of_others_are_refused(text: str) -> None:
    refusal(lambda: parse_origin(text))
