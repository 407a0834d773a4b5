"""What the record says about the collection, on the third sheet: stated and observed apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from anchor.certificate.foreign_text import show_text
from anchor.certificate.layout import (
    MISSING,
    Block,
    Fields,
    LabelledRow,
    Notes,
    Value,
    both,
    fields,
)
from anchor.certificate.model import Bilingual, bilingual
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.evidence.group_lines import GroupLine, list_lines, without_checks
from anchor.evidence.group_members import list_members
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.group_values import CHECK_RESULTS
from anchor.evidence.observed_groups import CheckResult, Cleanliness, CleanlinessCheck
from anchor.evidence.record_groups import Provider
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.messages.message import Message
from anchor.verification.report_json import AccountDocument, LackingDocument

# A bundle may list 200 files; the JSON has them all.
_MOST_LINES = 60


def describe_account(account: CollectionAccount) -> AccountDocument[Bilingual]:
    """Return a record's account as the certificate's member."""
    return AccountDocument[Bilingual](
        stated=account.list_values("stated"),
        observed=account.list_values("observed"),
        uninterpreted=list(account.uninterpreted),
        lacking=[
            LackingDocument[Bilingual](
                member=demand.name, level=demand.level, text=bilingual(demand.describe())
            )
            for demand in list_lacking(account.groups)
        ],
    )


def build_account(account: AccountDocument[Bilingual]) -> Iterator[Block]:
    """Yield the blocks of a record's account: stated, observed, cleanliness, what is missing."""
    stated = {name: value for name, value in account.stated.items() if name != "provider"}
    provider = account.stated.get("provider", {})
    yield fields(Message("certificate-account-stated-title"), _rows(list_lines(stated)))
    yield fields(
        Message("certificate-account-provider-title"),
        (
            (member.label, _value(provider[name]) if name in provider else MISSING)
            for name, member in list_members(Provider).items()
        ),
    )
    apart = ("capture", "cleanliness")  # these have tables of their own
    observed = {name: value for name, value in account.observed.items() if name not in apart}
    lines = list_lines(without_checks(observed))
    yield fields(Message("certificate-account-observed-title"), _rows(lines))
    yield _cleanliness(account.observed)
    if "foreign_capture" in account.observed:
        yield _findings(ForeignCapture.model_validate(account.observed["foreign_capture"]))
    if account.lacking:
        yield Notes(
            title=bilingual(Message("certificate-account-lacking-title")),
            items=tuple(entry.text for entry in account.lacking),
            is_list=True,
        )
    if account.uninterpreted:
        names = show_text(", ".join(account.uninterpreted), MAX_CHARACTERS)
        yield _note(Message("account-uninterpreted", names=names))
    yield _note(Message("certificate-account-unverified"))


def _note(message: Message) -> Notes:
    return Notes(title=None, items=(bilingual(message),), is_list=False)


def _rows(lines: Iterable[GroupLine]) -> Iterator[tuple[Message, Value]]:
    listed = list(lines)
    if not listed:
        yield Message("certificate-account-entries"), MISSING
    for line in listed[:_MOST_LINES]:
        yield line.label, _value(line.value or Message("check-nothing-found"))
    if len(listed) > _MOST_LINES:
        rest = Message("certificate-account-more", count=len(listed) - _MOST_LINES)
        yield Message("certificate-account-entries"), _value(rest)


def _value(text: str) -> Value:
    shown = both(text) if isinstance(text, Message) else text
    return Value(kind="text", lines=(show_text(shown, MAX_CHARACTERS),))


def _cleanliness(observed: Mapping[str, object]) -> Fields:
    title = bilingual(Message("certificate-environment-cleanliness"))
    if "cleanliness" not in observed:
        row = LabelledRow(label=bilingual(Message("group-cleanliness-checks")), value=MISSING)
        return Fields(title=title, rows=(row,))
    cleanliness = Cleanliness.model_validate(observed["cleanliness"])
    summary = LabelledRow(
        label=bilingual(Message("group-cleanliness-result")),
        value=_judged(cleanliness.result, cleanliness.started_at),
    )
    return Fields(title=title, rows=(summary, *map(_row, cleanliness.checks)))


def _findings(capture: ForeignCapture) -> Fields:
    title = bilingual(Message("certificate-foreign-capture-findings"))
    return Fields(title=title, rows=tuple(map(_row, capture.findings)))


def _row(check: CleanlinessCheck) -> LabelledRow:
    return LabelledRow(
        label=Bilingual(
            zh=show_text(check.zh, MAX_CHARACTERS), en=show_text(check.en, MAX_CHARACTERS)
        ),
        value=_judged(check.result, check.observed_zh, check.observed),
    )


def _judged(result: CheckResult, *observed: str | None) -> Value:
    texts = (show_text(text, MAX_CHARACTERS) for text in observed if text is not None)
    lines = (both(CHECK_RESULTS[result]), *texts)
    return Value(kind="text" if result == "pass" else "caution", lines=lines)
