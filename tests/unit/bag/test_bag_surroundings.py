"""Nothing is written into a bag, which would then be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import UsageError
from anchor.cli.output_place import open_output_place


def test_a_path_in_a_bag_is_refused_and_one_beside_it_is_not(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    (bag / "data").mkdir(parents=True)
    (bag / "bagit.txt").touch()
    (tmp_path / "link").symlink_to(bag / "data")
    for name in ("bag", "bag/x", "bag/data/new/x", "link/x", "bag/data/../../bag/x"):
        with pytest.raises(UsageError, match=f"in the bag {bag},"):
            check_outside_bags(tmp_path / name)
        with (
            pytest.raises(UsageError, match="in the bag"),
            open_output_place(tmp_path / name, is_file=True),
        ):
            pass
    for name in (".", "x", "bag.zip", "bag-2/x", "bag/../x"):
        check_outside_bags(tmp_path / name)
    check_outside_bags(None)
    (tmp_path / "bagit.txt").touch()  # alone, it makes no bag
    check_outside_bags(tmp_path / "x")
