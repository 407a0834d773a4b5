"""Who did something in a tenant, as the audit trail names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast

ActorKind: TypeAlias = Literal["person", "key", "link", "operator", "service"]

_KINDS = ("person", "key", "link", "operator", "service")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, API key or link by its id, an operator's user by name, or the service."""

    kind: ActorKind
    id: str

    def encode(self) -> str:
        """Return the actor as the store keeps it: ``person:1f…``."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the actor that ``encode`` wrote."""
        kind, _, id = text.partition(":")
        return cls(cast(ActorKind, kind) if kind in _KINDS else "service", id)
