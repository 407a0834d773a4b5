"""Source and collection, and the platform, on the third sheet: each statement once, marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from anchor.base.messages.message import Message
from anchor.certificate.layout import Fields, Labelled, Value, both, fields, text
from anchor.certificate.model import Certificate
from anchor.certificate.speakers import (
    name_exhibit_speaker,
    name_record_speaker,
    show_statements,
)
from anchor.certificate.time_format import describe_time
from anchor.evidence.group_lines import GroupLine, list_lines
from anchor.evidence.statement_text import is_time

# A bundle may list 200 files; the JSON has them all.
_MOST_LINES = 60
_WITNESSES = "collection.witnesses"
_MODIFICATIONS = "modifications"

# The label, the exhibit's member in the details, and the member of the record.
_COLLECTION = (
    (Message("certificate-evidence-origin"), "origin", "source.origin"),
    (
        Message("certificate-generation-mechanism"),
        "generation_mechanism",
        "source.generation_mechanism",
    ),
    (Message("certificate-generation-time"), "generated_at", "source.generated_at_claimed"),
    (Message("certificate-storage-history"), "storage_history", "source.storage_history"),
    (Message("certificate-evidence-holder"), "holder", "source.holder"),
    (Message("certificate-collection-place"), "place", "collection.place"),
    (Message("certificate-collection-method"), "method", "collection.method"),
    (Message("certificate-collection-witnesses"), "witnesses", _WITNESSES),
    (Message("certificate-evidence-modifications"), "modifications", _MODIFICATIONS),
    (Message("certificate-exhibit-category"), "category", "kind"),
    (Message("certificate-exhibit-summary"), "content_summary", None),
    (Message("certificate-fact-to-prove"), "purpose_of_proof", None),
    (Message("certificate-record-address"), "record_address", None),
)
# The label, the platform's member in the details, and that of the record's provider.
_PLATFORM = (
    (Message("certificate-platform"), "legal_name", "legal_name"),
    (Message("certificate-platform-registration"), "registration_no", "registration_no"),
    (Message("certificate-platform-filing"), "blockchain_filing_no", "filing_no"),
    (Message("certificate-platform-mlps"), "mlps_level", "mlps_level"),
    (
        Message("certificate-platform-conflict"),
        "conflict_of_interest_statement",
        "conflict_of_interest",
    ),
    (Message("certificate-platform-fees"), "fees", "fees"),
)


def build_collection(certificate: Certificate) -> Fields:
    """Return the table of source and collection, by the details and by the record."""
    return fields(Message("certificate-collection-title"), _list_collection(certificate))


def _list_collection(certificate: Certificate) -> Iterator[Labelled]:
    account, exhibit = certificate.account, certificate.stated.exhibit
    of_exhibit, of_record = name_exhibit_speaker(certificate), name_record_speaker(certificate)
    recorded = {} if account is None else {**account.stated}
    recorded.pop("provider", None)  # it has a row in the table of the platform
    lines = list(list_lines(recorded))
    for label, name, path in _COLLECTION:
        own = [line for line in lines if path is not None and _is_of(line, path)]
        statement = getattr(exhibit, name)
        if path == _MODIFICATIONS and own and own[0].path != path:
            # Each of them has lines of its own, with their labels.
            if statement is not None:
                yield label, show_statements((statement, of_exhibit))
            continue
        lines = [line for line in lines if line not in own]
        values = _join_people(own) if path == _WITNESSES else [_spell(line) for line in own]
        yield (
            label,
            show_statements((statement, of_exhibit), *((value, of_record) for value in values)),
        )
    parties = certificate.stated.case.parties
    if parties:
        # The first part shortens them.
        shown = show_statements(*((str(party), of_exhibit) for party in parties))
        yield Message("case-parties"), shown
    yield from list_rows(lines, lambda value: show_statements((value, of_record)))


def list_rows(lines: Iterable[GroupLine], show: Callable[[str], Value]) -> Iterator[Labelled]:
    """Yield a row for each of the first lines, and one for the number of the others."""
    listed = list(lines)
    for line in listed[:_MOST_LINES]:
        yield line.label, show(_spell(line))
    if len(listed) > _MOST_LINES:
        rest = Message("certificate-account-more", count=len(listed) - _MOST_LINES)
        yield Message("certificate-account-entries"), text(rest)


def _is_of(line: GroupLine, path: str) -> bool:
    return line.path == path or line.path.startswith(f"{path}.")


def _spell(line: GroupLine) -> str:
    value = line.value or Message("check-nothing-found")
    if is_time(value):
        return describe_time(value)
    return both(value) if isinstance(value, Message) else value


def _join_people(lines: Sequence[GroupLine]) -> list[str]:
    """Return each person of a list as one text."""
    by_person = groupby(lines, key=lambda line: line.path.rpartition(".")[0])
    return [" · ".join(_spell(line) for line in person) for _, person in by_person]


def build_platform(certificate: Certificate) -> Fields:
    """Return the table of the platform, by the details and by the record."""
    made, account = certificate.stated, certificate.account
    provider = {} if account is None else account.stated.get("provider", {})
    of_record = name_record_speaker(certificate)
    rows = [
        (
            label,
            show_statements(
                (getattr(made.platform, name), "issuer"), (provider.get(member), of_record)
            ),
        )
        for label, name, member in _PLATFORM
    ]
    identity = show_statements((made.depositor.identity, "issuer"))
    rows.append((Message("certificate-depositor-identity"), identity))
    return fields(Message("certificate-platform-title"), rows)
