"""Writing the receipts of all sealed evidence into one bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import AnchorError, NotFinalError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_chunks
from anchor.base.types import LogId
from anchor.operate.proving import Prover
from anchor.project.project import OpenProject
from anchor.receipt.bundle import encode_bundle, load_bundle, load_bundle_log
from anchor.receipt.format import Receipt
from anchor.receipt.places import refuse_place
from anchor.store.evidence import count_evidence, count_with_record, load_with_record


@dataclass(slots=True)
class BundleCounts:
    """How many receipts were written; ``skipped`` pieces of evidence have none."""

    receipts: int = 0
    skipped: int = 0
    promises: int = 0
    state_proofs: int = 0


def write_bundle(project: OpenProject, prover: Prover, path: Path) -> BundleCounts:
    """Write the receipts of all sealed evidence into one file, in the order of the log.

    Memory does not grow with their number.

    Raises:
        UsageError: The file cannot be written, is not a bundle of this log, or has state proofs
            that the new one would lack.
    """
    log = project.config.log
    _check_path(path, log)
    counts = BundleCounts()
    with project.database.read() as connection:
        total, _ = count_evidence(connection)
        count = count_with_record(connection, prover.size)
        counts.skipped = total - count
        if not count:
            raise NotFinalError(
                Message("evidence-not-sealed"), hint=Message("evidence-not-sealed-hint")
            )
        receipts = map(prover.prove, load_with_record(connection, prover.size))
        counted = _count(receipts, counts, path)
        write_chunks(path, encode_bundle(counted, log=log, count=count))
    return counts


def _count(receipts: Iterator[Receipt], counts: BundleCounts, path: Path) -> Iterator[Receipt]:
    for receipt in receipts:
        is_first = not counts.receipts
        if is_first and receipt.anchors and not receipt.state_proof_count and _has_proofs(path):
            raise UsageError(
                Message("bundle-proofs-kept", path=path), hint=Message("bundle-proofs-kept-hint")
            )
        counts.receipts += 1
        counts.promises += receipt.promise is not None
        counts.state_proofs += receipt.state_proof_count > 0
        yield receipt


def _check_path(path: Path, log: LogId) -> None:
    """Raise UsageError if the file holds anything but a bundle of ``log``."""
    try:
        if load_bundle_log(path) == log:
            return
    except OSError:
        return  # nothing is there, or writing reports the error
    except AnchorError:
        pass
    raise refuse_place(path)


def _has_proofs(path: Path) -> bool:
    """Return whether the bundle there begins with a state proof, which a node gave."""
    with suppress(AnchorError):
        return next(load_bundle(path)).state_proof_count > 0
    return False
