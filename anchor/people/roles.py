"""What people and API keys may do: one table of roles, one of scopes, for every interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, get_args

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join

Permission: TypeAlias = Literal["submit", "read", "status", "audit", "manage", "admin"]
"""``submit``: submit evidence.  ``read``: receipts, heads and usage.  ``status``: how far evidence
has come.  ``audit``: members and the audit trail.  ``manage``: members, invitations and API keys.
``admin``: the operator's pages and all tenants' usage."""

Role: TypeAlias = Literal["owner", "member", "reader", "auditor"]
"""A person's role in a tenant."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)

SCOPES: Final = ("submit", "read", "audit", "manage", "admin")
"""The scopes of an API key."""

GRANTED_SCOPES: Final = ("submit", "read", "audit", "manage")
"""The scopes that a tenant's owner may give to a key; ``admin`` is the operator's to give."""

_OF_ROLE: Final[Mapping[Role, frozenset[Permission]]] = {
    "owner": frozenset({"submit", "read", "status", "audit", "manage"}),
    "member": frozenset({"submit", "read", "status"}),
    "reader": frozenset({"read", "status"}),
    "auditor": frozenset({"status", "audit"}),
}
# The evidence stays its owner's: who may no longer submit can still read and take it along.
_OF_SUSPENDED_OWNER: Final[frozenset[Permission]] = frozenset({"read", "status", "audit"})
_OF_SCOPE: Final[Mapping[str, frozenset[Permission]]] = {
    "submit": frozenset({"submit"}),
    "read": frozenset({"read", "status"}),
    "audit": frozenset({"audit", "status"}),
    "manage": frozenset({"manage", "audit"}),
    "admin": frozenset({"admin"}),
}


def permissions_of_role(role: Role, *, is_suspended: bool = False) -> frozenset[Permission]:
    """Return what a person with this role may do in the tenant, which may be suspended."""
    if is_suspended:
        return _OF_SUSPENDED_OWNER if role == "owner" else frozenset()
    return _OF_ROLE[role]


def permissions_of_scopes(scopes: Iterable[str]) -> frozenset[Permission]:
    """Return what a key with these scopes may do; unknown scopes permit nothing."""
    return frozenset().union(*(_OF_SCOPE.get(scope, frozenset()) for scope in scopes))


def parse_role(text: str) -> Role:
    """Return the role with this name."""
    for role in ROLES:
        if role == text:
            return role
    raise UsageError(
        Message("role-unknown", role=text[:80]), hint=Message("role-hint", roles=join(ROLES))
    )


def check_owner_remains(roles: Mapping[str, Role], person: str, role: Role | None) -> None:
    """Check that a tenant keeps an owner when ``person`` gets ``role``, or leaves if it is None.

    ``roles`` are the roles of the tenant's members by person.

    Raises:
        UsageError: The person is the tenant's last owner.
    """
    others = any(other == "owner" for id, other in roles.items() if id != person)
    if roles.get(person) == "owner" and role != "owner" and not others:
        raise UsageError(Message("tenant-last-owner"), hint=Message("tenant-last-owner-hint"))
