"""Audit of a project's stored log, recomputed in full: records, leaves, heads, tiles, journal.

Each check is a generator that yields one message per breach, and yields nothing if it passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from anchor.base.errors import (
    AnchorError,
    ChainGuardError,
    ConfigError,
    MalformedError,
    MismatchError,
    StorageError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Head
from anchor.ethereum.keccak import hash_keccak256
from anchor.log.tiles import Tile, TileBuilder, tiles_of
from anchor.log.tree import HASH, RightEdge
from anchor.project.log_key import load_log_key, public_path
from anchor.project.project import OpenProject
from anchor.receipt.state_proof import check_account, check_anchor
from anchor.recovery.journal_audit import audit_attempts, audit_hints, audit_slots
from anchor.store import fingerprints
from anchor.store.acknowledged_log import SideFile
from anchor.store.columns import Run
from anchor.store.database import Database
from anchor.store.erasures import count_without_record
from anchor.store.evidence_insertion import ENTERED
from anchor.store.fingerprint_pages import About
from anchor.store.heads import find_edge, load_anchors, load_heads, newest_head
from anchor.store.idempotency_keys import count_lost_keys
from anchor.store.incidents import load_open_incidents
from anchor.store.index_audit import (
    NameAudit,
    PieceIndexAudit,
    RecordIndexAudit,
    RetentionAudit,
    SliceAudit,
    audit_pages,
    audit_positions,
    audit_rows,
    audit_sums,
)
from anchor.store.kept_proofs import decode_proof, load_proof_rows
from anchor.store.name_index import count_entered
from anchor.store.record_index import count_indexed
from anchor.store.runs import load_runs
from anchor.store.sealing import check_leaves, read_leaves, write_tiles
from anchor.store.sqlite_integrity import find_damage
from anchor.store.tile_folder import SIZE, TileFolder

# More breaches than this have one common cause.
MAX_BREACHES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit: counts of what was read, and one message for each breach.

    ``erased`` and ``lost`` count the leaves without a record.  ``unchecked`` names what is stored
    and has nothing to be compared with.
    """

    leaves: int
    heads: int
    erased: int
    lost: int
    breaches: tuple[Message, ...]
    unchecked: tuple[Message, ...] = ()


def audit_project(project: OpenProject) -> Audit:
    """Recompute leaves, roots and tiles from what is stored, and compare."""
    audit = audit_log(
        project.database,
        project.tiles,
        audit_slots(project),
        audit_attempts(project),
        audit_hints(project),
        _audit_incidents(project),
        _audit_proofs(project),
        SideFile(project.config.side_file).find_damage(),
        _audit_log_key(project),
    )
    return replace(audit, unchecked=tuple(_list_unchecked(project)))


def audit_log(database: Database, tiles: TileFolder, *others: Iterator[Message]) -> Audit:
    """Recompute leaves, roots and tiles, and run the checks ``others`` after these."""
    with database.read() as connection:
        heads = load_heads(connection)
    size = heads[-1].size if heads else 0
    checks = (
        _audit_file(database),
        _audit_pieces(database, size),
        _audit_heads(database, heads),
        _audit_tiles(database, tiles, size),
        *others,
    )
    breaches = limit_breaches(chain.from_iterable(map(_as_breach, checks)))
    try:
        with database.read() as connection:
            erased, lost = count_without_record(connection)
    except (ConfigError, ChainGuardError):  # a breach has said it
        erased = lost = 0
    return Audit(leaves=size, heads=len(heads), erased=erased, lost=lost, breaches=breaches)


def limit_breaches(sentences: Iterable[Message]) -> tuple[Message, ...]:
    """Return the first ``MAX_BREACHES`` messages, with a note if there may be more."""
    breaches = tuple(islice(sentences, MAX_BREACHES))
    if len(breaches) == MAX_BREACHES:
        breaches = (*breaches, Message("audit-stopped", limit=MAX_BREACHES))
    return breaches


def _as_breach(check: Iterator[Message]) -> Iterator[Message]:
    """Run a check, and report an unreadable store as a breach instead of raising."""
    try:
        yield from check
    except (ConfigError, StorageError) as error:
        yield error.message


def rebuild_tiles(project: OpenProject) -> int:
    """Rebuild all tiles from the stored leaves; return the number of leaves they cover."""
    with project.database.read() as connection:
        newest = newest_head(connection)
    if newest is not None:
        # Before the tiles are removed, which may be the last copy of the leaf hashes.
        check_leaves(project.database, newest.head)
    project.tiles.clear()
    return write_tiles(project.database, project.tiles)


def _audit_file(database: Database) -> Iterator[Message]:
    """Run the database's own integrity check."""
    with database.read() as connection:
        yield from find_damage(connection)


def _audit_pieces(database: Database, size: int) -> Iterator[Message]:
    """Check that no piece is missing, and that every record not erased hashes to its leaf.

    Check also everything that the store derives from the pieces, by which they are found.
    """
    expected = 0
    damaged: list[Message] = []
    is_whole = True
    with database.read() as connection:
        torn = dict(audit_pages(connection))
        yield from torn.values()
        pieces, slices = PieceIndexAudit(), SliceAudit()
        records = RecordIndexAudit(count_indexed(connection))
        names, retentions = NameAudit(count_entered(connection)), RetentionAudit(connection)
        for run in load_runs(connection, skipped=damaged.append):
            if run.first != expected:
                is_whole = False
                yield Message("audit-leaf-missing", expected=expected, actual=run.first)
            expected = run.end
            false = list(_audit_records(run, size))
            is_whole = is_whole and not false
            yield from false
            yield from audit_sums(run)
            yield from slices.add(run, connection)
            for part in (pieces, records, names, retentions):
                part.add(run)
        yield from audit_positions(connection, expected)
        if expected < size:
            yield Message("audit-leaves-after-missing", expected=expected, size=size)
        lost_keys = count_lost_keys(connection)

        def load(about: About) -> Iterator[bytes]:
            return fingerprints.load_entries(connection, about)

        # What is damaged is said already, and differs from its indexes as well.
        if not damaged:
            yield from slices.check(connection)
            yield from retentions.check(connection)
            if not torn.keys() & {*ENTERED}:
                yield from pieces.check(load)
        if is_whole and not damaged and expected >= size:
            yield from names.check(connection)
            if not torn.keys() & {About.RECORD, About.LEAF}:
                yield from records.check(load)
        yield from audit_rows(connection)
    yield from damaged
    if lost_keys:
        yield Message("audit-keys-without-evidence", count=lost_keys)


def _audit_records(run: Run, size: int) -> Iterator[Message]:
    for at in run.find_false_leaves():
        if run.first + at < size:
            yield Message("audit-record-differs", index=run.first + at)
        else:
            yield Message("audit-waiting-record-differs", leaf=run.leaf(at).hex())


def _audit_incidents(project: OpenProject) -> Iterator[Message]:
    """Check that no incident is open."""
    with project.database.read() as connection:
        incidents = load_open_incidents(connection, project.config.chain_id)
    for incident in incidents:
        before, current = incident.before, incident.current
        then = (
            Message("incident-anchor-gone")
            if current is None
            else Message("incident-anchor-moved", block=current.block_number)
        )
        yield (
            Message(
                "audit-incident-open",
                sequence=before.sequence,
                size=incident.head.size,
                block=before.block_number,
                change=then,
            )
        )


def _audit_proofs(project: OpenProject) -> Iterator[Message]:
    """Verify every kept state proof against its own block, head and stored anchor."""
    config = project.config
    with project.database.read() as connection:
        rows = load_proof_rows(connection, config.chain_id)
        anchors = {each.head.size: each for each in load_anchors(connection, config.chain_id)}
    for row in rows:
        size, anchored = row["head_size"], anchors.get(row["head_size"])
        try:
            proof = decode_proof(row["proof"])
            block = hash_keccak256(proof.header)
            header, storage = check_account(
                proof, block_hash=block, registry=config.registry, code_hash=config.code_hash
            )
            if anchored is None or proof.beacon is None:
                raise MalformedError(Message("audit-proof-of-nothing"))
            proven = check_anchor(
                proof,
                storage,
                header=header,
                registry=config.registry,
                log=config.log,
                root=anchored.head.root,
            )
            if proven is None or proven.sequence != anchored.sequence:
                raise MalformedError(Message("audit-proof-of-nothing"))
            if hash_keccak256(proof.beacon.header) != row["block_hash"]:
                raise MalformedError(Message("audit-proof-of-nothing"))
        except AnchorError as error:
            yield Message("audit-proof-false", size=size, reason=error.message)


def _audit_log_key(project: OpenProject) -> Iterator[Message]:
    """Compare the log key with its public half."""
    try:
        load_log_key(project.config)
    except MismatchError as error:
        yield error.message


def _list_unchecked(project: OpenProject) -> Iterator[Message]:
    """Name what this audit reads in vain: nothing else says what it should be."""
    if not project.config.log_key.exists():
        yield Message("unchecked-log-key-missing")
    elif not public_path(project.config).exists():
        yield Message("unchecked-log-key", path=project.config.log_key)
    yield Message("unchecked-accounts")
    yield Message("unchecked-keys")
    yield Message("unchecked-times")
    yield Message("unchecked-files")


def _audit_heads(database: Database, heads: list[Head]) -> Iterator[Message]:
    """Recompute every head's root and right edge from the leaves."""
    edge = RightEdge()
    for head in heads:
        size = head.size
        try:
            for leaves in read_leaves(database, edge.size, size):
                edge.append(leaves)
        except ChainGuardError as error:
            yield Message("audit-head-not-recomputed", size=size, reason=error.message)
            return
        if edge.root() != head.root:
            yield Message("audit-root-differs", size=size)
        yield from _audit_edge(database, edge)


def _audit_edge(database: Database, edge: RightEdge) -> Iterator[Message]:
    try:
        with database.read() as connection:
            sealed = find_edge(connection, edge.size)
    except ChainGuardError as error:
        yield error.message
        return
    if sealed is not None and edge.nodes != sealed.right_edge.nodes:
        yield Message("audit-edge-differs", size=edge.size)


def _audit_tiles(database: Database, folder: TileFolder, size: int) -> Iterator[Message]:
    """Recompute and compare every tile; also report files that are not tiles."""
    try:
        written_size = folder.size
    except AnchorError as error:
        yield error.message
        return
    if written_size > size:
        yield Message(
            "audit-tiles-too-many", path=folder.folder / SIZE, actual=written_size, size=size
        )
        return
    unchecked: dict[tuple[int, int], list[int]] = {}
    for path, tile in folder.list_tiles():
        if tile is None:
            yield Message("audit-file-not-tile", path=path, folder=folder.folder)
        else:
            unchecked.setdefault((tile.level, tile.number), []).append(tile.width)
    needed = {(tile.level, tile.number): tile for tile in tiles_of(written_size)}
    try:
        for tile, expected in _remake_tiles(database, size):
            position = (tile.level, tile.number)
            # A crash may leave tiles of more leaves than the size file records, and narrower ones.
            widths = [width for width in unchecked.get(position, ()) if width <= tile.width]
            for width in widths:
                narrower = tile._replace(width=width)
                yield from _compare_tile(folder, narrower, expected[: width * HASH])
                unchecked[position].remove(width)
            if position in needed and needed[position].width > max(widths, default=0):
                yield Message("file-missing", path=folder.folder / needed[position].path)
    except ChainGuardError as error:
        yield Message("audit-tiles-not-remade", reason=error.message)
        return
    for (level, number), widths in unchecked.items():
        for width in widths:
            yield Message("audit-tile-beyond-log", path=Tile(level, number, width).path)


def _remake_tiles(database: Database, size: int) -> Iterator[tuple[Tile, bytes]]:
    builder = TileBuilder()
    for leaves in read_leaves(database, 0, size):
        yield from builder.add(leaves)
    yield from builder.unfinished()


def _compare_tile(folder: TileFolder, tile: Tile, expected: bytes) -> Iterator[Message]:
    try:
        stored = folder.read(tile)
    except AnchorError as error:
        yield error.message
        return
    if len(stored) != len(expected):
        yield Message(
            "audit-tile-size-differs", path=tile.path, actual=len(stored), expected=len(expected)
        )
    elif stored != expected:
        at = next(at for at in range(len(stored)) if stored[at] != expected[at])
        yield Message("audit-tile-altered", path=tile.path, index=at // HASH)
