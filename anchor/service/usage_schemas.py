"""The documents of what tenants submitted, and may."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anchor.service.schemas import Document, NextPage


class UsageDocument(Document):
    """A tenant's new evidence today (UTC), and its limits, which are null if there are none."""

    tenant: str
    day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    accepted: Annotated[int, Field(ge=0)]
    per_day: int | None
    per_minute: int | None


class TenantsUsageDocument(Document):
    """A page of the tenants, by name."""

    tenants: list[UsageDocument]
    next: NextPage
