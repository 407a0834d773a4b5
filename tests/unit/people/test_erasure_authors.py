"""Whose erasure a statement tells of, and what an operator's own wording does not pretend."""

from __future__ import annotations

import pytest

from anchor.people.actors import Actor
from anchor.people.erasure_authors import RETENTION, name_owner, read_author

PERSON = Actor("person", "1f")


def test_an_owner_is_read_as_named() -> None:
    assert read_author(name_owner("acme", PERSON), "acme") == ("owner", PERSON)
    assert read_author(RETENTION, "acme") == ("retention", None)


@pytest.mark.parametrize("by", ["Li", "acme", "acme, Li", "bank, person:1f", "acme,person:1f", ""])
def test_any_other_wording_is_the_operators(by: str) -> None:
    assert read_author(by, "acme") == ("operator", None)
