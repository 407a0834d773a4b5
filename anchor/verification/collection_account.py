"""Claim C7: what a record says about the collection of its evidence, and what its profile lacks.

Nothing of it is verified but that it is unchanged: the operator states one part, and the program
that made the record observed the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_reading import GroupsReading
from anchor.messages.message import Message, join
from anchor.verification.report import Verdict


def judge_account(account: GroupsReading) -> tuple[Verdict, Message]:
    """Return the verdict on claim C7 for a record without custody events, with the reason."""
    if account.is_empty:
        return Verdict.NOT_PRESENT, Message("record-without-custody-account")
    if not account.groups.members():
        return Verdict.NOT_PRESENT, Message(
            "account-uninterpreted", names=join(account.uninterpreted)
        )
    return Verdict.NOT_PRESENT, join(
        [*describe_account(account), Message("account-without-custody")], "clause"
    )


def describe_account(account: GroupsReading) -> Sequence[Message]:
    """Return what is documented by which profile, and what that profile lacks, as clauses."""
    groups = account.groups
    if groups.profile is None:
        return [Message("account-without-profile")]
    lacking = list_lacking(groups)
    if not lacking:
        return [Message("account-complete", profile=groups.profile)]
    names = join([demand.name for demand in lacking])
    return [Message("account-incomplete", profile=groups.profile, names=names)]
