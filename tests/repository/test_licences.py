"""What ships may be shipped: the licences of the wheel's dependencies, and of what the page holds.

Programs under the AGPL or GPL (pywb, ReplayWeb.page) stay outside: the user installs them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution

import pytest
from packaging.requirements import Requirement
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_build"))
from build_licences import LICENCES, list_bundled, list_entries, read_package, render

ALLOWED = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "MPL-2.0", "PSF-2.0", "Unlicense",
}  # fmt: skip
# Imported as they are installed, and replaceable there, as the LGPL asks.
LESSER = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
# Licences as packages name them that have no SPDX expression.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Unlicense",
    "Python Software Foundation License": "PSF-2.0",
}
# What only develops, tests or deploys: nothing of it is installed with the package.
NOT_SHIPPED = ("test", "ape")


def parse_licences(text: str) -> set[str]:
    """Return the licences of an SPDX expression, or of a name that stands for one."""
    parts = re.split(r"\s+(?:AND|OR)\s+", text.strip().replace("(", "( ").replace(")", " )"))
    whole = SPELLINGS.get(text.strip())
    return (
        {whole}
        if whole
        else {SPELLINGS.get(part.strip("() "), part.strip("() ")) for part in parts}
    )


def licences_of(package: Distribution) -> set[str]:
    """Return the licences that a package names: by expression, else by classifier, else as text."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return parse_licences(expression)
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier", [])
        if each.startswith("License :: OSI Approved :: ") or each == "License :: Public Domain"
    ]
    if classifiers:
        return set().union(*map(parse_licences, classifiers))
    return parse_licences(metadata.get("License") or "unknown")


def refused(name: str, licences: set[str]) -> set[str]:
    """Return the licences under which a package may not be shipped, unknown ones too."""
    lesser = {LESSER[name]} if name in LESSER else set()
    return licences - ALLOWED - lesser


def spell(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def list_shipped() -> Iterator[str]:
    """Yield the name of every package that the wheel brings along, by any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += (line for name, group in extras.items() if name not in NOT_SHIPPED for line in group)
    todo = list(map(Requirement, lines))
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        name = spell(wanted.name)
        if name == spell(project["name"]) or (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        yield name
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            asked = ({"extra": extra} for extra in ("", *wanted.extras))
            if needed.marker is None or any(map(needed.marker.evaluate, asked)):
                todo.append(needed)


def test_the_wheels_dependencies_may_be_shipped() -> None:
    names = sorted(set(list_shipped()))
    assert {"pydantic", "psycopg", "web3", "typst"} <= set(names)
    bad = {name: refused(name, licences_of(distribution(name))) for name in names}
    assert {name: licences for name, licences in bad.items() if licences} == {}


def test_what_the_page_and_the_services_scripts_hold_may_be_shipped() -> None:
    names = list_bundled()
    assert {"@noble/hashes", "hash-wasm"} <= set(names)
    for name in names:
        assert not refused(name, parse_licences(read_package(name).get("license") or "unknown")), (
            name
        )


def test_their_licences_are_shipped_with_them() -> None:
    assert LICENCES.read_text("utf-8") == render()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert LICENCES.name in settings["license-files"]


def test_every_entry_of_the_build_is_read() -> None:
    calls = (ROOT / "web/build.mjs").read_text().count("await bundle(")
    assert len(set(list_entries())) == calls


@pytest.mark.parametrize(
    "text",
    [
        "AGPL-3.0-or-later", "GPL-3.0-or-later", "GPL-2.0", "LGPL-3.0-only", "unknown", "",
        "MIT AND AGPL-3.0", "GNU Affero General Public License v3", "Proprietary", "SSPL-1.0",
        "(MIT OR GPL-2.0)",
    ],
)  # fmt: skip
def test_other_licences_are_refused(text: str) -> None:
    assert refused("pywb", parse_licences(text))


def test_a_licence_is_read_from_an_expression() -> None:
    assert parse_licences("Apache-2.0 AND (MIT OR BSD-2-Clause)") == {
        "Apache-2.0", "MIT", "BSD-2-Clause",
    }  # fmt: skip
    assert not refused("x", parse_licences("MIT"))
