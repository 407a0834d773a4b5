"""The project's own evidence, newest first, with the stage that each piece has reached."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.types import Stage
from anchor.evidence.printed_number import NumberKind, read_number_or_none
from anchor.evidence.record import Record, parse_record
from anchor.project.project import OpenProject
from anchor.store.certificates import IssuedCertificate
from anchor.store.evidence import StoredEvidence, load_newest, load_stored
from anchor.store.file_origins import tenant_of
from anchor.store.heads import AnchoredHead, find_covering_anchor
from anchor.store.number_search import NumberedItem, find_numbered

# Fewer hexadecimal digits would match by chance.
_LEAST_HEX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvidence:
    """One piece of evidence; ``record`` is None if it was erased or is lost."""

    stored: StoredEvidence
    record: Record | None
    stage: Stage
    anchored: AnchoredHead | None

    @property
    def tenant(self) -> str | None:
        """Return the tenant that submitted it; None if it was not submitted over HTTP."""
        return tenant_of(self.stored.source)

    @property
    def number(self) -> str | None:
        """Return its preservation number; None if there is no record."""
        return None if self.record is None else self.record.number

    @property
    def name(self) -> str:
        """Return the name in its record, or its source if there is no record."""
        return self.stored.source if self.record is None else self.record.name


def list_evidence(
    project: OpenProject, *, most: int, text: str = "", tenant: str | None = None
) -> list[ListedEvidence]:
    """Return at most ``most`` pieces of evidence, the newest first.

    ``text`` is a number as ``read_number`` takes it, which is looked up; or else, or if no evidence
    has that number, part of a name or path in any case, or the first hexadecimal digits (at least
    six) of a SHA-256, SM3, id or leaf hash.  Every row is then read: names have no index.
    """
    chain_id = project.config.chain_id
    indices = {match.index for match in _look_up(project, text) if match.index is not None}
    wanted = text.casefold()
    digits = wanted.removeprefix("sha256:").removeprefix("sm3:").removeprefix("0x")
    listed: list[ListedEvidence] = []
    with project.database.read() as connection:
        rows = reversed(load_stored(connection, indices)) if indices else load_newest(connection)
        for stored in rows:
            if len(listed) == most:
                break
            if tenant is not None and tenant_of(stored.source) != tenant:
                continue
            record = _read_record(stored)
            if not indices and not _matches(stored, record, wanted, digits):
                continue
            index = stored.leaf_index
            anchored = None if index is None else find_covering_anchor(connection, chain_id, index)
            stage = _name_stage(index, anchored)
            listed.append(
                ListedEvidence(stored=stored, record=record, stage=stage, anchored=anchored)
            )
    return listed


def list_heads(project: OpenProject, text: str) -> list[NumberedItem]:
    """Return the heads of which ``text`` is the root, or a transaction that anchors them."""
    heads = (NumberKind.ROOT, NumberKind.TRANSACTION)
    return [match for match in _look_up(project, text) if match.kind in heads]


def list_certificates(
    project: OpenProject, text: str, tenant: str | None = None
) -> list[IssuedCertificate]:
    """Return the certificates that bear the number in ``text``, of one tenant if it is named."""
    issued = [match.certificate for match in _look_up(project, text)]
    return [each for each in issued if each is not None and tenant in (None, each.tenant)]


def _look_up(project: OpenProject, text: str) -> list[NumberedItem]:
    number = read_number_or_none(text)
    if number is None:
        return []
    with project.database.read() as connection:
        return find_numbered(connection, project.config.chain_id, number, most=None)


def _matches(stored: StoredEvidence, record: Record | None, wanted: str, digits: str) -> bool:
    name = "" if record is None else record.name
    if wanted in name.casefold() or wanted in stored.source.casefold():
        return True
    if len(digits) < _LEAST_HEX:
        return False
    hashes = [stored.identity, stored.leaf]
    if record is not None:
        hashes.append(hashlib.sha256(record.encoded).digest())
        hashes += [each for each in (record.digests.sha256, record.digests.sm3) if each]
    return any(each.hex().startswith(digits) for each in hashes)


def _read_record(stored: StoredEvidence) -> Record | None:
    try:
        return None if stored.record is None else parse_record(stored.record)
    except (MalformedError, UnknownVersionError):  # damage, which `anchor audit` reports
        return None


def _name_stage(index: int | None, anchored: AnchoredHead | None) -> Stage:
    if anchored is not None:
        return Stage.ANCHORED if anchored.final else Stage.INCLUDED
    return Stage.ACCEPTED if index is None else Stage.SEALED
