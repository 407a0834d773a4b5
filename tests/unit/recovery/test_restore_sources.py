"""Side files of other stores: what the project's own one lacks is appended, but nothing erased."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from anchor.base.types import Hash32
from anchor.recovery import restore_sources
from anchor.recovery.owners import LeafOwners, OwnedLeaf
from anchor.store.acknowledged_log import SideFile
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.batches import in_batches


def make_entry(number: int, name: int, tenant: str = "a", key: bytes | None = None) -> Entry:
    return Entry(Hash32(bytes([number]) * 32), bytes([name]) * 32, tenant, key)


@pytest.mark.parametrize("size", [1, 100])
def test_what_the_own_side_file_lacks_is_appended(tmp_path: Path, size: int) -> None:
    own = SideFile(tmp_path / "own")
    own.append([make_entry(1, 1)])
    other = [
        make_entry(1, 9),
        make_entry(2, 2),
        make_entry(3, 3, "b", bytes(32)),
        make_entry(4, 4),
        make_entry(2, 5, "b"),
    ]
    erased = {make_entry(4, 4).leaf}
    with closing(LeafOwners()) as owners:
        owners.add([list(own.read_entries())])
        batches = in_batches(other, size)
        owners.add(restore_sources._append_unknown(own, batches, owners, erased))
        assert list(own.read_entries()) == [make_entry(1, 1), other[1], other[2], other[4]]
        # The own file's entry stays; of the other's, the last one counts; the erased one is known.
        names = [(1, 1, "a"), (2, 5, "b"), (3, 3, "b"), (4, 4, "a")]
        for number, name, tenant in names:
            owner = owners.find(Hash32(bytes([number]) * 32))
            assert owner == OwnedLeaf(bytes([name]) * 32, tenant)
