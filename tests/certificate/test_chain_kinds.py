"""By kind of chain, what a certificate and its papers state of times: as the table says."""

from __future__ import annotations

import pytest
from support.certificates import MOMENT, issue
from support.chain_kinds import CHAINS, PAIRS, PROVES_TIME, receipt_on, world_on
from support.notices import OF_A, A, Notices

from anchor.base.messages.message import Message
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.front_page import build_front
from anchor.certificate.issue import Basis, issue_certificate
from anchor.certificate.labels import AGREES, UNCHANGED
from anchor.certificate.layout import Banner, Block, Fields
from anchor.certificate.model import Certificate, bilingual
from anchor.certificate.papers import render_paper
from anchor.certificate.statements import Declarant, Details
from anchor.ethereum.known_chains import ChainKind
from anchor.receipt.format import encode_receipt

DECLARANT = Declarant()


def certify(*kinds: ChainKind) -> Certificate:
    here = world_on(*kinds)
    policy = here.policy(*map(here.entry, here.chains))
    return issue(here, receipt_on(here), policy=policy).certificate


def labels(blocks: list[Block]) -> set[str]:
    return {row.label.en for block in blocks if isinstance(block, Fields) for row in block.rows}


@pytest.mark.parametrize("kind", CHAINS)
def test_claims_statement_and_first_sheet_state_a_time_only_where_it_is_proven(
    kind: ChainKind,
) -> None:
    certificate = certify(kind)
    is_proven = PROVES_TIME[kind]
    claims = {claim.id: claim.verdict for claim in certificate.verification.claims}
    assert [claims["C4"], claims["C5"]] == ["pass" if is_proven else "cannot tell"] * 2
    assert certificate.statement == bilingual(UNCHANGED if is_proven else AGREES)
    front = list(build_front(certificate).blocks)
    (banner,) = (block for block in front if isinstance(block, Banner))
    assert (banner.since is not None) == is_proven
    assert (Message("certificate-bracket") in labels(front)) == is_proven
    assert (Message("certificate-bound-not-proven") in labels(front)) == (not is_proven)


@pytest.mark.parametrize("kinds", PAIRS)
def test_of_two_chains_one_whose_times_count_suffices(kinds: tuple[ChainKind, ChainKind]) -> None:
    certificate = certify(*kinds)
    is_proven = any(PROVES_TIME[kind] for kind in kinds)
    claims = {claim.id: claim.verdict for claim in certificate.verification.claims}
    assert claims["C4"] == ("pass" if is_proven else "cannot tell")
    assert certificate.anchor is not None
    assert PROVES_TIME[certificate.anchor.kind] == is_proven


@pytest.mark.parametrize("kind", CHAINS)
def test_a_paper_states_no_bounds_of_a_chain_that_proves_none(kind: ChainKind) -> None:
    paper = render_paper("us-902", certify(kind), DECLARANT).decode()
    assert ("2026-09-21 14:14:26" in paper) == PROVES_TIME[kind]
    assert (Message("certificate-existed-by") in paper) == PROVES_TIME[kind]
    assert ("unchanged since the time in Table 2" in paper) == PROVES_TIME[kind]
    chinese = render_paper("zh", certify(kind), DECLARANT).decode()
    assert ("自记录时起未经更改" in chinese) == PROVES_TIME[kind]


@pytest.mark.parametrize("kind", CHAINS)
def test_a_notice_is_labelled_by_its_own_chain(kind: ChainKind) -> None:
    notices = Notices(chain_ids=[CHAINS[kind]])
    certificate = issue_certificate(
        encode_receipt(notices.receipt(A)),
        notices.judge(A, [notices.give(OF_A)]),
        details=Details(),
        basis=Basis(policy=notices.world.policy(), policies=(), nodes=()),
        moment=MOMENT,
        draft=False,
    )
    (notice,) = certificate.notices or ()
    assert notice.chain_kind == kind
    shown = labels(list(build_sheets(certificate)[3].blocks))
    assert (Message("certificate-existed-by") in shown) == PROVES_TIME[kind]
    assert (Message("certificate-bound-not-proven") in shown) == (not PROVES_TIME[kind])
