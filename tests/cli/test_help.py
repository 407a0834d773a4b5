"""``--help`` is quick, light, and there for every command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

import pytest
from support.command import environment, run_anchor
from support.in_process import run_in_process
from support.paths import ROOT
from support.wheels import make_environment

import anchor.cli.commands
from anchor.base.messages.catalogue import load_catalogue
from anchor.cli.command_extras import EXTRAS
from anchor.cli.command_table import COMMANDS, EXAMPLES
from anchor.cli.command_table import GROUPS as HEADINGS
from anchor.cli.typer_app import LazyCommand

GROUPS = {
    "trust": ("pin", "add", "list", "show", "remove", "allow", "disallow"),
    "key": ("new", "show"),
    "operator": ("add", "list", "remove"),
    "transactions": ("list", "give-up"),
    "api-key": ("create", "list", "revoke"),
    "tenant": ("invite", "list"),
    "copies": ("init", "rotate", "drop"),
    "hold": ("add", "list", "remove"),
    "custody": ("add", "show"),
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


def test_the_list_of_commands_loads_typer_and_no_command(tmp_path: Path) -> None:
    loaded = loaded_by("--help", cwd=tmp_path)
    foreign = packages(loaded) - sys.stdlib_module_names - {"anchor", "typer", *TYPERS_OWN}
    # What lets an editable installation be found is loaded with every interpreter, and Debian's
    # own module.
    foreign.discard("sitecustomize")
    assert {name for name in foreign if not name.startswith("_")} == set()
    assert packages(ours(loaded)) == {"base", "cli"}
    assert not commands_in(loaded)


def ours(modules: set[str]) -> set[str]:
    return {name.removeprefix("anchor.") for name in modules if name.startswith("anchor.")}


def commands_in(modules: set[str]) -> set[str]:
    return {name for name in ours(modules) if name.startswith("cli.commands")}


TYPERS_OWN = {"annotated_doc", "shellingham", "click", "typing_extensions"}
EVERY_HELP = """\
import sys
from anchor.cli import app
from anchor.cli.command_table import COMMANDS, EXAMPLES

for words in sorted({*COMMANDS, *EXAMPLES}):
    assert app.main([*words.split(), "--help"], standalone_mode=False) == 0
print("loaded", *sys.modules)
"""


def test_every_help_is_there_without_extras_and_loads_no_store(tmp_path: Path) -> None:
    programs = make_environment(tmp_path / "environment", [])
    done = subprocess.run(
        [programs / "python", "-c", EVERY_HELP],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert {"anchor.cli.command_table", "typer"} <= loaded
    assert packages(loaded) & {"rich", *EXTRAS} == set()
    assert not [name for name in loaded if name.startswith("anchor.store")]
    assert subprocess.run(
        [programs / "python", "-c", "import sqlalchemy"], capture_output=True, check=False
    ).returncode


def test_no_help_loads_a_package_of_an_extra_that_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert packages(set(done.stdout.splitlines()[-1].split())) & {"rich", *EXTRAS} == set()


@pytest.mark.parametrize(
    "words",
    [("verify", "--", "--help"), ("hold", "remove", "--", "-h"), ("trust", "show", "--", "--help")],
)
def test_a_name_that_looks_like_a_request_for_help_is_a_name(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run_anchor(*words, cwd=tmp_path)
    assert ran.code not in (0, 1) and "Usage" not in ran.out


def test_every_module_of_a_command_is_in_the_table() -> None:
    modules = [each.name.replace("_", "-") for each in iter_modules(anchor.cli.commands.__path__)]
    assert sorted(modules) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tables_line_is_the_first_of_the_commands_own_help(name: str) -> None:
    loaded = LazyCommand(name).load()
    assert loaded.get_short_help_str(1_000) == COMMANDS[name]
    assert loaded.name in (name, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_and_has_help_with_its_options(name: str, tmp_path: Path) -> None:
    listing = run_in_process("--help", cwd=tmp_path).expect(0).out
    assert f"\n  {name} " in listing
    ran = run_in_process(name, "--help", cwd=tmp_path).expect(0, f"anchor {name}", "--help")
    assert ran.err == ""
    if name not in ("devnet", "demo", *GROUPS):
        assert "--json" in ran.out
    for command in GROUPS.get(name, ()):
        assert "--json" in run_in_process(name, command, "--help", cwd=tmp_path).expect(0).out


def test_the_listing_has_every_command_once_under_its_heading_with_its_whole_line(
    tmp_path: Path,
) -> None:
    listed = run_anchor("--help", cwd=tmp_path).expect(0).out
    for heading, following in zip(HEADINGS, [*list(HEADINGS)[1:], None], strict=True):
        part = listed.partition(f"\n{heading}:\n")[2].partition(f"\n{following}:\n")[0]
        lines = [line.split()[0] for line in part.splitlines() if line and line[2:3] != " "]
        assert lines == list(HEADINGS[heading])
        spoken = " ".join(part.split()).replace("py- evm", "py-evm")
        assert not [line for line in HEADINGS[heading].values() if line not in spoken]


def test_every_command_shows_examples_that_it_can_read(tmp_path: Path) -> None:
    commands = {
        " ".join((name, *word))
        for name in COMMANDS
        for word in ([(each,) for each in GROUPS[name]] if name in GROUPS else [()])
    }
    assert set(EXAMPLES) == commands
    for command, examples in EXAMPLES.items():
        shown = run_in_process(*command.split(), "--help", cwd=tmp_path).expect(0).out
        for example in examples:
            assert f"\n  {example}\n" in shown
            # Read as far as to the help, which no value of an option hides.
            own = example.rpartition("| ")[2].partition(" > ")[0].partition(" --exec ")[0]
            words = shlex.split(own)
            assert " ".join(words[1:]).startswith(command)
            run_in_process(*words[1:], "--help", cwd=tmp_path).expect(0, f"anchor {command}")


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    def complete(words: str) -> set[str]:
        number = str(len(words.split()) - (not words.endswith(" ")))
        env = {"_ANCHOR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": number}
        anchor = (sys.executable, "-c", "import sys; sys.argv[0] = 'anchor'; " + MAIN)
        return set(run_anchor(cwd=tmp_path, env=env, command=anchor).out.split())

    assert complete("anchor ver") == {"verify", "verifier"}
    assert "--block-hash" in complete("anchor verify --b")
    assert complete("anchor trust a") == {"add", "allow"}


MAIN = "from anchor.cli import app; app.main(prog_name='anchor')"


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_printed_without_a_command(option: str, tmp_path: Path) -> None:
    ran = run_anchor(option, cwd=tmp_path).expect(0)
    assert ran.out == f"anchor {version('anchor-evidence')}\n"


def test_each_word_of_the_status_is_explained(tmp_path: Path) -> None:
    shown = " ".join(run_in_process("status", "--help", cwd=tmp_path).expect(0).out.split())
    rows = [text for id, text in load_catalogue("en").items() if id.startswith("status-row-")]
    assert len(rows) > 10
    plain = {"log", "registry", "accepted"}
    assert [word for word in rows if f'"{word}": ' not in shown and word not in plain] == []


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
    ran = run_in_process(*arguments, cwd=tmp_path).expect(2)
    assert text in ran.err
    assert ran.out == ""
