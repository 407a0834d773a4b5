"""On whose behalf evidence was erased, as its statement's member ``by`` says it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from anchor.people.actors import Actor

Behalf: TypeAlias = Literal["owner", "operator", "retention"]

RETENTION = "retention"
"""What the statement says of evidence that went because its retention date had passed."""


def name_owner(tenant: str, actor: Actor) -> str:
    """Return what the statement says of an erasure by an owner of the tenant."""
    return f"{tenant}, {actor.encode()}"


def read_author(by: str, tenant: str) -> tuple[Behalf, Actor | None]:
    """Return on whose behalf a tenant's evidence was erased, and who of the tenant did it.

    The operator's own wording names nobody to the tenant.
    """
    if by == RETENTION:
        return "retention", None
    name, separator, text = by.partition(", ")
    actor = Actor.decode(text)
    if separator and name == tenant and actor.encode() == text:
        return "owner", actor
    return "operator", None
