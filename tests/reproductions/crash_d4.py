"""A reorganisation makes a head take a second nonce, and the journal tell untruth (crash D4).

Anchor 2 is included with nonce 2; a reorganisation puts another program's transaction there, 40
blocks before anything is final.  Nothing may be signed for that head until the loss is final, and
no row may say that ours was included.  Then the chain comes back, or the loss becomes final.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from eth_account import Account
from support.bent_nodes import anvil_with
from support.clocks import FastClock
from support.nodes import ask, nonce, stop_the_clock
from support.paths import ROOT
from support.projects import Site, make_site

from anchor.chain.devnet import PUBLIC_DEV_KEY, find_anvil, open_devnet
from anchor.errors import AnchorError, ExitCode

FINALITY = 40


def foreign(number: int) -> str:
    """Return another program's transaction with our key."""
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": number,
        "to": "0x" + "42" * 20,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 50 * 10**9,
        "maxPriorityFeePerGas": 10**9,
    }
    return (
        "0x"
        + bytes(Account.from_key(PUBLIC_DEV_KEY).sign_transaction(fields).raw_transaction).hex()
    )


def code_of(site: Site) -> int:
    """Do one round, and return its exit code."""
    try:
        site.round(clock=FastClock())
    except AnchorError as error:
        return int(error.exit_code)
    return 0


def slots(site: Site) -> list[tuple[int, str | None, int | None]]:
    """Return nonce, outcome and gas of what anchors."""
    query = (
        "SELECT nonce, outcome, gas_used FROM slots WHERE EXISTS (SELECT 1 FROM attempts"
        " WHERE attempts.nonce = slots.nonce AND head_size IS NOT NULL) ORDER BY nonce"
    )
    return [(row[0], row[1], row[2]) for row in site.rows(query)]


def attack(folder: Path, *, comes_back: bool) -> list[str]:
    """Let our nonce be used by others, and return what is wrong then."""
    seen = []
    folder.mkdir()
    anvil = anvil_with(folder, find_anvil(ROOT), slots_in_an_epoch=FINALITY // 2)
    with open_devnet(anvil=anvil) as node:
        site = make_site(folder / "project", node, number=1)
        stop_the_clock(site.url)
        ask(site.url, "anvil_mine", "0x2")
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        for name in ("a", "b"):
            site.add(name, name.encode())
            site.round(clock=FastClock())
        lost = nonce(site.url) - 1
        (ours,) = site.rows(f"SELECT hex(raw) FROM attempts WHERE nonce = {lost}")[0]
        ask(site.url, "anvil_reorg", 1, [[foreign(lost), 0]])
        for _ in range(2):
            code = code_of(site)
            if code != ExitCode.NOT_FINAL:
                seen.append(f"a run while that is reversible ends with {code}")
        if any(number > lost for number, _, _ in slots(site)):
            seen.append(f"another nonce is signed for while {lost} may come back")
        if (lost, "included") in [(number, outcome) for number, outcome, _ in slots(site)]:
            seen.append(f"nonce {lost} is noted as included, and another program used it")
        if comes_back:
            ask(site.url, "anvil_reorg", 1, [[f"0x{ours}", 0]])
        ask(site.url, "anvil_mine", hex(FINALITY + 2))
        codes = [code_of(site), code_of(site)]
        expected = [0, 0] if comes_back else [int(ExitCode.CHAIN_GUARD), 0]
        if codes != expected:
            seen.append(f"once that is final, runs end with {codes}")
        outcomes = {number: outcome for number, outcome, _ in slots(site)}
        if outcomes.get(lost) != ("included" if comes_back else "foreign"):
            seen.append(f"nonce {lost} is noted as {outcomes.get(lost)} then")
        if site.anchors_on_chain() != [(1, 1), (2, 2)]:
            seen.append(f"the registry has {site.anchors_on_chain()}")
    return [f"{'back' if comes_back else 'lost for good'}: {text}" for text in seen]


def main() -> int:
    """Return 1 where it reproduces."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for comes_back in (False, True):
            seen += attack(Path(folder, str(comes_back)), comes_back=comes_back)
    print("\n".join(seen) or "it does not reproduce")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
