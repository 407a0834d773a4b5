"""A bundle in which contents and names are there more than once, and whose receipts they are."""

from __future__ import annotations

from support.world import OWNER

from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.types import Head, make_log_id
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.log.tree import Tree
from anchor.receipt.bundle import encode_bundle
from anchor.receipt.format import Promise, Receipt
from anchor.verification.receipt_choice import Wanted

CONTENTS = {
    name: digest_bytes(name.encode(), (SHA256, SM3)) for name in ("deed", "map", "will", "none")
}
RECORDED = (
    ("a/x.txt", "deed"), ("y.txt", "deed"), ("x.txt", "map"), ("b/x.txt", "deed"),
    ("x.txt", "map"), ('"q".txt', "will"),
)  # fmt: skip
# A file's name and content, and the leaf of its receipt.
CHOICES: tuple[tuple[str, Digests, int | None], ...] = (
    ("x.txt", CONTENTS["deed"], 0),
    ("y.txt", CONTENTS["deed"], 1),
    ("z.txt", CONTENTS["deed"], 0),
    ("x.txt", CONTENTS["map"], 2),
    ("y.txt", CONTENTS["map"], 2),
    ("", CONTENTS["map"], 2),
    ("x.txt", CONTENTS["none"], 0),
    ("y.txt", CONTENTS["none"], 1),
    ("z.txt", CONTENTS["none"], None),
    ("a/x.txt", CONTENTS["none"], None),
    ('"q".txt', CONTENTS["none"], 5),
    ("", CONTENTS["none"], None),
)


def write_doubles() -> bytes:
    """Return the bundle; its head is only promised."""
    log = make_log_id(OWNER, 0)
    records = [
        encode_record(
            digests=CONTENTS[content],
            name=name,
            media_type=None,
            salt=bytes([number]) * 32,
            recorded_at="2026-09-21T14:00:00Z",
        )
        for number, (name, content) in enumerate(RECORDED)
    ]
    tree, size = Tree(b"".join(map(hash_leaf, records))), len(records)
    head = Head(root=tree.root(size), size=size)
    receipts = (
        Receipt(
            record=record,
            log=log,
            index=index,
            promise=Promise(head=head, path=tuple(tree.inclusion_path(index, size))),
            anchors=(),
        )
        for index, record in enumerate(records)
    )
    return b"".join(encode_bundle(receipts, log=log, count=size))


def list_wanted() -> list[Wanted]:
    return [Wanted(name=name, digests=digests) for name, digests, _ in CHOICES]
