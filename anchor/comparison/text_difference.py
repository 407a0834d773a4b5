"""The difference of two texts: by lines, and by words within lines that were replaced.

Han characters, Hiragana and Katakana have no spaces between words and count one by one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from functools import cached_property
from itertools import accumulate
from typing import Literal, TypeAlias

Edit: TypeAlias = tuple[Literal["equal", "delete", "insert"], str]
Opcode: TypeAlias = tuple[str, int, int, int, int]

MAX_SHOWN: int = 1 << 20
"""Characters of a difference that are kept for people to read."""

# Bytes of each text that are shown if they are not aligned.
_MOST_REPLACED = MAX_SHOWN // 4
# Beyond it lines are not aligned: what is between the equal ends counts as replaced.
_MAX_ALIGNED_BYTES = 1 << 22
# Pairs of equal parts that are looked at: seconds, whatever the texts are.
_MOST_STEPS = 5_000_000
_CONTEXT = 3
_CHUNK = 1 << 16
_CONTINUATION = bytes(range(0x80, 0xC0))
_SINGLE = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_SINGLE}]|(?:(?![{_SINGLE}])\w)+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """Lines that are equal, or lines that were deleted and inserted at one place.

    ``edits`` are the words of the change in their order.
    """

    equal: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHunk:
    """Changes that are near each other, with the lines around them; lines count from 1."""

    first_line: int
    second_line: int
    blocks: tuple[TextBlock, ...]


@dataclass(frozen=True, kw_only=True)
class TextDifference:
    """The difference of two texts, in characters.

    ``is_aligned`` is False if the texts differ by too much to be compared line by line.
    ``is_cut``: more was changed than ``hunks`` show.
    """

    first_size: int
    second_size: int
    deleted: int
    inserted: int
    hunks: tuple[TextHunk, ...]
    is_aligned: bool = True
    is_cut: bool = False

    @property
    def share(self) -> float:
        """Return the share of the characters of both texts that were deleted or inserted."""
        total = self.first_size + self.second_size
        return (self.deleted + self.inserted) / total if total else 0.0

    @cached_property
    def unified(self) -> tuple[str, ...]:
        """Return the lines of the hunks as a unified diff has them."""
        return tuple(line for hunk in self.hunks for line in _unify(hunk))


def compare_texts(first: bytes, second: bytes) -> TextDifference:
    """Compare two texts in UTF-8, in bounded time whatever they hold."""
    sizes = _count(first), _count(second)
    if first == second:
        return TextDifference(
            first_size=sizes[0], second_size=sizes[1], deleted=0, inserted=0, hunks=()
        )
    head = _measure_head(first, second)
    tail = _measure_tail(first[head:], second[head:])
    middles = first[head : len(first) - tail], second[head : len(second) - tail]
    budget = _Budget(_MOST_STEPS)
    if max(map(len, middles)) > _MAX_ALIGNED_BYTES:
        blocks = None
    else:
        lines = _split(middles[0]), _split(middles[1])
        blocks = _compare_lines(*lines, budget)
    if blocks is None:
        return TextDifference(
            first_size=sizes[0],
            second_size=sizes[1],
            deleted=_count(middles[0]),
            inserted=_count(middles[1]),
            hunks=(_replace_all(first, head, middles),),
            is_aligned=False,
            is_cut=max(map(len, middles)) > _MOST_REPLACED,
        )
    before = _split(first[max(0, head - _CHUNK) : head])[-_CONTEXT:]
    after = _split(first[len(first) - tail :][:_CHUNK])[:_CONTEXT] if tail else []
    changed = Counter[str]()
    for block in blocks:
        for kind, text in block.edits:
            changed[kind] += len(text)
    start = first.count(b"\n", 0, head) + 1 - len(before)
    framed = [TextBlock(equal=tuple(before)), *blocks, TextBlock(equal=tuple(after))]
    hunks, is_cut = _cut(list(_group(framed, start)))
    return TextDifference(
        first_size=sizes[0],
        second_size=sizes[1],
        deleted=changed["delete"],
        inserted=changed["insert"],
        hunks=hunks,
        is_cut=is_cut,
    )


def split_tokens(text: str) -> list[str]:
    """Return the words, runs of spaces and single characters that a text consists of."""
    return _TOKEN.findall(text)


class _BudgetSpentError(Exception):
    """More steps would be needed than are allowed."""


class _Budget:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        if steps > self.left:
            raise _BudgetSpentError
        self.left -= steps


class _BoundedMatcher(SequenceMatcher[str]):
    """A matcher that gives up when it has looked at too many pairs of equal parts."""

    def __init__(self, first: Sequence[str], second: Sequence[str], budget: _Budget) -> None:
        super().__init__(None, first, second)
        counts = Counter(second)
        # What a matcher ignores as popular costs nothing.
        most = len(second) if len(second) < 200 else len(second) // 100 + 1
        costs = (1 + counts[part] * (counts[part] <= most) for part in first)
        self._sums = [0, *accumulate(costs)]
        self._budget = budget

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        """Return the longest match of two ranges, if the budget allows to look for it."""
        end = len(self._sums) - 1 if ahi is None else ahi
        self._budget.spend(self._sums[end] - self._sums[alo])
        return super().find_longest_match(alo, ahi, blo, bhi)


def _align(first: Sequence[str], second: Sequence[str], budget: _Budget) -> list[Opcode] | None:
    try:
        return list(_BoundedMatcher(first, second, budget).get_opcodes())
    except _BudgetSpentError:
        return None


def _compare_lines(
    first: Sequence[str], second: Sequence[str], budget: _Budget
) -> list[TextBlock] | None:
    opcodes = _align(first, second, budget)
    if opcodes is None:
        return None
    blocks = []
    for kind, start, end, other_start, other_end in opcodes:
        deleted, inserted = tuple(first[start:end]), tuple(second[other_start:other_end])
        if kind == "equal":
            blocks.append(TextBlock(equal=deleted))
        else:
            edits = _compare_words("".join(deleted), "".join(inserted), budget)
            blocks.append(TextBlock(deleted=deleted, inserted=inserted, edits=edits))
    return blocks


def _compare_words(deleted: str, inserted: str, budget: _Budget) -> tuple[Edit, ...]:
    whole: list[Edit] = [("delete", deleted), ("insert", inserted)]
    if not deleted or not inserted:
        return tuple(edit for edit in whole if edit[1])
    first, second = split_tokens(deleted), split_tokens(inserted)
    opcodes = _align(first, second, budget)
    if opcodes is None:
        return tuple(whole)
    edits: list[Edit] = []
    for kind, start, end, other_start, other_end in opcodes:
        before, after = "".join(first[start:end]), "".join(second[other_start:other_end])
        if kind == "equal":
            edits.append(("equal", before))
        else:
            edits += [("delete", before)] if before else []
            edits += [("insert", after)] if after else []
    return tuple(edits)


def _replace_all(first: bytes, head: int, middles: tuple[bytes, bytes]) -> TextHunk:
    """Return the start of two middles that are not aligned, as one change."""
    deleted, inserted = (each[:_MOST_REPLACED].decode("utf-8", "replace") for each in middles)
    edits: tuple[Edit, ...] = (("delete", deleted), ("insert", inserted))
    line = first.count(b"\n", 0, head) + 1
    block = TextBlock(
        deleted=tuple(deleted.splitlines(keepends=True)),
        inserted=tuple(inserted.splitlines(keepends=True)),
        edits=tuple(edit for edit in edits if edit[1]),
    )
    return TextHunk(first_line=line, second_line=line, blocks=(block,))


def _group(blocks: Sequence[TextBlock], line: int) -> Iterator[TextHunk]:
    """Yield the changes in hunks, each with the lines around it."""
    first = second = line
    pending: list[TextBlock] = []
    start = (first, second)
    for at, block in enumerate(blocks):
        count = len(block.equal)
        if block.edits:
            pending.append(block)
            first += len(block.deleted)
            second += len(block.inserted)
            continue
        is_last = all(not each.edits for each in blocks[at:])
        if pending and (is_last or count > 2 * _CONTEXT):
            yield TextHunk(
                first_line=start[0],
                second_line=start[1],
                blocks=(*pending, TextBlock(equal=block.equal[:_CONTEXT])),
            )
            pending = []
        if is_last:
            return
        if pending:
            pending.append(block)
        else:
            context = block.equal[-_CONTEXT:]
            skipped = count - len(context)
            start = (first + skipped, second + skipped)
            pending = [TextBlock(equal=context)]
        first += count
        second += count


def _cut(hunks: Sequence[TextHunk]) -> tuple[tuple[TextHunk, ...], bool]:
    """Return the hunks that are within ``MAX_SHOWN``, and whether there are more."""
    kept: list[TextHunk] = []
    size = 0
    for hunk in hunks:
        blocks: list[TextBlock] = []
        for block in hunk.blocks:
            size += sum(len(text) for _, text in block.edits) + sum(map(len, block.equal))
            if size > MAX_SHOWN:
                if blocks:
                    kept.append(
                        TextHunk(
                            first_line=hunk.first_line,
                            second_line=hunk.second_line,
                            blocks=tuple(blocks),
                        )
                    )
                return tuple(kept), True
            blocks.append(block)
        kept.append(hunk)
    return tuple(kept), False


def _unify(hunk: TextHunk) -> Iterator[str]:
    counts = [
        sum(len(block.equal) + len(block.deleted) for block in hunk.blocks),
        sum(len(block.equal) + len(block.inserted) for block in hunk.blocks),
    ]
    yield f"@@ -{hunk.first_line},{counts[0]} +{hunk.second_line},{counts[1]} @@"
    for block in hunk.blocks:
        for mark, lines in ((" ", block.equal), ("-", block.deleted), ("+", block.inserted)):
            for line in lines:
                yield mark + line.rstrip("\r\n")


def _measure_head(first: bytes, second: bytes) -> int:
    """Return the length of the lines that both texts begin with."""
    at = _measure_prefix(first, second)
    return first.rfind(b"\n", 0, at) + 1


def _measure_tail(first: bytes, second: bytes) -> int:
    """Return the length of the lines that both texts end with."""
    least = min(len(first), len(second))
    length = 0
    while length < least:
        step = min(_CHUNK, least - length)
        ends = [each[len(each) - length - step : len(each) - length] for each in (first, second)]
        if ends[0] != ends[1]:
            length += _count_equal(ends[0][::-1], ends[1][::-1])
            break
        length += step
    start = first.find(b"\n", len(first) - length) + 1
    return len(first) - start if start else 0


def _measure_prefix(first: bytes, second: bytes) -> int:
    least = min(len(first), len(second))
    length = 0
    while length < least:
        step = min(_CHUNK, least - length)
        starts = [each[length : length + step] for each in (first, second)]
        if starts[0] != starts[1]:
            return length + _count_equal(*starts)
        length += step
    return length


def _count_equal(first: bytes, second: bytes) -> int:
    pairs = enumerate(zip(first, second, strict=True))
    return next(at for at, (one, other) in pairs if one != other)


def _split(data: bytes) -> list[str]:
    """Return the lines with their ends."""
    lines = data.decode("utf-8", "replace").split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _count(data: bytes) -> int:
    """Return the number of characters of a text in UTF-8."""
    return len(data.translate(None, _CONTINUATION))
