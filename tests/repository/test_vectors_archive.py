"""The archive of the test vectors: whole, the same bytes each time, with its hash beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

from support.paths import ROOT, VECTORS

sys.path.append(str(ROOT / "scripts/_build"))
from pack_vectors import OWN, pack_vectors


def test_it_has_every_vector_and_nothing_of_this_projects_own(tmp_path: Path) -> None:
    pack_vectors(VECTORS, tmp_path / "vectors.zip")
    expected = {
        f"test-vectors/{path.relative_to(VECTORS).as_posix()}": path.read_bytes()
        for path in VECTORS.rglob("*")
        if path.is_file() and path.relative_to(VECTORS).parts[0] not in OWN
    }
    with zipfile.ZipFile(tmp_path / "vectors.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == expected
    assert "test-vectors/README.md" in expected
    folders = {name.split("/")[1] for name in expected}
    assert {"bags", "bundles", "log", "receipts", "state", "verification"} <= folders


def test_copies_with_other_times_and_modes_give_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(VECTORS, copy)
    for path in copy.rglob("*.json"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    beside = [
        pack_vectors(folder, tmp_path / name / "vectors.zip")
        for folder, name in ((VECTORS, "first"), (copy, "second"))
        if (tmp_path / name).mkdir() is None
    ]
    first, second = (path.read_text("utf-8") for path in beside)
    assert first == second
    archive = (tmp_path / "first" / "vectors.zip").read_bytes()
    assert first == f"{hashlib.sha256(archive).hexdigest()}  vectors.zip\n"
