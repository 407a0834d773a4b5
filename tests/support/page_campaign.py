"""The page's script and the package's verifier, side by side on bent receipts."""

from __future__ import annotations

import json
from collections import Counter

from support.bent_receipts import is_true, make_cases
from support.page_script import PageScript, run_page_script
from support.two_verifiers import judge_by_package

SEED = 20260921


def _compare(script: PageScript, number: int, tally: Counter[str], troubles: list[str]) -> None:
    (case,) = make_cases(SEED, number, 1)
    name = f"case {case.number} ({case.honest.name}: {case.kind})"
    page = script.judge(case.receipt, case.honest.given)
    code = page["exit_code"]
    other = judge_by_package(case.receipt, case.honest.given)
    if other != code:
        troubles.append(f"{name}: the package says {other}, the page {code}: {page['files'][0]}")
    if code == 0 and not is_true(json.loads(case.receipt), case.honest):
        troubles.append(f"{name}: passes, though it says something else")
    tally[case.kind] += 1
    tally[str(code)] += 1


def run_campaign(first: int, count: int) -> tuple[Counter[str], list[str]]:
    """Return how many cases were of each kind and ended with each code, and what was wrong."""
    tally, troubles = Counter[str](), list[str]()
    with run_page_script() as script:
        for number in range(first, first + count):
            _compare(script, number, tally, troubles)
    return tally, troubles
