"""The group of a database extract: what the database said of itself, and what was asked of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anchor.base.canonical import MAX_INTEGER
from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Observed
from anchor.evidence.statement_text import DigestText, StatementText, TimeText

_Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
_MAX_QUERIES = 50


class QueryExtract(Group):
    """One query of the extract, and how many rows it returned."""

    name: Annotated[StatementText, Observed(Message("group-extract-query-name"))]
    sha256: Annotated[DigestText, Observed(Message("group-extract-query-sha256"))]
    rows: Annotated[_Count, Observed(Message("group-extract-rows"))]


class DatabaseExtract(Group):
    """The database and the transaction that returned the rows; ``extract.json`` says more."""

    url: Annotated[StatementText, Observed(Message("group-extract-url"))]
    system: Annotated[StatementText, Observed(Message("group-extract-system"))]
    version: Annotated[StatementText, Observed(Message("group-extract-version"))]
    database: Annotated[StatementText, Observed(Message("group-extract-database"))]
    server: Annotated[StatementText | None, Observed(Message("group-extract-server"))] = None
    user: Annotated[StatementText | None, Observed(Message("group-extract-user"))] = None
    isolation: Annotated[StatementText, Observed(Message("group-extract-isolation"))]
    transaction_mode: Annotated[StatementText, Observed(Message("group-extract-mode"))]
    started_at: Annotated[TimeText, Observed(Message("group-extract-started-at"))]
    ended_at: Annotated[TimeText, Observed(Message("group-extract-ended-at"))]
    database_started_at: Annotated[
        TimeText | None, Observed(Message("group-extract-database-started-at"))
    ] = None
    database_ended_at: Annotated[
        TimeText | None, Observed(Message("group-extract-database-ended-at"))
    ] = None
    queries: Annotated[
        list[QueryExtract],
        Field(min_length=1, max_length=_MAX_QUERIES),
        Observed(Message("group-extract-queries")),
    ]
