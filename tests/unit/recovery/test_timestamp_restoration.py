"""A backup's timestamps come back beside those that are there, tokens last."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from anchor.base.errors import UsageError
from anchor.recovery import timestamp_restoration
from anchor.recovery.timestamp_restoration import restore_timestamps

ENDINGS = ("checkpoint", "crl", "pem", "tst")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    folder.mkdir()
    for stem in ("4-first", "9-first"):
        for ending in ENDINGS:
            (folder / f"{stem}.{ending}").write_bytes(f"{stem} {ending}".encode())
    return folder


def test_what_is_missing_comes_back_and_what_is_there_stays(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "timestamps"
    target.mkdir()
    (target / "9-first.tst").write_bytes(b"newer")
    assert restore_timestamps(backup, target) == 1
    restored = {path.name: path.read_bytes() for path in target.iterdir()}
    saved = {path.name: path.read_bytes() for path in backup.iterdir()}
    assert restored == saved | {"9-first.tst": b"newer"}
    assert restore_timestamps(backup, target) == 0


def test_a_backup_without_timestamps_makes_no_folder(tmp_path: Path) -> None:
    assert restore_timestamps(tmp_path / "none", tmp_path / "timestamps") == 0
    assert not (tmp_path / "timestamps").exists()


def test_no_token_is_there_before_the_files_beside_it(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, target = timestamp_restoration.write_files, tmp_path / "timestamps"

    def stop_after_first_write(files: Iterable[tuple[Path, bytes]], *, is_named: bool) -> None:
        write(files, is_named=is_named)
        raise OSError("power failure")

    monkeypatch.setattr(timestamp_restoration, "write_files", stop_after_first_write)
    with pytest.raises(OSError, match="power failure"):
        restore_timestamps(backup, target)
    assert {path.suffix for path in target.iterdir()} == {".checkpoint", ".crl", ".pem"}
    monkeypatch.undo()
    assert restore_timestamps(backup, target) == 2


def test_a_link_put_in_place_of_a_timestamp_is_refused_and_never_read(
    backup: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "key.pem"
    secret.write_bytes(b"a file of this user's own")
    (backup / "4-first.pem").unlink()
    (backup / "4-first.pem").symlink_to(secret)
    with pytest.raises(UsageError, match="not a regular file"):
        restore_timestamps(backup, tmp_path / "timestamps")
    restored = [path.read_bytes() for path in (tmp_path / "timestamps").iterdir()]
    assert secret.read_bytes() not in restored
