"""Publication of the log as static files that anybody can read, copy and check.

One process at a time publishes, beside the one that seals and sends.  Tiles and the list of anchors
are written first, the checkpoint that needs them last.  A crash leaves files that no checkpoint
covers yet; the next run finds them with the same bytes, and goes on.  No file is replaced unseen:
who loses a race to another process reads again what is published, and decides anew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from anchor.base.errors import (
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    MalformedError,
    NotFinalError,
    StorageError,
    StoreBusyError,
)
from anchor.base.messages.message import Message
from anchor.base.system.file_lock import hold_file
from anchor.base.types import Head
from anchor.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.log.publication import (
    ANCHORS_PER_FILE,
    CHECKPOINT,
    PublicationChanged,
    PublicationWriter,
    anchors_path,
    encode_anchors,
)
from anchor.log.signed_note import NoteKey
from anchor.log.tiles import Tile, TileTree, right_tiles, tiles_of
from anchor.project.log_key import checkpoint_origin, keep_verifier, load_log_key
from anchor.project.project import OpenProject
from anchor.store.heads import AnchoredHead, load_anchors
from anchor.store.sealing import open_tree

# Tiles in memory at a time: 2 MiB.
_BATCH = 256
# Two concurrent publications could leave the older list of anchors under the newer checkpoint.
_LOCK = "publishing.lock"
# Each attempt that loses a race begins with what the other process published.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The head that is published now, and how many tiles this run wrote for it."""

    head: Head
    origin: str
    verifier_key: str
    tiles_written: int
    is_new: bool


def publish_log(project: OpenProject, target: PublicationWriter) -> Publication:
    """Publish the log up to the newest head whose anchor is final.

    Raises:
        ChainGuardError: The target holds files that are not of an earlier state of this log.
    """
    held = StoreBusyError(Message("publication-busy"), hint=Message("process-wait-then-rerun-hint"))
    with hold_file(project.config.folder / _LOCK, held):
        for _ in range(_ATTEMPTS):
            with suppress(PublicationChanged):
                return _publish(project, target)
        raise CannotCheckError(
            Message("publication-keeps-changing", name=target.name),
            hint=Message("publication-keeps-changing-hint"),
        )


def _publish(project: OpenProject, target: PublicationWriter) -> Publication:
    config = project.config
    anchors = project.read(load_anchors)
    final = [anchored for anchored in anchors if anchored.final]
    head = final[-1].head if final else None
    if head is None:
        raise NotFinalError(
            Message("publication-nothing-final"),
            hint=Message("publication-nothing-final-hint"),
        )
    key = load_log_key(config)
    tree = open_tree(project.database, project.tiles, head)
    note = target.read(CHECKPOINT)
    published = _find_published(target, note, key, tree)
    unknown = find_anchor_gap(final)
    if unknown and published != head and target.read(anchors_path(0)) is not None:
        raise CannotCheckError(
            Message("publication-anchor-unknown", sequence=unknown),
            hint=Message("publication-anchor-unknown-hint"),
        )
    whole = published if published and _has_right_edge(target, published) else None
    parts = [] if unknown else _list_parts(target, [each.head for each in final], whole)
    written = 0
    new_tiles = tiles_of(head.size, after=whole.size if whole else 0)
    while batch := list(islice(new_tiles, _BATCH)):
        target.create({tile.path: tree.tile(tile) for tile in batch})
        written += len(batch)
    for path, data, before in parts:
        target.replace(path, data, before=before)
    origin = checkpoint_origin(config)
    if published != head:
        # A crash before this: readers use the old checkpoint, whose tiles are all published.
        checkpoint = Checkpoint(origin=origin, head=head)
        target.replace(CHECKPOINT, sign_checkpoint(checkpoint, key), before=note)
    # From now on readers know this key; projects of earlier releases have not written it down.
    with suppress(StorageError):  # the folder may be closed to this user
        keep_verifier(config, key.verifier().encode())
    return Publication(
        head=head,
        origin=origin,
        verifier_key=key.verifier().encode(),
        tiles_written=written,
        is_new=published != head,
    )


def find_anchor_gap(final: list[AnchoredHead]) -> int | None:
    """Return the sequence number of the first anchor that is missing in ``final``, or None.

    A list of anchors with a gap would prove nothing and is therefore not published.
    """
    for expected, anchored in enumerate(final, start=1):
        if anchored.sequence != expected:
            return expected
    return None


def _list_parts(
    target: PublicationWriter, heads: list[Head], whole: Head | None
) -> list[tuple[str, bytes, bytes | None]]:
    """Return the parts of the list of anchored heads to write: path, new bytes, present ones.

    Parts that ``whole`` already needed, a published head, are not read.  Another process may have
    listed more heads already.
    """
    first = sum(head.size < whole.size for head in heads) // ANCHORS_PER_FILE if whole else 0
    parts = []
    for number in range(first, (len(heads) - 1) // ANCHORS_PER_FILE + 1):
        part = heads[number * ANCHORS_PER_FILE : (number + 1) * ANCHORS_PER_FILE]
        path, data = anchors_path(number), encode_anchors(part)
        stored = target.read(path)
        if stored is None or (data.startswith(stored) and data != stored):
            parts.append((path, data, stored))
        elif not stored.startswith(data):
            raise ChainGuardError(
                Message("publication-anchors-foreign", path=path, name=target.name),
                hint=Message("publication-anchors-foreign-hint"),
            )
    return parts


def _find_published(
    target: PublicationWriter, note: bytes | None, key: NoteKey, tree: TileTree
) -> Head | None:
    """Return the head of the published checkpoint ``note``; None without one.

    A published tile must never change: the target has to hold a prefix of this log.
    """
    if note is None:
        # A crash before the first checkpoint leaves tiles; they have to be of this log.
        first = Tile(0, 0)
        stored = target.read(first.path)
        if stored is not None and (tree.size < first.width or stored != tree.tile(first)):
            raise _other_log_error(Message("publication-tiles-foreign"))
        return None
    try:
        checkpoint = open_checkpoint(note, key.verifier())
    except MalformedError as error:
        raise _other_log_error(
            Message("publication-checkpoint-damaged", reason=error.message)
        ) from error
    except AnchorError as error:
        raise _other_log_error(
            Message("publication-checkpoint-foreign", reason=error.message)
        ) from error
    published = checkpoint.head
    if published.size > tree.size:
        raise ChainGuardError(
            Message("publication-ahead-of-store", published=published.size, final=tree.size),
            hint=Message("publication-ahead-of-store-hint"),
        )
    if tree.root(published.size) != published.root:
        raise _other_log_error(Message("publication-root-differs", size=published.size))
    return published


def _has_right_edge(target: PublicationWriter, published: Head) -> bool:
    """Return whether the newest tiles are there: a target that was rolled back may lack them."""
    return all(target.read(tile.path) is not None for tile in right_tiles(published.size))


def _other_log_error(reason: Message) -> ChainGuardError:
    return ChainGuardError(
        Message("publication-place-foreign", reason=reason),
        hint=Message("publication-place-foreign-hint"),
    )
