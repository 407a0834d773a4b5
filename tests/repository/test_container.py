"""The image's recipe, as far as it can be run where there is no container runtime."""

from __future__ import annotations

import re
import subprocess

import pytest
from support.paths import ROOT

RECIPE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")


@pytest.mark.parametrize(
    ("base", "by_tag", "code"),
    [
        ("docker.io/library/python:3.12-slim-bookworm", "no", 1),
        ("docker.io/library/python:3.12-slim-bookworm", "yes", 0),
        ("docker.io/library/python@sha256:" + "0" * 64, "no", 0),
        ("", "no", 1),
    ],
)
def test_a_base_image_is_named_by_its_digest_or_knowingly_not(base: str, by_tag: str, code: int):
    found = re.search(r"^RUN (case .*?esac)$", RECIPE, re.DOTALL | re.MULTILINE)
    assert found is not None
    script = found[1].replace("\\\n", "")
    variables = {"BASE": base, "BY_TAG": by_tag}
    done = subprocess.run(["sh", "-c", script], env=variables, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert ("--build-arg" in done.stderr) == (code != 0)


def test_every_stage_comes_from_that_image_or_an_earlier_stage():
    bases = ["${BASE}"]
    for line in re.findall(r"^FROM .*$", RECIPE, re.MULTILINE):
        _, base, _, name = line.split()
        assert base in bases
        bases.append(name)
    assert bases[1:] == [
        "build",
        "program",
        "capture",
        "service",
    ]  # what is built by default is last
