"""Evidence whose record is dated too late waits, with all that was accepted after it."""

from __future__ import annotations

import pytest
from support.stores import NOW, make_item

from anchor.store.database import create_database
from anchor.store.evidence import find_held_back
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import StoreLocation
from anchor.store.sealing import seal

LATER = "2027-01-01T00:00:00.000Z"


@pytest.mark.parametrize("place", [0, 1, 70, 2_999])
def test_a_seal_ends_before_a_piece_that_is_dated_too_late(
    location: StoreLocation, place: int
) -> None:
    items = [make_item(number) for number in range(3_000)]
    items[place] = items[place]._replace(accepted_at=LATER)
    store = create_database(location)
    with store.hold_lease():
        store.write_with_retry(lambda connection: insert_evidence(connection, items[:100]))
        store.write_with_retry(lambda connection: insert_evidence(connection, items[100:]))
        sealed = seal(store, NOW, latest=NOW)
        assert (sealed[1] if sealed else 0) == place
        assert seal(store, NOW, latest=NOW) is None
        with store.read() as connection:
            held = find_held_back(connection, NOW)
            assert held is not None
            assert (held.index, held.leaf) == (place, items[place].leaf)
            assert (held.recorded_at, held.waiting) == (LATER, 3_000 - place)
            assert find_held_back(connection, LATER) is None
        rest = seal(store, LATER, latest=LATER)
        assert rest is not None and rest[1] == 3_000 - place
    store.close()
