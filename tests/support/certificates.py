"""Certificates of what happens in ``support.world``."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import typst
import zxingcpp
from PIL import Image
from pypdf.generic import StreamObject
from support.records import build_record
from support.world import MAIN, World, judged

from anchor.base.types import Hash32
from anchor.certificate.issue import Basis, issue_certificate
from anchor.certificate.model import Certificate
from anchor.certificate.statements import Details, parse_details
from anchor.certificate.time_format import Moment
from anchor.project.policy_sources import PolicyFile
from anchor.receipt.format import Receipt, encode_receipt
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report

MOMENT = Moment(at=datetime(2026, 10, 1, 8, 0, 0, tzinfo=UTC), clock="given")
NODES = ("https://node-31337.example",)
POLICY = b"the policy's bytes"
POLICY_SHA256 = hashlib.sha256(POLICY).hexdigest()

# Each an attack on one of the readers a name passes through, or on the person at the end.
HOSTILE = {
    "markup": '"><script>alert(1)</script><img src=x onerror=alert(1)>&lt;',
    "typst": '#read("/etc/passwd") #import "@preview/x:1.0.0": * $x$ _a_ *b* `c` <l> @r // ]',
    "shell": "$(touch owned) `touch owned` '; touch owned; '",
    "direction": "invoice\u202egnp.exe\u2066\u200f",
    "controls": "a\x00b\x07c\x1b[31md\re\nf\u2028g",
    "no glyphs": "\U0001f600 \u0639\u0631\u0628\u064a \ue000 \U0010ffff \u05d0",
    "marks": "e" + "\u0301" * 60,
    "one word": "W" * 4_000,
    "escapes": "\\u{202e} \\n \\\\",
    "jinja": "{{ 7 * 7 }} {% raw %}",
    "long": "长文件名" * 1_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate, and what it was issued from."""

    world: World
    receipt: Receipt
    data: bytes
    report: Report
    certificate: Certificate


def all_details(digest: bytes) -> bytes:
    """Return details in which everything is stated."""
    return f"""
format = "anchor-certificate-details/1"
case_reference = "（2026）测 0001 号"
[issuer]
name = "出证人甲 Issuer"
contact = "challenge@issuer.example"
[depositor]
name = "存证主体乙 Depositor"
identity = "identity-1"
[platform]
legal_name = "平台丙 Platform"
registration_no = "registration-2"
blockchain_filing_no = "filing-3"
mlps_level = "level-4"
conflict_of_interest_statement = "none-5"
fees = "fees-6"
[[exhibits]]
digest = "sha256:{digest.hex()}"
exhibit_no = "exhibit-7"
category = "category-8"
title = "title-9"
content_summary = "summary-10"
purpose_of_proof = "purpose-11"
origin = "origin-12"
generation_mechanism = "mechanism-13"
generated_at = "generated-14"
storage_history = "history-15"
holder = "holder-16"
started_at = "start-17"
ended_at = "end-18"
place = "place-19"
method = "method-20"
operator = "operator-21"
witnesses = "witnesses-22"
modifications = "modifications-23"
record_address = "https://log.example/record-24"
[[exhibits.external_deposits]]
platform = "platform-25"
evidence_id = "evidence-26"
tx_hash = "0x27"
block_height = "height-28"
time = "time-29"
certificate_sha256 = "{"ab" * 32}"
""".encode()


def issue(
    world: World,
    receipt: Receipt,
    *,
    details: Details | None = None,
    policy: TrustPolicy | None = None,
    is_pinned: bool = True,
    moment: Moment = MOMENT,
    draft: bool = False,
    block_hashes: set[Hash32] | None = None,
    offline: bool = False,
    has_file: bool = True,
) -> Issued:
    """Verify a receipt of that world and issue its certificate, by default with all details."""
    digest = world.evidence(receipt.index).sha256
    assert digest is not None
    if is_pinned and policy is None:
        policy = world.policy()
    data = encode_receipt(receipt)
    report = judged(
        world,
        data,
        evidence=world.evidence(receipt.index),
        policy=policy,
        chain_ids=() if is_pinned else (MAIN,),
        accept_unpinned=not is_pinned,
        block_hashes=block_hashes or (),
        offline=offline,
    )
    basis = Basis(
        policy=policy,
        policies=() if policy is None else (_policy_file(policy),),
        nodes=() if offline else NODES,
        has_file=has_file,
    )
    if details is None:
        details = parse_details(all_details(digest), is_json=False)
    certificate = issue_certificate(
        data, report, details=details, basis=basis, moment=moment, draft=draft
    )
    return Issued(world=world, receipt=receipt, data=data, report=report, certificate=certificate)


def _policy_file(policy: TrustPolicy) -> PolicyFile:
    return PolicyFile(path=Path("court.toml"), data=POLICY, source="option", policy=policy)


def named(name: str, index: int, media_type: str = "text/plain") -> World:
    """Return a world in which the evidence of ``index`` has this name."""
    return recorded(index, name=name, media_type=media_type)


def recorded(index: int, **changes: Any) -> World:
    """Return a world in which the record of ``index`` is another one."""
    world = World()
    members: dict[str, Any] = {
        "digests": world.evidence(index),
        "name": "evidence.txt",
        "media_type": "text/plain",
        "salt": bytes(32),
        "recorded_at": datetime(2026, 9, 21, 14, 0, 6, tzinfo=UTC),
    }
    records = list(world.records)
    records[index] = build_record(**members | changes).encoded
    return World(records)


def read_pdf(data: bytes) -> pypdf.PdfReader:
    """Open a PDF as others do."""
    return pypdf.PdfReader(io.BytesIO(data), strict=True)


def read_metadata(data: bytes) -> bytes:
    """Return a PDF's metadata (XMP)."""
    stream = read_pdf(data).root_object["/Metadata"].get_object()
    assert isinstance(stream, StreamObject)
    return stream.get_data()


def page_texts(data: bytes) -> list[str]:
    """Return each page's text."""
    return [page.extract_text() for page in read_pdf(data).pages]


def read_code(svg: str, folder: Path) -> str:
    """Return what a QR code reader sees in a picture."""
    source = '#set page(width: 8cm, height: 8cm)\n#image(bytes(sys.inputs.svg), format: "svg")'
    compiled = typst.compile(
        source.encode(), root=str(folder), sys_inputs={"svg": svg}, format="png"
    )
    assert isinstance(compiled, bytes)
    picture = Image.open(io.BytesIO(compiled))
    (found,) = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return found.text
