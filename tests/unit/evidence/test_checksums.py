"""Lists of checksums, held against the tools that print them."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anchor.base.digests import SHA256, SM3
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.evidence.checksums import MAX_LINE_BYTES, decode_name, encode_name, parse_checksum_lines

HEX = "ab" * 32
RAW = bytes.fromhex(HEX)

NAMES = [
    b"plain.txt",
    b"two words",
    b" leading",
    b"trailing ",
    b"*star",
    b"line\nbreak",
    b"carriage\rreturn",
    b"ends in return\r",
    b"back\\slash",
    b"\\starts with it",
    b"not an escape \\n",
    b"\n",
    b"\\",
    b"#hash",
    b"SHA256 (x) = " + HEX.encode(),
    b"a) = b (c",
    "证据 ✓.pdf".encode(),
    b"latin-1 \xe9t\xe9",
    b"\xff\xfe",
    b"\xed\xa0\x80 surrogate",
    b"literal \\xff and \xff",
    b"100%.txt",
    b"%E9",
]

# Bytes that meet every rule of the two escapes, alone and in each other's way.
PIECES = [
    b"\\",
    b"x",
    b"5c",
    b"ff",
    b"8",
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"%",
    b"n",
    b"\n",
    b"\r",
    b"(",
]
TRICKY = st.one_of(st.binary(max_size=30), st.lists(st.sampled_from(PIECES)).map(b"".join))


def parse(*lines: bytes | str, untagged: str = SHA256) -> list[tuple[str, str, bytes]]:
    return list(parse_checksum_lines(lines, subject="list.txt", untagged=untagged))


def run_tool(folder: Path, *command: str) -> list[bytes]:
    """Run a checksum tool over all of ``NAMES`` as real files; return its lines."""
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(b"content of " + name)
    ran = subprocess.run(
        [*map(os.fsencode, command), b"--", *NAMES], cwd=folder, capture_output=True, check=False
    )
    if ran.returncode != 0:
        pytest.skip(f"this {command[0]} does not know {' '.join(command[1:])}")
    # Not splitlines(), which also splits at a carriage return.
    return list(io.BytesIO(ran.stdout))


@pytest.mark.parametrize(
    ("command", "algorithm"),
    [
        (("sha256sum",), SHA256),
        (("sha256sum", "--binary"), SHA256),
        (("sha256sum", "--tag"), SHA256),
        (("cksum", "-a", "sha256", "--untagged"), SHA256),
        (("cksum", "-a", "sm3"), SM3),
        (("cksum", "-a", "sm3", "--untagged"), SM3),
    ],
)
def test_what_the_real_tools_print_is_read_back(
    tmp_path: Path, command: tuple[str, ...], algorithm: str
) -> None:
    lines = run_tool(tmp_path, *command)
    assert parse(*lines, untagged=algorithm) == [
        (decode_name(name), algorithm, hashlib.new(algorithm, b"content of " + name).digest())
        for name in NAMES
    ]


def test_a_line_may_be_text_with_the_bytes_of_its_name_escaped_by_python() -> None:
    line = f"{HEX}  caf".encode() + b"\xe9\n"
    assert parse(line.decode("utf-8", "surrogateescape")) == parse(line)


@pytest.mark.fault(
    "J4",
    how="file names of any bytes",
    then="each is written and read back as it was",
)
@given(name=TRICKY.filter(lambda name: name and b"\0" not in name), tagged=st.booleans())
def test_every_name_survives_the_way_through_a_list(name: bytes, tagged: bool) -> None:
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != name else b""
    line = (
        mark + b"SM3 (" + escaped + b") = " + HEX.encode()
        if tagged
        else mark + HEX.encode() + b"  " + escaped
    )
    assert parse(line + b"\n") == [(decode_name(name), SM3 if tagged else SHA256, RAW)]


@given(TRICKY)
@example(b"\\x5c")
@example(b"\\x5cx5c\\xff\xff")
def test_decoding_a_name_loses_nothing_and_leaves_no_surrogate(raw: bytes) -> None:
    name = decode_name(raw)
    assert encode_name(name) == raw
    name.encode("utf-8")


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "\\x" not in text))
def test_an_ordinary_name_stays_as_it_is(text: str) -> None:
    assert decode_name(text.encode()) == text


def test_the_escapes_are_the_documented_ones() -> None:
    assert decode_name(b"caf\xe9") == "caf\\xe9"
    assert decode_name(b"caf\\xe9") == "caf\\x5cxe9"
    assert decode_name(b"C:\\xray \\x20 %E9") == "C:\\xray \\x20 %E9"


def test_a_backslash_means_itself_unless_the_line_starts_with_one() -> None:
    lines = (f"{HEX}  a\\nb", f"\\{HEX}  a\\nb", f"SM3 (a\\) = {HEX}", f"\\SM3 (a\\\\) = {HEX}")
    assert [name for name, _, _ in parse(*lines)] == ["a\\nb", "a\nb", "a\\", "a\\"]


def test_either_case_of_the_digits_and_windows_line_ends_are_read() -> None:
    assert parse(f"{HEX.upper()}  a\r\n", f"SHA256 (b) = {HEX.upper()}\r\n") == [
        ("a", SHA256, RAW),
        ("b", SHA256, RAW),
    ]


def test_comments_and_empty_lines_are_passed_over_but_counted() -> None:
    lines = ["\ufeff# made by hand\n", "\n", f"{HEX}  a\n", "\r\n"]
    assert parse(*lines) == [("a", SHA256, RAW)]
    with pytest.raises(MalformedError, match=r"list\.txt, line 5 "):
        parse(*lines, "nonsense\n")


@pytest.mark.parametrize(
    "line",
    [
        " ",
        "\\",
        HEX,
        f"{HEX} ",
        f"{HEX}  ",
        f"{HEX} name",
        f"{HEX}\tname",
        f" {HEX}  name",
        f"{HEX[1:]}  name",
        f"a{HEX}  name",
        f"g{HEX[1:]}  name",
        f"0x{HEX[2:]}  name",
        "\ufeff" + f"{HEX}  name",
        f"SHA256 (name) = {HEX[1:]}",
        f"SHA256 (name) = {HEX}0",
        f"SHA256 (name) = {HEX} ",
        f"SHA256 () = {HEX}",
        f"SHA256(name)= {HEX}",
        f"SHA256 (name) ={HEX}",
        "SM3 (-) = Zsfw9GLu7dnR8tRr3BDk4kFnxIdc8veiKX2gK49LqOA=",
        f"\\{HEX}  bad \\t escape",
        f"\\{HEX}  ends in \\",
        f"\\SHA256 (ends in \\) = {HEX}",
        f"{HEX}  nul \0 byte",
        f"{HEX}  raw\nbreak",
        f"{HEX}  lone \ud800 surrogate",
        b"\xff" * 80,
    ],
)
def test_a_malformed_line_is_refused_by_its_number(line: bytes | str) -> None:
    with pytest.raises(MalformedError, match=r"^list\.txt, line 2 "):
        parse(f"{HEX}  good\n", line)


@pytest.mark.parametrize(
    "line", ["MD5 (a) = " + "ab" * 16, f"SHA512 (a) = {HEX}{HEX}", f"sha256 (a) = {HEX}"]
)
def test_another_algorithm_is_not_called_malformed(line: str) -> None:
    with pytest.raises(UnknownVersionError, match=r"^list\.txt, line 1 has the unknown"):
        parse(line)


def test_the_longest_name_fits_and_a_longer_line_does_not() -> None:
    longest = b"\\" + HEX.encode() + b"  " + b"\\n" * 4095 + b"\n"
    assert parse(longest) == [("\n" * 4095, SHA256, RAW)]
    endless = io.BytesIO(HEX.encode() + b"  " + b"x" * 10 * MAX_LINE_BYTES)
    with pytest.raises(MalformedError, match="line 1 is longer than"):
        parse(*iter(lambda: endless.readline(MAX_LINE_BYTES + 1), b""))


def test_lines_are_read_one_at_a_time() -> None:
    parsed = parse_checksum_lines(iter([f"{HEX}  a", "nonsense"]), subject="list")
    assert next(parsed) == ("a", SHA256, RAW)
    with pytest.raises(MalformedError):
        next(parsed)


def test_untagged_lines_take_a_known_algorithm_only() -> None:
    assert parse(f"{HEX}  a", untagged=SM3) == [("a", SM3, RAW)]
    with pytest.raises(UnknownVersionError):
        parse(f"{HEX}  a", untagged="md5")
