"""`/conformance` claims nothing of a court's for the software."""

from __future__ import annotations

from anchor.base.messages.message import translate
from anchor.service.pages.conformance_page import RULES

COURT = ("仅技术核验；认定由法院作出", "technical verification only; the finding is the court’s")
MATERIAL = ("仅提供材料", "material only")
OPERATOR = ("有赖于运营方", "depends on the operator")
OPEN = ("未满足或未经评估", "not met, or not assessed")


def states_of(rule: str) -> dict[str, tuple[str, str]]:
    """Return the state of each point of a rule by its place, in Chinese and in English."""
    (points,) = (each.points for each in RULES if each.name == rule)
    return {str(point.place): (translate(point.label, "zh"), str(point.label)) for point in points}


def test_what_a_court_finds_is_not_said_to_be_done_by_the_software() -> None:
    assert states_of("litigation") == {
        "Article 16": COURT,
        "Article 17 (1)": OPERATOR,
        "Article 17 (2)": OPERATOR,
        "Article 17 (3)": OPEN,
        "Article 17 (4)": OPEN,
        "Article 18": MATERIAL,
        "Article 19": MATERIAL,
    }


def test_no_part_of_a_standard_that_was_not_read_is_said_to_be_met() -> None:
    assert set(states_of("specification").values()) == {MATERIAL}


def test_only_what_the_contract_and_the_hashes_enforce_is_done_and_only_technically() -> None:
    done = [
        (str(point.place), translate(point.label, "zh"))
        for rule in RULES
        for point in rule.points
        if point.state == "done"
    ]
    assert done == [("Article 45l (1) (d)", "技术上由软件实现")]
