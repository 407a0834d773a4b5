"""Names in bags: whatever a file is called, every system and checksum tool takes the name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.bag.bag_format import check_names, encode_list
from anchor.bag.packed_names import assign_names

ODD = st.text(
    st.one_of(st.sampled_from("aA.ß%\\/:*?\r\n\x00\u202e\ud800é\u0301 1２"), st.characters()),
    max_size=30,
)


@given(names=st.lists(ODD, max_size=12))
def test_any_names_become_names_that_a_validator_accepts(names: list[str]):
    assigned = assign_names(names)
    assert len(set(assigned)) == len(names)
    check_names(dict.fromkeys(assigned, 0))
    check_names(dict.fromkeys((f"{name}.anchor.json" for name in assigned), 0))
    assert b"%" not in encode_list(dict.fromkeys(assigned, bytes(32)))
    for name in assigned:
        assert all(len(part.encode()) <= 203 for part in name.split("/"))


@pytest.mark.parametrize(
    ("names", "assigned"),
    [
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "A.TXT"], ["a.txt", "2/a.txt", "3/A.TXT"]),
        (["2", "a", "a"], ["2", "a", "3/a"]),
        (["合同 一.pdf"], ["合同 一.pdf"]),
        (["50% off.pdf"], ["50_ off.pdf"]),
        (["e\u0301"], ["é"]),
        (["..", "con.txt", "", "a.", "a:b"], ["__", "_con.txt", "_", "a_", "a_b"]),
        (["x" * 300 + ".pdf"], ["x" * 196 + ".pdf"]),
    ],
)
def test_a_name_stays_as_it_is_where_it_can(names: list[str], assigned: list[str]):
    assert assign_names(names) == assigned
