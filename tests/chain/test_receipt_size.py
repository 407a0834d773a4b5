"""How large a receipt with its state proof is."""

from __future__ import annotations

import pytest
from support.fixtures import MakeSite
from support.hardhat import trust_newest_block

from anchor.receipt import parse_receipt


@pytest.mark.parametrize("client", ["own_anvil", "hardhat"])
def test_a_stamped_files_receipt_has_at_most_4_kib_on_a_devnet(
    client: str, make: MakeSite, request: pytest.FixtureRequest
) -> None:
    node = request.getfixturevalue(client)
    site = trust_newest_block(make(node), node)
    site.run("stamp", site.write("evidence.pdf", b"%PDF-1.7")).expect(0)
    written = (site.folder / "evidence.pdf.anchor.json").read_bytes()
    assert parse_receipt(written).anchors[0].state is not None
    assert len(written) <= 4_096
