"""A job that holds the log's key installs nothing but what is pinned by hash."""

from __future__ import annotations

import re

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.paths import ROOT
from support.wheels import find_required

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][0]["run"]
GITLAB = yaml.safe_load((ROOT / "examples/gitlab-ci/.gitlab-ci.yml").read_text())
SCRIPTS = {"action": ACTION, "pipeline": "\n".join(GITLAB["default"]["before_script"])}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_installation_is_by_hash(name: str) -> None:
    lines = SCRIPTS[name].replace("\\\n", " ").splitlines()
    installs = [line for line in lines if " pip install " in line]
    assert len(installs) == 2
    listed, wheel = installs
    assert " --require-hashes " in listed and listed.rstrip('"').endswith("operator.txt")
    assert " --no-deps " in wheel and "#sha256=$" in wheel


def test_the_list_pins_every_package_that_keeping_a_log_needs() -> None:
    listed = (ROOT / "requirements/operator.txt").read_text()
    entries = re.split(r"\n(?=\S)", listed.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    pinned = {canonicalize_name(Requirement(entry.split(" \\")[0]).name) for entry in entries}
    needed = find_required([Requirement("anchor-evidence[operator]")])
    assert {canonicalize_name(each.name) for each in needed} <= pinned
