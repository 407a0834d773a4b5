"""The commands on the documentation's pages run as written, and print what the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import fixtures
from support.page_blocks import Block, find_missing, read_blocks, run_blocks
from support.paths import ROOT
from support.ports import free_port

from anchor.chain.devnet import open_devnet

anvil_path = fixtures.anvil_path

# Pages whose blocks `sh` are not run, each with the reason.
NOT_RUN = {
    "CONTRIBUTING.md": "the commands of this test lane",
    "README.md": "tests/repository/test_docs.py runs it on two devnets, its set-up excepted",
    "docs/capture.md": "Chromium, a public site and programs of others; see tests/capture",
    "docs/ape.md": "ape; tests/ape/test_ape_page.py runs them",
    "docs/certificate.md": "placeholders and a token; see tests/cli/test_certifying.py",
    "docs/clusters.md": "clusters of several machines; see tests/objects/test_dask_cluster.py",
    "docs/contract.md": "the checkout's compiler, and Sourcify",
    "docs/copies.md": "installs an extra and serves; see tests/service/test_copies.py",
    "docs/database-extracts.md": "a PostgreSQL server; see tests/store/test_database_extracts.py",
    "docs/deploying.md": "systemd, users and disks of a server",
    "docs/faults.md": "the whole lane and the campaigns",
    "docs/installing.md": "files of a release; see tests/release",
    "docs/object-stores.md": "buckets of others; see tests/objects/test_bucket_commands.py",
    "docs/operating.md": "placeholders, prompts and other disks; see tests/cli",
    "docs/platform.md": "serves until it is stopped; see tests/cli/test_demo_site.py",
    "docs/published-log.md": "placeholders; docs/tutorials/audit-a-log.md has them with values",
    "docs/screen-recordings.md": "a display; see tests/cli/test_screen_recording.py",
    "docs/service.md": "serves until it is stopped; docs/tutorials/submit-over-http.md does it",
    "docs/signatures.md": "keys of persons and placeholders; see tests/cli/test_signing.py",
    "docs/timestamps.md": "authorities; see tests/cli/test_timestamps.py",
    "docs/verification.md": "placeholders; tests/devnet/test_certificate_commands.py has values",
    "docs/web-captures-made-elsewhere.md": "captures of others; tests/cli/test_foreign_captures.py",
}
# Blocks of other pages that are not run: they act on the checkout.
CHECKOUT = ("npm --prefix web ci",)
_PROJECT = """\
anchor init --devnet project >/dev/null
cd project
anchor deploy >/dev/null 2>&1
for name in report.pdf report-2.pdf contract.pdf; do echo "$name" >$name; done
anchor stamp --wait final report.pdf report-2.pdf contract.pdf >/dev/null 2>&1
"""
# Commands that make what a page takes as given.
BEFORE = {
    "docs/bag.md": _PROJECT,
    "docs/bag.zh.md": _PROJECT,
    "docs/preservation-number.md": _PROJECT + "cp report.pdf.anchor.json RECEIPT\n",
    "docs/record-groups.md": _PROJECT,
}


def find_pages() -> list[str]:
    """Return every page with a block ``sh``."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in pages if read_blocks(page))


RUN = [page for page in find_pages() if page not in NOT_RUN]


def acts_on_checkout(block: Block) -> bool:
    return block.commands.startswith(CHECKOUT)


@pytest.mark.release
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_print_what_it_shows(
    page: str, tmp_path: Path, anvil_path: Path
) -> None:
    blocks = [block for block in read_blocks(ROOT / page) if not acts_on_checkout(block)]
    with open_devnet(anvil=anvil_path) as chain:
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
