"""The commands on the documentation's pages run as written, and print what the pages show."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from support.page_blocks import Block, find_missing, read_blocks, run_blocks
from support.paths import ROOT

from anchor.chain.devnet import find_anvil, open_devnet

# Pages whose blocks `sh` are not run, each with the reason.
NOT_RUN = {
    "CONTRIBUTING.md": "commands of this test lane itself",
    "README.md": "tests/repository/test_docs.py runs it on both devnets, its set-up excepted",
    "docs/capture.md": "Chromium, a public site and programs of others; tests/capture runs them",
    "docs/clusters.md": "clusters of several machines; tests/objects has a cluster of its own",
    "docs/deploying.md": "systemd, users and disks of a server",
    "docs/faults.md": "the release lane itself",
    "docs/object-stores.md": "buckets and sites of others; tests/objects has servers of its own",
    "docs/verification.md": "commands with placeholders; tests/certificate runs them with values",
}
# Commands that make what a page takes as given.
_PROJECT = """\
anchor init --devnet project >/dev/null
cd project
anchor deploy >/dev/null 2>&1
for name in report.pdf report-2.pdf contract.pdf deed.txt; do echo "$name" >$name; done
anchor stamp --wait final report.pdf report-2.pdf contract.pdf deed.txt >/dev/null 2>&1
"""
BEFORE: dict[str, str] = {}


def find_pages() -> list[str]:
    """Return every page with a block ``sh``."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in pages if read_blocks(page))


RUN = [page for page in find_pages() if page not in NOT_RUN]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.release
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    blocks = read_blocks(ROOT / page)
    with open_devnet(anvil=anvil) as chain:
        replaced = {
            # The reader's devnet listens on its default port; a test takes a free one.
            "init --devnet": f"init --devnet --rpc {chain.url}",
            "http://127.0.0.1:8545": chain.url,
            "--rpc https://NODE --rpc https://ANOTHER": f"--rpc {chain.url}",
            "https://NODE": chain.url,
            "8080": str(free_port()),
        }
        before = BEFORE.get(page, "").replace("init --devnet", replaced["init --devnet"])
        printed = run_blocks(blocks, tmp_path, replaced, before)
    for block, text in zip(blocks, printed, strict=True):
        missing = find_missing(block.transcript, text)
        assert missing is None, f"{block.commands}does not print {missing!r}, but:\n{text}"


def test_every_page_that_is_not_run_is_one() -> None:
    assert set(NOT_RUN) <= set(find_pages())
    assert set(BEFORE) <= set(RUN)


def test_a_page_of_commands_is_a_tutorial_or_has_a_transcript() -> None:
    tutorials = [page for page in RUN if "/tutorials/" in page]
    for page in tutorials:
        shown = [block for block in read_blocks(ROOT / page) if block.transcript]
        assert len(shown) >= 3, f"{page} shows hardly anything of what its commands print"
    assert len(tutorials) >= 8


@pytest.mark.parametrize(
    ("printed", "missing"),
    [
        ("one 12\ntwo\nthree\n", None),
        ("two\none 12\nthree\n", "two"),
        ("one 12\ntwo\n", "three"),
        ("one x\ntwo\nthree\n", "one 11"),
    ],
)
def test_a_transcript_is_compared_line_by_line(printed: str, missing: str | None) -> None:
    assert find_missing(("one 11", "...", "two", "three"), printed) == missing


def test_blocks_are_read_with_the_transcript_that_follows_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\na\n```\n\n```text\nb\n```\n\n```text\nc\n```\n\n```sh\nd\n```\n", "utf-8"
    )
    assert read_blocks(page) == [Block("a\n", ("b",)), Block("d\n")]


def test_commands_stand_in_blocks_that_are_run_or_listed() -> None:
    commands = re.compile(r"^(anchor|pip|curl|\$) ", re.MULTILINE)
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for language, text in re.findall(
            r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            assert language or not commands.search(text), f"{page}: a block of commands has no kind"
