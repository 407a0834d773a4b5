"""The groups of an evidence record: the open members that document how evidence was collected.

The models are the one table of these members: ``anchor.evidence.group_reading`` parses by them; the
JSON Schema of records (``docs/schemas/record.json``) and ``docs/record-groups.md`` are generated
from them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from anchor.base.canonical import MAX_INTEGER, JsonValue
from anchor.base.messages.message import Message
from anchor.evidence.custody_event import KIND as CUSTODY_KIND
from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.extract_group import DatabaseExtract
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.evidence.group_members import Group, Member, Observed, dump_group
from anchor.evidence.observed_groups import (
    Cleanliness,
    ClockComparison,
    Environment,
    WebCapture,
)
from anchor.evidence.record_notice import KINDS as NOTICE_KINDS
from anchor.evidence.record_notice import NoticeStatement
from anchor.evidence.statement_text import DigestText, StatementText, TimeText

# Beyond that number a bundle has a manifest; each item takes some 250 of a record's 65,535 bytes.
MAX_ITEMS = 200
_MAX_LINES = 100
_MAX_PEOPLE = 50
_MAX_NAME = 4_096

Kind = Literal[
    "file",
    "bundle",
    "statement",
    "web-capture",
    "screen-recording",
    "call-recording",
    "photo",
    "device-copy",
    "database-extract",
    "custody-event",
    "supersedes",
    "withdraws",
]
ProfileName = Literal["civil-zh", "criminal-zh", "us-902", "plain"]
PROFILES: tuple[ProfileName, ...] = get_args(ProfileName)


Lines = Annotated[list[StatementText], Field(min_length=1, max_length=_MAX_LINES)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
PathText = Annotated[str, Field(min_length=1, max_length=_MAX_NAME)]


class ItemDigests(Group):
    """The digests of one item's bytes."""

    sha256: Annotated[DigestText | None, Member(Message("group-digests-sha256"))] = None
    sm3: Annotated[DigestText | None, Member(Message("group-digests-sm3"))] = None

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.sha256 is None and self.sm3 is None:
            raise ValueError(Message("group-digests-empty"))
        return self


class BundleItem(Group):
    """One file of a bundle."""

    path: Annotated[PathText, Member(Message("group-items-path"))]
    digests: Annotated[ItemDigests, Member(Message("group-items-digests"))]
    size: Annotated[Count, Member(Message("group-items-size"))]
    media_type: Annotated[StatementText | None, Member(Message("group-items-media-type"))] = None
    derived_from: Annotated[PathText | None, Member(Message("group-items-derived-from"))] = None
    derivation: Annotated[StatementText | None, Member(Message("group-items-derivation"))] = None


class BundleManifest(Group):
    """The manifest of a bundle with too many files to list them."""

    format: Annotated[Literal["bagit-1.0"], Member(Message("group-manifest-format"))]
    sha256: Annotated[DigestText, Member(Message("group-manifest-sha256"))]
    files: Annotated[Count, Member(Message("group-manifest-files"))]
    bytes: Annotated[Count, Member(Message("group-manifest-bytes"))]


class Source(Group):
    """Where the evidence comes from, and how it was generated and kept before its collection."""

    origin: Annotated[StatementText | None, Member(Message("group-source-origin"))] = None
    url: Annotated[StatementText | None, Member(Message("group-source-url"))] = None
    system: Annotated[StatementText | None, Member(Message("group-source-system"))] = None
    generation_mechanism: Annotated[
        StatementText | None, Member(Message("group-source-generation-mechanism"))
    ] = None
    storage_history: Annotated[Lines | None, Member(Message("group-source-storage-history"))] = None
    author: Annotated[StatementText | None, Member(Message("group-source-author"))] = None
    holder: Annotated[StatementText | None, Member(Message("group-source-holder"))] = None
    generated_at_claimed: Annotated[
        TimeText | None, Member(Message("group-source-generated-at-claimed"))
    ] = None


class Person(Group):
    """A person who took part in the collection."""

    name: Annotated[StatementText, Member(Message("group-person-name"))]
    role: Annotated[StatementText | None, Member(Message("group-person-role"))] = None
    organisation: Annotated[StatementText | None, Member(Message("group-person-organisation"))] = (
        None
    )
    key_id: Annotated[StatementText | None, Member(Message("group-person-key-id"))] = None


People = Annotated[list[Person], Field(min_length=1, max_length=_MAX_PEOPLE)]


class CollectionAct(Group):
    """How, when, where and by whom the evidence was collected."""

    started_at: Annotated[TimeText | None, Member(Message("group-collection-started-at"))] = None
    ended_at: Annotated[TimeText | None, Member(Message("group-collection-ended-at"))] = None
    place: Annotated[StatementText | None, Member(Message("group-collection-place"))] = None
    method: Annotated[StatementText | None, Member(Message("group-collection-method"))] = None
    steps: Annotated[Lines | None, Member(Message("group-collection-steps"))] = None
    operators: Annotated[People | None, Member(Message("group-collection-operators"))] = None
    witnesses: Annotated[People | None, Member(Message("group-collection-witnesses"))] = None
    refusal_reason: Annotated[
        StatementText | None, Member(Message("group-collection-refusal-reason"))
    ] = None
    recording_digest: Annotated[
        DigestText | None, Member(Message("group-collection-recording-digest"))
    ] = None
    reproducible: Annotated[
        Literal["yes", "no", "not_attempted"] | None,
        Member(Message("group-collection-reproducible")),
    ] = None
    reproduce: Annotated[StatementText | None, Member(Message("group-collection-reproduce"))] = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.started_at and self.ended_at:
            start, end = map(datetime.fromisoformat, (self.started_at, self.ended_at))
            if end < start:
                raise ValueError(Message("group-collection-ends-before-start"))
        return self


class Provider(Group):
    """The preservation provider, in the points on which its qualification is examined."""

    legal_name: Annotated[StatementText | None, Member(Message("group-provider-legal-name"))] = None
    registration_no: Annotated[
        StatementText | None, Member(Message("group-provider-registration-no"))
    ] = None
    filing_no: Annotated[StatementText | None, Member(Message("group-provider-filing-no"))] = None
    mlps_level: Annotated[StatementText | None, Member(Message("group-provider-mlps-level"))] = None
    conflict_of_interest: Annotated[
        StatementText | None, Member(Message("group-provider-conflict-of-interest"))
    ] = None
    fees: Annotated[StatementText | None, Member(Message("group-provider-fees"))] = None


class PlatformUse(Group):
    """The software that made the record, and the chain and registry that it is configured for."""

    software: Annotated[StatementText | None, Observed(Message("group-platform-software"))] = None
    version: Annotated[StatementText | None, Observed(Message("group-platform-version"))] = None
    installation_sha256: Annotated[
        DigestText | None, Observed(Message("group-platform-installation-sha256"))
    ] = None
    distributions_sha256: Annotated[
        DigestText | None, Observed(Message("group-platform-distributions-sha256"))
    ] = None
    argv: Annotated[Lines | None, Observed(Message("group-platform-argv"))] = None
    config_sha256: Annotated[
        DigestText | None, Observed(Message("group-platform-config-sha256"))
    ] = None
    chain: Annotated[StatementText | None, Member(Message("group-platform-chain"))] = None
    registry: Annotated[StatementText | None, Member(Message("group-platform-registry"))] = None
    code_hash: Annotated[StatementText | None, Member(Message("group-platform-code-hash"))] = None


class Process(Group):
    """The process of collection and preservation that was followed."""

    standards: Annotated[Lines | None, Member(Message("group-process-standards"))] = None
    description: Annotated[StatementText | None, Member(Message("group-process-description"))] = (
        None
    )


class Modification(Group):
    """One change of the evidence between its generation and its record."""

    change: Annotated[StatementText, Member(Message("group-modifications-change"))]
    why: Annotated[StatementText, Member(Message("group-modifications-why"))]
    by: Annotated[StatementText | None, Member(Message("group-modifications-by"))] = None
    at: Annotated[TimeText | None, Member(Message("group-modifications-at"))] = None
    digest_before: Annotated[
        DigestText | None, Member(Message("group-modifications-digest-before"))
    ] = None
    digest_after: Annotated[
        DigestText | None, Member(Message("group-modifications-digest-after"))
    ] = None


Modifications = (
    Literal["none-declared"]
    | Annotated[list[Modification], Field(min_length=1, max_length=_MAX_PEOPLE)]
)


class RecordGroups(Group):
    """The open members of a record that this release interprets."""

    profile: Annotated[ProfileName | None, Member(Message("group-profile"))] = None
    kind: Annotated[Kind | None, Member(Message("group-kind"))] = None
    items: Annotated[
        Annotated[list[BundleItem], Field(min_length=1, max_length=MAX_ITEMS)] | None,
        Member(Message("group-items")),
    ] = None
    manifest: Annotated[BundleManifest | None, Member(Message("group-manifest"))] = None
    source: Annotated[Source | None, Member(Message("group-source"))] = None
    collection: Annotated[CollectionAct | None, Member(Message("group-collection"))] = None
    provider: Annotated[Provider | None, Member(Message("group-provider"))] = None
    platform: Annotated[PlatformUse | None, Member(Message("group-platform"))] = None
    process: Annotated[Process | None, Member(Message("group-process"))] = None
    environment: Annotated[Environment | None, Observed(Message("group-environment"))] = None
    cleanliness: Annotated[Cleanliness | None, Observed(Message("group-cleanliness"))] = None
    custody: Annotated[CustodyEvent | None, Member(Message("group-custody"))] = None
    notice: Annotated[NoticeStatement | None, Member(Message("group-notice"))] = None
    extract: Annotated[DatabaseExtract | None, Observed(Message("group-extract"))] = None
    foreign_capture: Annotated[
        ForeignCapture | None, Observed(Message("group-foreign-capture"))
    ] = None
    clock: Annotated[ClockComparison | None, Observed(Message("group-clock"))] = None
    capture: Annotated[WebCapture | None, Observed(Message("group-capture"))] = None
    modifications: Annotated[Modifications | None, Member(Message("group-modifications"))] = None
    previous_record: Annotated[DigestText | None, Member(Message("group-previous-record"))] = None
    retention_until: Annotated[TimeText | None, Member(Message("group-retention-until"))] = None
    legal_hold: Annotated[StatementText | None, Member(Message("group-legal-hold"))] = None

    @model_validator(mode="after")
    def _check_contents(self) -> Self:
        if self.items is not None and self.manifest is not None:
            raise ValueError(Message("group-items-and-manifest"))
        if (self.custody is None) == (self.kind == CUSTODY_KIND):
            raise ValueError(Message("group-custody-kind"))
        stated = self.kind if self.kind in NOTICE_KINDS else None
        if (None if self.notice is None else self.notice.kind) != stated:
            raise ValueError(Message("group-notice-kind"))
        return self

    def members(self) -> dict[str, JsonValue]:
        """Return the groups as members of a record."""
        return dump_group(self)
