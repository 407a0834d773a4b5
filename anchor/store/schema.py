"""The store's tables: one schema for every database (SQLAlchemy Core).

What each table keeps durable:

- ``project``: the pins of ``anchor init``: log, chain, genesis, registry, code hash.  One row.
- ``lease``: the process that seals and sends, and the epoch, which each new holder increments.  One
  row.
- ``runs``: the pieces of evidence as columns, up to 1,024 in a row, in the order of the log.  All
  of a piece may be erased later, except its leaf.
- ``fingerprint_runs``, ``fingerprints``: sorted identities and digests, by which pieces are found.
- ``record_index``: how many pieces are entered by record and leaf.  One row.
- ``keys``: the idempotency keys under which evidence was submitted.
- ``heads``: every sealed head and its right edge, from which alone the log can continue.
- ``slots``: each nonce this project reserved, and its outcome.  At most one is open on a chain.
- ``attempts``: every transaction ever signed, byte for byte, stored before it was sent.
- ``anchors``: the heads seen in the registry, and whether that block is final.
- ``state_proofs``: proofs of final anchors, each with that of a block which records name.
- ``incidents``: final anchors that the chain contradicted, with both observations.
- ``tenants``: the tenants of the service, and their quotas.
- ``api_keys``: the hashes of the tenants' API keys.
- ``usage``: the number of pieces accepted for each tenant, by day.
- ``erasures``: the leaves whose evidence was erased, and whether all of it is off the disk.
- ``holds``: the legal holds: evidence that must not be erased, and why.
- ``jobs``: the work that a transaction ordered and a worker of the service has yet to do.
- ``certificates``: the certificates that the service was asked for, and those it revoked.
- ``certificate_files``: the files of issued certificates, until their evidence is erased.
- ``people``: the persons who signed in, as their providers stated them.
- ``identities``: the provider and the subject by which a person is recognised.
- ``memberships``: the persons of each tenant, and their roles.
- ``invitations``: the hashes of invitations to a tenant, each for one person.
- ``sessions``: the hashes of browser sessions, of a person or of an administrator's key.
- ``tenant_slices``: the parts of the log in which a tenant has evidence.
- ``tenant_events``: each tenant's audit trail, to which rows are only added.
- ``cases``, ``case_parties``: the tenants' cases, with their parties and legal holds.
- ``case_exhibits``: the evidence in each case, in order; without its digests once it is erased.
- ``case_notes``: notes in cases, to which rows are only added.
- ``case_members``: the persons of the tenant who see a case.
- ``name_index``: how many pieces are entered by name.  One row.
- ``name_blocks``: each tenant's names of evidence, by which it is searched; derived from the runs.
- ``retention_index``: how many pieces were searched for retention dates.  One row.
- ``retentions``: evidence with a retention date, what was told of it, and when to look again.
- ``announcements``: events about which messages have yet to be made.
- ``webhooks``: where tenants want to be told about events, with the secrets that sign messages.
- ``deliveries``: messages to webhooks and persons, waiting or settled.
- ``kept_copies``: copies of originals that tenants keep, with the key of each, encrypted.
- ``kept_copy_parts``: the parts of a copy, each an encrypted object of the object store.
- ``captures``: captures of web pages that tenants ordered, and what became of each.
- ``mail_choices``: what each person wants to be told by e-mail, and in which language.
- ``mail_confirmations``: e-mail addresses that their owners confirmed or were asked to confirm.
- ``blocked_networks``: addresses and networks from which the service answers nobody for a time.
- ``limited_addresses``: addresses that exceeded a limit lately, the newest thousand.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    text,
)


class Bytes(LargeBinary):
    """Binary column passed to and from the driver unchanged; SQLAlchemy would copy each value."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Convert nothing."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Convert nothing."""


# 64 bits everywhere; SQLite's INTEGER has them, and its STRICT tables know no BIGINT.
Int64 = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: Column[Any] | Constraint | Index) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _index_where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """Return a partial index over the rows that meet ``condition``."""
    where = text(condition)
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _alter_in_postgresql(table: Table, *changes: str) -> None:
    statement = text(f"ALTER TABLE {table.name} {', '.join(changes)}")

    def alter(_: Table, connection: Connection, **__: object) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(statement)

    event.listen(table, "after_create", alter)


def _leave_unsampled(table: Table, storage: str) -> None:
    """In PostgreSQL, choose the storage of binary columns, and keep them out of the statistics.

    What may have to be erased is never sampled into the catalogue, where no VACUUM of the table
    would remove it.
    """
    names = [column.name for column in table.columns if isinstance(column.type, Bytes)]
    _alter_in_postgresql(table, *(f"ALTER {name} SET STORAGE {storage}" for name in names))
    _alter_in_postgresql(table, *(f"ALTER {name} SET STATISTICS 0" for name in names))


project = _table(
    "project",
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("log", Bytes, nullable=False),
    Column("chain_id", Int64, nullable=False),
    Column("genesis", Bytes, nullable=False),
    Column("registry", Bytes, nullable=False),
    Column("code_hash", Bytes, nullable=False),
    Column("created_at", Text, nullable=False),
)

lease = _table(
    "lease",
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("epoch", Int64, nullable=False),
    Column("holder", Text, nullable=False),
)

runs = _table(
    "runs",
    # The index of its first piece; the runs have no gap.
    Column("first", Int64, primary_key=True, autoincrement=False),
    Column("pieces", Integer, nullable=False),
    Column("accepted_at", Text, nullable=False),
    # Sums: bytes of the records, and pieces without one.
    Column("record_bytes", Int64, nullable=False),
    Column("erased", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    # What pieces have in common, as JSON; then the columns, see ``anchor.store.columns``.
    Column("shared", Bytes, nullable=False),
    Column("leaves", Bytes, nullable=False),
    Column("kinds", Bytes, nullable=False),
    Column("times", Bytes),
    Column("sha256", Bytes),
    Column("sm3", Bytes),
    Column("starts", Bytes),
    Column("tails", Bytes),
    Column("salts", Bytes),
    Column("sizes", Bytes),
    Column("names", Bytes),
    Column("sources", Bytes),
    Column("records", Bytes),
)
# Random bytes do not compress.
_leave_unsampled(runs, "EXTERNAL")

# The pages of a run of fingerprints are in ``fingerprints``.
fingerprint_runs = _table(
    "fingerprint_runs",
    Column("run", Int64, primary_key=True, autoincrement=False),
    # What the keys are: 1 identities, 2 SM3 digests, 3 hashes of sources, 4 hashes of records,
    # 5 leaves.
    Column("about", Integer, nullable=False),
    Column("entries", Int64, nullable=False),
    # 0 being built, 1 live, 2 dead: being deleted.
    Column("state", Integer, nullable=False),
    # The run, being built, into which this one is merged; NULL if none is.
    Column("target", Int64),
)

fingerprints = _table(
    "fingerprints",
    Column("run", Int64, primary_key=True, autoincrement=False),
    Column("first", Bytes, primary_key=True),
    Column("body", Bytes, nullable=False),
)
_leave_unsampled(fingerprints, "PLAIN")
# Merges leave as many dead pages as they write: they are used again if VACUUM keeps up.
_alter_in_postgresql(
    fingerprints,
    "SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
)

record_index = _table(
    "record_index",
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    # How many pieces, the first ones, have their entries.
    Column("size", Int64, nullable=False),
)

keys = _table(
    "keys",
    Column("key", Bytes, primary_key=True),
    # No foreign key: a piece is not a row.  The audit checks each.
    Column("piece", Int64, nullable=False),
)

heads = _table(
    "heads",
    Column("size", Int64, primary_key=True, autoincrement=False),
    Column("root", Bytes, nullable=False, unique=True),
    Column("right_edge", Bytes, nullable=False),
    Column("sealed_at", Text, nullable=False),
)

slots = _table(
    "slots",
    Column("chain_id", Int64, primary_key=True, autoincrement=False),
    Column("sender", Bytes, primary_key=True),
    Column("nonce", Int64, primary_key=True, autoincrement=False),
    Column("reserved_at", Text, nullable=False),
    # NULL while open; then the outcome: 'included', 'reverted', 'foreign', 'unused' or 'given-up'.
    # The first two are final once `confirmed_at` is set; 'lost' was undone by a reorganisation.
    Column("outcome", Text),
    # The cost, if one of our transactions was included: gas, wei per gas, and the block's time;
    # and a rollup's fee for the data on its parent chain, in wei.
    Column("gas_used", Int64),
    Column("gas_price", Int64),
    Column("included_at", Int64),
    Column("l1_fee", Int64),
    # When a final block confirmed the cost; until then the maximum possible cost counts.
    Column("confirmed_at", Text),
    # For the costs of the last days.
    Index("ix_slots_included_at", "chain_id", "included_at"),
    _index_where("ix_slots_unconfirmed", "confirmed_at IS NULL", "chain_id"),
    _index_where("uq_slots_open", "outcome IS NULL", "chain_id", unique=True),
)

attempts = _table(
    "attempts",
    Column("tx_hash", Bytes, primary_key=True),
    Column("chain_id", Int64, nullable=False),
    Column("sender", Bytes, nullable=False),
    Column("nonce", Int64, nullable=False),
    # NULL for a deployment, which anchors nothing.
    Column("head_size", Int64, ForeignKey("heads.size")),
    Column("raw", Bytes, nullable=False),
    Column("max_fee", Int64, nullable=False),
    Column("priority_fee", Int64, nullable=False),
    Column("signed_at", Text, nullable=False),
    # The highest expected fee of a rollup for the data, in wei; NULL on other chains.
    Column("l1_fee", Int64),
    ForeignKeyConstraint(
        ["chain_id", "sender", "nonce"], ["slots.chain_id", "slots.sender", "slots.nonce"]
    ),
)

anchors = _table(
    "anchors",
    Column("chain_id", Int64, primary_key=True, autoincrement=False),
    Column("head_size", Int64, ForeignKey("heads.size"), primary_key=True, autoincrement=False),
    Column("sequence", Int64, nullable=False),
    Column("block_number", Int64, nullable=False),
    Column("timestamp", Int64, nullable=False),
    Column("final", Integer, CheckConstraint("final IN (0, 1)", name="flag"), nullable=False),
    # Hints for people: where our transaction was included.  NULL for an adopted anchor.
    Column("tx_hash", Bytes),
    Column("block_hash", Bytes),
    # When this project first saw the anchor in a final block, by its own clock.
    Column("final_at", Text),
    # Why no state proof could be made; NULL if one was made, or none was attempted.
    Column("proof_trouble", Text),
    _index_where("ix_anchors_reversible", "final = 0", "chain_id"),
    _index_where("ix_anchors_unproven", "proof_trouble IS NOT NULL", "chain_id"),
)

state_proofs = _table(
    "state_proofs",
    Column("chain_id", Int64, primary_key=True, autoincrement=False),
    Column("head_size", Int64, ForeignKey("heads.size"), primary_key=True, autoincrement=False),
    # The hash of the block that records name.
    Column("block_hash", Bytes, primary_key=True),
    # The receipt's member `state` with its `beacon`, as compressed JSON.
    Column("proof", Bytes, nullable=False),
)

incidents = _table(
    "incidents",
    Column("id", Int64, primary_key=True),
    Column("chain_id", Int64, nullable=False),
    Column("head_size", Int64, ForeignKey("heads.size"), nullable=False),
    Column("noticed_at", Text, nullable=False),
    # The final anchor, as it was in `anchors`.
    Column("sequence", Int64, nullable=False),
    Column("block_number", Int64, nullable=False),
    Column("timestamp", Int64, nullable=False),
    Column("tx_hash", Bytes),
    Column("block_hash", Bytes),
    # The registry's present record; NULL if the registry does not hold the head.
    Column("now_sequence", Int64),
    Column("now_block_number", Int64),
    Column("now_timestamp", Int64),
    # When the operator accepted the incident; NULL while it is open, or if it was withdrawn.
    Column("accepted_at", Text),
    # The final block in which the contradiction was seen.
    Column("seen_block", Int64),
    # When, and in which later final block, the anchor was seen again; NULL while it is open.
    Column("withdrawn_at", Text),
    Column("withdrawn_block", Int64),
    _index_where(
        "uq_incidents_open",
        "accepted_at IS NULL AND withdrawn_at IS NULL",
        "chain_id",
        "head_size",
        unique=True,
    ),
)

tenants = _table(
    "tenants",
    Column("name", Text, primary_key=True),
    # New evidence per day and per minute (UTC); NULL for no limit.
    Column("per_day", Int64),
    Column("per_minute", Int64),
    Column("created_at", Text, nullable=False),
    # Since when its keys and people are refused; NULL if they are not.
    Column("suspended_at", Text),
)

tenant_slices = _table(
    "tenant_slices",
    # No foreign key: evidence of a tenant may be stored before the tenant is.
    Column("tenant", Text, primary_key=True),
    # A multiple of 1,024: the tenant has a piece with one of the 1,024 indices from it on.
    Column("first", Int64, primary_key=True, autoincrement=False),
)

api_keys = _table(
    "api_keys",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    # SHA-256 of the secret: 256 random bits need no slower hash.
    Column("secret_hash", Bytes, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
)

usage = _table(
    "usage",
    Column("tenant", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("accepted", Int64, nullable=False),
    # The last minute in which evidence was accepted, and how much.
    Column("minute", Text, nullable=False),
    Column("in_minute", Int64, nullable=False),
)

erasures = _table(
    "erasures",
    Column("id", Int64, primary_key=True),
    Column("leaf", Bytes, nullable=False),
    # A hash of the tenant and the id assigned by the service; NULL if the id is not known.
    Column("id_hash", Bytes),
    # The leaf of the record that states the erasure; NULL if that record is lost.
    Column("statement", Bytes),
    Column("erased_at", Text, nullable=False),
    # NULL until the data is gone from receipts, side file and the database's free space.
    Column("finished_at", Text),
    Index("ix_erasures_id_hash", "id_hash"),
    _index_where("ix_erasures_unfinished", "finished_at IS NULL", "id"),
)

holds = _table(
    "holds",
    Column("id", Int64, primary_key=True),
    Column("name", Text, nullable=False),
    # Exactly one is set: a piece of evidence, or a tenant for all of its evidence.
    Column("leaf", Bytes),
    Column("tenant", Text),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", Text, nullable=False),
    CheckConstraint("(leaf IS NULL) <> (tenant IS NULL)", name="one_scope"),
)

jobs = _table(
    "jobs",
    Column("id", Int64, primary_key=True),
    Column("kind", Text, nullable=False),
    # The id of what is to be made or sent; its kind says in which table.
    Column("about", Text, nullable=False),
    # When it is to be tried; while a worker is at it, when it counts as abandoned.
    Column("due_at", Text, nullable=False),
    Column("attempts", Int64, nullable=False),
    # How many of them failed; waiting for something is no failure.
    Column("failures", Int64, nullable=False),
    Index("ix_jobs_due_at", "due_at"),
    # Why the last attempt failed, by language (JSON), cut to a length.
    Column("trouble", Text),
)

certificates = _table(
    "certificates",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    # The piece of evidence; NULL once it is erased.
    Column("identity", Bytes),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Text, nullable=False),
    # Exactly one is set when the job is done: the number that the certificate bears, or why it was
    # not issued, as JSON.
    Column("number", Text),
    Column("refusal", Text),
    Column("issued_at", Text),
    Column("revoked_at", Text),
    Column("revocation", Text),
    Index("ix_certificates_identity", "identity"),
    _index_where("ix_certificates_waiting", "number IS NULL AND refusal IS NULL", "tenant"),
    Index("ix_certificates_number", "number"),
)

certificate_files = _table(
    "certificate_files",
    Column("certificate", Text, ForeignKey("certificates.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("sha256", Bytes, nullable=False),
    Column("body", Bytes, nullable=False),
)

people = _table(
    "people",
    Column("id", Text, primary_key=True),
    # As the provider stated them at the last sign-in.
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column(
        "email_verified",
        Integer,
        CheckConstraint("email_verified IN (0, 1)", name="flag"),
        nullable=False,
    ),
    Column("created_at", Text, nullable=False),
)

identities = _table(
    "identities",
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("created_at", Text, nullable=False),
    Index("ix_identities_person", "person"),
)

memberships = _table(
    "memberships",
    Column("tenant", Text, ForeignKey("tenants.name"), primary_key=True),
    Column("person", Text, ForeignKey("people.id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("since", Text, nullable=False),
    Index("ix_memberships_person", "person"),
)

invitations = _table(
    "invitations",
    Column("id", Text, primary_key=True),
    # SHA-256 of the token: 256 random bits need no slower hash.
    Column("token_hash", Bytes, nullable=False, unique=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    Column("role", Text, nullable=False),
    # For whom the inviter meant it; not checked.
    Column("email", Text),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    # When it was used or withdrawn, and who used it; NULL while it is open.
    Column("ended_at", Text),
    Column("used_by", Text, ForeignKey("people.id")),
    Index("ix_invitations_tenant", "tenant"),
)

sessions = _table(
    "sessions",
    Column("id", Text, primary_key=True),
    Column("token_hash", Bytes, nullable=False, unique=True),
    # Exactly one is set: a person, or the API key of an administrator.
    Column("person", Text, ForeignKey("people.id")),
    Column("api_key", Text, ForeignKey("api_keys.id")),
    # The browser as its header names it.
    Column("browser", Text, nullable=False),
    Column("begun_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    # To the minute.
    Column("used_at", Text, nullable=False),
    Column("ended_at", Text),
    # By which it was begun; NULL after a sign-in with a provider or a key.
    Column("passkey", Text),
    CheckConstraint("(person IS NULL) <> (api_key IS NULL)", name="one_holder"),
    Index("ix_sessions_person", "person"),
    Index("ix_sessions_expires_at", "expires_at"),
)

tenant_events = _table(
    "tenant_events",
    Column("id", Int64, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    Column("at", Text, nullable=False),
    # Who did it: a person, a key, or a user of the operator's machine.
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    # What it was done to: a person, an invitation, a key.
    Column("subject", Text),
    # Further members, as canonical JSON; never a secret or a person's name.
    Column("details", Text, nullable=False),
    Index("ix_tenant_events_tenant", "tenant", "id"),
    Index("ix_tenant_events_at", "tenant", "at"),
    Index("ix_tenant_events_subject", "tenant", "subject"),
)

cases = _table(
    "cases",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    # As the court, the authority or the tenant writes it.
    Column("number", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("authority", Text, nullable=False),
    # Number, title, authority and parties as they are searched.
    Column("folded", Text, nullable=False),
    # 1: every person of the tenant sees it; 0: its members and the tenant's owners.
    Column("shared", Integer, CheckConstraint("shared IN (0, 1)", name="flag"), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("closed_at", Text),
    # The legal hold on the exhibits, in force while the case is open; NULL if there is none.
    Column("hold_reason", Text),
    Column("hold_by", Text),
    Column("hold_at", Text),
    CheckConstraint("(hold_reason IS NULL) = (hold_at IS NULL)", name="whole_hold"),
    Index("uq_cases_number", "tenant", "number", unique=True),
    Index("ix_cases_created_at", "tenant", "created_at", "id"),
)

case_parties = _table(
    "case_parties",
    Column("case", Text, ForeignKey("cases.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
)

case_exhibits = _table(
    "case_exhibits",
    Column("id", Text, primary_key=True),
    Column("case", Text, ForeignKey("cases.id"), nullable=False),
    # From 1, without a gap.
    Column("position", Integer, nullable=False),
    Column("leaf", Bytes, nullable=False),
    # The piece of evidence; NULL once it is erased, or its record was lost.
    Column("identity", Bytes),
    Column("label", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("added_at", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("erased_at", Text),
    Index("ix_case_exhibits_case", "case", "position"),
    Index("ix_case_exhibits_identity", "identity"),
    Index("ix_case_exhibits_leaf", "leaf"),
)

case_notes = _table(
    "case_notes",
    Column("id", Int64, primary_key=True),
    Column("case", Text, ForeignKey("cases.id"), nullable=False),
    Column("at", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_case_notes_case", "case", "id"),
)

case_members = _table(
    "case_members",
    Column("case", Text, ForeignKey("cases.id"), primary_key=True),
    Column("person", Text, ForeignKey("people.id"), primary_key=True),
    Column("since", Text, nullable=False),
    Index("ix_case_members_person", "person"),
)
case_links = _table(
    "case_links",
    Column("id", Text, primary_key=True),
    # SHA-256 of the token: 256 random bits need no slower hash.
    Column("token_hash", Bytes, nullable=False, unique=True),
    Column("case", Text, ForeignKey("cases.id"), nullable=False),
    # For whom it was made.
    Column("label", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("revoked_at", Text),
    # How often it was used, when last, and when an event of the audit trail last said so.
    Column("opened", Int64, nullable=False),
    Column("opened_at", Text),
    Column("noted_at", Text),
    Index("ix_case_links_case", "case"),
)

name_index = _table(
    "name_index",
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    # How many pieces, the first ones, are in ``name_blocks``.
    Column("size", Int64, nullable=False),
)

name_blocks = _table(
    "name_blocks",
    # No foreign key: evidence may be that of a tenant without a row.
    Column("tenant", Text, primary_key=True),
    # At most the index of its first piece, and more than those of the block before.
    Column("first", Int64, primary_key=True, autoincrement=False),
    # The pieces' indices, eight bytes each, little-endian; and their names, folded, a line each.
    Column("places", Bytes, nullable=False),
    Column("body", Bytes, nullable=False),
    Column("filter", Bytes, nullable=False),
)
# A search reads many of them, and has no time to unpack any.
_leave_unsampled(name_blocks, "EXTERNAL")

retention_index = _table(
    "retention_index",
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    # How many pieces, the first ones, are in ``retentions`` if they have a date.
    Column("size", Int64, nullable=False),
)

retentions = _table(
    "retentions",
    Column("identity", Bytes, primary_key=True),
    # NULL for evidence that the operator accepted.
    Column("tenant", Text),
    # The date that the record states, the one that an owner set, and the later of them.
    Column("record_until", Text),
    Column("owner_until", Text),
    Column("until", Text, nullable=False),
    # How many notices were told, and when the last one.
    Column("told", Int64, nullable=False),
    Column("told_at", Text),
    # When to look at it again; empty: at once.
    Column("next_at", Text, nullable=False),
    # What beat the last try of an erasure.
    Column("beaten_by", Text),
    Index("ix_retentions_next_at", "next_at"),
    Index("ix_retentions_until", "tenant", "until"),
)

announcements = _table(
    "announcements",
    Column("id", Text, primary_key=True),
    # NULL for finality, which concerns the tenants of all evidence that became final.
    Column("tenant", Text, ForeignKey("tenants.name")),
    Column("at", Text, nullable=False),
    Column("event", Text, nullable=False),
    # Canonical JSON; never a secret or a person's name.
    Column("data", Text, nullable=False),
)

webhooks = _table(
    "webhooks",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    # Messages are signed with it, so it cannot be stored as a hash; the former one until its time.
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),
    Column("former_until", Text),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    # Since when no delivery succeeded; NULL after a success.
    Column("failing_since", Text),
    Column("disabled_at", Text),
    Index("ix_webhooks_tenant", "tenant"),
)

deliveries = _table(
    "deliveries",
    Column("number", Int64, primary_key=True),
    # The id that the receiver sees, the same in each attempt.
    Column("message", Text, nullable=False, unique=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False),
    # Exactly one is set.
    Column("webhook", Text, ForeignKey("webhooks.id")),
    Column("person", Text, ForeignKey("people.id")),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    # From when its attempts count: when it was made, or sent again by hand.
    Column("begun_at", Text, nullable=False),
    # 'waiting', 'delivered' or 'failed'.
    Column("state", Text, nullable=False),
    Column("attempts", Int64, nullable=False),
    Column("tried_at", Text),
    # The next attempt, as planned after a failure.
    Column("due_at", Text),
    # The receiver's status, and why the last attempt failed.
    Column("status", Int64),
    Column("trouble", Text),
    CheckConstraint("(webhook IS NULL) <> (person IS NULL)", name="one_receiver"),
    Index("ix_deliveries_webhook", "webhook", "number"),
    Index("ix_deliveries_person", "person"),
    _index_where("ix_deliveries_waiting", "state = 'waiting'", "attempts"),
    _index_where("ix_deliveries_failed", "state = 'failed'", "tried_at"),
)

mail_choices = _table(
    "mail_choices",
    Column("person", Text, ForeignKey("people.id"), primary_key=True),
    # The chosen topics; NULL if none was ever chosen.
    Column("topics", Text),
    # 'en' or 'zh'; NULL for both.
    Column("language", Text),
    # In the links by which e-mails are ended without a sign-in.
    Column("token", Text, nullable=False, unique=True),
)

kept_copies = _table(
    "kept_copies",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    # The piece of evidence; NULL once it is erased, or the copy deleted.
    Column("identity", Bytes),
    Column("length", Int64, nullable=False),
    # How many of its bytes are stored, and in how many parts.
    Column("received", Int64, nullable=False),
    Column("parts", Int64, nullable=False),
    # 'receiving', 'checking', 'waiting', 'kept', 'refused' or 'deleted'.
    Column("state", Text, nullable=False),
    Column("reason", Text),
    # Tink's encrypted keyset; without it nobody can read the objects.
    Column("wrapped_key", Bytes),
    Column("begun_by", Text, nullable=False),
    Column("begun_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("settled_at", Text),
    CheckConstraint(
        "(wrapped_key IS NULL) = (state IN ('refused', 'deleted'))", name="key_while_it_lives"
    ),
    Index("ix_kept_copies_identity", "identity"),
    _index_where("ix_kept_copies_tenant", "wrapped_key IS NOT NULL", "tenant", "length"),
    _index_where("uq_kept_copies_live", "wrapped_key IS NOT NULL", "identity", unique=True),
)

kept_copy_parts = _table(
    "kept_copy_parts",
    Column("copy", Text, ForeignKey("kept_copies.id"), primary_key=True),
    # From 0, without a gap.
    Column("number", Int64, primary_key=True, autoincrement=False),
    Column("object", Text, nullable=False),
    Column("size", Int64, nullable=False),
)

captures = _table(
    "captures",
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    # SHA-256 of the tenant and the idempotency key.
    Column("key_hash", Bytes, unique=True),
    # NULL, as all that tells of the page, once its evidence is erased.
    Column("url", Text),
    Column("options", Text),
    # 'waiting', 'running', 'recorded' or 'refused'.
    Column("state", Text, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", Text, nullable=False),
    # When it was last handed to the worker, how often, and the block that its record names.
    Column("begun_at", Text),
    Column("handed", Int64, nullable=False),
    Column("not_before", Text),
    Column("settled_at", Text),
    Column("identity", Bytes),
    # The kept copy that holds the bag, and the SHA-256 of its ZIP file.
    Column("copy", Text),
    Column("bag_sha256", Bytes),
    # JSON: what the worker told beside the record; and, in each language, why there is no record.
    Column("account", Text),
    Column("refusal", Text),
    Index("ix_captures_tenant", "tenant", "ordered_at"),
    Index("ix_captures_identity", "identity"),
    Index("ix_captures_copy", "copy"),
    _index_where("ix_captures_open", "settled_at IS NULL", "tenant"),
)

passkeys = _table(
    "passkeys",
    # Random: shown in the audit trail, unlike the credential's own id.
    Column("id", Text, primary_key=True),
    Column("credential", Bytes, nullable=False, unique=True),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    # As the authenticator gave it (COSE).
    Column("public_key", Bytes, nullable=False),
    # As of the last signature; authenticators that do not count say 0.
    Column("sign_count", Int64, nullable=False),
    Column("name", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("used_at", Text),
    Index("ix_passkeys_person", "person"),
)

answered_challenges = _table(
    "answered_challenges",
    Column("challenge", Bytes, primary_key=True),
    # After it, an answer is refused by the time alone.
    Column("expires_at", Text, nullable=False),
    Index("ix_answered_challenges_expires_at", "expires_at"),
)

mail_confirmations = _table(
    "mail_confirmations",
    Column("person", Text, ForeignKey("people.id"), primary_key=True),
    Column("address", Text, nullable=False),
    # SHA-256 of the link's token; NULL until it is sent, and once it was used.
    Column("token_hash", Bytes, unique=True),
    # How often in a row a link was asked for: each time it takes longer until the next one.
    Column("asked", Int64, nullable=False),
    Column("asked_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("confirmed_at", Text),
    Index("ix_mail_confirmations_address", "address"),
)

blocked_networks = _table(
    "blocked_networks",
    Column("id", Text, primary_key=True),
    Column("network", Text, nullable=False, unique=True),
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("until", Text, nullable=False),
)

limited_addresses = _table(
    "limited_addresses",
    # An IPv4 address, or the /64 network of an IPv6 address.
    Column("address", Text, primary_key=True),
    Column("refusals", Int64, nullable=False),
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),
    Index("ix_limited_addresses_last_at", "last_at"),
)
