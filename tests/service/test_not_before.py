"""Evidence that is submitted names a block, if the configuration says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nodes import ask
from support.projects import Site, make_site
from support.service import NDJSON, bearer, digest, lines, make_key, serve
from support.store_contents import load_pieces

from anchor.chain.devnet import Devnet
from anchor.evidence.record import parse_record


@pytest.fixture
def naming(tmp_path: Path, own_anvil: Devnet) -> Iterator[Site]:
    site = make_site(tmp_path / "project", own_anvil, number=1)
    path = site.folder / "anchor.toml"
    path.write_text(path.read_text() + "\n[record]\nnot_before = true\n")
    site.run("trust", "allow").expect(0)
    yield site


def test_single_and_bulk_submissions_name_the_same_final_block(naming: Site) -> None:
    with serve(naming.folder) as served:
        headers = bearer(make_key(naming.folder))
        final = ask(naming.url, "eth_getBlockByNumber", "finalized", False)
        one = served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=headers)
        assert one.status_code == 201
        many = served.http.post(
            "/v1/bulk",
            content=lines(range(2, 4)),
            headers=headers | NDJSON,
        )
        assert many.status_code == 200
    records = [parse_record(piece.record or b"") for piece in load_pieces(naming)]
    assert len(records) == 3
    (block,) = {record.not_before for record in records}
    assert block is not None
    assert block.block_number >= int(final["number"], 16)
    assert json.loads(records[0].encoded)["not_before"] == json.loads(block.encode())


def test_while_no_node_tells_it_nothing_is_accepted(naming: Site) -> None:
    naming.edit(naming.url, "http://127.0.0.1:1")
    with serve(naming.folder) as served:
        headers = bearer(make_key(naming.folder))
        refused = served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=headers)
        assert refused.status_code == 503
    assert load_pieces(naming) == []
