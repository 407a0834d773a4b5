"""The standalone verifier says of each notice what it states, or why it does not count."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bags import write_folder
from support.bent_receipts import Given
from support.notice_bags import BAGS, hashes_of, notices
from support.two_verifiers import make_pins

from anchor.standalone import verify as standalone


def judge(name: str, folder: Path) -> standalone.Report:
    """Return the report on the first original in a bag with notices."""
    files = BAGS[name][1]()
    given = Given(leaf=1, policy=notices().world.policy(), block_hashes=hashes_of(files))
    source = standalone.Folder(str(write_folder(folder / "bag", files)))
    _, report = next(standalone.verify_bag(source, make_pins(given)))
    return report


def test_only_the_notice_about_the_record_itself_counts(tmp_path: Path):
    report = judge("its replacement is withdrawn", tmp_path)
    assert [code for code, _ in report.notices] == [14, 0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("another owner's log", "it is in a log of another owner"),
        ("digests of other bytes", "the record says 17"),
    ],
)
def test_a_notice_that_does_not_count_is_named_with_the_reason(
    name: str, reason: str, tmp_path: Path
):
    report = judge(name, tmp_path)
    said = [note for note in report.notes if "does not count" in note]
    assert report.notices == [] and len(said) == 1
    assert "'notices/0.anchor.json'" in said[0]
    assert reason in said[0]
