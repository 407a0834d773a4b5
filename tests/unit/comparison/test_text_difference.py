"""What two texts differ in: by lines and by words, within bounds whatever the texts hold."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.comparison.text_difference import MAX_SHOWN, compare_texts, split_tokens

LETTERS = st.text(alphabet="ab \n中é😀", max_size=60)


def edits_of(first: str, second: str) -> list[tuple[str, str]]:
    difference = compare_texts(first.encode(), second.encode())
    return [
        (kind, text)
        for hunk in difference.hunks
        for block in hunk.blocks
        for kind, text in block.edits
        if kind != "equal"
    ]


def test_words_are_compared_and_han_characters_one_by_one() -> None:
    assert edits_of("the old price\n", "the new price\n") == [("delete", "old"), ("insert", "new")]
    assert edits_of("今天是星期五\n", "今天是星期六\n") == [("delete", "五"), ("insert", "六")]
    assert split_tokens("Straße 5,中文 カナ") == [
        "Straße", " ", "5", ",", "中", "文", " ", "カ", "ナ",
    ]  # fmt: skip


def test_a_unified_diff_has_three_lines_around_each_change() -> None:
    lines = [f"line {at}\n" for at in range(30)]
    changed = [*lines[:10], "line ten\n", *lines[11:25], *lines[26:]]
    difference = compare_texts("".join(lines).encode(), "".join(changed).encode())
    assert difference.unified == (
        "@@ -8,7 +8,7 @@", " line 7", " line 8", " line 9", "-line 10", "+line ten",
        " line 11", " line 12", " line 13",
        "@@ -23,7 +23,6 @@", " line 22", " line 23", " line 24", "-line 25",
        " line 26", " line 27", " line 28",
    )  # fmt: skip
    assert (difference.deleted, difference.inserted) == (2 + len("line 25\n"), 3)
    total = len("".join(lines)) + len("".join(changed))
    assert difference.share == (difference.deleted + difference.inserted) / total


def test_equal_and_empty_texts_do_not_differ() -> None:
    for text in (b"", b"one\ntwo", "中文\n".encode()):
        difference = compare_texts(text, text)
        assert (difference.share, difference.hunks) == (0.0, ())
    assert compare_texts(b"", b"new").share == 1.0


@given(LETTERS, LETTERS)
def test_the_counts_are_those_of_the_edits_and_lead_from_one_text_to_the_other(
    first: str, second: str
) -> None:
    difference = compare_texts(first.encode(), second.encode())
    assert (difference.first_size, difference.second_size) == (len(first), len(second))
    assert (second and len(first) - difference.deleted == len(second) - difference.inserted) or (
        difference.deleted - difference.inserted == len(first) - len(second)
    )
    assert (difference.share == 0) == (first == second)
    assert not difference.is_cut and difference.is_aligned
    for hunk in difference.hunks:
        before = "".join(
            "".join(block.equal) + "".join(t for k, t in block.edits if k != "insert")
            for block in hunk.blocks
        )
        after = "".join(
            "".join(block.equal) + "".join(t for k, t in block.edits if k != "delete")
            for block in hunk.blocks
        )
        start = "".join(f"{line}\n" for line in first.split("\n")[: hunk.first_line - 1])
        assert first[len(start) :].startswith(before)
        start = "".join(f"{line}\n" for line in second.split("\n")[: hunk.second_line - 1])
        assert second[len(start) :].startswith(after)


@pytest.mark.parametrize("kinds", [2, 300, 5_000])
def test_texts_without_order_are_compared_in_bounded_steps(kinds: int) -> None:
    source = random.Random(kinds)
    first, second = (
        "\n".join(str(source.randrange(kinds)) for _ in range(20_000)).encode() for _ in range(2)
    )
    difference = compare_texts(first, second)
    shown = sum(len(text) for hunk in difference.hunks for b in hunk.blocks for _, text in b.edits)
    assert 0 < shown <= MAX_SHOWN
    assert difference.share > 0.5
    # What is hardly in order would take too many steps.
    assert difference.is_aligned == (kinds != 300)


def test_large_texts_with_one_change_show_it() -> None:
    first = b"".join(b"%d a line of the text\n" % at for at in range(400_000))
    second = first.replace(b"200000 a line", b"200000 a word")
    difference = compare_texts(first, second)
    assert len(first) > 10_000_000
    assert (difference.deleted, difference.inserted) == (4, 4)
    assert difference.hunks[0].first_line == 199_998
    apart = compare_texts(first, first.replace(b"line", b"word"))
    assert not apart.is_aligned and apart.is_cut and apart.share > 0.9
