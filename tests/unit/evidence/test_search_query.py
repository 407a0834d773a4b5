"""Queries and names: parts of any length are found, dates are times, and nothing else is either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import MalformedError
from anchor.evidence.search_query import (
    build_name_filter,
    find_lines,
    fold_name,
    list_marks,
    may_hold,
    parse_query,
)

NAMES = st.lists(st.text("ab合同书 1é", max_size=12).map(fold_name), max_size=20)


@given(NAMES, st.lists(st.text("ab合同书1é", min_size=1, max_size=4).map(fold_name), max_size=3))
def test_lines_are_those_that_have_every_term_and_the_filter_hides_none(
    names: list[str], terms: list[str]
) -> None:
    body = "".join(f"{name}\n" for name in names).encode()
    expected = [line for line, name in enumerate(names) if all(term in name for term in terms)]
    assert find_lines(body, [term.encode() for term in terms]) == expected
    assert not expected or may_hold(build_name_filter(names), list_marks(terms))


def test_a_filter_hides_most_of_what_is_not_there() -> None:
    made = build_name_filter(f"合同{number:06}.pdf" for number in range(1_000))
    assert all(may_hold(made, list_marks(terms)) for terms in (["合同"], ["同"], []))
    pairs = (chr(0x4E00 + number) + chr(0x5E00 + number) for number in range(500))
    assert sum(not may_hold(made, list_marks([pair])) for pair in pairs) > 350
    assert len(made) < 4_096
    numbered = build_name_filter(f"{number * 7_919 % 10**7:07}" for number in range(1_000))
    others = (f"{number * 104_729 % 10**7:07}" for number in range(500))
    assert sum(not may_hold(numbered, list_marks([other])) for other in others) > 450


@pytest.mark.parametrize(
    ("text", "terms", "since", "until"),
    [
        ("  合同  PDF ", ("合同", "pdf"), None, None),
        ("ＡＢＣ", ("abc",), None, None),
        ("2026-01-31", (), "2026-01-31T", "2026-01-31T~"),
        ("合同 2026-1", ("合同",), "2026-01", "2026-01~"),
        ("2026年1月31日", (), "2026-01-31T", "2026-01-31T~"),
        ("2026年1月", (), "2026-01", "2026-01~"),
        ("2026-13-01", ("2026-13-01",), None, None),
        ("2026-01-31.pdf", ("2026-01-31.pdf",), None, None),
    ],
)
def test_a_date_is_a_time_and_all_else_is_in_the_name(
    text: str, terms: tuple[str, ...], since: str | None, until: str | None
) -> None:
    query = parse_query(text)
    assert (query.terms, query.since, query.until) == (terms, since, until)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 201, "a " * 9, "2026-01 2026-02"])
def test_what_is_no_query_is_said_so(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_query(text)
