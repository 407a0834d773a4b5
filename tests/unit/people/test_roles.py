"""Who may do what, as a table that the code has to equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import UsageError
from anchor.people.roles import (
    GRANTED_SCOPES,
    ROLES,
    SCOPES,
    Role,
    check_owner_remains,
    parse_role,
    permissions_of_role,
    permissions_of_scopes,
)

TABLE = {
    "owner": "submit read status audit manage",
    "member": "submit read status",
    "reader": "read status",
    "auditor": "status audit",
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_permits_what_the_table_says(role: Role) -> None:
    assert permissions_of_role(role) == set(TABLE[role].split())


def test_only_the_operator_gives_the_scope_admin() -> None:
    assert set(SCOPES) - set(GRANTED_SCOPES) == {"admin"}
    for role in ROLES:
        assert "admin" not in permissions_of_role(role)
    assert "admin" not in permissions_of_scopes(GRANTED_SCOPES)


def test_scopes_add_up_and_unknown_ones_permit_nothing() -> None:
    assert permissions_of_scopes(["submit", "read"]) == {"submit", "read", "status"}
    assert permissions_of_scopes(["everything", ""]) == set()


@given(
    roles=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(ROLES), min_size=1),
    person=st.sampled_from("abcd"),
    role=st.sampled_from([*ROLES, None]),
)
def test_a_tenant_with_an_owner_keeps_one(
    roles: dict[str, Role], person: str, role: Role | None
) -> None:
    after = {**roles, person: role}
    had = "owner" in roles.values()
    try:
        check_owner_remains(roles, person, role)
    except UsageError:
        assert had and "owner" not in after.values()
    else:
        assert not had or "owner" in after.values()


@pytest.mark.parametrize("text", ["", "Owner", "owner ", "admin", "x" * 10_000])
def test_another_text_is_no_role(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_role(text)
    assert len(str(caught.value)) < 200
