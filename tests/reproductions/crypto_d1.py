"""Crypto D1: a receipt that contradicts itself in time must not verify.

Whoever runs a chain dates its blocks. On a devnet that begins in 2010 a deed is recorded, anchored
and proven with today's record in it. It is verified elsewhere by the receipt, the evidence and the
block's hash, with and without the operator's own policy, by the package, the standalone verifier
and the page. On a chain of honest times, records that say they were made in 2099 do not verify.

Ends with 0 where the finding does not reproduce.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.bent_nodes import anvil_with
from support.bent_receipts import header_hashes, honest_receipts, recorded_in, world_of
from support.command import run_anchor
from support.four_judges import judge_by_three
from support.page_script import run_page_script
from support.paths import ROOT
from support.projects import Site, make_site

from anchor.chain.devnet import find_anvil, open_devnet
from anchor.evidence.digests import digest_bytes

STANDALONE = ROOT / "anchor" / "standalone" / "verify.py"
DEED = b"I, victim, sold my house\n"


def main() -> int:
    """Return how many verifications ended with 0."""
    ended = [*verify_backdated(), *verify_postdated()]
    for name, code in ended:
        print(f"{code:3}  {name}")
    return sum(code == 0 for _, code in ended)


def verify_backdated() -> Iterator[tuple[str, int]]:
    """Anchor in 2010 what is recorded now; yield what each verification of it ends with."""
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        program = anvil_with(work, anvil, timestamp=1_262_304_000)
        with open_devnet(anvil=program) as node:
            site = make_site(work / "project", node, number=1)
            site.write("deed.txt", DEED)
            site.run("stamp", "deed.txt", "--wait", "final").expect(0)
        elsewhere = work / "elsewhere"
        elsewhere.mkdir()
        for file in ("deed.txt", "deed.txt.anchor.json"):
            shutil.copy(site.folder / file, elsewhere)
        yield from verify_elsewhere(site, elsewhere)


def verify_elsewhere(site: Site, folder: Path) -> Iterator[tuple[str, int]]:
    """Verify by the receipt, the evidence and the block's hash alone."""
    document = json.loads((folder / "deed.txt.anchor.json").read_bytes())
    (block_hash,) = (f"0x{found.hex()}" for found in header_hashes(document))
    pinned = ("--chain-id", "31337", "--accept-unpinned")
    for words in ((), ("--accept-unpinned",), pinned, ("--trust", site.folder / "trust.toml")):
        offline = ("--offline", "--block-hash", block_hash)
        ran = run_anchor("verify", "deed.txt", *offline, *words, cwd=folder)
        yield f"anchor verify {words}", ran.code
    for words in ((), pinned, ("--chain-id", "31337", "--log", document["log"])):
        files = ("deed.txt.anchor.json", "deed.txt", "--block-hash", block_hash)
        command = [sys.executable, STANDALONE, *files, *words]
        done = subprocess.run(command, cwd=folder, capture_output=True)
        yield f"standalone {words}", done.returncode
    receipt = (folder / "deed.txt.anchor.json").read_bytes()
    evidence: Any = digest_bytes(DEED, ("sha256", "sm3"))
    policy = (site.folder / "trust.toml").read_text("utf-8")
    with run_page_script() as page:
        for text, chains in ((None, ()), (None, (31337,)), (policy, ())):
            report = page.judge_evidence(
                receipt, evidence, policy=text, block_hashes=[block_hash], chain_ids=chains,
                accept_unpinned=True,
            )  # fmt: skip
            yield f"page, with a policy: {text is not None}, chains {chains}", report["exit_code"]


def verify_postdated() -> Iterator[tuple[str, int]]:
    """Verify records of times to come, anchored in 2026."""
    honest = honest_receipts()[0]
    for time in ("2099-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "2026-09-21T14:22:51Z"):
        document = json.loads(json.dumps(honest.document))
        recorded_in(world_of(recorded_at=time))(document)
        given = honest.given._replace(block_hashes=header_hashes(document))
        codes = judge_by_three(json.dumps(document).encode(), given)
        for judge, code in zip(("package", "standalone", "page"), codes, strict=True):
            yield f"{judge}, recorded at {time}", code


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
