"""Measure a bundle of receipts: bytes and time for each, and memory, at a million leaves.

    python scripts/_bench/bench_bundle.py [--leaves 1000000] [--folder DIR]

The records are like those of ``anchor add``: two digests, a name of 15 characters, the log.  They
are in one tree under one anchor.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from anchor.base.digests import Digests
from anchor.base.types import Address, ChainId, Hash32, Head, make_log_id
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.log.tree import Tree
from anchor.receipt.bundle import encode_bundle, load_bundle
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.receipt.state_proof import StateProof
from anchor.registry.artifact import registry_address

LOG = make_log_id(Address(b"\xa1" * 20), 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    count = options.leaves
    tree = Tree(b"".join(hash_leaf(make_record(index)) for index in range(count)))
    head = Head(root=tree.root(count), size=count)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "receipts.anchor.jsonl"
        start = time.perf_counter()
        with path.open("wb") as file:
            file.writelines(encode_bundle(make_receipts(tree, head), log=LOG, count=count))
        written = time.perf_counter() - start
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        found = sum(1 for _ in load_bundle(path))
        read = time.perf_counter() - start
        assert found == count
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        single = len(next(load_bundle(path)).encode())
        size = path.stat().st_size
    print(f"{count:,} receipts: {size:,} bytes, {size / count:.1f} each; one alone: {single:,}")
    print(f"record: {len(make_record(0)):,} bytes")
    print(
        f"written in {written / count * 1e6:.0f} µs each, read in {read / count * 1e6:.0f} µs each"
    )
    print(f"reading adds {(after - before) / 1024:.1f} MiB to the process's peak memory")


def make_record(index: int) -> bytes:
    digest = hashlib.sha256(b"%d" % index).digest()
    return encode_record(
        digests=Digests(sha256=digest, sm3=digest[::-1], size=100_000 + index % 100_000),
        name=f"scan-{index:06}.pdf",
        media_type="application/pdf",
        salt=digest,
        recorded_at="2026-11-27T12:00:00.123Z",
        log=LOG,
    )


def make_receipts(tree: Tree, head: Head) -> Iterator[Receipt]:
    # As long as those of a registry on a small chain; a bundle has them once.
    state = StateProof(
        header=bytes(600),
        account_proof=(bytes(500),),
        storage_proof=(bytes(100),),
        operator_proof=(bytes(100),),
    )
    for index, path in enumerate(tree.inclusion_paths(0, head.size, head.size)):
        anchor = ReceiptAnchor(
            chain_id=ChainId(1),
            registry=registry_address(),
            head=head,
            path=tuple(Hash32(path[at : at + 32]) for at in range(0, len(path), 32)),
            sequence=1,
            block_number=20_000_000,
            timestamp=1_790_000_000,
            hints=None,
            state=state,
        )
        yield Receipt(
            record=make_record(index), log=LOG, index=index, promise=None, anchors=(anchor,)
        )


if __name__ == "__main__":
    main()
