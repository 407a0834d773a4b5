"""Nothing of erased rows is left in free space, nor in pages that were split."""

from __future__ import annotations

from pathlib import Path

from support.stores import NOW, make_item

from anchor.log.tree import HASH
from anchor.store.database import create_database
from anchor.store.erasures import erase_rows, find_by_leaves
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import SqliteFile

# With 5,000 rows no page keeps anything, even without VACUUM.
COUNT = 6_000


def test_pages_that_were_split_keep_nothing_of_erased_rows(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "anchor.db")
    database = create_database(place)
    items = [
        make_item(number)._replace(source=f"/evidence/{number}", sm3=make_item(-number).leaf)
        for number in range(1, COUNT + 1)
    ]
    for start in range(0, COUNT, 500):
        with database.write() as connection:
            insert_evidence(connection, items[start : start + 500])
    erased = items[::2]
    with database.write() as connection:
        pieces = find_by_leaves(connection, {item.leaf for item in erased})
        erase_rows(connection, pieces, [(None, NOW)] * len(pieces))
    assert len(pieces) == len(erased)
    assert database.purge() == ()
    files = b"".join(path.read_bytes() for path in tmp_path.glob("anchor.db*"))
    # Looking for each of them in the whole files takes seconds.
    kept = {files[at : at + HASH] for at in range(len(files))}
    for item in erased:
        assert len(item.identity) == HASH
        assert item.identity not in kept
        assert item.sm3 is not None and item.sm3 not in kept
        assert item.leaf in kept
    database.close()
