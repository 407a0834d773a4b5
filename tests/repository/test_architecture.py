"""The layers hold: who imports whom, who imports which third party, and what stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from support.paths import PACKAGE

# Each may import from itself and from those before it; CONTRIBUTING.md says what lives in each.
ORDER = (
    "base",
    "ethereum",
    "evidence",
    "collection",
    "recording",
    "objects",
    "egress",
    "log",
    "registry",
    "receipt",
    "timestamps",
    "signatures",
    "verification",
    "chain",
    "people",
    "notifications",
    "keeping",
    "store",
    "extraction",
    "project",
    "operate",
    "monitor",
    "recovery",
    "bag",
    "capture",
    "foreign_capture",
    "comparison",
    "replay",
    "certificate",
    "client",
    "library",
    "testing",
    "page",
    "service",
    "standalone",
    "cli",
    "__main__",
)
# Which of our packages may import which third party; no other may.
THIRD_PARTIES = {
    "pydantic": (
        "certificate",
        "cli",
        "evidence",
        "project",
        "receipt",
        "service",
        "verification",
    ),
    "pydantic_settings": ("project",),
    "tomlkit": (
        "project",
        "verification",
    ),
    "pydantic_core": ("evidence",),
    "platformdirs": ("base",),
    "Crypto": (
        "ethereum",
        "log",
    ),
    "eth_abi": ("registry",),
    "web3": (
        "chain",
        "library",
    ),
    "requests": (
        "base",
        "chain",
        "log",
        "service",
        "timestamps",
    ),
    "rfc3161_client": ("timestamps",),
    "cryptography": (
        "capture",
        "foreign_capture",
        "timestamps",
    ),
    "playwright": ("capture",),
    "warcio": ("capture",),
    "dns": ("capture",),
    "urllib3": ("base",),
    "fsspec": ("keeping",),
    "tink": ("keeping",),
    "google": ("base",),
    "azure": ("base",),
    "boto3": ("base",),
    "botocore": ("base",),
    "dask": ("evidence",),
    "distributed": ("evidence",),
    "pyarrow": (
        "extraction",
        "objects",
        "operate",
    ),
    "eth_account": ("chain",),
    "eth": ("chain",),
    "eth_utils": ("chain",),
    "eth_typing": ("chain",),
    "eth_keys": ("chain",),
    "rlp": ("chain",),
    "trie": ("chain",),
    "sqlalchemy": (
        "monitor",
        "operate",
        "project",
        "recovery",
        "store",
    ),
    "psycopg": (
        "extraction",
        "store",
    ),
    "typst": ("certificate",),
    "fontTools": ("certificate",),
    "pyhanko": ("certificate",),
    "pkcs11": ("certificate",),
    "segno": ("certificate",),
    "authlib": ("service",),
    "joserfc": ("service",),
    "webauthn": ("service",),
    "h11": ("egress",),
    "httpx": (
        "client",
        "service",
    ),
    "fastapi": ("service",),
    "starlette": ("service",),
    "jinja2": (
        "certificate",
        "comparison",
        "service",
    ),
    "PIL": ("comparison",),
    "markupsafe": ("service",),
    "prometheus_client": ("service",),
    "uvicorn": ("service",),
    "_typeshed": ("cli",),
    "pytest": ("testing",),
    "typer": ("cli",),
    "rich": ("cli",),
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


def packages_of(name: str) -> list[str]:
    """The packages a module lies in, which are loaded before it."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def rank(name: str) -> int:
    package = name.split(".")[1]
    assert package in ORDER, f"{name} is in no known package: give it a place in ORDER"
    return ORDER.index(package)


def covers(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


ALL = modules()
NAMES = {name for name, _ in ALL}


@pytest.mark.parametrize(("name", "tree"), ALL, ids=[name for name, _ in ALL])
def test_no_import_points_upwards(name: str, tree: ast.Module):
    if name == "anchor":
        names = {"importlib", "importlib.import_module"}
        assert imported(tree) == names, "importing the package must stay cheap"
        return
    for target in imported(tree):
        if target in NAMES and target != "anchor":
            assert rank(target) <= rank(name), f"{name} imports {target}, which is above it"


def test_no_route_imports_another():
    for name, tree in ALL:
        if covers("anchor.service.routes", name):
            assert not [target for target in imported(tree) if ".routes." in target], name


def test_at_most_six_modules_lie_loose():
    loose = sorted(path.stem for path in PACKAGE.glob("*.py"))
    assert len(loose) <= 6, loose


def test_each_package_says_what_lives_in_it():
    for path in PACKAGE.rglob("__init__.py"):
        if "versions" not in path.parts:
            docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            assert len(docstring) > 30, f"{path} says nothing"


@pytest.mark.parametrize(("name", "tree"), ALL, ids=[name for name, _ in ALL])
def test_a_third_party_is_imported_by_its_packages_only(name: str, tree: ast.Module):
    for target in imported(tree):
        top = target.split(".")[0]
        if top == "anchor" or top in sys.stdlib_module_names or top == "":
            continue
        assert name.split(".")[1] in THIRD_PARTIES.get(top, ()), f"{name} imports {top}"


def test_there_are_no_import_cycles():
    graph = {
        name: {
            target
            for part in imported(tree)
            for target in (part, *packages_of(part))
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
            ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests", "tomlkit"),
        ),
        (
            "import anchor.verification.explanation",
            ("web3", "sqlalchemy", "eth_account", "eth_abi", "requests", "tomlkit"),
        ),
    ],
)
def test_an_import_loads_nothing_heavier_than_it_needs(statement: str, absent: tuple[str, ...]):
    script = f"import sys\n{statement}\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not set(absent) & set(loaded)


def test_a_command_without_a_url_loads_no_object_store():
    script = "import sys, anchor.cli.commands.verify, anchor.cli.commands.add\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "anchor.base.objects.store_choice" in loaded
    stores = {f"anchor.base.objects.{name}_store" for name in ("azure", "google", "s3", "web")}
    assert not stores & set(loaded)


# What takes packages of the extra `operator`, which a verifier may lack, and a progress bar, which
# takes a tenth of a short command's time to load.
LATE_IN_THE_COMMAND_LINE = {
    "anchor.cli.ledger_export", "anchor.cli.own_log_audit", "anchor.cli.own_notice_receipts",
    "anchor.cli.own_project",
    "rich.console", "rich.progress",
}  # fmt: skip


def test_the_command_line_imports_at_the_top_of_its_modules():
    late = {
        getattr(inner, "module", None)
        for name, tree in ALL
        if covers("anchor.cli", name)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    assert late == LATE_IN_THE_COMMAND_LINE
    assert not [
        name
        for name, tree in ALL
        if covers("anchor.cli", name) and "TYPE_CHECKING" in ast.dump(tree)
    ]
