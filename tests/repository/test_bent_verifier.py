"""The vectors show every check that a verifier leaves out, or bends."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.bent_verifier import bend_each, list_survivors
from support.paths import ROOT

# Each bend runs the vectors that reach it: two minutes of one core.
pytestmark = pytest.mark.release

VECTORS = ROOT / "tests" / "vectors"
LISTED = list_survivors("equivalent", "limit")


def test_a_vector_shows_each_bend_but_those_that_change_no_result(tmp_path: Path) -> None:
    fates = bend_each(tmp_path, VECTORS)
    survivors = {name for name, fate in fates.items() if fate == "survives"}
    assert survivors == set(LISTED)
    assert all(LISTED.values())
    assert len(list_survivors("limit")) <= 16
    counts = Counter(fates.values())
    assert counts["whole"] > 600
    assert counts["whole"] + counts["part"] > 1_250


def test_a_bend_survives_where_its_vectors_are_missing(tmp_path: Path) -> None:
    vectors = tmp_path / "vectors"
    shutil.copytree(VECTORS, vectors, ignore=shutil.ignore_patterns("golden"))
    path = vectors / "bundles" / "bundles.json"
    document = json.loads(path.read_bytes())
    document["bundles"] = [
        case for case in document["bundles"] if case["name"] != "a line of 1,048,577 bytes"
    ]
    path.write_text(json.dumps(document), "utf-8")
    copy = tmp_path / "copy"
    copy.mkdir()
    fates = bend_each(copy, vectors)
    more = {name for name, fate in fates.items() if fate == "survives"} - set(LISTED)
    assert more
    assert all("maxLine" in name for name in more)
