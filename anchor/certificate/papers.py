"""Drafts for those who testify about the evidence: filled from a certificate, never signed.

``us-902`` is a certification under Federal Rules of Evidence 902(13) and (14) in the form of 28
U.S.C. § 1746, ``vermont`` a declaration under 12 V.S.A. § 1913(b)(1), ``zh`` a technical
explanation (电子数据存证技术说明).  What nothing proves and nobody stated is a line to fill in.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from anchor.base.errors import NotFinalError, UsageError
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, join
from anchor.certificate.labels import describe_claim, describe_kind, describe_result
from anchor.certificate.model import Certificate, bilingual, encode_certificate
from anchor.certificate.paper_facts import PARTY, PaperFacts
from anchor.certificate.statements import Declarant
from anchor.ethereum.known_chains import proves_time

if TYPE_CHECKING:
    from jinja2 import Environment

PaperName = Literal["us-902", "vermont", "zh"]
PAPERS: tuple[PaperName, ...] = get_args(PaperName)
_TEMPLATES = Path(__file__).parent / "templates"


def parse_paper(name: str) -> PaperName:
    """Return the paper with this name."""
    for known in PAPERS:
        if name == known:
            return known
    raise UsageError(Message("paper-unknown", actual=name[:80], expected=join(PAPERS)))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_paper(name: PaperName, certificate: Certificate, declarant: Declarant) -> bytes:
    """Return the draft as HTML, which browsers and word processors open.

    Raises:
        NotFinalError: The certificate is a draft without an anchor.
    """
    anchor = certificate.anchor
    if anchor is None:
        raise NotFinalError(Message("paper-not-final"), hint=Message("certificate-not-final-hint"))
    language: Language = "zh" if name == "zh" else "en"
    facts = PaperFacts(certificate, language)
    verification, kind = certificate.verification, describe_kind(anchor)
    retrieved = verification.retrieved_at
    text = (
        _environment()
        .get_template(f"paper-{name}.html")
        .render(
            certificate=certificate,
            json_sha256=hashlib.sha256(encode_certificate(certificate)).hexdigest(),
            facts=facts,
            anchor=anchor,
            result=facts.say(
                describe_result(anchor, is_compared=certificate.evidence.compared == "file")
            ),
            kind=None if kind is None else facts.say(bilingual(kind)),
            proves_time=proves_time(anchor.kind),
            stated=certificate.stated,
            declarant=declarant,
            by_party=facts.say(PARTY),
            entered=facts.time(anchor.anchored_at),
            received=None if retrieved is None else facts.time(retrieved),
            verified_at=facts.time(verification.verified_at),
            claims=[
                (claim, facts.say(describe_claim(claim, certificate)))
                for claim in verification.claims
            ],
        )
    )
    return text.encode("utf-8")
