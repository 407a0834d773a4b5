"""A release's wheel, installed with each Python and installer into an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")
EXTRA = "devnet"  # what `anchor demo` needs
_TOOLS = Path(sys.executable).parent
# Of the installed program each warning is an error, but that web3 7 imports what websockets ended.
_STRICT = "error,ignore:websockets.legacy is deprecated:DeprecationWarning"
_WARNING = re.compile(r"^.*\b(?:warning|deprecat\w+)\b.*$", re.IGNORECASE | re.MULTILINE)


def install_by_pip(python: str, wheel: str, folder: Path) -> Path:
    """Install into a new virtual environment by its own pip."""
    run([python, "-m", "venv", folder / "venv"], folder)
    run([folder / "venv/bin/python", "-m", "pip", "install", wheel], folder)
    run([folder / "venv/bin/python", "-m", "pip", "check"], folder)
    return folder / "venv/bin/anchor"


def install_by_uv(python: str, wheel: str, folder: Path) -> Path:
    """Install as a tool of uv."""
    run([_TOOLS / "uv", "tool", "install", "--python", python, wheel], folder)
    return folder / "bin/anchor"


def install_by_pipx(python: str, wheel: str, folder: Path) -> Path:
    """Install as a program of pipx."""
    run([_TOOLS / "pipx", "install", "--python", python, wheel], folder)
    return folder / "bin/anchor"


INSTALLERS: dict[str, Callable[[str, str, Path], Path]] = {
    "pip": install_by_pip,
    "uv": install_by_uv,
    "pipx": install_by_pipx,
}


def run(command: list[str | Path], folder: Path, **variables: str) -> str:
    """Run a program whose files stay in a folder, and return what it printed.

    Raises:
        SystemExit: It failed, or printed a warning.
    """
    paths = {name: str(folder / value) for name, value in _FOLDERS.items()}
    environment = {
        **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        **paths,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **variables,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    words = " ".join(map(str, command))
    if done.returncode:
        raise SystemExit(f"`{words}` ended with exit code {done.returncode}:\n{printed[-4000:]}")
    if warned := _WARNING.search(printed):
        raise SystemExit(f"`{words}` warns: {warned[0]}")
    return printed


_FOLDERS = {
    "UV_TOOL_DIR": "tools",
    "UV_TOOL_BIN_DIR": "bin",
    "PIPX_HOME": "pipx",
    "PIPX_BIN_DIR": "bin",
    "PIPX_MAN_DIR": "man",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
}


def find_pythons(names: Collection[str]) -> dict[str, str]:
    """Return the program of each Python.

    Raises:
        SystemExit: One is not installed.
    """
    programs = {}
    for name in names:
        command = [f"python{name}", "-c", "import sys, venv; print(sys.executable)"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"Python {name} is not installed, with which to try") from error
        programs[name] = done.stdout.strip()
    return programs


def run_matrix(out: Path, pythons: Collection[str], installers: Collection[str]) -> None:
    """Install the native and the pure wheel in each way, and run the demonstration with each."""
    programs = find_pythons(pythons)
    native = find_wheel(out, "*_x86_64.whl")
    pure = find_wheel(out, "*-none-any.whl")
    for python, program in programs.items():
        for installer in installers:
            try_one(native, python, program, installer)
    try_one(pure, python, program, installer)


def try_one(wheel: Path, python: str, program: str, installer: str) -> None:
    """Install a wheel, run its program, and print a line about it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="anchor-install-") as name:
        folder = Path(name)
        (folder / "evidence").mkdir()
        (folder / "evidence/note.txt").write_text("meeting at noon\n", "utf-8")
        target = f"{wheel.resolve()}[{EXTRA}]"
        anchor = INSTALLERS[installer](program, target, folder)
        printed = run([anchor, "--version"], folder, PYTHONWARNINGS=_STRICT).strip()
        for words in (["--help"], ["demo", "--embedded", "evidence"]):
            run([anchor, *words], folder, PYTHONWARNINGS=_STRICT)
    seconds = time.monotonic() - started
    kind = "pure" if wheel.name.endswith("-none-any.whl") else "native"
    print(f"Python {python}  {installer:4}  {kind:6}  {printed}  {seconds:.0f} s", flush=True)


def find_wheel(out: Path, pattern: str) -> Path:
    """Return the one wheel with such a name.

    Raises:
        SystemExit: There is none, or more than one.
    """
    wheels = list(out.glob(pattern))
    if len(wheels) != 1:
        raise SystemExit(f"{out} has {len(wheels)} wheels {pattern}, and not one")
    return wheels[0]
