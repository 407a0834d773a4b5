"""What the service states in a certificate: whose the evidence is, and the only case it is in."""

from __future__ import annotations

from typing import Any

from anchor.base.digests import Digests
from anchor.certificate.statements import parse_details
from anchor.people.case_rules import Party
from anchor.project.sign_in_config import NO_PLATFORM, PlatformConfig
from anchor.service.certificate_details import (
    CaseOfEvidence,
    choose_case,
    describe_case,
    encode_details,
    list_case_facts,
)
from anchor.service.evidence_party import EvidenceParty
from anchor.store.case_exhibits import ExhibitRow
from anchor.store.cases import CaseFields, CaseRow

PLATFORM = PlatformConfig(operator="某存证公司", contact="a@b.example")
DIGESTS = Digests(sha256=None, sm3=b"\x01" * 32, size=None)
AT = "2026-01-01T00:00:00Z"


def party(**changes: Any) -> EvidenceParty:
    members: dict[str, Any] = {
        "account": "acme", "recorded": None, "actor": "person:1f", "name": "Ann Lee",
    }  # fmt: skip
    return EvidenceParty(**members | changes)


def case(authority: str = "", parties: tuple[Party, ...] = (), **entered: str) -> CaseOfEvidence:
    fields = CaseFields(
        number="1", title="t", authority=authority, parties=parties, is_shared=False
    )
    row = CaseRow(
        id="c", tenant="acme", fields=fields, created_at=AT, created_by="person:1f",
        closed_at=None, hold=None,
    )  # fmt: skip
    words = {"label": "", "purpose": "", "note": ""} | entered
    exhibit = ExhibitRow(
        id="e", position=1, leaf=b"", identity=b"", added_at=AT, added_by="person:1f",
        erased_at=None, **words,
    )  # fmt: skip
    return row, exhibit


def test_the_details_are_those_that_certify_takes() -> None:
    made = case("法院", label="证据1", purpose="one\ntwo\u202e", note="private")
    data = encode_details(party(), DIGESTS, made, PLATFORM)
    assert b"private" not in data
    details = parse_details(data, is_json=True)
    assert (details.issuer.name, details.issuer.contact) == ("某存证公司", "a@b.example")
    assert details.platform.legal_name == "某存证公司"
    assert details.depositor.name == "acme"
    assert (details.submitter.name, details.submitter.account) == ("Ann Lee", "person:1f")
    assert (details.exhibits_stated_by, details.case_reference) == ("depositor", "1")
    assert details.case.court == "法院"
    exhibit = details.find_exhibit(DIGESTS)
    # What cannot be printed is left out.
    assert (exhibit.exhibit_no, exhibit.purpose_of_proof) == ("证据1", None)


def test_what_is_not_known_is_not_stated() -> None:
    nobody = party(account=None, actor=None, name="\u202e")
    details = parse_details(encode_details(nobody, DIGESTS, None, NO_PLATFORM), is_json=True)
    assert (details.depositor.name, details.submitter.name) == (None, None)
    # The issuer is the service itself, whose operator has no registered name.
    assert details.issuer.name is not None and "no operator's name" in details.issuer.name
    assert details.platform.legal_name is None
    assert (details.exhibits_stated_by, details.case_reference) == ("issuer", None)


def test_of_several_cases_none_is_named() -> None:
    one = case()
    assert choose_case([one]) == one
    assert choose_case([]) is None and choose_case([one, one]) is None


def test_a_certificate_states_what_was_described() -> None:
    # What cannot be printed is left out.
    parties = (Party("原告", "甲公司"), Party("被告", "Bo Ho"), Party("x", "\u202e"))
    made = case("法院", parties, label="证据1", purpose="p")
    details = parse_details(encode_details(party(), DIGESTS, made, PLATFORM), is_json=True)
    stated = {
        "case_reference": details.case_reference,
        "case": details.case.model_dump(),
        "exhibit": details.find_exhibit(DIGESTS).model_dump(),
    }
    assert list_case_facts({"stated": stated}) == describe_case(made)
    assert describe_case(made)["parties"] == [
        {"role": "原告", "name": "甲公司"}, {"role": "被告", "name": "Bo Ho"},
    ]  # fmt: skip
    assert set(describe_case(None).values()) == {None}


def test_a_certificate_of_before_names_no_parties() -> None:
    old = {"case_reference": "1", "case": {"court": "法院"}}
    exhibit = {"exhibit_no": None, "purpose_of_proof": None}
    facts = list_case_facts({"stated": {**old, "exhibit": exhibit}})
    assert facts == describe_case(case("法院"))
    assert facts != describe_case(case("法院", (Party("原告", "甲公司"),)))
