"""``anchor demo``: the first thing a stranger runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import run_anchor


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ((), "anchored (final)"),
        (("--embedded",), "anchored (counts as final; not confirmed by the nodes)"),
    ],
    ids=["anvil", "py-evm"],
)
def test_the_demo_anchors_verifies_and_refuses_an_altered_copy(
    tmp_path: Path, anvil_path: Path, arguments: tuple[str, ...], state: str
) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    for name in ("a.txt", "b.txt"):
        (evidence / name).write_text(name)
    env = {"ANCHOR_ANVIL": str(anvil_path), "TMPDIR": str(tmp_path)}
    ran = run_anchor("demo", evidence, *arguments, cwd=tmp_path, env=env)
    ran.expect(0, "3. recorded 2 files", "4. sealed 2 leaves", state)
    assert "2 files recorded, anchored and verified" in ran.out
    assert "refused   altered-" in ran.out and "(exit code 10)" in ran.out
