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
    ("anchor.signals", 0),
    ("anchor.environment", 0),
    ("anchor.canonical", 1),
    ("anchor.digest", 1),
    ("anchor.checksums", 1),
    ("anchor.record", 1),
    ("anchor.erasure", 1),
    ("anchor.merkle", 1),
    ("anchor.notes", 1),
    ("anchor.checkpoint", 1),
    ("anchor.hashing", 1),
    ("anchor.tree", 1),
    ("anchor.tiles", 1),
    ("anchor.receipt", 1),
    ("anchor.registry", 1),
    ("anchor.rlp", 1),
    ("anchor.mpt", 1),
    ("anchor.header", 1),
    ("anchor.stateproof", 1),
    ("anchor.web", 1),
    ("anchor.urls", 1),
    ("anchor.backupmanifest", 1),
    ("anchor.chains", 1),
    ("anchor.chain.noderules", 1),
    ("anchor.chain.fees", 1),
    ("anchor.chain.attempts", 1),
    ("anchor.chain.refusals", 1),
    ("anchor.trust", 2),
    ("anchor.phrases", 2),
    ("anchor.words", 2),
    ("anchor.loglinks", 2),
    ("anchor.pins", 2),
    ("anchor.proofchecks", 2),
    ("anchor.verdict", 2),
    ("anchor.checks", 2),
    ("anchor.targets", 2),
    ("anchor.abandonment", 2),
    ("anchor.verify", 2),
    ("anchor.explain", 2),
    ("anchor.logcheck", 2),
    ("anchor.filenames", 3),
    ("anchor.ownership", 3),
    ("anchor.userfolder", 3),
    ("anchor.allowlist", 3),
    ("anchor.policies", 3),
    ("anchor.filelock", 3),
    ("anchor.config", 3),
    ("anchor.executor", 3),
    ("anchor.sources", 3),
    ("anchor.intake", 3),
    ("anchor.sockets", 3),
    ("anchor.exchange", 3),
    ("anchor.explorers", 3),
    ("anchor.oserrors", 3),
    ("anchor.durable", 3),
    ("anchor.tilestore", 3),
    ("anchor.backupfiles", 3),
    ("anchor.backupfolder", 3),
    ("anchor.published", 3),
    ("anchor.store", 3),
    ("anchor.chain", 3),
    ("anchor.certificate", 4),
    ("anchor.log", 4),
    ("anchor.pipeline", 4),
    ("anchor.client", 5),
    ("anchor.service", 5),
    ("anchor.cli", 5),
    ("anchor.__main__", 5),
)

# Which module (or package) may import which third party; nobody else may.
THIRD_PARTIES = {
    "pydantic": (
        "anchor.receipt",
        "anchor.trust",
        "anchor.config",
        "anchor.cli.documents",
        "anchor.service.documents",
        "anchor.certificate.details",
        "anchor.certificate.document",
    ),
    "pydantic_settings": ("anchor.config",),
    "platformdirs": ("anchor.userfolder",),
    "Crypto": ("anchor.registry.keccak", "anchor.notes"),
    "eth_abi": ("anchor.registry.codec",),
    "web3": ("anchor.chain.rpc",),
    "requests": (
        "anchor.sockets",
        "anchor.exchange",
        "anchor.chain.rpc",
        "anchor.explorers",
        "anchor.published",
    ),
    "urllib3": ("anchor.sockets",),
    "fsspec": ("anchor.published",),
    "eth_account": ("anchor.chain.signer.keystore", "anchor.chain.transactions"),
    "eth": ("anchor.chain.devnet",),
    "eth_utils": ("anchor.chain.devnet",),
    "eth_typing": ("anchor.chain.devnet",),
    "eth_keys": ("anchor.chain.devnet",),
    "rlp": ("anchor.chain.devnet",),
    "sqlalchemy": (
        "anchor.store",
        "anchor.pipeline.erasing",
        "anchor.pipeline.overview",
        "anchor.pipeline.pieces",
        "anchor.pipeline.progress",
        "anchor.pipeline.project",
        "anchor.pipeline.receipts",
        "anchor.pipeline.upholding",
    ),
    "alembic": ("anchor.store",),
    "psycopg": ("anchor.store.postgresql", "anchor.store.copying"),
    "typst": ("anchor.certificate.fonts", "anchor.certificate.pdf"),
    "fontTools": ("anchor.certificate.fonts",),
    "segno": ("anchor.certificate.qr",),
    "httpx": ("anchor.client",),
    "fastapi": ("anchor.service",),
    "starlette": ("anchor.service",),
    "jinja2": ("anchor.service.pages.rendering", "anchor.certificate.html"),
    "markupsafe": ("anchor.service.pages",),
    "prometheus_client": ("anchor.service.metrics", "anchor.service.measured"),
    "uvicorn": (
        "anchor.service.workers",
        "anchor.service.supervisor",
        "anchor.service.connections",
    ),
    "_typeshed": ("anchor.cli.streams",),
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
        ("import anchor.checkpoint", ("Crypto", "pydantic")),
        ("import anchor.verify", ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests")),
        ("import anchor.explain", ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests")),
    ],
)
def test_an_import_loads_nothing_heavier_than_it_needs(statement: str, absent: tuple[str, ...]):
    script = f"import sys\n{statement}\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not set(absent) & set(loaded)
