"""A ZIP file with receipts: the page's verdict on each file, in Node, also of hostile ZIP files."""

from __future__ import annotations

import base64
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
from support.page_script import PageScript, Refused, run_page_script
from support.zip_bends import BOMB, LINK, OTHER_NAME, Entry, deflate, make_zip, overlapping

from anchor.verification.pinning import encode_policy

HONEST = next(each for each in honest_receipts() if each.name == "an operator's")
RECEIPT = json.dumps(HONEST.document).encode()
FILE = world().files[HONEST.given.leaf]
NOISE = Random(1).randbytes(1_200_000)


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
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
        "receipts_zip", data=base64.b64encode(data).decode(), padding=padding, policy=policy,
        block_hashes=named,
    )  # fmt: skip


def judge(
    script: PageScript, data: bytes, given: Given | None = HONEST.given
) -> tuple[list[Any], list[Any]]:
    """Return what came of each receipt, and of the other files."""
    answer = ask(script, data, given)
    return answer["judged"], answer["others"]


def brief(judged: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a receipt comes to: its name, its files, the code."""
    return judged["receipt"], judged["files"], judged["exit_code"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": FILE, "a.anchor.json": RECEIPT}, ("a.anchor.json", ["a"], 0)),
        (
            {"合同/另.txt": FILE, "x.anchor.json": RECEIPT},
            ("x.anchor.json", ["合同/另.txt"], 0),
        ),
        (
            {"a": b"else", "b": FILE, "c": FILE, "a.anchor.json": RECEIPT},
            ("a.anchor.json", ["b", "c"], 0),
        ),
        (
            {"a": FILE[:-1] + b"!", "a.anchor.json": RECEIPT},
            ("a.anchor.json", ["a"], 10),
        ),
        (
            {"t/data/originals/a": FILE + b"!", "t/receipts/a.anchor.json": RECEIPT},
            ("t/receipts/a.anchor.json", ["t/data/originals/a"], 10),
        ),
        ({"a.anchor.json": RECEIPT}, ("a.anchor.json", [], 20)),
        ({"a": FILE, "a.anchor.json": b"{}"}, ("a.anchor.json", ["a"], 2)),
        ({"a.anchor.json": NOISE}, ("a.anchor.json", [], 2)),
    ],
)
def test_a_receipt_is_judged_with_the_file_of_its_digest_or_its_name(
    script: PageScript, files: Files, expected: tuple[Any, ...]
) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        judged = judge(script, pack(files, method))[0][0]
        assert brief(judged) == expected
        assert (judged["alone"] is None) == (judged["files"] != [])
        if judged["files"] == [] and judged["exit_code"] == 20:
            assert judged["alone"] == [
                "only the receipt was checked; its original was not given, so no file was compared",
                "仅核验了存证回执；未提供原件，文件未比对",
            ]


def test_without_a_policy_nothing_is_verified_but_a_changed_file_is_told(
    script: PageScript,
) -> None:
    files = {"a": FILE, "a.anchor.json": RECEIPT, "b": FILE + b"!", "b.anchor.json": RECEIPT}
    (first, second), _ = judge(script, pack(files), None)
    assert first["exit_code"] == 20
    assert second["files"] == ["a"], "the file of that digest is there"
    (changed,), _ = judge(script, pack({"b": FILE + b"!", "b.anchor.json": RECEIPT}), None)
    assert changed["exit_code"] == 10


def test_files_without_a_receipt_are_told_and_inner_zips_stay_closed(script: PageScript) -> None:
    inner = pack({"a": FILE, "a.anchor.json": RECEIPT})
    policy = encode_policy(HONEST.given.policy.entries) if HONEST.given.policy else b""
    files = {"notes.txt": b"x", "inner.ZIP": inner, "policy/trust.toml": policy}
    (judged,), others = judge(script, pack({**files, "b.anchor.json": RECEIPT}), None)
    assert judged["exit_code"] == 20, "a policy in the ZIP does not count"
    reasons = {each["name"]: each["reason"] for each in others}
    assert reasons["notes.txt"] is reasons["policy/trust.toml"] is None
    assert "not opened" in reasons["inner.ZIP"][0]
    assert len(others) == 3 and all(each["isUnmatched"] for each in others)
    assert {each["words"][0] for each in others} == {"matches no receipt that was given"}


@pytest.mark.parametrize("receipts", [{}, {"b.anchor.json": b"{}"}])
def test_without_a_receipt_that_can_be_read_no_file_is_called_changed(
    script: PageScript, receipts: Files
) -> None:
    _, (other,) = judge(script, pack({**receipts, "a": FILE}))
    assert not other["isUnmatched"] and other["words"][0] == "no receipt of its own in this ZIP"


def test_what_the_list_of_a_capture_covers_needs_no_receipt_of_its_own(script: PageScript) -> None:
    files = {"c/manifest-sha256.txt": FILE, "c/data/page.html": b"x", "d/page.html": b"y"}
    _, others = judge(script, pack({**files, "x.anchor.json": RECEIPT}))
    unmatched = {each["name"]: each["isUnmatched"] for each in others}
    assert unmatched == {"c/data/page.html": False, "d/page.html": True}


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
    (judged,), rest = judge(script, pack(files))
    assert judged["exit_code"] == 0
    aside = {each["name"] for each in rest if not each["isUnmatched"]}
    assert aside == {f"{folder}{name}" for name in own}
    assert {each["words"][1] for each in rest} == {
        "材料包自带的文件，无需存证回执；此处未予核对",
        "与所提供的任何存证回执均不一致",
    }
    left = {f"{folder}{name}" for name in others} | {"elsewhere/README.en.md"}
    assert {each["name"] for each in rest if each["isUnmatched"]} == left
    del files[f"{folder}tagmanifest-sha256.txt"]
    assert all(each["isUnmatched"] for each in judge(script, pack(files))[1]), "no package"


def test_a_notice_in_the_zip_counts_for_the_record_that_it_is_about(script: PageScript) -> None:
    made = notices()
    files = packed(made, OF_A)
    given = Given(0, made.world.policy(), hashes_of(files))
    codes = codes_of(script, files, given)
    assert codes["receipts/a.anchor.json"] == 14 and codes["receipts/b.anchor.json"] == 0
    assert codes["notices/0.anchor.json"] == 0
    without = {name: data for name, data in files.items() if not name.startswith("notices/")}
    codes = codes_of(script, without, given)
    assert codes["receipts/a.anchor.json"] == 0


def codes_of(script: PageScript, files: Files, given: Given) -> dict[str, int]:
    judged, _ = judge(script, pack(files), given)
    return {each["receipt"]: each["exit_code"] for each in judged}


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
    (judged,), others = judge(script, stream.getvalue())
    assert others == [] and brief(judged) == ("t/a.anchor.json", ["t/a"], 0)


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
    (honest,), (refused,) = judge(script, data)
    assert brief(honest) == ("a.anchor.json", ["a"], 0)
    assert refused["isRefused"] and refused["words"][0] == "refused, not checked"
    assert reason in refused["reason"][0] and refused["reason"][1] != refused["reason"][0]
    assert refused["name"] == bad.name.decode("utf-8", "replace")


@pytest.mark.parametrize("other", ["b", "B", "e\u0301", "\u00e9"])
def test_of_a_name_that_is_there_twice_neither_is_read(other: str, script: PageScript) -> None:
    name = {"B": "b", "e\u0301": "\u00e9"}.get(other, other)
    twice = [entry(name, FILE), entry(other, FILE)]
    (judged,), refused = judge(script, make_zip([*twice, entry("c.anchor.json", RECEIPT)]))
    assert brief(judged) == ("c.anchor.json", [], 20)
    assert [each["name"] for each in refused] == [name, other]
    assert all("more than once" in each["reason"][0] for each in refused)


def test_entries_that_share_their_data_are_refused(script: PageScript) -> None:
    data = overlapping([entry("a", FILE), entry("a.anchor.json", RECEIPT), entry("c")])
    (judged,), others = judge(script, data)
    assert judged["exit_code"] == 0
    assert [each["name"] for each in others] == ["c", "bag/x"]
    assert all(each["isRefused"] for each in others)
    last = bytearray(make_zip([entry("a", FILE), entry("a.anchor.json", RECEIPT)]))
    # The first entry is said to reach into the second.
    for place, field in (
        (0, 18),
        (0, 22),
        (last.index(b"PK\1\2"), 20),
        (last.index(b"PK\1\2"), 24),
    ):
        struct.pack_into("<L", last, place + field, len(FILE) + 40)
    (judged,), (refused,) = judge(script, bytes(last))
    assert refused["name"] == "a" and "overlaps another" in refused["reason"][0]
    assert brief(judged) == ("a.anchor.json", [], 20)


def test_what_all_files_unpack_to_has_a_bound(script: PageScript) -> None:
    # Ten of 60 MB each that no ratio forbids: only the ninth and tenth are beyond 500 MB.
    noise = [
        entry(f"n{number}", b"\0" * 600_100, method=8, size=60_000_000) for number in range(10)
    ]
    _, others = judge(script, make_zip(noise))
    reasons = {each["name"]: each["reason"][0] for each in others}
    beyond = [name for name, reason in reasons.items() if "more than 500,000,000" in reason]
    assert beyond == ["n8", "n9"] and len(reasons) == 10


def test_a_whole_zip_is_refused_where_nothing_in_it_can_be_told(script: PageScript) -> None:
    size, count = 50_000_000, 2_000
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
    assert len(judge(script, make_zip([entry(f"{at}") for at in range(count)]))[1]) == count


def test_every_truncation_and_altered_byte_is_refused_or_told(
    script: PageScript,
) -> None:
    data = make_zip([entry("a", b"abc"), entry("b", deflate(b"abc"), method=8, size=3)])
    for at in range(0, len(data), 2):
        altered = data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :]
        for bent in (data[:at], altered):
            answer = ask(script, bent, None)
            assert isinstance(answer, Refused) or answer["others"]
