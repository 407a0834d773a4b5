"""Queries of an extract: files with one SQL statement each, named as their rows are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import read_regular_file

MAX_QUERIES = 50
# A record lists the files of an extract, and these names are part of them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractQuery:
    """A query: ``text`` is sent as it stands in the file, of which ``data`` are the bytes."""

    name: str
    path: Path
    data: bytes

    @property
    def text(self) -> str:
        """Return the statement."""
        return self.data.decode()


def load_queries(paths: Iterable[Path]) -> list[ExtractQuery]:
    """Read the files of the queries.

    Raises:
        UsageError: A file cannot be read, is empty, too long or not UTF-8; or its name cannot be
            that of a file of rows, or is that of another query.
    """
    queries: dict[str, ExtractQuery] = {}
    for path in paths:
        query = _load_query(path)
        if query.name.lower() in queries:
            raise UsageError(Message("extract-query-twice", name=query.name), path=path)
        queries[query.name.lower()] = query
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise UsageError(Message("extract-queries-count", most=MAX_QUERIES))
    return list(queries.values())


def _load_query(path: Path) -> ExtractQuery:
    name = path.stem
    if _NAME.fullmatch(name) is None or name.lower() == "extract":
        raise UsageError(Message("extract-query-name", path=path), path=path)
    try:
        data = read_regular_file(path, _MAX_BYTES + 1)
        is_text = bool(data.decode().strip()) and b"\0" not in data
    except OSError as error:
        failure = Message("file-unreadable", path=path)
        raise explain_os_error(failure, error, is_named=True) from error
    except UnicodeDecodeError:
        is_text = False
    if not is_text or len(data) > _MAX_BYTES:
        raise UsageError(Message("extract-query-malformed", path=path), path=path)
    return ExtractQuery(name=name, path=path, data=data)
