"""The documents of sealed heads and their anchors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anchor.base.types import StageName
from anchor.service.schemas import Document, HeadAnchorDocument, LogStateDocument


class SealedHeadDocument(LogStateDocument):
    """A head of the log, and its own anchor, if it has one."""

    sealed_at: str
    state: Annotated[StageName, Field(description="Of the evidence up to this head.")]
    anchor: HeadAnchorDocument | None


class Heads(Document):
    """Heads, newest first; ``next`` is the value of ``before`` for the next page."""

    heads: list[SealedHeadDocument]
    next: int | None
