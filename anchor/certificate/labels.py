"""The fixed sentences of a certificate.

A certificate states "unchanged since"; it never states that anything is authentic or true.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.certificate.model import Bilingual, Certificate, VerifiedAnchor, bilingual
from anchor.ethereum.known_chains import (
    HEADLINES,
    KIND_SENTENCES,
    ChainKind,
    find_chain,
    proves_time,
)
from anchor.verification.abandonment import UNKNOWN
from anchor.verification.report import (
    AGE_NOT_PROVEN,
    STATUS_NOT_PROVEN,
    Verdict,
    word_claim,
)
from anchor.verification.report_json import ClaimDocument

UNCHANGED = Message("certificate-statement-unchanged")
DIGEST_UNCHANGED = Message("certificate-statement-digest-unchanged")
# On chains that prove nothing about real time.
AGREES = Message("certificate-statement-agrees")
DIGEST_AGREES = Message("certificate-statement-digest-agrees")
DRAFT = Message("certificate-statement-draft")
NOT_FINAL = Message("certificate-statement-not-final", draft=DRAFT)

VERIFIED = Message("certificate-result-verified")
# Where only a digest was given.
RECORD_VERIFIED = Message("certificate-result-record-verified")

NOT_PROVEN = (
    Message("certificate-not-proven-truth"),
    Message("certificate-not-proven-history"),
    Message("certificate-not-proven-authorship"),
    Message("certificate-not-proven-legality"),
    Message("certificate-not-proven-completeness"),
)
AGE_OF_EVIDENCE = Message("certificate-not-proven-age")
ABANDONED_SINCE = Message("certificate-not-proven-owner-stand")
STATUS = Message("certificate-not-proven-status")

HASHES = Message("certificate-assumption-hashes")
CLAIMED_INDEX = Message("certificate-assumption-leaf-index")
HINTS = Message("certificate-assumption-tx-hash")
SHOWN_TRANSACTION = Message("certificate-assumption-tx-shown")
UNPINNED = Message("certificate-assumption-unpinned")
DEPOSITOR = Message("certificate-assumption-depositor")

POLICY_SOURCES = {
    "option": Message("certificate-policy-from-option"),
    "environment": Message("certificate-policy-from-environment"),
    "user": Message("certificate-policy-from-user"),
    "project": Message("certificate-policy-from-project"),
}

# The basis of the chain's answer, by assurance and by whether finality is observed or asserted.
_BASES = {
    ("rpc", "observed"): Message("certificate-basis-one-node"),
    ("quorum", "observed"): Message("certificate-basis-several-nodes"),
    ("proof", "observed"): Message("certificate-basis-proof-observed"),
    ("asserted", "asserted"): Message("certificate-basis-proof-asserted"),
    ("proof", "asserted"): Message("certificate-basis-proof-by-policy"),
}

# The texts around the sheets, by the names that the HTML and PDF templates use.
FRAME = {
    "title": Message("certificate-document-title"),
    "certificate": Message("certificate-title"),
    "number": Message("certificate-number"),
    "draft": Message("certificate-draft-mark"),
    "code": Message("certificate-code-caption"),
    "seal": Message("certificate-seal-space"),
    "origin": Message("certificate-page-origin"),
    "authoritative": Message("certificate-json-authoritative"),
    "attached": Message("certificate-json-attached"),
}


def describe_frame() -> dict[str, Bilingual]:
    """Return the texts around the sheets, in both languages."""
    return {name: bilingual(message) for name, message in FRAME.items()}


def describe_network(chain_id: ChainId) -> Bilingual | None:
    """Return the name of a listed chain, with its kind unless it is a main chain."""
    chain = find_chain(chain_id)
    match chain.kind:
        case "main":
            return bilingual(chain.name)
        case "test":
            return bilingual(Message("network-test", name=chain.name))
        case "development":
            return bilingual(Message("network-development-chain"))
        case "unlisted":
            return None


def describe_kind(anchor: VerifiedAnchor) -> Message | None:
    """Return the kind of chain, in the words of every report; None for a main chain."""
    if anchor.kind == "main":
        return None
    return Message("certificate-chain-kind", kind=KIND_SENTENCES[anchor.kind])


def describe_basis(anchor: VerifiedAnchor) -> Message:
    """Return what the chain's answer rests on."""
    if anchor.assurance == "proof" and anchor.final_after_blocks is not None:
        return Message("certificate-basis-proof-by-depth")
    return _BASES[anchor.assurance, anchor.finality]


def describe_finality(anchor: VerifiedAnchor) -> Message:
    """Return who decided that the block is final: the nodes, the issuer or its trust policy."""
    if anchor.finality == "asserted":
        return Message("certificate-finality-asserted")
    if anchor.final_after_blocks == 0:
        return Message("certificate-finality-at-once")
    if anchor.final_after_blocks is not None:
        return Message("certificate-finality-by-policy", count=anchor.final_after_blocks)
    return Message("certificate-finality-observed")


def describe_claim(claim: ClaimDocument[Bilingual], certificate: Certificate) -> Message:
    """Return the verdict in words; "not provided" is not said of what was given in part."""
    if claim.verdict == "not present" and claim.id == "C1":
        return Message("certificate-verdict-not-compared")
    has_account = certificate.account is not None
    return word_claim(claim.id, Verdict(claim.verdict), has_account=has_account)


def label_block_time(anchor: VerifiedAnchor) -> Message:
    """Return the label of the block's time."""
    if proves_time(anchor.kind):
        return Message("certificate-anchored-at")
    return Message("certificate-block-time")


def label_latest_time(kind: ChainKind) -> Message:
    """Return the label of the latest time that follows from a block's on such a chain."""
    if proves_time(kind):
        return Message("certificate-existed-by")
    return Message("certificate-bound-not-proven")


def describe_result(anchor: VerifiedAnchor, *, is_compared: bool) -> Bilingual:
    """Return the result, which claims no more than was proven; ``is_compared``: with a file."""
    is_asserted = anchor.assurance == "asserted"
    if anchor.kind == "main" and not is_asserted:
        return bilingual(VERIFIED if is_compared else RECORD_VERIFIED)
    headline = HEADLINES[anchor.kind]
    if is_asserted:
        headline = Message("certificate-result-asserted-block", headline=headline)
    if not is_compared:
        headline = Message("certificate-result-record-only", headline=headline)
    words = bilingual(headline)
    return Bilingual(zh=words.zh, en=f"{words.en[0].upper()}{words.en[1:]}")


def describe_bound(anchor: VerifiedAnchor, verified_at: str) -> Message:
    """Return how the latest time follows from the block's, and whether it is after the issue."""
    bound = Message("certificate-time-bound", slack=_slack(anchor))
    latest = datetime.fromisoformat(anchor.existed_no_later_than)
    if latest <= datetime.fromisoformat(verified_at):
        return bound
    return Message("certificate-time-bound-after-issue", bound=bound)


def _slack(anchor: VerifiedAnchor) -> int:
    """Return the seconds by which the chain's block times may be off."""
    latest = datetime.fromisoformat(anchor.existed_no_later_than)
    return int((latest - datetime.fromisoformat(anchor.anchored_at)).total_seconds())


def list_not_proven(open_questions: Sequence[Message]) -> list[Message]:
    """Return all that is not proven: in general, and by this verification in particular."""
    age = [AGE_OF_EVIDENCE] if AGE_NOT_PROVEN in open_questions else []
    left = [ABANDONED_SINCE] if UNKNOWN in open_questions else []
    status = [STATUS] if STATUS_NOT_PROVEN in open_questions else []
    return [*NOT_PROVEN, *status, *age, *left]


def list_assumptions(
    anchor: VerifiedAnchor | None, *, is_pinned: bool, has_depositor: bool
) -> list[Message]:
    """Return the assumptions that a reader has to trust in spite of the verification."""
    assumptions = [HASHES]
    if anchor is not None:
        kind = describe_kind(anchor)
        if kind is not None:
            assumptions.insert(0, kind)
        assumptions.append(describe_basis(anchor))
        if anchor.final_after_blocks is not None:
            assumptions.append(
                Message("certificate-assumption-finality", reason=describe_finality(anchor))
            )
        assumptions.append(Message("certificate-assumption-time-bound", slack=_slack(anchor)))
    if not is_pinned:
        assumptions.append(UNPINNED)
    if has_depositor:
        assumptions.append(DEPOSITOR)
    is_shown = anchor is not None and anchor.transaction is not None
    return [*assumptions, CLAIMED_INDEX, SHOWN_TRANSACTION if is_shown else HINTS]
