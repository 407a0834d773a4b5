"""What the service states in a certificate: the account, who submitted, and the case, if any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.messages.message import Message, translate
from anchor.certificate.statements import FORMAT
from anchor.evidence.statement_text import fit_statement
from anchor.people.actors import Actor
from anchor.people.case_rules import Party, viewer_of
from anchor.people.roles import Permission, permissions_of_role, permissions_of_scopes
from anchor.project.sign_in_config import PlatformConfig
from anchor.service.evidence_party import EvidenceParty, find_party
from anchor.store.api_keys import find_key_by_id
from anchor.store.case_exhibits import ExhibitRow, load_open_cases_of
from anchor.store.cases import CaseRow
from anchor.store.certificates import IssuedCertificate
from anchor.store.evidence import StoredEvidence
from anchor.store.memberships import load_memberships

CaseOfEvidence = tuple[CaseRow, ExhibitRow]


def choose_case(cases: Sequence[CaseOfEvidence]) -> CaseOfEvidence | None:
    """Return the case that a certificate names: the only one, or none."""
    return cases[0] if len(cases) == 1 else None


def describe_case(case: CaseOfEvidence | None) -> dict[str, JsonValue]:
    """Return what a certificate states of a case, by the names of ``list_case_facts``."""
    if case is None:
        return dict.fromkeys(
            ("case_reference", "court", "parties", "exhibit_no", "purpose_of_proof")
        )
    row, exhibit = case
    return {
        "case_reference": fit_statement(row.fields.number),
        "court": fit_statement(row.fields.authority),
        "parties": _list_parties(row.fields.parties) or None,
        "exhibit_no": fit_statement(exhibit.label),
        "purpose_of_proof": fit_statement(exhibit.purpose),
    }


def _list_parties(parties: Sequence[Party]) -> list[JsonValue]:
    """Return the parties of a case whose role and name can be printed."""
    fitted = ((fit_statement(party.role), fit_statement(party.name)) for party in parties)
    return [{"role": role, "name": name} for role, name in fitted if role and name]


def list_case_facts(certificate: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return what an issued certificate (``anchor-certificate/1``) states of a case."""
    stated = certificate["stated"]
    return {
        "case_reference": stated["case_reference"],
        "court": stated["case"]["court"],
        # A certificate of before has no such member.
        "parties": stated["case"].get("parties") or None,
        "exhibit_no": stated["exhibit"]["exhibit_no"],
        "purpose_of_proof": stated["exhibit"]["purpose_of_proof"],
    }


def encode_details(
    party: EvidenceParty, digests: Digests, case: CaseOfEvidence | None, platform: PlatformConfig
) -> bytes:
    """Return the details file (``anchor-certificate-details/1``, JSON) of a certificate."""
    facts = describe_case(case)
    algorithm, digest = (
        (SHA256, digests.sha256) if digests.sha256 is not None else (SM3, digests.sm3)
    )
    assert digest is not None, "a record has a digest"
    document: dict[str, JsonValue] = {
        "format": FORMAT,
        "issuer": _given(
            {"name": platform.operator or _name_service(), "contact": platform.contact}
        ),
        "platform": _given({"legal_name": platform.operator}),
        "depositor": _given({"name": fit_statement(party.account or "")}),
        "submitter": _given(
            {"name": fit_statement(party.name or ""), "account": fit_statement(party.actor or "")}
        ),
    }
    if case is not None:
        document |= {
            "exhibits_stated_by": "depositor",
            "case": _given({"court": facts["court"], "parties": facts["parties"]}),
            "exhibits": [
                _given(
                    {
                        "digest": f"{algorithm}:{digest.hex()}",
                        "exhibit_no": facts["exhibit_no"],
                        "purpose_of_proof": facts["purpose_of_proof"],
                    }
                )
            ],
            **_given({"case_reference": facts["case_reference"]}),
        }
    return encode_canonical(document, subject="details")


def _name_service() -> str:
    """Return what names the issuer where the operator has registered no name."""
    unnamed = Message("certificate-issuer-unnamed")
    return f"{translate(unnamed, 'zh')} / {unnamed}"


def find_details(
    connection: Any,
    certificate: IssuedCertificate,
    stored: StoredEvidence,
    digests: Digests,
    platform: PlatformConfig,
) -> bytes:
    """Return the details of a certificate, with the case that whoever ordered it sees now."""
    actor = Actor.decode(certificate.requested_by)
    permissions = _find_permissions(connection, certificate.tenant, actor)
    cases: Sequence[CaseOfEvidence] = ()
    if permissions:
        viewer = viewer_of(permissions, actor)
        cases = load_open_cases_of(connection, certificate.tenant, viewer, stored.identity)
    party = find_party(connection, stored)
    return encode_details(party, digests, choose_case(cases), platform)


def _find_permissions(connection: Any, tenant: str, actor: Actor) -> frozenset[Permission]:
    if actor.kind == "key":
        key = find_key_by_id(connection, actor.id)
        is_own = key is not None and key.tenant == tenant
        return permissions_of_scopes(key.scopes) if key is not None and is_own else frozenset()
    for membership in load_memberships(connection, actor.id) if actor.kind == "person" else ():
        if membership.tenant == tenant:
            return permissions_of_role(membership.role, is_suspended=membership.is_suspended)
    return frozenset()


def _given(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: text for name, text in members.items() if text is not None}
