"""A person of a demonstration, as whom anybody at the same machine may sign in."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.people.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePerson:
    """A person by id, with the role in the sample tenant."""

    id: str
    role: Role
