"""Temporary folders of killed processes are removed, and nothing else is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from anchor.base.system.abandoned_folders import remove_abandoned


def test_only_old_folders_of_this_name_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = tmp_path / "outside"
    kept.mkdir()
    (kept / "file").write_text("kept")
    for name in ("work-old", "work-new", "other-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "receipt").write_text("x")
    (tmp_path / "work-file").write_text("x")
    (tmp_path / "work-link").symlink_to(kept)
    (tmp_path / "work-old" / "link").symlink_to(kept)
    for name in ("work-old", "other-old", "work-file", "outside"):
        os.utime(tmp_path / name, (1_000, 1_000))
    os.utime(tmp_path / "work-link", (1_000, 1_000), follow_symlinks=False)
    remove_abandoned("work-", 2_000.0)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"outside", "work-new", "other-old", "work-file", "work-link"}
    assert (kept / "file").read_text() == "kept"
