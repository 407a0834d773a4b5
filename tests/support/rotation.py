"""A log whose owner's key is kept apart from the key that anchors, as the documentation advises."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.command import Ran, run_anchor
from support.nodes import ask
from support.projects import Site

from anchor.chain.signer.keystore import keystore_address, write_keystore
from anchor.ethereum.keccak import format_address
from anchor.project.config import load_config

PASSWORD = "correct horse"
# `succeed` takes the next one.
_numbers = itertools.count(0, 2)

OWNER = ("--owner-keystore", "owner.json", "--owner-password-file", "owner-password")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLog:
    """A project in ``site`` that anchors with ``hot.json``; ``owner.json`` owns its log."""

    site: Site
    owner: str
    hot: str

    def run(self, *words: str | Path, **options: Any) -> Ran:
        return self.site.run(*words, **options)

    def listed(self) -> dict[int, tuple[str, bool]]:
        """Return key and standing of each id."""
        shown = self.run("operator", "list", "--json").expect(0).document
        return {each["id"]: (each["key"], each["active"]) for each in shown["operators"]}

    def send_as(self, sender: str, to: str, data: str) -> None:
        """Send something with a key that is in no file here."""
        ask(self.site.url, "anvil_impersonateAccount", sender)
        ask(self.site.url, "eth_sendTransaction", {"from": sender, "to": to, "data": data})
        ask(self.site.url, "anvil_mine", "0x4")


def make_key(folder: Path, name: str, url: str) -> str:
    """Make a keystore with a password file and some ether; return its address."""
    keystore = folder / f"{name}.json"
    write_keystore(keystore, secrets.token_bytes(32), PASSWORD, iterations=1_000)
    password = folder / f"{name}-password"
    password.touch(0o600)
    password.write_text(PASSWORD + "\n")
    address = format_address(keystore_address(keystore))
    ask(url, "anvil_setBalance", address, hex(10**19))
    return address


def make_split_log(folder: Path, url: str) -> SplitLog:
    """Create one on a node that has the registry or not; nobody but its owner may anchor yet."""
    folder.mkdir(parents=True)
    owner, hot = (make_key(folder, name, url) for name in ("owner", "hot"))
    number = next(_numbers)
    run_anchor(
        "init", "--rpc", url, "--keystore", "hot.json", "--password-file", "hot-password",
        "--owner", owner, "--number", str(number), cwd=folder,
    ).expect(0)  # fmt: skip
    site = Site(folder=folder, url=url, number=number)
    site.run("deploy").expect(0)
    return SplitLog(site=site, owner=owner, hot=hot)


def successor(log: SplitLog) -> SplitLog:
    """Return what ``anchor succeed --into ../next`` makes."""
    site = replace(log.site, folder=log.site.folder.parent / "next", number=log.site.number + 1)
    return replace(log, site=site)


@contextmanager
def quick_blocks(url: str) -> Iterator[None]:
    """Let a node mine ten times a second, so that what is included is final at once."""
    done = threading.Event()

    def mine() -> None:
        while not done.wait(0.1):
            ask(url, "evm_mine")

    thread = threading.Thread(target=mine, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Take a file away for a while."""
    other = path.with_name(path.name + ".away")
    path.rename(other)
    try:
        yield
    finally:
        other.rename(path)


def registry_of(site: Site) -> str:
    return format_address(load_config(site.folder / "anchor.toml").registry)
