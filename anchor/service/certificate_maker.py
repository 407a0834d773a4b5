"""Certificates that tenants request, made by ``anchor certify`` in a limited process."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import CannotCheckError, ExitCode
from anchor.base.messages.message import Message
from anchor.base.system.abandoned_folders import remove_abandoned
from anchor.base.system.clock import format_time, utc_now
from anchor.base.system.limited_process import Ended, ProcessLimits, run_limited
from anchor.evidence.record import parse_record
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import encode_receipt
from anchor.service.certificate_details import find_details
from anchor.service.job_runner import NotYet
from anchor.service.problems import Problem, explain
from anchor.service.worker import Service
from anchor.store.certificates import (
    IssuedCertificate,
    find_certificate,
    save_issue,
    save_refusal,
)
from anchor.store.evidence import StoredEvidence, find_by_identity
from anchor.store.jobs import Record, TakenJob, record_nothing

LIMITS = ProcessLimits(memory=2 << 30, cpu_seconds=60, seconds=120.0)
"""The limits of one certificate, which takes some seconds and a few hundred MiB."""

# Seconds until the second look at evidence whose anchor is not final yet, and the most between two.
_FIRST_PAUSE = 5
_LONGEST_PAUSE = 60
# Failures after which a certificate that cannot be verified is refused: after 2.4 hours.
_MOST_FAILURES = 12
# The verdicts by which evidence gets no certificate; all else is for the operator, and may pass.
_VERDICTS = (
    ExitCode.MISMATCH,
    ExitCode.NOT_ANCHORED,
    ExitCode.NOT_TRUSTED,
    ExitCode.ABANDONED,
    ExitCode.UNKNOWN_VERSION,
)
_RECEIPT = f"evidence{RECEIPT_SUFFIX}"
_DETAILS = "details.json"
_SCRATCH = "anchor-certificate-"
# Seconds after which nobody works in a folder: a certificate may take a few minutes.
_ABANDONED = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A certificate's number, the time of issue that it states, and its files by kind."""

    number: str
    issued_at: str
    files: Mapping[str, bytes]


class CertificateMaker:
    """Makes the requested certificates of one worker, as the job ``certificate``."""

    def __init__(self, service: Service, limits: ProcessLimits = LIMITS) -> None:
        self._service = service
        self._limits = limits

    async def work(self, job: TakenJob) -> Record:
        """Make the certificate that the job is about; return how to record it or its refusal."""
        certificate = await self._service.query(find_certificate, job.about)
        if certificate is None or not certificate.is_waiting or certificate.identity is None:
            return record_nothing
        stored = await self._service.query(find_by_identity, certificate.identity)
        try:
            if stored is None or stored.record is None:
                raise Problem(410, Message("evidence-record-erased"))
            made = await self._make(certificate, stored)
        except Problem as problem:
            refusal = problem.members()
            return partial(save_refusal, id=job.about, refusal=refusal, at=utc_now())
        except CannotCheckError as error:
            if job.failures + 1 < _MOST_FAILURES:
                raise
            # Without details, which may name paths and hosts of the operator.
            refusal = explain(error).members()
            return partial(save_refusal, id=job.about, refusal=refusal, at=utc_now())
        if made is None:
            raise NotYet(min(_FIRST_PAUSE * job.attempts, _LONGEST_PAUSE))
        return partial(
            save_issue,
            id=job.about,
            number=made.number,
            issued_at=made.issued_at,
            files=made.files,
        )

    async def _make(self, certificate: IssuedCertificate, stored: StoredEvidence) -> Made | None:
        """Return the certificate; None if the anchor is not final yet."""
        receipt = await self._service.receipt_builder.prove(stored)
        if not receipt.anchors:
            return None
        digests = parse_record(receipt.record).digests
        platform = self._service.project.config.platform
        details = await self._service.query(find_details, certificate, stored, digests, platform)
        await asyncio.to_thread(remove_abandoned, _SCRATCH, time.time() - _ABANDONED)
        # A crash here: the folder, with the receipt in it, is removed by a later certificate.
        with tempfile.TemporaryDirectory(prefix=_SCRATCH) as name:
            folder = Path(name)
            await asyncio.to_thread((folder / _RECEIPT).write_bytes, encode_receipt(receipt))
            await asyncio.to_thread((folder / _DETAILS).write_bytes, details)
            config = self._service.project.config.file.resolve()
            command = _command(config, digests)
            ended = await run_limited(command, self._limits, folder)
            if _lacks_font(ended):
                ended = await run_limited([*command, "--no-pdf"], self._limits, folder)
            if ended.code == ExitCode.NOT_FINAL:
                return None
            if ended.code != ExitCode.DONE:
                raise explain_end(ended)
            return await asyncio.to_thread(_read, folder, json.loads(ended.out))


def _command(config: Path, digests: Digests) -> list[str]:
    """Return the command that certifies the receipt without its file, by the record's digest."""
    algorithm, digest = (
        (SHA256, digests.sha256) if digests.sha256 is not None else (SM3, digests.sm3)
    )
    assert digest is not None, "a record has a digest"
    named = f"{algorithm}:{digest.hex()}"
    certify = (sys.executable, "-m", "anchor", "certify", _RECEIPT, "--digest", named)
    return [*certify, "--details", _DETAILS, "--config", str(config), "--json"]


def _lacks_font(ended: Ended) -> bool:
    return ended.code == ExitCode.USAGE and _read_error(ended).get("id") == "font-chinese-not-found"


def _read_error(ended: Ended) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(ended.out)
    except ValueError:
        return {}
    return document


def explain_end(ended: Ended) -> Problem | CannotCheckError:
    """Return the error for a process that wrote no certificate.

    It is a problem of the evidence if the verification has a verdict on it, and else "cannot tell".
    """
    reason = _read_error(ended).get("error")
    if reason is None:
        return CannotCheckError(Message("certificate-process-ended", code=ended.code))
    message = Message("certificate-not-issued", reason=reason)
    return Problem(409, message) if ended.code in _VERDICTS else CannotCheckError(message)


def _read(folder: Path, document: dict[str, Any]) -> Made:
    """Return the certificate whose files the command's document names."""
    (written,) = document["certificates"]
    files = {kind: (folder / file["path"]).read_bytes() for kind, file in written["files"].items()}
    issued_at = format_time(datetime.fromisoformat(json.loads(files["json"])["issued_at"]))
    return Made(number=written["certificate_no"], issued_at=issued_at, files=files)
