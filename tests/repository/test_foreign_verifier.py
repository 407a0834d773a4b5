"""A verifier written in Go from docs/spec alone passes the vectors, and agrees on bent receipts."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.bent_receipts import Given, make_cases
from support.foreign_judge import describe_case, judge_all, run_go
from support.paths import ROOT
from support.two_faults import make_doubled
from support.two_verifiers import judge_by_package

# The first build compiles what it uses of Go's standard library.
pytestmark = pytest.mark.release

VECTORS = ROOT / "tests" / "vectors"


@pytest.fixture(scope="module")
def foreign_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("go") / "foreign_verifier"
    run_go("build", "-o", str(path), ".")
    return path


def test_it_uses_the_standard_library_alone_and_go_vet_finds_nothing() -> None:
    run_go("vet", "./...")
    imported = run_go("list", "-f", '{{join .Imports "\\n"}}', ".").split()
    assert imported
    assert all("." not in name for name in imported)
    assert run_go("list", "-m", "all").split() == ["foreign_verifier"]


def count_cases() -> int:
    files = [
        path
        for path in VECTORS.glob("*/*.json")
        if path.parent.name not in UNREAD and not path.name.startswith("anchor-receipt")
    ]
    documents = [json.loads(path.read_bytes()) for path in files]
    return sum(
        len(cases) for document in documents for cases in document.values() if type(cases) is list
    )


# Policies are TOML, which Go's standard library does not read; the vectors have them as JSON, too.
UNREAD = ("policies",)


def test_it_passes_every_vector(foreign_verifier: Path) -> None:
    done = subprocess.run(
        [foreign_verifier, "vectors", VECTORS], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"{count_cases()} cases, 0 disagreements"]
    assert done.returncode == 0
    assert count_cases() > 3_200


def test_it_names_a_vector_that_ends_otherwise(foreign_verifier: Path, tmp_path: Path) -> None:
    for path in [
        *VECTORS.glob("*/*.json*"),
        *VECTORS.glob("verification/receipts/*"),
    ]:
        target = tmp_path / path.relative_to(VECTORS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    index: dict[str, Any] = json.loads((VECTORS / "verification" / "index.json").read_bytes())
    index["verifications"][0]["exit_code"] = 99
    changed = tmp_path / "verification" / "index.json"
    changed.unlink()
    changed.write_text(json.dumps(index), "utf-8")
    done = subprocess.run(
        [foreign_verifier, "vectors", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.search(r"not 99 at .*\n[0-9]+ cases, 1 disagreements$", done.stdout.rstrip())


# What a case is called, and what a verifier is given.
Asked = tuple[str, bytes, Given]


def compare(verifier: Path, cases: list[Asked]) -> Counter[int]:
    """Judge cases by both; return how often each result came."""
    expected = [judge_by_package(receipt, given) for _, receipt, given in cases]
    codes = judge_all(verifier, [describe_case(receipt, given) for _, receipt, given in cases])
    assert len(codes) == len(cases)
    wrong = [
        f"{name}: the package says {own}, the other {other}"
        for (name, _, _), own, other in zip(cases, expected, codes, strict=True)
        if own != other
    ]
    assert not wrong
    return Counter(codes)


@pytest.mark.parametrize(
    "count", [500, pytest.param(100_000, marks=pytest.mark.slow)], ids=lambda count: f"{count:,}"
)
def test_both_end_alike_on_bent_receipts(foreign_verifier: Path, count: int) -> None:
    cases = make_cases(2_300, 0, count)
    asked = [
        (f"{case.honest.name}: {case.kind}", case.receipt, case.honest.given) for case in cases
    ]
    codes = compare(foreign_verifier, asked)
    assert {0, 2, 10, 12, 13, 20, 22} <= set(codes)


def test_both_end_alike_on_receipts_of_several_faults(foreign_verifier: Path) -> None:
    cases = [make_doubled(2_300, number) for number in range(500)]
    codes = compare(foreign_verifier, [(case.name, case.receipt, case.given) for case in cases])
    assert {0, 2, 10, 12, 20, 22} <= set(codes)
