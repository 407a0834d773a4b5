"""Judging a capture made elsewhere: its form is told by its content, then it is read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from anchor.bag.zip_directory import read_at_in
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.collection.machine_environment import clean_text
from anchor.evidence.foreign_capture_group import CaptureForm, ForeignCapture
from anchor.evidence.group_members import build_group
from anchor.foreign_capture.byte_reader import CHUNK_BYTES, GZIP, ByteReader, GzipReader
from anchor.foreign_capture.capture_findings import CaptureFault, StatedCapture, sum_up
from anchor.foreign_capture.har_judgement import judge_har
from anchor.foreign_capture.mhtml_judgement import RELATED, judge_mhtml, read_mail_header
from anchor.foreign_capture.wacz_judgement import WaczFile
from anchor.foreign_capture.warc_judgement import WarcJudge
from anchor.foreign_capture.warc_records import VERSION_MARK

# JSON is parsed as a whole, which takes some ten times its size.
_MAX_HAR_BYTES = 1 << 28
_MARK_BYTES = 1 << 16


def judge_capture(path: Path, roots: Sequence[bytes] = ()) -> ForeignCapture:
    """Return what a file states of itself and what was checked in it; ``roots`` are in DER.

    Raises:
        MalformedError: It is no capture, or would unpack to far more than it holds.
    """
    try:
        with open(open_regular_file(path), "rb") as file:
            return _judge(file, path, roots)
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error


def _judge(file: BinaryIO, path: Path, roots: Sequence[bytes]) -> ForeignCapture:
    stated = StatedCapture()
    size = os.fstat(file.fileno()).st_size
    mark = file.read(_MARK_BYTES)
    file.seek(0)
    if mark.startswith(b"PK"):
        wacz = WaczFile(read_at_in(file.fileno()), size)
        if not wacz.names_package():
            raise _refuse(path)
        form: CaptureForm = "wacz"
        wacz.judge(stated, roots)
        uncovered = Message("foreign-uncovered-wacz")
    elif _is_warc(mark):
        form = "warc"
        judge = WarcJudge(stated)
        judge.judge(ByteReader(file.read))
        uncovered = Message("foreign-uncovered-warc", count=judge.uncovered)
    elif mark.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        form = "har"
        if size > _MAX_HAR_BYTES:
            raise MalformedError(
                Message("foreign-har-too-long", path=path, limit=_MAX_HAR_BYTES),
                hint=Message("foreign-capture-plain-hint"),
            )
        data = file.read()
        if b'"log"' not in data[:_MARK_BYTES]:
            raise _refuse(path)
        judge_har(data, stated)
        uncovered = Message("foreign-uncovered-har")
    elif _is_mhtml(mark):
        form = "mhtml"
        judge_mhtml(ByteReader(file.read), stated)
        uncovered = Message("foreign-uncovered-mhtml")
    else:
        raise _refuse(path)
    stated.find("uncovered", Message("foreign-uncovered")).add_gap(uncovered)
    return _build(form, stated, _digest(file))


def _refuse(path: Path) -> MalformedError:
    return MalformedError(
        Message("foreign-no-capture", path=path), hint=Message("foreign-capture-plain-hint")
    )


def _is_warc(mark: bytes) -> bool:
    if mark.startswith(GZIP):
        packed = [mark]
        reader = ByteReader(lambda _: packed.pop() if packed else b"")
        try:
            return GzipReader(reader).open_member().peek(len(VERSION_MARK)) == VERSION_MARK
        except CaptureFault:
            return False
    return mark.startswith(VERSION_MARK)


def _is_mhtml(mark: bytes) -> bool:
    """Return whether a file begins with the header of a mail of related parts."""
    start = [mark]
    try:
        header = read_mail_header(ByteReader(lambda _: start.pop() if start else b""))
    except CaptureFault:
        return False
    return header.get_content_type() == RELATED


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while data := file.read(CHUNK_BYTES):
        digest.update(data)
    return digest.hexdigest()


def _build(form: CaptureForm, stated: StatedCapture, sha256: str) -> ForeignCapture:
    findings = [finding.build() for finding in stated.findings.values()]
    members = {
        "form": form,
        "version_stated": _clean(stated.version),
        "sha256": sha256,
        "software_stated": _clean(stated.software),
        "first_stated": _spell(stated.first),
        "last_stated": _spell(stated.last),
        "pages": stated.pages,
        "exchanges": stated.exchanges,
        "result": sum_up(findings),
        "findings": findings,
    }
    return build_group(ForeignCapture, members)


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _spell(time: datetime | None) -> str | None:
    return None if time is None else format_time(time.astimezone(UTC))
