"""What the documentation says is what the program does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from anchor.chain.devnet import find_anvil, open_devnet
from anchor.registry.artifact import registry_address
from anchor.verification.verifier import TITLES


def test_the_command_line_page_is_what_the_program_prints():
    subprocess.run([sys.executable, "scripts/build_docs.py", "--check"], cwd=ROOT, check=True)


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


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name
)
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def readme_commands() -> str:
    """The commands of the README's ``sh`` blocks after the set-up, as one script."""
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    usable = [block for block in blocks if not block.startswith(("scripts/", "anchor devnet"))]
    assert len(usable) == 3, "a block was added or removed: look at what this test runs"
    return "".join(usable)


@pytest.mark.parametrize("kind", ["anvil", "py-evm"])
def test_the_readmes_commands_run_as_written(kind: str, tmp_path: Path):
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    for name in ("anchor", "contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with open_devnet(anvil=anvil if kind == "anvil" else None) as chain:
        # The README's reader has the devnet on its default port; a test takes a free one.
        script = readme_commands().replace("init --devnet", f"init --devnet --rpc {chain.url}")
        done = subprocess.run(
            ["sh", "-eux", "-c", script],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  VERIFIED on a development chain (") == 3
    assert "exit code 10" in done.stdout
