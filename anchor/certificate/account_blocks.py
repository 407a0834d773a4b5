"""What the program observed of the collection, on the third sheet, and what the record lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from anchor.base.messages.message import Message
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
from anchor.certificate.source_blocks import list_rows
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.evidence.group_lines import GroupLine, list_lines, without_checks
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.group_values import CHECK_RESULTS
from anchor.evidence.observed_groups import CheckResult, Cleanliness, CleanlinessCheck
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.verification.report_json import AccountDocument, LackingDocument


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


def build_account(
    account: AccountDocument[Bilingual], *, is_submitted: bool = False
) -> Iterator[Block]:
    """Yield the blocks of what the program observed, cleanliness, and what is missing.

    ``is_submitted``: the record was submitted to a service, so the program was the submitter's.
    """
    apart = ("capture", "cleanliness")  # these have tables of their own
    observed = {name: value for name, value in account.observed.items() if name not in apart}
    lines = list_lines(without_checks(observed))
    title = (
        Message("certificate-account-submitted-title")
        if is_submitted
        else Message("certificate-account-observed-title")
    )
    yield fields(title, _rows(lines))
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
    rows = list(list_rows(lines, _value))
    yield from rows or [(Message("certificate-account-entries"), MISSING)]


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
