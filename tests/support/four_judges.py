"""The package's verifier, the standalone one, the page's and the schema, on the same documents."""

from __future__ import annotations

import functools
import json
from collections import Counter

import jsonschema_rs
from support.bent_receipts import Given
from support.page_script import PageScript, run_page_script
from support.paths import ROOT
from support.tries import keccak256
from support.two_faults import Doubled, make_doubled
from support.two_verifiers import Tally, judge_alone, judge_by_package

from anchor.standalone import verify as standalone

SCHEMA = ROOT / "docs" / "schemas" / "receipt.json"
# So many are put to the page's script in one question.
_TOGETHER = 250


@functools.cache
def schema() -> jsonschema_rs.Validator:
    """Return the published schema."""
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_bytes()))


def read_strictly(data: bytes) -> object | None:
    """Return the document that the schema is asked about; of what is no strict JSON, none."""
    if len(data) > standalone.MAX_RECEIPT:
        return None
    try:
        value: object = standalone.read_json(data, "the receipt")
    except standalone.Refusal:
        return None
    return value


def is_receipt(value: object) -> bool:
    """Tell whether a receipt's own members pass step 1, whatever its record is."""
    try:
        standalone.read_document(value)
    except standalone.Refusal:
        return False
    return True


def judge_by_three(receipt: bytes, given: Given) -> tuple[int, int, int]:
    """Return what the package's verifier, the standalone one and the page's end with."""
    with run_page_script() as page:
        (third,) = page.exit_codes([(receipt, given)])
    return judge_by_package(receipt, given), judge_alone(receipt, given).exit_code(), third


def run_doubled(seed: int, first: int, count: int) -> Tally:
    """Judge cases by all four; a trouble is a disagreement, or a passing of what is not so."""
    tally = Tally(Counter(), Counter(), [])
    plain = standalone.keccak256
    # That it hashes as others do is tested elsewhere; a hundred thousand headers take an hour.
    standalone.keccak256 = functools.lru_cache(1 << 14)(keccak256)
    try:
        with run_page_script() as page:
            for start in range(first, first + count, _TOGETHER):
                numbers = range(start, min(start + _TOGETHER, first + count))
                judge_together([make_doubled(seed, number) for number in numbers], page, tally)
    finally:
        standalone.keccak256 = plain
    return tally


def judge_together(cases: list[Doubled], page: PageScript, tally: Tally) -> None:
    """Judge cases, and note every disagreement about one."""
    by_page = page.exit_codes([(case.receipt, case.given) for case in cases])
    for case, third in zip(cases, by_page, strict=True):
        report = judge_alone(case.receipt, case.given)
        code, other = report.exit_code(), judge_by_package(case.receipt, case.given)
        tally.codes[code] += 1
        tally.kinds.update(case.kinds)
        if not code == other == third:
            said = f"package {other}, standalone {code}, page {third}"
            wrong = [line for line in report.lines if line[1]]
            tally.troubles.append(f"{case.name}: {said}: {wrong}")
        value = read_strictly(case.receipt)
        if value is not None and schema().is_valid(value) != is_receipt(value):
            said = "refuses" if is_receipt(value) else "takes"
            tally.troubles.append(f"{case.name}: the schema {said} it, and step 1 does not")
        if code == 0 and not is_honest(value, case):
            tally.troubles.append(f"{case.name}: passes, though it says something else")


def is_honest(document: object, case: Doubled) -> bool:
    """Tell whether a receipt that passes is of the same record, at the same place of the same log.

    Its state proof may be bent in ways that take nothing from what it proves.
    """
    assert isinstance(document, dict)
    honest = case.honest.document
    return all(document[name] == honest[name] for name in ("format", "record", "log", "index"))
