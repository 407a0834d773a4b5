"""Evidence of a build: anchored again after a reorganisation, and verified without any node."""

from collections.abc import Callable
from pathlib import Path

from anchor.testing import AnchorProject, FileAnchoring, OfflineVerification


def test_evidence_survives_a_reorganisation(
    anchor_project: AnchorProject,
    anchored: FileAnchoring,
    reorg: Callable[[int], None],
    verify_offline: OfflineVerification,
    tmp_path: Path,
) -> None:
    """The test of a project that anchors its reports."""
    report = tmp_path / "report.txt"
    report.write_text("build 17: 212 tests passed\n")
    anchor_project.project.add([report])
    included = anchor_project.project.run_once(wait="included")
    assert included.anchored is not None and not included.anchored.final
    reorg(1)  # the chain has forgotten it
    receipt = anchored(report)  # sent again, and final
    assert verify_offline(receipt).existed_by
