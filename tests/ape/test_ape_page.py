"""``docs/ape.md``: its blocks run, its networks are ape's, and no compiler is needed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from conftest import ROOT, Run
from evmchains import get_chain_meta

from anchor.chain.devnet import AnvilNode
from anchor.ethereum.known_chains import NETWORKS

PAGE = (ROOT / "docs" / "ape.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


SAVE, SHOW, CONSOLE, JOURNEY = blocks("sh")
(SETTING,) = blocks("yaml")
(SCRIPT,) = blocks("python")


def shell(script: str, folder: Path, timeout: int = 200) -> str:
    """Run a block where no compiler is installed and none can be downloaded."""
    compilers = folder / "no-compilers"
    compilers.mkdir(exist_ok=True)
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=folder,
        env={**os.environ, "SOLCX_BINARY_PATH": str(compilers)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_foreign_project_has_the_registry_without_a_compiler(tmp_path: Path) -> None:
    shell(SAVE, tmp_path)
    (tmp_path / "ape-config.yaml").write_text(SETTING)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "show.py").write_text(SCRIPT)
    assert "chain 1337 holds 0 leaves" in shell(SHOW, tmp_path)


def test_the_checkouts_console_has_the_registry_without_a_compiler(work: Path) -> None:
    (work / "contracts").symlink_to(ROOT / "contracts")
    assert "<AnchorRegistry>" in shell(CONSOLE, work)


def test_bare_ape_test_is_the_contract_lane() -> None:
    listed = shell("ape test --collect-only -q -k views", ROOT)
    assert "test_registry_views.py::" in listed
    assert "tests collected" in listed


def test_deploying_anchoring_and_verifying_go_as_the_page_has_it(
    work: Path, anvil: AnvilNode
) -> None:
    out = shell(JOURNEY.replace("http://127.0.0.1:8545", anvil.url), work)
    assert "evidence/a.txt  leaf 0  anchored (counts as final; not confirmed by the nodes)" in out
    assert "VERIFIED on a development chain" in out


def test_the_table_of_networks_is_ours_and_apes() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| `(\w+):(\w+)` \| (\d+) \|$", PAGE, re.MULTILINE)
    assert {name for name, *_ in rows} == set(NETWORKS) - {"devnet"}
    for name, ecosystem, network, chain_id in rows:
        assert NETWORKS[name].id == int(chain_id)
        assert get_chain_meta(ecosystem, network).chainId == int(chain_id)


def test_a_node_with_the_id_of_a_real_network_is_refused(
    ape: Run, work: Path, anvil: AnvilNode
) -> None:
    from anchor.chain.json_rpc import Rpc

    Rpc(anvil.url).call("anvil_setChainId", [11155111])
    on = ("--network", f"ethereum:sepolia:{anvil.url}", "--account", "TEST::0")
    done = ape("deploy", *on)
    assert done.code == 32
    assert "not that of Sepolia: it is another chain with the same chain id" in done.err
    assert not (work / ".anchor-ape" / "11155111" / "anchor.toml").exists()
