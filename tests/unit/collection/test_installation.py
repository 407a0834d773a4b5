"""The digests of installed software, also where an installation was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchor.collection.installation import observe_software


def observe() -> str | None:
    described = observe_software(argv=None, config=None, chain="-", registry="-", code_hash="-")
    return described.distributions_sha256


def test_a_distribution_without_a_name_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = observe()
    (tmp_path / "broken-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert observe() == before
    (tmp_path / "more-1.dist-info").mkdir()
    (tmp_path / "more-1.dist-info/METADATA").write_text("Name: more\nVersion: 1\n")
    assert observe() != before
