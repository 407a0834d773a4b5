"""What the system refuses is this machine's fault, but for a place that was named wrongly."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chinese_text import CHARACTER

from anchor.base.errors import AnchorError, ConfigError, StorageError, StoreAwayError, UsageError
from anchor.base.messages.message import Message, translate
from anchor.base.system.durable_files import write_file
from anchor.base.system.file_lock import open_lock
from anchor.base.system.os_errors import describe_os_error, explain_os_error
from anchor.log.tiles import Tile
from anchor.service.problems import explain
from anchor.store.database import Database, create_database, open_database
from anchor.store.location import SqliteFile
from anchor.store.tile_folder import TileFolder

MACHINE = (
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOLCK,
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ESTALE,
    errno.ENOMEM,
    errno.ENODEV,
    errno.EBUSY,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EFBIG,
)
PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP)
FAILURE = Message("file-unwritable", path="/srv/anchor/secret-place")
names = [errno.errorcode[number] for number in (*MACHINE, *PLACE)]


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/srv/anchor/secret-place")


@pytest.mark.parametrize("number", (*MACHINE, *PLACE), ids=names)
def test_a_projects_own_file_is_never_bad_usage(number: int):
    error = explain_os_error(FAILURE, refusal(number), is_named=False)
    assert isinstance(error, StorageError)
    assert error.exit_code == 33
    assert error.message == f"{FAILURE}: {os.strerror(number)}" and error.hint
    reason = translate(describe_os_error(refusal(number)), "zh")
    assert translate(error.message, "zh") == f"无法写入 /srv/anchor/secret-place：{reason}"


@pytest.mark.parametrize("number", (*MACHINE, *PLACE), ids=names)
def test_the_systems_reason_has_its_chinese(number: int):
    reason = describe_os_error(refusal(number))
    assert reason == os.strerror(number)
    assert CHARACTER.search(translate(reason, "zh"))
    assert describe_os_error(OSError(number, None)) == reason


def test_a_reason_that_is_not_listed_is_quoted():
    for error, reason in (
        (OSError(errno.EIO, "of a library of its own"), "of a library of its own"),
        (OSError(errno.EXDEV, os.strerror(errno.EXDEV)), os.strerror(errno.EXDEV)),
        (OSError("no number"), "OSError"),
    ):
        assert translate(describe_os_error(error), "zh") == describe_os_error(error) == reason


@pytest.mark.parametrize("number", (*MACHINE, *PLACE), ids=names)
def test_a_place_that_was_named_is_bad_usage_only_where_the_place_is_wrong(number: int):
    error = explain_os_error(FAILURE, refusal(number), is_named=True)
    assert isinstance(error, UsageError if number in PLACE else StorageError)


@pytest.mark.parametrize("number", (*MACHINE, *PLACE), ids=names)
def test_the_service_answers_503_without_a_path(number: int):
    for problem in (
        explain(refusal(number)),
        explain(explain_os_error(FAILURE, refusal(number), is_named=False)),
        explain(ConfigError("the store /srv/anchor/secret-place cannot be used")),
    ):
        assert problem.status == 503
        assert "secret" not in json.dumps(problem.members())
        assert "Retry-After" in problem.headers


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    place = SqliteFile(tmp_path / "anchor.db")
    create_database(place).close()
    database = open_database(place)
    yield database
    database.close()


@pytest.mark.parametrize("number", (*MACHINE, *PLACE), ids=names)
def test_no_lock_can_be_opened(
    number: int, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any, **__: Any) -> int:
        raise refusal(number)

    with store.read():
        pass
    with monkeypatch.context() as patched:
        patched.setattr("anchor.base.system.durable_files.os.open", refuse)
        with pytest.raises(StoreAwayError), store.write():
            pytest.fail("a transaction began")
        with pytest.raises(StoreAwayError), store.hold_lease():
            pytest.fail("a lease was taken")
        with pytest.raises(StoreAwayError):
            open_lock(tmp_path / "publishing.lock")
        with pytest.raises(StorageError):
            TileFolder(tmp_path / "tiles").write([(Tile(0, 0), bytes(32 * 256))])
        error = UsageError if number in PLACE else StorageError
        with pytest.raises(error):
            write_file(tmp_path / "out.json", b"{}")
    with store.write():  # and then it can
        pass


def test_a_file_that_may_not_be_written_is_the_machines(store: Database, tmp_path: Path):
    """SQLite says that itself: it could not open the file, or only for reading."""
    with store.read():
        pass
    store.close()
    hidden = (tmp_path / "anchor.db").rename(tmp_path / "hidden")
    (tmp_path / "anchor.db").mkdir()
    with pytest.raises(AnchorError) as caught, store.read():
        pytest.fail("a transaction began")
    assert caught.value.exit_code == 33
    (tmp_path / "anchor.db").rmdir()
    hidden.rename(tmp_path / "anchor.db")
    with store.write():
        pass
