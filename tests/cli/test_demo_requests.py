"""How often one file's way through the demo asks the node, phase by phase."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.request_counts import count_requests

from anchor.cli.commands.demo import command

# Each of these guards an effect, or decides one.  Chain id and genesis are read four times: to pin
# the chain, before each of the two signatures, and by the verifier, who trusts none of the others.
# A signature needs the newest block, a trial of the call with the gas that it gets, the tip, the
# balance and the nonce twice; a sent transaction its receipt and the block that holds it.  Code is
# read where it is called (registry, proxy) and where it could use our nonces (sender); the
# registry's head decides what is signed and that nothing has to be sent again; the final block,
# the code and the anchor in it decide that the anchor is final.
MOST = {
    "create": 3,
    "deploy": 16,
    "check": 4,
    "seal": 1,
    "anchor": 16,
    "wait": 5,
    "proof": 1,
    "verify": 5,
}


def test_one_file_asks_the_node_no_more_than_its_guards_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "a.txt").write_text("a")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    counts = count_requests(monkeypatch)
    command(evidence, embedded=True)
    assert "1 files recorded, anchored and verified" in capsys.readouterr().out
    listing = counts.format()
    for phase, methods in counts.by_phase.items():
        assert methods.total() <= MOST[phase], listing
    assert counts.total <= 51, listing
    # The guards themselves: none may be saved by not asking.
    for phase in ("create", "deploy", "check", "verify"):
        assert counts.by_phase[phase]["eth_chainId"] == 1, listing
    for phase in ("deploy", "anchor"):
        signing = counts.by_phase[phase]
        assert signing["eth_getTransactionCount"] == 2, listing
        assert signing["eth_estimateGas"] == signing["eth_call"] == 1, listing
        assert signing["eth_getBalance"] == signing["eth_sendRawTransaction"] == 1, listing
