"""The wheel of this checkout, and environments into which it can be installed without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from support.paths import ROOT

OURS = "anchor-evidence"
_SOURCES = ("anchor", "scripts", "pyproject.toml", "setup.py", "README.md", "LICENSE")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def build_wheel(folder: Path, **variables: str) -> Path:
    """Build the wheel from a copy of the sources, and return its path.

    ``variables`` are added to the environment of the build.
    """
    sources = folder / "sources"
    sources.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            unbuilt = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / name, sources / name, ignore=unbuilt)
        else:
            shutil.copy(ROOT / name, sources / name)
    command = (*_PIP, "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
    command = (*command, "--wheel-dir", str(folder), str(sources))
    subprocess.run(command, check=True, env={**os.environ, **variables})
    [wheel] = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, extras: Iterable[str], tools: Iterable[str] = ()) -> Path:
    """Create an environment with what the extras and tools require, and return its ``bin``.

    The packages are links to those of the environment that runs the tests.  This package is not
    among them, nor is the checkout, and pip finds all that the wheel requires installed.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    [packages] = folder.glob("lib/python*/site-packages")
    wanted = [Requirement(f"{OURS}[{','.join(extras)}]")]
    wanted += [Requirement(name) for name in ("pip", *tools)]
    for package in find_required(wanted):
        for file in package.files or ():
            if file.parts[0] not in ("..", "__pycache__") and file.suffix != ".pth":
                _link(Path(str(package.locate_file(file.parts[0]))), packages / file.parts[0])
        for entry in package.entry_points.select(group="console_scripts"):
            module, _, function = entry.value.partition(":")
            script = folder / "bin" / entry.name
            script.write_text(
                f"#!{folder}/bin/python\nimport sys\nfrom {module} import {function}\n"
                f"sys.exit({function}())\n"
            )
            script.chmod(0o755)
    return folder / "bin"


def find_required(wanted: Iterable[Requirement]) -> list[Distribution]:
    """Return the distributions of the requirements and of all that these require, but for ours."""
    waiting = [(one.name, extra) for one in wanted for extra in ("", *one.extras)]
    seen: set[tuple[str, str]] = set()
    packages: dict[str, Distribution] = {}
    while waiting:
        name, extra = waiting.pop()
        key = (re.sub(r"[-_.]+", "-", name).lower(), extra)
        if key in seen:
            continue
        seen.add(key)
        packages[key[0]] = distribution(name)
        for text in packages[key[0]].requires or ():
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                waiting += [(required.name, each) for each in ("", *required.extras)]
    packages.pop(OURS)
    return list(packages.values())


def _link(source: Path, target: Path) -> None:
    """Link a file or folder of a package."""
    if not target.exists():
        target.symlink_to(source)
    elif target.is_dir() and target.resolve() != source.resolve():
        raise AssertionError(f"{source} and {target.resolve()} share a name")
