"""``--help`` is quick, light, and there for every command."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
from support.command import environment, run_anchor

COMMANDS = (
    "init", "devnet", "deploy", "source", "doctor", "add", "seal", "run", "stamp", "status", "log",
    "prove", "upgrade", "verify", "verifier", "certify", "trust", "explain", "export-log", "audit",
    "backup", "restore", "upgrade-store", "succeed", "erase", "hold", "operator", "key",
    "transactions", "serve", "api-key", "demo",
)  # fmt: skip

GROUPS = {
    "trust": ("pin", "add", "list", "show", "remove", "allow", "disallow"),
    "key": ("new", "show"),
    "operator": ("add", "list", "remove"),
    "transactions": ("list", "give-up"),
    "api-key": ("create", "list", "revoke"),
    "hold": ("add", "list", "remove"),
}


def loaded_by(*arguments: str, cwd: Path) -> set[str]:
    """Return the names of all modules that a run imports."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('loaded', *sys.modules))\n"
        f"sys.argv = ['anchor', *{list(arguments)!r}]\n"
        "from anchor.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    word, *names = done.stdout.splitlines()[-1].split()
    assert word == "loaded"
    return set(names)


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_list_of_commands_loads_typer_and_nothing_else_from_outside(tmp_path: Path) -> None:
    loaded = loaded_by("--help", cwd=tmp_path)
    ours = {"anchor", "typer", *TYPERS_OWN}
    foreign = packages(loaded) - sys.stdlib_module_names - ours
    # What lets an editable installation be found is loaded with every interpreter.
    assert {name for name in foreign if not name.startswith("_")} == set()
    inside = packages({name.removeprefix("anchor.") for name in loaded if "anchor." in name})
    assert inside.isdisjoint({"chain", "config", "pipeline", "receipt", "service", "store"})


TYPERS_OWN = {"annotated_doc", "shellingham", "click", "typing_extensions"}
HEAVY = {"web3", "requests", "sqlalchemy", "alembic", "eth_account"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY | {"pydantic", "rich"}),
        # Typer itself checks a command's arguments with pydantic.
        (["verify", "--help"], HEAVY),
        (["run", "--help"], HEAVY),
    ],
)
def test_help_loads_no_heavy_package(arguments: list[str], heavy: set[str], tmp_path: Path) -> None:
    assert heavy & packages(loaded_by(*arguments, cwd=tmp_path)) == set()


def test_every_command_is_listed_and_has_help_with_its_options(tmp_path: Path) -> None:
    listing = run_anchor("--help", cwd=tmp_path).expect(0).out
    with ThreadPoolExecutor(2) as pool:
        helps = pool.map(lambda name: run_anchor(name, "--help", cwd=tmp_path), COMMANDS)
    for name, ran in zip(COMMANDS, helps, strict=True):
        assert f"\n  {name} " in listing
        ran.expect(0, f"anchor {name}", "--help")
        assert ran.err == ""
        if name not in ("devnet", "demo", *GROUPS):
            assert "--json" in ran.out, name
    for group, commands in GROUPS.items():
        for command in commands:
            assert "--json" in run_anchor(group, command, "--help", cwd=tmp_path).expect(0).out


def test_the_listing_names_no_command_that_these_tests_do_not_know(tmp_path: Path) -> None:
    listing = run_anchor("--help", cwd=tmp_path).expect(0).out
    lines = listing.partition("Commands:")[2].splitlines()
    listed = [line.split()[0] for line in lines if line and line[2:3] != " "]
    assert sorted(listed) == sorted(COMMANDS)
    assert "..." not in listing.partition("Commands:")[2]


def test_the_version_is_printed_without_a_command(tmp_path: Path) -> None:
    ran = run_anchor("--version", cwd=tmp_path).expect(0)
    assert ran.out == f"anchor {version('anchor-evidence')}\n"


def test_without_arguments_the_help_is_shown(tmp_path: Path) -> None:
    ran = run_anchor(cwd=tmp_path).expect(2)
    assert "Usage: " in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["vrify", "x"], "vrify"),
        (["verify", "--colour"], "--colour"),
        (["explain"], "receipt"),
        (["devnet", "--port", "65536"], "'--port'"),
        (["add", "--workers", "0", "x"], "'--workers'"),
    ],
)
def test_a_mistyped_command_line_is_bad_usage(
    arguments: list[str], text: str, tmp_path: Path
) -> None:
    ran = run_anchor(*arguments, cwd=tmp_path).expect(2)
    assert text in ran.err
    assert ran.out == ""
