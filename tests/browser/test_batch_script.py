"""A ZIP file on `/batch`: the script's verdict on each file, in Node, also of hostile ZIP files."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest
from support.bags import Files
from support.bent_receipts import Given, honest_receipts, world
from support.notice_bags import hashes_of, notices, packed
from support.notices import OF_A
from support.page_script import PageScript, Refused, run_batch_script
from support.zip_bends import BOMB, LINK, OTHER_NAME, Entry, deflate, make_zip, overlapping

from anchor.service.pages.batch_page import _ZIP_LIMITS
from anchor.service.pages.number_table import neutralise
from anchor.verification.pinning import encode_policy

HONEST = next(each for each in honest_receipts() if each.name == "an operator's")
RECEIPT = json.dumps(HONEST.document).encode()
FILE = world().files[HONEST.given.leaf]
NOISE = Random(1).randbytes(1_200_000)


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_batch_script() as running:
        yield running


def pack(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def ask(
    script: PageScript, data: bytes, given: Given | None = HONEST.given, *, padding: int = 0
) -> Any:
    policy = given and given.policy and encode_policy(given.policy.entries).decode()
    named = sorted("0x" + each.hex() for each in given.block_hashes) if given else []
    return script.ask(
        "zip", data=base64.b64encode(data).decode(), padding=padding, policy=policy,
        block_hashes=named,
    )  # fmt: skip


def rows_of(script: PageScript, data: bytes, given: Given | None = HONEST.given) -> list[Any]:
    rows: list[Any] = ask(script, data, given)["rows"]
    return rows


def brief(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a row comes to: the receipt, its files, how they match, the code."""
    return row["receipt"], row["files"], row["matched_by"], row["exit_code"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": FILE, "a.anchor.json": RECEIPT}, ("a.anchor.json", ["a"], "digest", 0)),
        (
            {"合同/另.txt": FILE, "x.anchor.json": RECEIPT},
            ("x.anchor.json", ["合同/另.txt"], "digest", 0),
        ),
        (
            {"a": b"else", "b": FILE, "c": FILE, "a.anchor.json": RECEIPT},
            ("a.anchor.json", ["b", "c"], "digest", 0),
        ),
        (
            {"a": FILE[:-1] + b"!", "a.anchor.json": RECEIPT},
            ("a.anchor.json", ["a"], "name", 10),
        ),
        (
            {"t/data/originals/a": FILE + b"!", "t/receipts/a.anchor.json": RECEIPT},
            ("t/receipts/a.anchor.json", ["t/data/originals/a"], "name", 10),
        ),
        ({"a.anchor.json": RECEIPT}, ("a.anchor.json", [], None, 20)),
        ({"a": FILE, "a.anchor.json": b"{}"}, ("a.anchor.json", ["a"], "name", 2)),
        ({"a.anchor.json": NOISE}, ("a.anchor.json", [], None, 2)),
    ],
)
def test_a_receipt_is_judged_with_the_file_of_its_digest_or_its_name(
    script: PageScript, files: Files, expected: tuple[Any, ...]
) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        row = rows_of(script, pack(files, method))[0]
        assert brief(row) == expected
        code = expected[3]
        assert row["tone"] == ("fail" if code in (2, 10) else "unknown")
        if code == 0:
            assert row["block_time_is"] == "proven" and row["chain_id"] and row["registry"]
            assert row["reason"] is None
        elif row["matched_by"] is None and code == 20:
            assert row["said"] == [
                "only the receipt was checked; its original was not given, so no file was compared",
                "仅核验了存证回执；未提供原件，文件未比对",
            ]


def test_without_a_policy_nothing_is_verified_but_a_changed_file_is_told(
    script: PageScript,
) -> None:
    files = {"a": FILE, "a.anchor.json": RECEIPT, "b": FILE + b"!", "b.anchor.json": RECEIPT}
    first, second, _ = rows_of(script, pack(files), None)
    assert (first["exit_code"], first["said"]) == (20, ["cannot tell", "无法判断"])
    assert first["block_time_is"] == "stated"
    assert second["matched_by"] == "digest", "the file of that digest is there"
    (changed,) = rows_of(script, pack({"b": FILE + b"!", "b.anchor.json": RECEIPT}), None)
    assert (changed["exit_code"], changed["tone"]) == (10, "fail")


def test_files_without_a_receipt_have_rows_and_inner_zips_stay_closed(script: PageScript) -> None:
    inner = pack({"a": FILE, "a.anchor.json": RECEIPT})
    policy = encode_policy(HONEST.given.policy.entries) if HONEST.given.policy else b""
    files = {"notes.txt": b"x", "inner.ZIP": inner, "policy/trust.toml": policy}
    rows = rows_of(script, pack({**files, "b.anchor.json": RECEIPT}), None)
    assert brief(rows[0])[3] == 20, "a policy in the ZIP does not count"
    said = {row["files"][0]: (row["verdict"], row["reason"]) for row in rows[1:]}
    nothing = "matches no receipt that was given"
    assert said["notes.txt"] == said["policy/trust.toml"] == (nothing, None)
    assert said["inner.ZIP"][0] == nothing and "not opened" in said["inner.ZIP"][1]
    assert len(rows) == 4 and all(row["exit_code"] is None for row in rows[1:])
    assert {row["tone"] for row in rows[1:]} == {"fail"}


@pytest.mark.parametrize("receipts", [{}, {"b.anchor.json": b"{}"}])
def test_without_a_receipt_that_can_be_read_no_file_is_called_changed(
    script: PageScript, receipts: Files
) -> None:
    *_, row = rows_of(script, pack({**receipts, "a": FILE}))
    assert (row["tone"], row["verdict"]) == ("unknown", "no receipt of its own in this ZIP")


def test_what_the_list_of_a_capture_covers_needs_no_receipt_of_its_own(script: PageScript) -> None:
    files = {"c/manifest-sha256.txt": FILE, "c/data/page.html": b"x", "d/page.html": b"y"}
    _, *others = rows_of(script, pack({**files, "x.anchor.json": RECEIPT}))
    tones = {row["files"][0]: row["tone"] for row in others}
    assert tones == {"c/data/page.html": "unknown", "d/page.html": "fail"}


@pytest.mark.parametrize("folder", ["", "case-1/"])
def test_a_packages_own_files_need_no_receipt_and_whatever_else_is_in_it_does(
    script: PageScript, folder: str
) -> None:
    own = [
        "README.en.md", "README.zh.md", "tagmanifest-sha256.txt", "manifest-sha256.txt",
        "bagit.txt", "policy/trust.toml", "verify/verify.py", "verify/verifier.html",
        "exhibits/exhibits.json", "certificate/AC-1.pdf",
    ]  # fmt: skip
    others = [
        "receipts/contract.pdf", "data/originals/b.pdf", "notes.txt", "verify/deep/verify.py",
        "README.txt",
    ]  # fmt: skip
    files = {f"{folder}{name}": b"x" + name.encode() for name in own + others}
    files |= {f"{folder}a": FILE, f"{folder}a.anchor.json": RECEIPT, "elsewhere/README.en.md": b"y"}
    judged, *rest = rows_of(script, pack(files))
    assert (judged["tone"], judged["exit_code"]) == ("unknown", 0), "of a development chain"
    tones: dict[str, set[str]] = {}
    for row in rest:
        tones.setdefault(row["tone"], set()).update(row["files"])
        is_own = row["tone"] == "none"
        assert row["said"][1] == (
            "材料包自带的文件，无需存证回执；此处未予核对"
            if is_own
            else "与所提供的任何存证回执均不一致"
        )
    assert tones["none"] == {f"{folder}{name}" for name in own}
    left = {f"{folder}{name}" for name in others} | {"elsewhere/README.en.md"}
    assert tones["fail"] == left
    del files[f"{folder}tagmanifest-sha256.txt"]
    assert {row["tone"] for row in rows_of(script, pack(files))[1:]} == {"fail"}, "no package"


def test_a_notice_in_the_zip_counts_for_the_record_that_it_is_about(script: PageScript) -> None:
    made = notices()
    files = packed(made, OF_A)
    given = Given(0, made.world.policy(), hashes_of(files))
    codes = {row["receipt"]: row["exit_code"] for row in rows_of(script, pack(files), given)}
    assert codes["receipts/a.anchor.json"] == 14 and codes["receipts/b.anchor.json"] == 0
    assert codes["notices/0.anchor.json"] == 0
    without = {name: data for name, data in files.items() if not name.startswith("notices/")}
    codes = {row["receipt"]: row["exit_code"] for row in rows_of(script, pack(without), given)}
    assert codes["receipts/a.anchor.json"] == 0


class Stream(io.BytesIO):
    """A file in which a ZIP writer cannot go back, so that it writes sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: object) -> int:
        raise OSError


def test_a_zip_that_was_streamed_is_read(script: PageScript) -> None:
    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t/", b"")
        for name, content in {"t/a": FILE, "t/a.anchor.json": RECEIPT}.items():
            archive.writestr(name, content)
    assert stream.getvalue()[6] & 8 or b"PK\7\10" in stream.getvalue()
    (row,) = rows_of(script, stream.getvalue())
    assert brief(row) == ("t/a.anchor.json", ["t/a"], "digest", 0)


def entry(name: str, data: bytes = b"x", **members: Any) -> Entry:
    return Entry(**{"name": name.encode(), "data": data, "size": len(data), **members})


HOSTILE: dict[str, tuple[Entry, str]] = {
    "a folder above": (entry("../evil"), "leaves the folder"),
    "a folder above, inside": (entry("a/../../evil"), "leaves the folder"),
    "an absolute name": (entry("/etc/passwd"), "leaves the folder"),
    "a drive": (entry("C:evil"), "leaves the folder"),
    "a backslash": (entry("..\\evil"), "leaves the folder"),
    "a NUL": (entry("a\0b"), "leaves the folder"),
    "a long name": (entry("x" * 2_051), "too long"),
    "encrypted": (entry("secret", flags=0x801), "is encrypted"),
    "strongly encrypted": (entry("secret", flags=0x841), "is encrypted"),
    "a link": (entry("link", b"/etc/passwd", attributes=LINK), "is a link or a device"),
    "another method": (entry("lzma", method=14), "method 14"),
    "a bomb": (entry("bomb", BOMB, method=8, size=80 << 20), "unpack to 83,886,080"),
    "a bomb that hides its size": (entry("bomb", BOMB, method=8, size=9), "not of the size"),
    "less than it states": (entry("short", deflate(b"abc"), method=8, size=9), "not of the size"),
    "no deflated data": (entry("noise", b"\xff" * 9, method=8), "damaged"),
    "sizes that differ": (entry("odd", size=2), "in two ways"),
    "another name inside": (entry("evil", extra=OTHER_NAME), "evil"),
    "not UTF-8": (Entry(b"\xd6\xa4", b"x", 1, flags=0), "not marked as UTF-8"),
    "a folder with data": (entry("folder/", attributes=16), ""),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_entry_is_refused_by_name_and_the_rest_goes_on(
    kind: str, script: PageScript
) -> None:
    bad, reason = HOSTILE[kind]
    data = make_zip([entry("a", FILE), bad, entry("a.anchor.json", RECEIPT)])
    honest, refused = rows_of(script, data)
    assert brief(honest) == ("a.anchor.json", ["a"], "digest", 0)
    assert (refused["verdict"], refused["tone"]) == ("refused, not checked", "unknown")
    assert reason in refused["reason"] and refused["why"][1] != refused["reason"]
    assert refused["files"] == [bad.name.decode("utf-8", "replace")]
    assert (refused["exit_code"], refused["block_time"]) == (None, None)


@pytest.mark.parametrize("other", ["b", "B", "e\u0301", "\u00e9"])
def test_of_a_name_that_is_there_twice_neither_is_read(other: str, script: PageScript) -> None:
    name = {"B": "b", "e\u0301": "\u00e9"}.get(other, other)
    twice = [entry(name, FILE), entry(other, FILE)]
    rows = rows_of(script, make_zip([*twice, entry("c.anchor.json", RECEIPT)]))
    assert brief(rows[0]) == ("c.anchor.json", [], None, 20)
    assert [row["files"] for row in rows[1:]] == [[name], [other]]
    assert all("more than once" in row["reason"] for row in rows[1:])


def test_entries_that_share_their_data_are_refused(script: PageScript) -> None:
    data = overlapping([entry("a", FILE), entry("a.anchor.json", RECEIPT), entry("c")])
    first, *others = rows_of(script, data)
    assert brief(first)[3] == 0
    assert [row["files"] for row in others] == [["c"], ["bag/x"]]
    assert all(row["verdict"] == "refused, not checked" for row in others)
    last = bytearray(make_zip([entry("a", FILE), entry("a.anchor.json", RECEIPT)]))
    # The first entry is said to reach into the second.
    for place, field in (
        (0, 18),
        (0, 22),
        (last.index(b"PK\1\2"), 20),
        (last.index(b"PK\1\2"), 24),
    ):
        struct.pack_into("<L", last, place + field, len(FILE) + 40)
    receipt, refused = rows_of(script, bytes(last))
    assert refused["files"] == ["a"] and "overlaps another" in refused["reason"]
    assert brief(receipt) == ("a.anchor.json", [], None, 20)


def test_what_all_files_unpack_to_has_a_bound(script: PageScript) -> None:
    # Ten of 60 MB each that no ratio forbids: only the ninth and tenth are beyond 500 MB.
    noise = [
        entry(f"n{number}", b"\0" * 600_100, method=8, size=60_000_000) for number in range(10)
    ]
    rows = rows_of(script, make_zip(noise))
    beyond = [row["files"][0] for row in rows if "more than 500,000,000" in (row["reason"] or "")]
    assert beyond == ["n8", "n9"] and len(rows) == 10


def test_a_whole_zip_is_refused_where_nothing_in_it_can_be_told(script: PageScript) -> None:
    size, count = script.ask("limits")
    assert (size, count) == (50_000_000, 2_000)
    assert {"zip_megabytes": size // 1_000_000, "zip_entries": count} == _ZIP_LIMITS
    good = pack({"a": FILE})
    wholes = {
        "at most 50,000,000": ask(script, good, padding=size),
        "at most 2,000": ask(script, make_zip([entry(f"{at}") for at in range(count + 1)])),
        "end": ask(script, b"no ZIP at all" * 9),
        "directory": ask(script, make_zip([entry("a"), entry("b")], count=1)),
        "ZIP": ask(script, good[:-30]),
    }
    for words, answer in wholes.items():
        assert isinstance(answer, Refused), words
        assert answer.code == 2 and words in answer.message and answer.chinese != answer.message
    assert len(rows_of(script, make_zip([entry(f"{at}") for at in range(count)]))) == count


def test_every_truncation_and_altered_byte_is_a_refusal_or_a_table(script: PageScript) -> None:
    data = make_zip([entry("a", b"abc"), entry("b", deflate(b"abc"), method=8, size=3)])
    for at in range(0, len(data), 2):
        altered = data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :]
        for bent in (data[:at], altered):
            answer = ask(script, bent, None)
            assert isinstance(answer, Refused) or answer["rows"]


def test_the_csv_is_that_of_the_other_table_and_no_cell_is_a_formula(script: PageScript) -> None:
    cells = ["=1", " =1", "+", "-1", "@x", "\tx", "\rx", "＝1", "－", "＋", "＠", "a=1", "", "合同"]
    assert script.ask("neutralise", cells=cells) == [neutralise(cell) for cell in cells]
    name = '=cmd|"/C calc"!A0,\n'
    answer = ask(script, pack({name: FILE, f"{name}.anchor.json": RECEIPT, "-b": b"x"}))
    assert answer["csv"].startswith("\ufeff") and answer["parts"][-1] == 1
    first, second = csv.DictReader(io.StringIO(answer["csv"][1:], newline=""))
    assert (first["receipt"], first["files"]) == (f"'{name}.anchor.json", f"'{name}")
    assert first["exit_code"] == "0" and second["files"] == "'-b"
    row = answer["rows"][0]
    assert first["block_time"] == row["block_time"] and first["registry"] == row["registry"]
