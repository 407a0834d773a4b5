"""What the papers state, from a certificate alone: each fact with its value and its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.base.units import format_stored_time
from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import (
    describe_basis,
    describe_bound,
    describe_finality,
    label_block_time,
    label_latest_time,
)
from anchor.certificate.model import Bilingual, Certificate, VerifiedAnchor
from anchor.certificate.speakers import SPEAKERS, name_record_speaker
from anchor.ethereum.known_chains import proves_time
from anchor.evidence.group_lines import GroupLine, list_lines
from anchor.evidence.group_values import CHECK_RESULTS
from anchor.evidence.observed_groups import Cleanliness
from anchor.evidence.statement_text import MAX_CHARACTERS

VERIFIED = Message("paper-source-verified")
RECORDED = Message("paper-source-record")
OBSERVED = Message("paper-source-observed")
PARTY = Message("paper-source-party")
NOT_PROVEN = Message("paper-value-not-proven")
NONE_FOUND = Message("check-nothing-found")


_IDENTIFIER = re.compile("(0x)?[0-9a-fA-F]{40,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFact:
    """A label, a value and its source, in one language."""

    label: str
    value: str
    source: str

    @property
    def is_identifier(self) -> bool:
        """Return whether the value is a hash or an address, whose digits must not look alike."""
        return _IDENTIFIER.fullmatch(self.value) is not None


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """The facts of a certificate in one language."""

    certificate: Certificate
    language: Language

    def say(self, text: str | Bilingual) -> str:
        """Return a message, or a sentence in two languages, in the paper's language."""
        if isinstance(text, Bilingual):
            return text.zh if self.language == "zh" else text.en
        return translate(text, self.language)

    def fact(self, label: str, value: str, source: Message) -> PaperFact:
        """Return a fact in the paper's language."""
        shown = show_text(self.say(value), MAX_CHARACTERS)
        return PaperFact(label=self.say(label), value=shown, source=self.say(source))

    def time(self, text: str) -> str:
        """Return a time in UTC, in a Chinese paper in Beijing time first."""
        return self.say(format_stored_time(text))

    def list_evidence(self) -> Iterator[PaperFact]:
        """Yield the facts on the file."""
        evidence, place = self.certificate.evidence, self.certificate.place
        yield self.fact(Message("certificate-file-name"), evidence.name, self._in_record)
        if evidence.size is not None:
            yield self.fact(Message("exhibits-size"), str(evidence.size), VERIFIED)
        if evidence.sha256 is not None:
            yield self.fact("SHA-256", evidence.sha256, VERIFIED)
        if evidence.sm3 is not None:
            yield self.fact("SM3", evidence.sm3, VERIFIED)
        yield self.fact(Message("certificate-preservation-number"), place.number, VERIFIED)
        yield self.fact(Message("certificate-record-digest"), place.record_sha256, VERIFIED)
        recorded = self.time(evidence.recorded_at)
        yield self.fact(Message("certificate-recorded-claimed"), recorded, RECORDED)

    def list_anchoring(self) -> Iterator[PaperFact]:
        """Yield the facts on the anchor; of a draft without one, none."""
        anchor = self.certificate.anchor
        if anchor is None:
            return
        yield self.fact(label_block_time(anchor), self.time(anchor.anchored_at), VERIFIED)
        yield from self.list_bracket(anchor)
        relied = anchor.relied_on
        rows = (
            (Message("certificate-chain"), self._name_chain(anchor)),
            (Message("certificate-block-height"), str(anchor.block_number)),
            (Message("certificate-block-relied-on", number=relied.number), relied.hash),
            (Message("certificate-registry-contract"), anchor.registry),
            (Message("certificate-submitter"), anchor.submitter),
            (Message("certificate-merkle-root"), anchor.root),
            (Message("certificate-assurance"), describe_basis(anchor)),
            (Message("certificate-finality"), describe_finality(anchor)),
        )
        for label, value in rows:
            yield self.fact(label, value, VERIFIED)

    def list_bracket(self, anchor: VerifiedAnchor) -> Iterator[PaperFact]:
        """Yield the times between which the record was made; the earlier one may not be proven."""
        earliest = anchor.made_no_earlier_than
        yield self.fact(
            Message("paper-made-no-earlier-than"),
            self.time(earliest) if earliest and proves_time(anchor.kind) else NOT_PROVEN,
            VERIFIED,
        )
        latest = self.time(anchor.existed_no_later_than)
        bound = describe_bound(anchor, self.certificate.verification.verified_at)
        shown = Message("paper-time-with-bound", time=latest, bound=bound)
        yield self.fact(label_latest_time(anchor.kind), shown, VERIFIED)

    def _name_chain(self, anchor: VerifiedAnchor) -> str:
        if anchor.network is None:
            return anchor.chain
        return f"{anchor.chain} ({self.say(anchor.network)})"

    def list_stated(self) -> list[PaperFact]:
        """Return what the record states about the collection."""
        account = self.certificate.account
        if account is None:
            return []
        return list(self._lines(list_lines(account.stated), self._in_record))

    @property
    def _in_record(self) -> Message:
        """Whose statements the record holds, as the source of a fact."""
        return SPEAKERS[name_record_speaker(self.certificate)][1]

    def list_observed(self) -> list[PaperFact]:
        """Return what the program that made the record observed, failed checks among it."""
        account = self.certificate.account
        if account is None:
            return []
        observed = dict(account.observed)
        cleanliness = observed.pop("cleanliness", None)
        facts = list(self._lines(list_lines(observed), OBSERVED))
        if cleanliness is not None:
            facts += self._checks(Cleanliness.model_validate(cleanliness))
        return facts

    def _checks(self, cleanliness: Cleanliness) -> Iterator[PaperFact]:
        result = CHECK_RESULTS[cleanliness.result]
        yield self.fact(Message("group-cleanliness-result"), result, OBSERVED)
        for check in cleanliness.checks:
            is_zh = self.language == "zh"
            label = show_text(check.zh if is_zh else check.en, MAX_CHARACTERS)
            observed = (check.observed_zh if is_zh else None) or check.observed
            finding = Message("check-finding", title=CHECK_RESULTS[check.result], observed=observed)
            yield self.fact(label, finding, OBSERVED)

    def _lines(self, lines: Iterable[GroupLine], source: Message) -> Iterator[PaperFact]:
        return (self.fact(line.label, line.value or NONE_FOUND, source) for line in lines)

    def list_custody(self) -> Iterator[tuple[int, list[PaperFact]]]:
        """Yield each custody event's number, and what the operator stated of it."""
        for number, entry in enumerate(self.certificate.custody or (), 1):
            lines = list_lines({"custody": entry.stated})
            yield number, list(self._lines(lines, RECORDED))
