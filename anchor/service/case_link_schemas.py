"""The documents of links to cases: what is asked, and how a link is told."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from anchor.people.case_rules import LINK_LABEL, MAX_LINKS, LinkState
from anchor.people.lifetimes import LINK_DAYS, MAX_LINK_DAYS
from anchor.store.case_links import CaseLink

LinkInPath = Annotated[str, Path(max_length=64, description="As the list of links names it.")]

_Label = Annotated[
    str,
    Field(
        max_length=LINK_LABEL.most,
        description="For whom it is; whoever opens it does not see this.",
        examples=["杭州互联网法院"],
    ),
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseLinkRequest(_Document):
    """A link to make."""

    label: _Label
    days: Annotated[int, Field(ge=1, le=MAX_LINK_DAYS)] = LINK_DAYS


class MadeCaseLinkDocument(_Document):
    """A link that was made; ``link`` cannot be shown again."""

    link: Annotated[str, Field(description="Its path, after the address of the pages.")]
    expires_at: str


class CaseLinkDocument(_Document):
    """A link without its token; ``opened`` counts each view of the page and each download."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    label: str
    state: LinkState
    made_by: Annotated[str, Field(examples=["person:1f0c3ad2b1e4f506"])]
    made_at: str
    expires_at: str
    revoked_at: str | None
    opened: Annotated[int, Field(ge=0)]
    opened_at: str | None


class CaseLinksDocument(_Document):
    """Links to a case: those in force, and the newest of the others."""

    links: Annotated[list[CaseLinkDocument], Field(max_length=2 * MAX_LINKS)]


def describe_link(link: CaseLink, at: str) -> CaseLinkDocument:
    """Return a link's document, with its state at a time."""
    return CaseLinkDocument(
        id=link.id,
        label=link.label,
        state=link.state_at(at),
        made_by=link.made_by,
        made_at=link.made_at,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
        opened=link.opened,
        opened_at=link.opened_at,
    )
