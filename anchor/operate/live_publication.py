"""The log in the layout of ``anchor export-log``, read directly from the project.

No file is written: each one is computed from the store and its tiles, with the same bytes.
"""

from __future__ import annotations

import re

from anchor.base.messages.message import Message
from anchor.base.types import Head
from anchor.log.checkpoint import Checkpoint, sign_checkpoint
from anchor.log.publication import ANCHORS_PER_FILE, CHECKPOINT, anchors_path, encode_anchors
from anchor.log.signed_note import NoteKey
from anchor.log.tiles import Tile, TileTree, parse_tile_path
from anchor.log.tree import BLOCK, BLOCK_HEIGHT, HASH
from anchor.operate.publishing import find_anchor_gap
from anchor.project.log_key import checkpoint_origin
from anchor.project.project import OpenProject
from anchor.store.heads import AnchoredHead, load_anchors, newest_final_anchor
from anchor.store.sealing import open_tree

_ANCHORS = re.compile(r"anchors/([0-9]{3,9})")


class LivePublication:
    """A published log's files, up to the newest head whose anchor is final.

    Implements ``PublicationReader``; not safe for several threads at once.
    """

    def __init__(self, project: OpenProject, key: NoteKey) -> None:
        """Prepare without reading; ``key`` signs checkpoints."""
        self.name = Message("log-of-this-project")
        self._project = project
        self._key = key
        self._head: Head | None = None
        self._note: bytes | None = None
        self._tree: TileTree | None = None
        self._final: list[AnchoredHead] = []

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None for a file that does not exist."""
        self._refresh()
        if self._head is None:
            return None
        if path == CHECKPOINT:
            return self._note
        tile = parse_tile_path(path)
        if tile is not None:
            return self._read_tile(tile, self._head)
        match = _ANCHORS.fullmatch(path)
        return None if match is None else self._read_anchors(int(match[1]), path)

    def is_fixed(self, path: str) -> bool:
        """Return whether an existing file can never have other bytes."""
        match = _ANCHORS.fullmatch(path)
        if match is None:
            return parse_tile_path(path) is not None
        return (int(match[1]) + 1) * ANCHORS_PER_FILE <= len(self._final)

    def _refresh(self) -> None:
        with self._project.database.read() as connection:
            newest = newest_final_anchor(connection, self._project.config.chain_id)
            if newest is None or newest.head == self._head:
                return
            anchors = load_anchors(connection, self._project.config.chain_id)
        self._final = [anchored for anchored in anchors if anchored.final]
        checkpoint = Checkpoint(origin=checkpoint_origin(self._project.config), head=newest.head)
        self._note = sign_checkpoint(checkpoint, self._key)
        self._tree = None
        self._head = newest.head

    def _read_tile(self, tile: Tile, head: Head) -> bytes | None:
        available = (head.size >> (BLOCK_HEIGHT * tile.level)) - tile.number * BLOCK
        if tile.width > available:
            return None
        if self._tree is None:
            self._tree = open_tree(self._project.database, self._project.tiles, head)
        # The tree has one tile of each number: full, or as wide as the head makes it.
        return self._tree.tile(tile)[: HASH * tile.width]

    def _read_anchors(self, number: int, path: str) -> bytes | None:
        if path != anchors_path(number) or find_anchor_gap(self._final):
            return None  # a list with a gap would prove nothing
        part = self._final[number * ANCHORS_PER_FILE : (number + 1) * ANCHORS_PER_FILE]
        return encode_anchors([anchored.head for anchored in part]) if part else None
