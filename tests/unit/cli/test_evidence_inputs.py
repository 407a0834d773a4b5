"""What ``anchor verify`` reads: progress is shown while a large file is hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.base.digests import digest_bytes
from anchor.cli import evidence_inputs
from anchor.cli.evidence_inputs import VerificationInputs


def test_only_for_a_large_file_progress_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_inputs, "_LARGE_BYTES", 1_000)
    shown: list[int] = []

    @contextmanager
    def show(total: int) -> Iterator[Callable[[int, int], None]]:
        shown.append(total)
        yield lambda _files, size: shown.append(size)

    inputs = VerificationInputs(
        config_path=None, trust=None, report=lambda *_, **__: None, show_progress=show
    )
    receipt = tmp_path / "receipt"
    receipt.write_bytes(b"{}")
    for content in (b"x" * 999, b"x" * 3_000_000):
        file = tmp_path / "file"
        file.write_bytes(content)
        _, digests = inputs.load(file, receipt)
        assert digests == digest_bytes(content, ("sha256", "sm3"))
    total, *read = shown
    assert total == sum(read) == 3_000_000
    assert len(read) > 1
