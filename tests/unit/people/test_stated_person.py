"""What a provider states of a person is bounded and can be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.people.stated_person import clean_email, clean_name, read_claims

CLAIMS = {"sub": "a-1", "name": "Li Hua", "email": "Li@Example.org", "email_verified": True}


def test_a_person_is_read_from_the_claims() -> None:
    person = read_claims("https://id.example", CLAIMS)
    assert person is not None
    assert (person.issuer, person.subject, person.name) == ("https://id.example", "a-1", "Li Hua")
    assert (person.email, person.email_verified) == ("li@example.org", True)


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256, "a\n", "é", ["a"], "a\u202e"])
def test_a_subject_that_is_malformed_names_nobody(subject: object) -> None:
    assert read_claims("https://id.example", {**CLAIMS, "sub": subject}) is None


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
def test_only_true_verifies_an_address(verified: object) -> None:
    person = read_claims("i", {**CLAIMS, "email_verified": verified})
    assert person is not None and not person.email_verified


@given(st.text(max_size=400) | st.none() | st.integers() | st.just("\u202eabc" * 5_000))
def test_a_name_is_short_and_shown_in_its_direction(text: object) -> None:
    name = clean_name(text)
    assert len(name) <= 100 and name == name.strip()
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") for char in name)
    assert clean_name(name) == name


def test_without_a_name_the_address_or_the_subject_is_shown() -> None:
    nameless = {"sub": "s" * 255, "name": "\u202e\x00"}
    person = read_claims("i", {**nameless, "email": "a@b"})
    assert person is not None and person.name == "a@b"
    person = read_claims("i", nameless)
    assert person is not None and person.name == "s" * 100


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a b@c", "a@b\n", "<a@b>", "a\u202e@b", "a" * 254 + "@b", None, 3]
)
def test_what_is_no_address_is_left_out(text: object) -> None:
    assert clean_email(text) is None
