"""What the documentation says is what the program does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import fixtures
from support.page_blocks import find_missing, read_blocks, run_blocks
from support.paths import ROOT

from anchor.chain.devnet import open_devnet
from anchor.registry.artifact import registry_address
from anchor.verification.verifier import TITLES

anvil_path = fixtures.anvil_path


def test_the_command_line_page_is_what_the_program_prints():
    subprocess.run(
        [sys.executable, "scripts/_build/build_docs.py", "--check"], cwd=ROOT, check=True
    )


def test_the_references_that_git_does_not_keep_are_built_and_their_links_lead_somewhere(
    tmp_path: Path,
):
    command = [sys.executable, "scripts/_build/build_references.py", tmp_path / "references"]
    subprocess.run(command, cwd=ROOT, check=True)
    built = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in built} == {"http-api.md", "python-api.md", "commands.json"}
    for page in tmp_path.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", read_prose(page)):
            assert (ROOT / "docs" / target).exists(), f"{page.name} links to {target}"


def test_the_verification_page_has_every_step_by_its_number():
    page = (ROOT / "docs" / "verification.md").read_text("utf-8")
    numbers = [int(row) for row in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert numbers == sorted(TITLES)


def test_the_contract_page_has_the_registrys_address():
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    assert f"`0x{registry_address().hex()}`" in page


def test_the_performance_page_has_the_gas_table_that_the_contracts_tests_hold_to():
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    table = json.loads((ROOT / "tests" / "contracts" / "gas.json").read_text("utf-8"))
    for call, figures in table.items():
        assert f"| {call} | {figures['gas']:,} | {figures['ceiling']:,} |" in page


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def read_prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def list_headings(page: Path) -> set[str]:
    """Return what links name the headings of a page, by the rule of code hosts and of the site."""
    names: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.*)$", read_prose(page), re.MULTILINE):
        text = re.sub(r"[`*\[]|\]\([^)]*\)", "", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        names[name] = names.get(name, -1) + 1
        if names[name]:
            names[f"{name}-{names[name]}"] = 0
    return set(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", read_prose(page)):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if heading and linked.suffix == ".md":
            assert heading in list_headings(linked), f"{page.name} links to {target}"


# Programs of others, which their makers publish under these names.
THEIRS = {"mitmproxy", "pywb"}


def texts_for_users() -> list[Path]:
    """The pages, and the sources whose hints users read."""
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "requirements").glob("*.md"),
        *(path for path in (ROOT / "examples").rglob("*") if path.is_file()),
        ROOT / "action.yml",
    ]
    sources = [*(ROOT / "anchor").rglob("*.py"), *(ROOT / "web" / "src").rglob("*.ts")]
    return sorted(pages + sources)


def installed_by(text: str) -> list[str]:
    """What each ``pip install``, ``pipx install`` or ``uv tool install`` in a text names."""
    commands = re.findall(
        r"\b(?:pipx?|uv tool) install\b((?: +-\S+)*)(?: +(\S+(?: @ \S+)?))?", text
    )
    return [target.strip("`'\",;:)") for _, target in commands]


def test_nothing_is_installed_by_a_name_that_a_registry_could_give_to_others():
    # Nothing of ours is published: whoever registers the name is installed by our own words.
    # A checkout, a wheel in the folder in which one is, or what is pinned with hashes.
    ours = r"(\.|\./anchor_evidence-[\d.]+-[\w-]+\.whl)(\[[a-z0-9,{}]+\])?"
    checkout = re.compile(rf"{ours}|(\$GITHUB_ACTION_PATH/)?requirements/\w+\.txt")
    # A wheel by its URL, and of one hash only.
    wheel = re.compile(r"anchor-evidence(\[[a-z,]+\])? @ \$(\w*WHEEL)#sha256=\$\2_SHA256")
    found = {page: installed_by(page.read_text("utf-8")) for page in texts_for_users()}
    others = {
        f"{page.relative_to(ROOT)}: {target}"
        for page, targets in found.items()
        for target in targets
        if not (checkout.fullmatch(target) or wheel.fullmatch(target) or target in THEIRS)
    }
    assert not others
    assert sum(map(len, found.values())) > 5


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("pip install 'anchor-evidence[rpc]'", ["anchor-evidence[rpc]"]),
        ("`pip install -e '.[test]' && pytest`", [".[test]"]),
        ("pip install --no-deps anchor", ["anchor"]),
        ("uv tool install anchor", ["anchor"]),
        ('pip install "anchor @ $URL#sha256=$HASH"  # it', ["anchor @ $URL#sha256=$HASH"]),
        (
            "pipx install './anchor_evidence-0.1.0-py3-none-any.whl[rpc]'",
            ["./anchor_evidence-0.1.0-py3-none-any.whl[rpc]"],
        ),
    ],
)
def test_what_a_line_installs_is_found(text: str, targets: list[str]):
    assert installed_by(text) == targets


def test_the_installing_page_names_the_files_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    page = (ROOT / "docs" / "installing.md").read_text("utf-8")
    assert {*re.findall(r"anchor[_-](?:[a-z]+-)?(\d[\d.]*\d)", page)} == {version}


@pytest.mark.parametrize("kind", ["anvil", "py-evm"])
def test_the_readmes_commands_run_as_written(kind: str, tmp_path: Path, anvil_path: Path):
    for name in ("anchor", "contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = read_blocks(ROOT / "README.md")
    usable = [block for block in blocks if not block.commands.startswith("scripts/")]
    assert len(usable) == 2, "a block was added or removed: look at what this test runs"
    with open_devnet(anvil=anvil_path if kind == "anvil" else None) as chain:
        # The README's reader has the devnet on its default port; a test takes a free one.
        replaced = {"init --devnet": f"init --devnet --rpc {chain.url}"}
        first, second = run_blocks(usable, tmp_path, replaced)
    assert find_missing(usable[0].transcript, first) is None, first
    assert (first + second).count("VERIFIED on a development chain (") == 3
    assert "exit code 10" in first


def test_each_row_of_what_an_erasure_reaches_names_a_test_that_exists():
    page = (ROOT / "docs" / "erasure.md").read_text("utf-8")
    table = page.partition("| where | what goes | when | shown by |\n")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[1:]]
    assert len(rows) >= 18 and {len(row) for row in rows} == {4}
    for row in rows:
        file, _, name = row[3].strip("`").partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8"), row
