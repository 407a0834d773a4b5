"""The layers hold: who imports whom, who imports which third party, and what stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "anchor"

# The first prefix that fits gives a module its layer; the order goes from special to general.
LAYERS = (
    ("anchor.errors", 0),
    ("anchor.types", 0),
    ("anchor.standalone", 0),
    ("anchor.system.signals", 0),
    ("anchor.project.environment", 0),
    ("anchor.canonical", 1),
    ("anchor.evidence.digests", 1),
    ("anchor.evidence.checksums", 1),
    ("anchor.evidence.record", 1),
    ("anchor.evidence.erasure_statement", 1),
    ("anchor.log.merkle", 1),
    ("anchor.log.signed_note", 1),
    ("anchor.log.checkpoint", 1),
    ("anchor.log.batch_sha256", 1),
    ("anchor.log.tree", 1),
    ("anchor.log.tiles", 1),
    ("anchor.receipt.format", 1),
    ("anchor.registry", 1),
    ("anchor.ethereum.rlp", 1),
    ("anchor.ethereum.trie", 1),
    ("anchor.ethereum.header", 1),
    ("anchor.receipt.state_proof", 1),
    ("anchor.page", 1),
    ("anchor.system.urls", 1),
    ("anchor.store.backup_manifest", 1),
    ("anchor.ethereum.known_chains", 1),
    ("anchor.verification.node_rules", 1),
    ("anchor.chain.fees", 1),
    ("anchor.chain.tx_state", 1),
    ("anchor.chain.node_errors", 1),
    ("anchor.verification.policy", 2),
    ("anchor.verification.translation", 2),
    ("anchor.verification.report_words", 2),
    ("anchor.verification.log_history", 2),
    ("anchor.verification.pinning", 2),
    ("anchor.verification.proof_steps", 2),
    ("anchor.verification.report", 2),
    ("anchor.verification.steps", 2),
    ("anchor.verification.targets", 2),
    ("anchor.verification.abandonment", 2),
    ("anchor.verification.verifier", 2),
    ("anchor.verification.explanation", 2),
    ("anchor.verification.log_audit", 2),
    ("anchor.project.files", 3),
    ("anchor.system.file_ownership", 3),
    ("anchor.system.user_folder", 3),
    ("anchor.project.allowlist", 3),
    ("anchor.project.policy_sources", 3),
    ("anchor.system.file_lock", 3),
    ("anchor.project.config", 3),
    ("anchor.evidence.workers", 3),
    ("anchor.evidence.discovery", 3),
    ("anchor.evidence.file_hashing", 3),
    ("anchor.system.http_deadline", 3),
    ("anchor.system.http", 3),
    ("anchor.registry.source_client", 3),
    ("anchor.system.os_errors", 3),
    ("anchor.system.durable_files", 3),
    ("anchor.store.tile_folder", 3),
    ("anchor.store.backup_files", 3),
    ("anchor.store.backup_folder", 3),
    ("anchor.log.publication", 3),
    ("anchor.store", 3),
    ("anchor.chain", 3),
    ("anchor.certificate", 4),
    ("anchor.store.sequencer", 4),
    ("anchor.operate", 4),
    ("anchor.client", 5),
    ("anchor.service", 5),
    ("anchor.cli", 5),
    ("anchor.__main__", 5),
)

# Which module (or package) may import which third party; nobody else may.
THIRD_PARTIES = {
    "pydantic": (
        "anchor.receipt.format",
        "anchor.verification.policy",
        "anchor.project.config",
        "anchor.cli.report_json",
        "anchor.service.schemas",
        "anchor.certificate.statements",
        "anchor.certificate.model",
    ),
    "pydantic_settings": ("anchor.project.config",),
    "platformdirs": ("anchor.system.user_folder",),
    "Crypto": ("anchor.ethereum.keccak", "anchor.log.signed_note"),
    "eth_abi": ("anchor.registry.calldata",),
    "web3": ("anchor.chain.json_rpc",),
    "requests": (
        "anchor.system.http_deadline",
        "anchor.system.http",
        "anchor.chain.json_rpc",
        "anchor.registry.source_client",
        "anchor.log.publication",
    ),
    "urllib3": ("anchor.system.http_deadline",),
    "fsspec": ("anchor.log.publication",),
    "eth_account": ("anchor.chain.signer.keystore", "anchor.chain.tx_decoding"),
    "eth": ("anchor.chain.devnet",),
    "eth_utils": ("anchor.chain.devnet",),
    "eth_typing": ("anchor.chain.devnet",),
    "eth_keys": ("anchor.chain.devnet",),
    "rlp": ("anchor.chain.devnet",),
    "sqlalchemy": (
        "anchor.store",
        "anchor.operate.erasing",
        "anchor.monitor.overview",
        "anchor.operate.evidence_selection",
        "anchor.monitor.timeline",
        "anchor.project.project",
        "anchor.operate.receipt_files",
        "anchor.recovery.erasure_restoration",
    ),
    "alembic": ("anchor.store",),
    "psycopg": ("anchor.store.postgresql", "anchor.store.postgresql_copy"),
    "typst": ("anchor.certificate.fonts", "anchor.certificate.pdf"),
    "fontTools": ("anchor.certificate.fonts",),
    "segno": ("anchor.certificate.qr",),
    "httpx": ("anchor.client",),
    "fastapi": ("anchor.service",),
    "starlette": ("anchor.service",),
    "jinja2": ("anchor.service.pages.rendering", "anchor.certificate.html"),
    "markupsafe": ("anchor.service.pages",),
    "prometheus_client": ("anchor.service.routes.metrics", "anchor.service.request_metrics"),
    "uvicorn": (
        "anchor.service.server",
        "anchor.service.supervisor",
        "anchor.service.http_protocol",
    ),
    "_typeshed": ("anchor.cli.standard_streams",),
    "typer": ("anchor.cli",),
    "rich": ("anchor.cli",),
}


def modules() -> list[tuple[str, ast.Module]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((name, ast.parse(path.read_text("utf-8"))))
    return found


def imported(tree: ast.Module) -> set[str]:
    """Every module named in an import, wherever it stands, with `from a import b` as `a` too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            names.update(f"{module}.{alias.name}" for alias in node.names)
            names.add(module)
    return names


def layer(name: str) -> int:
    for prefix, level in LAYERS:
        if name == prefix or name.startswith(prefix + "."):
            return level
    raise AssertionError(f"{name} has no layer: give it one here and in CONTRIBUTING.md")


def covers(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


ALL = modules()
NAMES = {name for name, _ in ALL}


@pytest.mark.parametrize(("name", "tree"), ALL, ids=[name for name, _ in ALL])
def test_a_module_imports_only_from_its_own_layer_or_lower_ones(name: str, tree: ast.Module):
    if name == "anchor":
        assert not imported(tree), "importing the package must stay cheap"
        return
    for target in imported(tree):
        if target in NAMES and target != "anchor":
            assert layer(target) <= layer(name), (
                f"{name} (layer {layer(name)}) imports {target} (layer {layer(target)})"
            )


@pytest.mark.parametrize(("name", "tree"), ALL, ids=[name for name, _ in ALL])
def test_a_third_party_is_imported_in_its_one_place_only(name: str, tree: ast.Module):
    for target in imported(tree):
        top = target.split(".")[0]
        if top == "anchor" or top in sys.stdlib_module_names or top == "":
            continue
        allowed = THIRD_PARTIES.get(top, ())
        assert any(covers(prefix, name) for prefix in allowed), f"{name} imports {top}"


def test_there_are_no_import_cycles():
    graph = {
        name: {
            target
            for target in imported(tree)
            if target in NAMES and target != name and not name.startswith(target + ".")
        }
        for name, tree in ALL
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import anchor", ("pydantic", "web3", "sqlalchemy", "typer", "json")),
        ("import anchor.cli", ("pydantic", "web3", "sqlalchemy", "eth_account", "eth_abi")),
        ("import anchor.log.checkpoint", ("Crypto", "pydantic")),
        (
            "import anchor.verification.verifier",
            ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests"),
        ),
        (
            "import anchor.verification.explanation",
            ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests"),
        ),
    ],
)
def test_an_import_loads_nothing_heavier_than_it_needs(statement: str, absent: tuple[str, ...]):
    script = f"import sys\n{statement}\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not set(absent) & set(loaded)
