"""The layers hold: who imports whom, who imports which third party, and what stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from support.paths import PACKAGE

# Each may import from itself and from those before it; CONTRIBUTING.md says what lives in each.
ORDER = (
    "messages",
    "errors",
    "types",
    "units",
    "canonical",
    "system",
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
# File names that may be there twice: a command or a route is named after what it is about.
NAMED_BY_SUBJECT = ("anchor.cli.commands", "anchor.service.routes")

# What says nothing about a value is no name for one; the second verifier is a file for itself.
EMPTY_NAMES = {"there", "now", "found", "item", "what"}

# Which module (or package) may import which third party; nobody else may.
THIRD_PARTIES = {
    "pydantic": (
        "anchor.evidence.custody_event",
        "anchor.evidence.extract_group",
        "anchor.evidence.foreign_capture_group",
        "anchor.evidence.group_members",
        "anchor.evidence.group_reading",
        "anchor.evidence.observed_groups",
        "anchor.evidence.record_groups",
        "anchor.evidence.statement_text",
        "anchor.receipt.format",
        "anchor.receipt.bundle",
        "anchor.verification.policy",
        "anchor.project.config",
        "anchor.project.sign_in_config",
        "anchor.project.notification_config",
        "anchor.project.keeping_config",
        "anchor.cli.status_json",
        "anchor.verification.report_json",
        "anchor.service.schemas",
        "anchor.service.certificate_schemas",
        "anchor.service.head_schemas",
        "anchor.service.lookup_schemas",
        "anchor.service.submission_schemas",
        "anchor.service.usage_schemas",
        "anchor.service.people_schemas",
        "anchor.service.case_schemas",
        "anchor.service.erasure_schemas",
        "anchor.service.case_link_schemas",
        "anchor.service.batch_schemas",
        "anchor.service.capture_schemas",
        "anchor.service.operator_schemas",
        "anchor.service.search_schemas",
        "anchor.service.webhook_schemas",
        "anchor.certificate.captured_page",
        "anchor.certificate.statements",
        "anchor.certificate.model",
    ),
    "pydantic_settings": ("anchor.project.config",),
    "tomlkit": (
        "anchor.verification.pinning",
        "anchor.project.config",
        "anchor.project.relocation",
    ),
    "pydantic_core": ("anchor.evidence.group_members",),
    "platformdirs": ("anchor.system.user_folder",),
    "Crypto": ("anchor.ethereum.keccak", "anchor.log.signed_note"),
    "eth_abi": ("anchor.registry.calldata",),
    "web3": ("anchor.chain.json_rpc", "anchor.library.web3_registry"),
    "requests": (
        "anchor.system.http_deadline",
        "anchor.system.http",
        "anchor.chain.json_rpc",
        "anchor.log.publication",
        "anchor.timestamps.tsa_client",
        "anchor.service.provider_client",
        "anchor.objects.web_store",
        "anchor.objects.google_store",
    ),
    "rfc3161_client": ("anchor.timestamps.timestamp_token", "anchor.timestamps.tsa_client"),
    "cryptography": (
        "anchor.foreign_capture.carried_certificates",
        "anchor.foreign_capture.wacz_signature",
        "anchor.timestamps.revocation_lists",
        "anchor.timestamps.timestamp_token",
        "anchor.timestamps.token_envelope",
        "anchor.timestamps.tsa_client",
        "anchor.capture.served_certificates",
        "anchor.capture.wacz_signing",
    ),
    "playwright": ("anchor.capture.browser_session",),
    "warcio": ("anchor.capture.warc_file",),
    "dns": ("anchor.capture.name_answers",),
    "urllib3": ("anchor.system.http_deadline", "anchor.system.http", "anchor.objects.web_store"),
    "fsspec": ("anchor.keeping.copy_objects",),
    "tink": ("anchor.keeping.master_keyset",),
    "google": ("anchor.objects.google_store",),
    "azure": ("anchor.objects.azure_store",),
    "boto3": ("anchor.objects.s3_store",),
    "botocore": ("anchor.objects.s3_store",),
    "dask": ("anchor.evidence.dask_executor",),
    "distributed": ("anchor.evidence.dask_executor",),
    "pyarrow": (
        "anchor.objects.object_manifest",
        "anchor.extraction.extract_column",
        "anchor.extraction.extract_tables",
        "anchor.operate.ledger_files",
    ),
    "eth_account": ("anchor.chain.signer.keystore", "anchor.chain.tx_decoding"),
    "eth": ("anchor.chain.devnet",),
    "eth_utils": ("anchor.chain.devnet",),
    "eth_typing": ("anchor.chain.devnet",),
    "eth_keys": ("anchor.chain.devnet",),
    "rlp": ("anchor.chain.devnet",),
    "trie": ("anchor.chain.devnet",),
    "sqlalchemy": (
        "anchor.store",
        "anchor.operate.erasing",
        "anchor.monitor.overview",
        "anchor.operate.evidence_selection",
        "anchor.operate.record_notices",
        "anchor.operate.retention_erasing",
        "anchor.operate.retention_setting",
        "anchor.operate.tenant_erasing",
        "anchor.monitor.timeline",
        "anchor.project.project",
        "anchor.recovery.erasure_restoration",
    ),
    "psycopg": (
        "anchor.store.postgresql",
        "anchor.store.postgresql_copy",
        "anchor.extraction.postgresql_snapshot",
    ),
    "typst": ("anchor.certificate.fonts", "anchor.certificate.pdf"),
    "fontTools": ("anchor.certificate.fonts",),
    "pyhanko": ("anchor.certificate.pdf_signature",),
    "pkcs11": ("anchor.certificate.pdf_signature",),
    "segno": ("anchor.certificate.qr",),
    "authlib": ("anchor.service.id_tokens", "anchor.service.provider_client"),
    "joserfc": ("anchor.service.id_tokens",),
    "webauthn": ("anchor.service.passkey_ceremony",),
    "h11": ("anchor.egress.egress_proxy",),
    "httpx": ("anchor.client", "anchor.service.webhook_sender", "anchor.service.tls_trust"),
    "fastapi": ("anchor.service",),
    "starlette": ("anchor.service",),
    "jinja2": (
        "anchor.service.pages.rendering",
        "anchor.certificate.html",
        "anchor.certificate.papers",
        "anchor.comparison.page_rendering",
    ),
    "PIL": ("anchor.comparison.picture_difference",),
    "markupsafe": ("anchor.service.pages",),
    "prometheus_client": ("anchor.service.routes.metrics", "anchor.service.middleware"),
    "uvicorn": (
        "anchor.service.server",
        "anchor.service.supervisor",
        "anchor.service.http_protocol",
    ),
    "_typeshed": ("anchor.cli.standard_streams",),
    "pytest": ("anchor.testing.pytest_plugin",),
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


def names_of_values(tree: ast.Module) -> set[str]:
    """Every name that is assigned, looped over, a parameter or a keyword."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.arg, ast.keyword)):
            names.add(node.arg or "")
        elif isinstance(node, ast.ExceptHandler):
            names.add(node.name or "")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
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


def test_no_public_class_name_is_there_twice():
    seen: dict[str, str] = {}
    for name, tree in ALL:
        if name.startswith("anchor.standalone"):  # one file for itself, which nothing imports
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in seen, f"{node.name}: {name} and {seen[node.name]}"
                seen[node.name] = name


def test_no_file_name_is_there_twice():
    seen: dict[str, str] = {}
    for name, _ in ALL:
        parent, _, base = name.rpartition(".")
        if parent in NAMED_BY_SUBJECT or (PACKAGE.parent / name.replace(".", "/")).is_dir():
            continue
        assert base not in seen, f"{name} and {seen[base]}"
        seen[base] = name


def test_a_value_is_named_for_what_it_holds():
    for name, tree in ALL:
        if not covers("anchor.standalone", name):
            empty = names_of_values(tree) & EMPTY_NAMES
            assert not empty, f"{name} calls a value {', '.join(sorted(empty))}"


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
    assert "anchor.objects.store_choice" in loaded
    stores = {f"anchor.objects.{name}_store" for name in ("azure", "google", "s3", "web")}
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
