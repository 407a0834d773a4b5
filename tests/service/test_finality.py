"""The API says who decided that an anchor is final: the nodes, or a number of blocks."""

from __future__ import annotations

from typing import Any

import pytest
from support.fixtures import MakeSite
from support.service import bearer, digest, make_key, serve


@pytest.mark.parametrize(("node", "count"), [("module_anvil", None), ("embedded", 0)])
def test_each_answer_names_the_number_of_blocks_that_decides(
    node: str, count: int | None, new_site: MakeSite, request: pytest.FixtureRequest
) -> None:
    site = new_site(request.getfixturevalue(node))
    key = make_key(site.folder)
    with serve(site.folder) as served:

        def ask(path: str) -> Any:
            return served.http.get(path, headers=bearer(key)).raise_for_status().json()

        piece = served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=bearer(key))
        id, number = piece.json()["id"], piece.json()["number"]
        site.run("run", "--once", "--wait", "final").expect(0)
        status = ask(f"/v1/evidence/{id}?wait=60&until=anchored")
        # What had names before keeps them, and its values.
        assert (status["state"], status["anchor"]["final"]) == ("anchored", True)
        listed = served.http.post("/v1/lookup", json={"numbers": [number]}).json()
        anchors = [
            status["anchor"],
            ask("/v1/evidence")["evidence"][0]["anchor"],
            ask("/v1/heads")["heads"][0]["anchor"],
            ask(f"/v1/lookup/{number}")["matches"][0]["anchor"],
            listed["rows"][0]["matches"][0]["anchor"],
        ]
        assert [anchor["final_after_blocks"] for anchor in anchors] == [count] * 5
        assert ask("/v1/final-evidence")["final_after_blocks"] == count
        page = served.http.get("/number", params={"of": number}).text
        assert ("its anchor on the chain counts as final" in page) == (count is not None)
        assert ("its anchor on the chain is final" in page) == (count is None)
        site.run("erase", id, "--basis", "other", "--reason", "x", "--by", "y", "--yes").expect(0)
        erased = served.http.get(f"/v1/evidence/{id}", headers=bearer(key))
        assert erased.json()["erasure"]["anchor"]["final_after_blocks"] == count
