"""Members of record groups: their label in two languages, and who vouches for their value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, field_validator
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message

Origin = Literal["stated", "observed"]
"""Who vouches for a member: the operator states it, or the program observed it."""


@dataclass(frozen=True, slots=True)
class Member:
    """The label of a member that the operator states."""

    label: Message

    @property
    def origin(self) -> Origin:
        """Return who vouches for the member."""
        return "stated"

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = dict(handler(core_schema))
        # Null is never the value of a member: one that is not known is absent.
        forms = [form for form in schema.get("anyOf", []) if form != {"type": "null"}]
        if forms:
            del schema["anyOf"]
            schema |= forms[0] if len(forms) == 1 else {"anyOf": forms}
        return schema | {"description": f"{self.label} ({self.origin})"}


class Observed(Member):
    """The label of a member that the program observed."""

    __slots__ = ()

    @property
    def origin(self) -> Origin:
        """Return who vouches for the member."""
        return "observed"


class Group(BaseModel):
    """A group of members: strict, frozen, and without unknown members."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError(Message("group-member-null"))
        return value


def dump_group(group: Group) -> dict[str, JsonValue]:
    """Return a group's members as JSON values, without those that are absent."""
    members: dict[str, JsonValue] = group.model_dump(mode="json", by_alias=True, exclude_none=True)
    return members


def find_member(group: type[Group], name: str) -> Member:
    """Return the description of a group's member."""
    metadata = _find_field(group, name).metadata
    return next(entry for entry in metadata if isinstance(entry, Member))


def list_members(group: type[Group]) -> Mapping[str, Member]:
    """Return the description of each member of a group, by its name in the record."""
    names = (field.alias or name for name, field in group.model_fields.items())
    return {name: find_member(group, name) for name in names}


def find_group(kind: type[Group], name: str) -> type[Group] | None:
    """Return the group that a member holds, alone or in a list; None if it holds another value."""
    return _find_in(_find_field(kind, name).annotation)


def _find_field(kind: type[Group], name: str) -> FieldInfo:
    """Return a field by the name of its member in the record."""
    fields = kind.model_fields
    return next(field for inner, field in fields.items() if name == (field.alias or inner))


def _find_in(annotation: Any) -> type[Group] | None:
    if isinstance(annotation, type) and issubclass(annotation, Group):
        return annotation
    return next(filter(None, map(_find_in, getattr(annotation, "__args__", ()))), None)


def is_mixed(kind: type[Group]) -> bool:
    """Return whether the operator states some members of a group, and the program observed some."""
    return len({member.origin for member in list_members(kind).values()}) > 1


_AnyGroup = TypeVar("_AnyGroup", bound=Group)


def build_group(kind: type[_AnyGroup], members: Mapping[str, object]) -> _AnyGroup:
    """Return a group of these members; those that are None are left out."""
    return kind.model_validate(
        {name: value for name, value in members.items() if value is not None}
    )
