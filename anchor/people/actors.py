"""Who did something in a tenant, as the audit trail names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast

ActorKind: TypeAlias = Literal["person", "key", "operator", "service"]

_KINDS = ("person", "key", "operator", "service")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or API key by its id, a user of the operator's machine by name, or the service."""

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
