"""Where a store is, and that what is shown of it holds no password."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchor.base.errors import ConfigError
from anchor.store.database import check_schema
from anchor.store.location import PostgresDatabase, SqliteFile, holds_password, parse_location

FOLDER = Path("/project")


@pytest.mark.parametrize(
    ("text", "path"), [("anchor.db", "/project/anchor.db"), ("/var/x.db", "/var/x.db")]
)
def test_a_path_is_a_file_that_counts_from_the_folder(text: str, path: str) -> None:
    assert parse_location(text, FOLDER) == SqliteFile(Path(path))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgres://host/db", "postgresql://host/db"),
        ("postgresql://me:secret@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgresql://me:se%40cret@[::1]/db", "postgresql://me@[::1]/db"),
        (
            "postgresql:///db?host=/run/pg&password=secret&sslpassword=secret&options=-csearch_path%3Da",
            "postgresql:///db?host=/run/pg&options=-csearch_path%3Da",
        ),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    place = parse_location(url, FOLDER)
    assert isinstance(place, PostgresDatabase)
    assert str(place) == shown
    assert str(parse_location(shown, FOLDER)) == shown
    assert holds_password(url) == ("secret" in url or "se%40cret" in url)
    assert not holds_password(shown)


def test_an_error_about_a_database_holds_no_password() -> None:
    place = parse_location("postgresql://me:s3cret@host/db", FOLDER)
    with pytest.raises(ConfigError) as caught:
        check_schema(place, None)
    assert caught.value.message.operands == {"store": "postgresql://me@host/db"}


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///a.db", "https://host/"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no kind of store called"):
        parse_location(url, FOLDER)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host:port/db",
        "postgresql://me:s3cret/xyz@db/x",  # a slash that would end the host for some readers
        "postgresql://me:4711/s3cret@db/x",
        "postgresql://me:s3cret：word@db/x",
        "postgresql://me:s3cret#x@db/x",
        "postgresql://me:s3cret@one@db/x",
        "postgresql://me:s3cret@db/x?a=@",
        "postgresql://me: s3cret@db/x",
    ],
)
def test_a_url_that_two_readers_could_understand_differently_is_refused_unquoted(url: str) -> None:
    with pytest.raises(ConfigError, match="is not spelled") as caught:
        parse_location(url, FOLDER)
    assert "s3cret" not in caught.value.message + str(caught.value.hint)
