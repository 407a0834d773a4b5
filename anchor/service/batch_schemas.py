"""The documents of a look-up of many numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anchor.service.lookup_schemas import NumberMatchDocument
from anchor.service.number_batch import MOST_MATCHES
from anchor.service.schemas import Document

# More numbers would not be looked at by anybody.
_MOST_NUMBERS = 1_000


class BatchRequest(Document):
    """Numbers that are printed anywhere, in any spelling."""

    numbers: Annotated[
        list[str],
        Field(min_length=1, max_length=_MOST_NUMBERS, examples=[["BZPE-PSQZ-S1QK-HPAJ-0"]]),
    ]


class BatchRowDocument(Document):
    """What has a number of the list, or ``more``; ``fault`` says why a line is no number."""

    line: Annotated[int, Field(ge=1)]
    number: Annotated[str, Field(description="As it was sent, at most 200 characters.")]
    matches: Annotated[list[NumberMatchDocument], Field(max_length=MOST_MATCHES)]
    more: bool
    fault: str | None


class BatchDocument(Document):
    """The answers in the order of the list."""

    rows: list[BatchRowDocument]
    left: Annotated[
        int | None,
        Field(description="More numbers that this address may look up now; null without a limit."),
    ]
