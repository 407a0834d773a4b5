"""Security D1: a folder that came with the evidence must not verify itself.

The attacker runs a chain of their own that calls itself chain 1 and began in 2020, deploys the
registry at its standard address and stamps a forged contract.  The victim is given the whole folder
and uses it in each of the ways that once ended with 0: in it, below it, with the attacker's project
as another user's, as a link, and by a receipt alone.

Ends with 0 where nothing of it reproduces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.command import Ran, run_anchor
from support.nodes import ask
from support.paths import ROOT

from anchor.chain.devnet import PUBLIC_DEV_KEY, find_anvil
from anchor.chain.signer.keystore import write_keystore

STRANGER = 12_345
WHOLE = "all in one folder"
_CHAIN = ("--chain-id", "1", "--timestamp", "1577836800", "--slots-in-an-epoch", "1")


@contextmanager
def attackers_chain() -> Iterator[str]:
    """Run a chain that says it is Ethereum's, in the year 2020; give its URL."""
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    words = [anvil, *_CHAIN, "--port", "0", "--block-time", "1", "--mixed-mining"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            port = next(found[1] for line in lines if (found := re.search(r"on \S*:(\d+)$", line)))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def forge(work: Path, url: str) -> Path:
    """Do what the attacker does, as a user of their own; return the folder that is handed over."""
    env = {"XDG_CONFIG_HOME": str(work / "attacker")}
    key, password = work / "k.json", work / "pw"
    write_keystore(key, bytes.fromhex(PUBLIC_DEV_KEY[2:]), "x", iterations=1_000)
    password.write_text("x\n")
    password.chmod(0o600)
    evil = work / "evil"
    words = ("init", evil, "--rpc", url, "--keystore", key, "--password-file", password)
    run_anchor(*words, cwd=work, env=env).expect(0)
    run_anchor("deploy", cwd=evil, env=env).expect(0)
    (evil / "contract.txt").write_text("I, victim, owe 1,000,000 to the attacker\n")
    run_anchor("stamp", "contract.txt", "--wait", "final", cwd=evil, env=env).expect(0)
    return evil


def hand_over(evil: Path, case: Path) -> Path:
    """Return a folder with all that the attacker gives away."""
    shutil.copytree(evil, case)
    (case / ".env").write_text(f"ANCHOR_TRUST={case / 'trust.toml'}\nANCHOR_CONFIG=anchor.toml\n")
    return case


def main() -> int:
    """Return how many of the victim's commands ended with 0, asked the node or wrote."""
    with tempfile.TemporaryDirectory() as name, attackers_chain() as url:
        work = Path(name)
        evil = forge(work, url)
        before = int(ask(url, "eth_blockNumber"), 16)
        assert before > 0
        found = 0
        for place, files, folder in list_places(evil, work):
            for words in list_commands(files, all_of_them=place == WHOLE):
                ran = run_anchor(*words, cwd=folder, env={"XDG_CONFIG_HOME": str(work / "victim")})
                problem = find_problem(ran, folder, url)
                if problem:
                    print(f"{place}: anchor {' '.join(map(str, words))}: {problem}")
                    found += 1
        return found


def list_places(evil: Path, work: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Yield the ways in which the folder comes to the victim: what, the files, where they work."""
    file = "contract.txt"
    yield WHOLE, [file], hand_over(evil, work / "case")
    deep = hand_over(evil, work / "above") / "one" / "two"
    deep.mkdir(parents=True)
    for each in (file, f"{file}.anchor.json"):
        shutil.move(work / "above" / each, deep / each)
    yield "the project two folders above", [file], deep
    linked = work / "linked"
    linked.mkdir()
    for path in hand_over(evil, work / "target").iterdir():
        (linked / path.name).symlink_to(path)
    yield "links", [file], linked
    theirs = hand_over(evil, work / "theirs")
    if os.geteuid() == 0:
        for path in (theirs, *theirs.rglob("*")):
            os.chown(path, STRANGER, -1)
        yield "another user's", [file], theirs
    open_to_all = hand_over(evil, work / "open")
    for path in (open_to_all, *open_to_all.glob("*.toml")):
        path.chmod(0o777)
    yield "writable by everybody", [file], open_to_all


def list_commands(files: list[str], *, all_of_them: bool) -> Iterator[tuple[str, ...]]:
    """Yield what the victim runs."""
    yield ("verify", *files)
    yield ("certify", "--no-pdf", "--draft", *files)
    yield ("add", *files)
    if not all_of_them:
        return
    yield ("verify", "-q", *files)
    yield ("verify", "--json", *files)
    yield ("certify", "--no-pdf", "--replace", *files)
    yield ("status",)
    yield ("run", "--once")
    yield ("stamp", *files)


def find_problem(ran: Ran, folder: Path, url: str) -> str | None:
    """Return what the attacker gained, if anything."""
    if ran.code == 0:
        return "ended with 0"
    if ran.code not in (12, 20):
        return f"ended with {ran.code}: {ran.err}"
    if url in ran.out + ran.err:
        return "asked the attacker's node"
    if "anchor.toml" not in ran.err:
        return "did not name the project that it left alone"
    if list(folder.rglob("*.certificate.*")):
        return "wrote a certificate"
    return None


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
