"""Certificates that tenants request, made by ``anchor certify`` in a limited process."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anchor.errors import CannotCheckError, ExitCode
from anchor.evidence.digests import SHA256, SM3, Digests
from anchor.evidence.record import parse_record
from anchor.messages.message import Message
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import encode_receipt
from anchor.service.job_runner import NotYet
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.certificates import find_certificate, save_issue, save_refusal
from anchor.store.evidence import StoredEvidence, find_by_identity
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.system.clock import utc_now
from anchor.system.limited_process import Ended, ProcessLimits, run_limited

LIMITS = ProcessLimits(memory=2 << 30, cpu_seconds=60, seconds=120.0)
"""The limits of one certificate: ten times what the largest one of the tests takes."""

# Seconds between two looks at evidence whose anchor is not final yet.
_NOT_FINAL_PAUSE = 5
# Attempts after which a certificate that cannot be verified is refused: some two hours.
_MOST_ATTEMPTS = 10
_RECEIPT = f"evidence{RECEIPT_SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A certificate's number, and its files by kind."""

    number: str
    files: Mapping[str, bytes]


class CertificateMaker:
    """Makes the requested certificates of one worker, as the job ``certificate``."""

    def __init__(self, service: Service, limits: ProcessLimits = LIMITS) -> None:
        self._service = service
        self._limits = limits

    async def work(self, job: TakenJob) -> Record:
        """Make the certificate that the job is about; return how to record it or its refusal.

        Raises:
            NotYet: The anchor of the evidence is not final yet.
            CannotCheckError: The verification has no answer from a node; later it may have one.
        """
        certificate = await self._service.query(find_certificate, job.about)
        if certificate is None or not certificate.is_waiting or certificate.identity is None:
            return record_nothing
        stored = await self._service.query(find_by_identity, certificate.identity)
        try:
            if stored is None or stored.record is None:
                raise Problem(410, Message("evidence-record-erased"))
            made = await self._make(stored)
        except Problem as problem:
            refusal = problem.members()
            return partial(save_refusal, id=job.about, refusal=refusal)
        except CannotCheckError as error:
            if job.attempts < _MOST_ATTEMPTS:
                raise
            refusal = Problem(503, error.message).members()
            return partial(save_refusal, id=job.about, refusal=refusal)

        return partial(
            save_issue, id=job.about, number=made.number, issued_at=utc_now(), files=made.files
        )

    async def _make(self, stored: StoredEvidence) -> Made:
        receipt = await self._service.receipt_builder.prove(stored)
        if not receipt.anchors:
            raise NotYet(_NOT_FINAL_PAUSE)
        with tempfile.TemporaryDirectory(prefix="anchor-certificate-") as name:
            folder = Path(name)
            await asyncio.to_thread((folder / _RECEIPT).write_bytes, encode_receipt(receipt))
            config = self._service.project.config.file.resolve()
            command = _command(config, parse_record(receipt.record).digests)
            ended = await run_limited(command, self._limits, folder)
            if _lacks_font(ended):
                ended = await run_limited([*command, "--no-pdf"], self._limits, folder)
            if ended.code == ExitCode.NOT_FINAL:
                raise NotYet(_NOT_FINAL_PAUSE)
            if ended.code != ExitCode.DONE:
                raise _explain(ended)
            return await asyncio.to_thread(_read, folder, json.loads(ended.out))


def _command(config: Path, digests: Digests) -> list[str]:
    """Return the command that certifies the receipt without its file, by the record's digest."""
    algorithm, digest = (
        (SHA256, digests.sha256) if digests.sha256 is not None else (SM3, digests.sm3)
    )
    assert digest is not None, "a record has a digest"
    named = f"{algorithm}:{digest.hex()}"
    certify = (sys.executable, "-m", "anchor", "certify", _RECEIPT, "--digest", named)
    return [*certify, "--config", str(config), "--json"]


def _lacks_font(ended: Ended) -> bool:
    return ended.code == ExitCode.USAGE and _read_error(ended).get("id") == "font-chinese-not-found"


def _read_error(ended: Ended) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(ended.out)
    except ValueError:
        return {}
    return document


def _explain(ended: Ended) -> Exception:
    """Return the error for a process that wrote no certificate."""
    reason = _read_error(ended).get("error")
    if reason is None:
        return CannotCheckError(Message("certificate-process-ended", code=ended.code))
    if ended.code == ExitCode.CANNOT_CHECK:
        return CannotCheckError(Message("certificate-not-issued", reason=reason))
    return Problem(409, Message("certificate-not-issued", reason=reason))


def _read(folder: Path, document: dict[str, Any]) -> Made:
    """Return the certificate whose files the command's document names."""
    (written,) = document["certificates"]
    files = {kind: (folder / file["path"]).read_bytes() for kind, file in written["files"].items()}
    return Made(number=written["certificate_no"], files=files)
