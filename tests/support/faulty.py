"""A log whose node is behind a chaos proxy, and what has to be true of it after any fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.chaos import HasUrl, Proxy, open_proxy
from support.clocks import FastClock
from support.fixtures import MakeSite
from support.nodes import DEV, ask, nonce
from support.projects import Site
from support.store_contents import count_waiting

from anchor.base.errors import AnchorError, ExitCode
from anchor.operate.single_run import RunResult
from anchor.project.config import load_config


@dataclass
class Faulty:
    """A project that asks its node through ``proxy``; what happened before it does not count."""

    site: Site
    node: HasUrl
    proxy: Proxy
    url: str
    first_block: int
    first_nonce: int
    reports: list[str] = field(default_factory=list)

    def run(self, clock: FastClock | None = None) -> RunResult:
        """Do what ``anchor run --once`` does, in a fast time of its own."""
        return self.site.round(url=self.url, clock=clock, report=self.reports.append)

    def fails(self, code: ExitCode, *texts: str, clock: FastClock | None = None) -> AnchorError:
        """Run, and check that it ends with this code and one sentence, and claims nothing."""
        with pytest.raises(AnchorError) as caught:
            self.run(clock)
        error = caught.value
        assert error.exit_code is code, error
        assert error.message.strip()
        assert "\n" not in error.message + (error.hint or "")
        for text in texts:
            assert text in error.message, (text, error)
        self.check_claims()
        return error

    def finishes(self, clock: FastClock | None = None) -> None:
        """Let the faults end, and check that one ordinary run makes everything good."""
        self.proxy.calm()
        done = self.run(clock)
        assert done.anchored is not None
        self.check()

    def mine(self) -> None:
        ask(self.node.url, "evm_mine")

    def stop_mining(self) -> None:
        ask(self.node.url, "evm_setAutomine", False)

    def signed(self) -> list[str]:
        """Return the hash of every transaction ever signed for an anchor, cheapest first."""
        query = (
            "SELECT hex(tx_hash) FROM attempts WHERE head_size IS NOT NULL ORDER BY nonce, max_fee"
        )
        return [f"0x{row[0].lower()}" for row in self.site.rows(query)]

    def on_chain(self) -> list[dict[str, Any]]:
        """Return every transaction about this log in the blocks since the beginning."""
        log = load_config(self.site.folder / "anchor.toml").log.hex()
        last = int(ask(self.node.url, "eth_blockNumber"), 16)
        found: list[dict[str, Any]] = []
        for number in range(self.first_block, last + 1):
            block = ask(self.node.url, "eth_getBlockByNumber", hex(number), True)
            found += [item for item in block["transactions"] if log in item["input"]]
        return found

    def check(self, *, foreign: int = 0, wasted: int = 0) -> None:
        """Check the log: one anchor a head, nothing unknown on chain, every nonce accounted for.

        ``foreign`` is how many transactions others sent with the key, ``wasted`` how many of ours
        reverted.
        """
        self.check_claims()
        sizes = [size for size, _ in self.site.heads()]
        anchored = self.site.anchors_on_chain()
        assert [sequence for _, sequence in anchored] == list(range(1, len(anchored) + 1))
        assert {size for size, _ in anchored} <= set(sizes)
        assert anchored[-1][0] == sizes[-1]
        assert self.site.head_on_chain() == self.site.heads()[-1][1]
        assert count_waiting(self.site) == 0
        # A run that finds its anchor on chain leaves the nonce for the next to settle.
        for (number,) in self.site.rows("SELECT nonce FROM slots WHERE outcome IS NULL"):
            assert number < nonce(self.node.url)
        sent = {item["hash"] for item in self.on_chain()}
        assert sent <= set(self.signed()), "a transaction that is in no journal"
        assert len(sent) == len(anchored) + wasted
        assert nonce(self.node.url) == self.first_nonce + len(sent) + foreign

    def check_claims(self) -> None:
        """Check that nothing is called anchored that is not."""
        claimed = {row[0] for row in self.site.rows("SELECT head_size FROM anchors")}
        assert claimed <= {size for size, _ in self.site.anchors_on_chain()}


@contextmanager
def open_faulty(new_site: MakeSite, node: HasUrl, name: str = "project") -> Iterator[Faulty]:
    """Create a project on ``node`` behind a proxy, with one piece of evidence to anchor."""
    site = new_site(node, name)
    site.edit("wait_seconds = 600", "wait_seconds = 200")
    site.add("a.txt", b"a")
    with open_proxy(node) as (proxy, url):
        yield Faulty(
            site=site,
            node=node,
            proxy=proxy,
            url=url,
            first_block=int(ask(node.url, "eth_blockNumber"), 16) + 1,
            first_nonce=nonce(node.url, DEV),
        )
