"""The documents of a tenant's members, invitations, API keys and audit trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anchor.base.canonical import MAX_INTEGER, parse_strict
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.messages.validation import describe_fault
from anchor.people.lifetimes import INVITATION_DAYS, MAX_INVITATION_DAYS, MAX_KEY_DAYS
from anchor.people.roles import Role
from anchor.service.problems import FieldError, Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.schemas import NextPage
from anchor.service.worker import Service

_MAX_BYTES = 64 * 1024
_ID = r"^[0-9a-f]{1,32}$"

PersonInPath = Annotated[str, Path(max_length=64, description="As the list of members names it.")]
IdInPath = Annotated[str, Path(max_length=64, description="As the list names it.")]
BeforeEvent = Annotated[
    int | None, Query(ge=1, le=MAX_INTEGER, description="Only events with a smaller id.")
]
DayInPath = Annotated[
    str,
    Path(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="In UTC.", examples=["2026-01-31"]),
]
EventLimit = Annotated[int, Query(ge=1, le=1_000)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemberDocument(_Document):
    """A member; name and e-mail are as the sign-in provider stated them."""

    person: Annotated[str, Field(pattern=_ID)]
    name: str
    email: str | None
    email_verified: bool
    role: Role
    since: str


class MembersDocument(_Document):
    """A page of the tenant's members, the earliest first."""

    members: list[MemberDocument]
    next: NextPage


class RoleDocument(_Document):
    """A role to give to a member."""

    role: Role


class InvitationRequest(_Document):
    """An invitation to make; ``email`` is a note for whom it is meant."""

    role: Role
    email: Annotated[str, Field(max_length=254)] | None = None
    days: Annotated[int, Field(ge=1, le=MAX_INVITATION_DAYS)] = INVITATION_DAYS


class InvitationDocument(_Document):
    """An open invitation, without its token."""

    id: Annotated[str, Field(pattern=_ID)]
    role: Role
    email: str | None
    made_by: str
    made_at: str
    expires_at: str


class InvitationsDocument(_Document):
    """A page of the tenant's open invitations, oldest first."""

    invitations: list[InvitationDocument]
    next: NextPage


class MadeInvitationDocument(_Document):
    """An invitation that was made; ``link`` cannot be shown again."""

    link: Annotated[str, Field(description="Its path, after the address of the pages.")]
    expires_at: str


class KeyRequest(_Document):
    """An API key to make."""

    scopes: Annotated[
        list[Annotated[str, Field(pattern="^(submit|read|audit|manage)$")]],
        Field(min_length=1, max_length=8),
    ]
    days: Annotated[int, Field(ge=1, le=MAX_KEY_DAYS)] = 365


class KeyDocument(_Document):
    """An API key, without the key itself."""

    id: Annotated[str, Field(pattern=_ID)]
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class KeysDocument(_Document):
    """A page of the tenant's API keys, oldest first."""

    keys: list[KeyDocument]
    next: NextPage


class MadeKeyDocument(_Document):
    """An API key that was made; it cannot be shown again."""

    key: str
    id: Annotated[str, Field(pattern=_ID)]
    expires_at: str


class EventDocument(_Document):
    """An event of the audit trail; ``id`` is the cursor of pages."""

    id: int
    at: str
    actor: Annotated[str, Field(examples=["person:1f0c3ad2b1e4f506", "key:0123456789ab"])]
    action: str
    subject: str | None
    details: dict[str, str]


class AuditTrailDocument(_Document):
    """Events, newest first; ``next`` is the value of ``before`` for the next page."""

    events: list[EventDocument]
    next: int | None


Asked = TypeVar("Asked", bound=BaseModel)


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return what a route's OpenAPI description says of its JSON body."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


class ErasureRequest(_Document):
    """Why evidence is erased: the legal basis, and words that name no person and no evidence."""

    basis: Literal["gdpr-17", "pipl-47", "other"]
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


class RetentionRequest(_Document):
    """Until when evidence is kept at least: a day (its beginning) or a moment, in UTC."""

    until: Annotated[str, Field(max_length=40, examples=["2036-01-31", "2036-01-31T12:00:00Z"])]


class ErasedDocument(_Document):
    """A piece of evidence of which only the leaf and its place are left."""

    id: str
    leaf: str


async def read_document(
    request: Request, service: Service, model: type[Asked], max_bytes: int = _MAX_BYTES
) -> Asked:
    """Return the JSON document in a request's body.

    Raises:
        Problem: The body is not JSON (400), or a member is missing, unknown or malformed (422).
    """
    check_media_type(request, "application/json")
    data = await read_body(request, service.settings)
    subject = Message("request-body-as-subject")
    try:
        value = parse_strict(data, subject=subject, max_bytes=max_bytes)
    except MalformedError as error:
        raise Problem(400, error.message) from error
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        faults = [
            FieldError(
                "".join(f"/{str(part)[:80].replace('~', '~0').replace('/', '~1')}"
                        for part in fault["loc"]),
                describe_fault(fault),
            )
            for fault in error.errors()[:10]
        ]  # fmt: skip
        raise Problem(422, Message("request-body-invalid"), errors=faults) from error
