"""The group of a web capture made elsewhere: what its file states, and what was checked in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anchor.base.canonical import MAX_INTEGER
from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Observed
from anchor.evidence.observed_groups import CheckResult, CleanlinessCheck
from anchor.evidence.statement_text import DigestText, StatementText, TimeText

CaptureForm = Literal["wacz", "warc", "mhtml", "har"]

_Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
_MAX_FINDINGS = 50


class ForeignCapture(Group):
    """A web capture that other software made; nobody here observed the page.

    Members that end in ``_stated`` are statements of the file.  ``result`` is ``fail`` if one
    finding failed, else ``not_checked`` if one was not made, else ``pass``.
    """

    form: Annotated[CaptureForm, Observed(Message("group-foreign-form"))]
    version_stated: Annotated[StatementText | None, Observed(Message("group-foreign-version"))] = (
        None
    )
    sha256: Annotated[DigestText, Observed(Message("group-foreign-sha256"))]
    software_stated: Annotated[
        StatementText | None, Observed(Message("group-foreign-software"))
    ] = None
    first_stated: Annotated[TimeText | None, Observed(Message("group-foreign-first"))] = None
    last_stated: Annotated[TimeText | None, Observed(Message("group-foreign-last"))] = None
    pages: Annotated[_Count | None, Observed(Message("group-foreign-pages"))] = None
    exchanges: Annotated[_Count, Observed(Message("group-foreign-exchanges"))]
    result: Annotated[CheckResult, Observed(Message("group-foreign-result"))]
    findings: Annotated[
        list[CleanlinessCheck],
        Field(min_length=1, max_length=_MAX_FINDINGS),
        Observed(Message("group-foreign-findings")),
    ]
