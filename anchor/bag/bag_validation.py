"""Validation of a bag: every file is listed, and every listed file has its digests.

The six parts of ``validate_bag`` are those of ``docs/spec/bag.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from threading import Event, Lock
from typing import BinaryIO, Protocol

from anchor.bag.bag_format import (
    BAGIT,
    CAPTURES,
    EVIDENCE_FORMAT,
    FORMAT_LABEL,
    INFO,
    MANIFEST,
    MAX_LIST_BYTES,
    ORIGINALS,
    PAYLOAD,
    RECEIPTS,
    REQUIRED,
    SM3_SUMS,
    TAG_MANIFEST,
    check_declaration,
    check_listed,
    check_oxum,
    find_capture,
    parse_info,
    parse_list,
)
from anchor.base.digests import SHA256, SM3, Digests, digest_bytes, digest_stream
from anchor.base.errors import MalformedError, MismatchError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.ordered_tasks import run_in_order
from anchor.base.system.os_errors import describe_os_error
from anchor.evidence.hashing_pool import open_executor
from anchor.project.files import RECEIPT_SUFFIX


class BagSource(Protocol):
    """The files of a bag, in a folder or a ZIP file, whose names were checked.

    ``open`` yields a stream that a thread may read while others read theirs.
    """

    sizes: Mapping[str, int]

    def open(self, name: str) -> AbstractContextManager[BinaryIO]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedExhibit:
    """An original in a bag, and the receipt for it; both are names of the bag's files.

    ``captures`` are the folders of bags in this bag whose manifest the original is, with a slash.
    """

    original: str
    receipt: str
    digests: Digests
    captures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidBag:
    """A bag that is complete and unchanged in itself, which proves nothing about its maker.

    ``identifier`` is the SHA-256 of ``tagmanifest-sha256.txt``, which fixes every file of the bag.
    ``payload`` are the digests of the files below ``data/``.
    """

    source: BagSource
    identifier: bytes
    info: Mapping[str, str]
    tags: Mapping[str, bytes]
    payload: Mapping[str, Digests]
    exhibits: tuple[PackedExhibit, ...]

    @property
    def is_evidence(self) -> bool:
        """Return whether the bag is one piece of evidence, whose receipt is not in it."""
        return self.info[FORMAT_LABEL] == EVIDENCE_FORMAT

    @property
    def manifest(self) -> Digests:
        """Return the digests of ``manifest-sha256.txt``, which are those of the evidence."""
        return digest_bytes(self.read(MANIFEST, MAX_LIST_BYTES), (SHA256, SM3))

    def read(self, name: str, most: int) -> bytes:
        """Return at most ``most`` bytes of a file, as they were validated."""
        data = _read(self.source, name, most)
        listed = self.payload.get(name)
        expected = self.tags[name] if listed is None else listed.sha256
        if len(data) <= most and digest_bytes(data, (SHA256,)).sha256 != expected:
            list_name = TAG_MANIFEST if listed is None else MANIFEST
            raise MismatchError(Message("bag-digest-differs", name=name, list=list_name))
        return data

    def read_payload(self, name: str, most: int) -> bytes:
        """Return the bytes of a payload file, as they were validated."""
        data = _read(self.source, name, most)
        if len(data) > most:
            raise MalformedError(Message("bag-list-too-long", list=name, limit=most))
        if digest_bytes(data, (SHA256,)).sha256 != self.payload[name].sha256:
            raise MismatchError(Message("bag-digest-differs", name=name, list=MANIFEST))
        return data


def validate_bag(source: BagSource, *, on_read: Callable[[int], None] | None = None) -> ValidBag:
    """Verify that a bag is complete and unchanged; each file is read once, in constant memory.

    ``on_read`` is called with the number of bytes of each chunk that was read.
    """
    # 1. The names, kinds and sizes of the files: ``source`` has checked them.
    if BAGIT not in source.sizes:
        raise MalformedError(Message("bag-declaration-missing"))
    for name in REQUIRED:
        if name not in source.sizes:
            raise MismatchError(Message("bag-required-missing", name=name))
    # 2. The version of BagIt.
    check_declaration(_read_list(source, BAGIT))
    # 3. The files about the bag.
    hashing = _Hashing(source, on_read)
    tag_manifest = _read_list(source, TAG_MANIFEST)
    tags = _validate_tags(source, tag_manifest, hashing)
    # 4. The format.
    info = parse_info(_read_list(source, INFO))
    # 5 and 6. The originals and their receipts; a bag that is evidence has its receipt elsewhere.
    has_receipts = info[FORMAT_LABEL] != EVIDENCE_FORMAT
    if not has_receipts:
        _check_covered(tags)
    payload, pairs = _validate_payload(source, hashing, has_receipts=has_receipts)
    captures = _match_captures(tags, payload)
    exhibits = tuple(
        PackedExhibit(
            original=name,
            receipt=receipt,
            digests=payload[name],
            captures=captures.get(payload[name].sha256 or b"", ()),
        )
        for name, receipt in sorted(pairs.items())
    )
    # Last, because it names no file.
    check_oxum(info, source.sizes)
    return ValidBag(
        source=source,
        identifier=hashlib.sha256(tag_manifest).digest(),
        info=info,
        tags=tags,
        payload=payload,
        exhibits=exhibits,
    )


def _validate_tags(
    source: BagSource, tag_manifest: bytes, hashing: _Hashing
) -> Mapping[str, bytes]:
    """Return the SHA-256 of each file outside the payload, which is as listed."""
    tags = parse_list(tag_manifest, subject=TAG_MANIFEST)
    names = {name for name in source.sizes if not name.startswith(PAYLOAD)}
    check_listed(tags, names - {TAG_MANIFEST}, subject=TAG_MANIFEST)
    for name, digests in hashing.digest(tags, (SHA256,)):
        _check_digest(name, tags[name], digests.sha256, TAG_MANIFEST)
    return tags


def _check_covered(tags: Iterable[str]) -> None:
    """Verify that a bag that is evidence has no file but those of its format and its payload."""
    for name in sorted(tags):
        if name not in REQUIRED:
            raise MismatchError(Message("bag-file-uncovered", name=name))


def _match_captures(
    tags: Mapping[str, bytes], payload: Mapping[str, Digests]
) -> Mapping[bytes, tuple[str, ...]]:
    """Return the folders of captures by the SHA-256 of their manifests, which are originals."""
    originals = {digests.sha256 for digests in payload.values()}
    matched: dict[bytes, tuple[str, ...]] = {}
    inside = sorted(name for name in tags if name.startswith(CAPTURES))
    for folder in dict.fromkeys(map(find_capture, inside)):
        manifest = tags.get(folder + MANIFEST)
        if manifest is None or manifest not in originals:
            raise MismatchError(Message("bag-capture-unmatched", name=folder + MANIFEST))
        matched[manifest] = (*matched.get(manifest, ()), folder)
    return matched


def _validate_payload(
    source: BagSource, hashing: _Hashing, *, has_receipts: bool
) -> tuple[Mapping[str, Digests], Mapping[str, str]]:
    """Return the digests of each payload file, which are as listed, and the receipt of each.

    Files without a receipt are refused before any is read.
    """
    names = [name for name in source.sizes if name.startswith(PAYLOAD)]
    manifest = parse_list(_read_list(source, MANIFEST), subject=MANIFEST)
    check_listed(manifest, names, subject=MANIFEST)
    sm3_sums = parse_list(_read_list(source, SM3_SUMS), subject=SM3_SUMS)
    check_listed(sm3_sums, names, subject=SM3_SUMS)
    receipts = _pair(source.sizes) if has_receipts else {}
    payload = {}
    for name, digests in hashing.digest(sorted(manifest), (SHA256, SM3)):
        _check_digest(name, manifest[name], digests.sha256, MANIFEST)
        _check_digest(name, sm3_sums[name], digests.sm3, SM3_SUMS)
        payload[name] = digests
    return payload, receipts


def _check_digest(name: str, expected: bytes, actual: bytes | None, subject: str) -> None:
    if actual != expected:
        raise MismatchError(
            Message("bag-digest-differs", name=name, list=subject),
            expected=expected,
            actual=actual,
        )


def _pair(names: Iterable[str]) -> dict[str, str]:
    """Return the receipt of each payload file."""
    receipts = {
        ORIGINALS + name[len(RECEIPTS) :].removesuffix(RECEIPT_SUFFIX): name
        for name in names
        if name.startswith(RECEIPTS)
    }
    originals = {name for name in names if name.startswith(PAYLOAD)}
    if not receipts:
        raise MalformedError(Message("bag-without-receipts"))
    for original, receipt in receipts.items():
        if not receipt.endswith(RECEIPT_SUFFIX):
            raise MalformedError(Message("bag-receipt-name", name=receipt))
        if original not in originals:
            raise MismatchError(Message("bag-original-missing", name=receipt, original=original))
    for name in sorted(originals):
        if name not in receipts:
            raise MismatchError(Message("bag-receipt-missing", name=name))
    return receipts


def _read_list(source: BagSource, name: str) -> bytes:
    data = _read(source, name, MAX_LIST_BYTES)
    if len(data) > MAX_LIST_BYTES:
        raise MalformedError(Message("bag-list-too-long", list=name, limit=MAX_LIST_BYTES))
    return data


def _read(source: BagSource, name: str, most: int) -> bytes:
    """Return the bytes of a file, and one more than ``most`` if it is longer."""
    try:
        with source.open(name) as stream:
            # A reader takes the memory that it is asked for.
            return stream.read(min(most, source.sizes[name]) + 1)
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> UsageError:
    return UsageError(Message("file-read-failed", path=name, reason=describe_os_error(error)))


class _Hashing:
    """Digests files on every core, and stops at the first that fails."""

    def __init__(self, source: BagSource, on_read: Callable[[int], None] | None) -> None:
        self._source = source
        self._on_read = on_read
        self._lock = Lock()
        self._stopped = Event()

    def digest(
        self, names: Iterable[str], algorithms: tuple[str, ...]
    ) -> Iterable[tuple[str, Digests]]:
        """Yield each file's name and digests, in the order of the names."""
        with (
            open_executor() as executor,
            closing(
                run_in_order(names, lambda name: executor.submit(self._digest, name, algorithms))
            ) as tasks,
        ):
            try:
                for name, task in tasks:
                    yield name, task.result()
            except BaseException:
                self._stopped.set()
                raise

    def _digest(self, name: str, algorithms: tuple[str, ...]) -> Digests:
        try:
            with self._source.open(name) as stream:
                return digest_stream(stream, algorithms, on_read=self._count)
        except OSError as error:
            raise _unreadable(name, error) from error

    def _count(self, size: int) -> None:
        if self._stopped.is_set():
            raise InterruptedError
        if self._on_read is not None:
            with self._lock:
                self._on_read(size)
