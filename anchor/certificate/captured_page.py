"""What the bag of a web capture adds to its record: the screenshot, reduced, and details."""

from __future__ import annotations

import base64
import hashlib
import struct

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anchor.bag.bag_format import PAYLOAD
from anchor.bag.bag_validation import ValidBag
from anchor.base.errors import MalformedError, MismatchError
from anchor.base.messages.message import Message
from anchor.certificate.model import CaptureEntry, Picture, UncapturedEntry
from anchor.certificate.pdf import reduce_picture
from anchor.evidence.observed_groups import WebCapture

_ACCOUNT = f"{PAYLOAD}capture.json"
# The account of the busiest page has some 10 MB.
_MAX_ACCOUNT_BYTES = 1 << 26
# A page of 16,384 rows of photographs; and what a typesetter unpacks in 400 MB.
_MAX_PICTURE_BYTES = 1 << 26
_MAX_PIXELS = 100_000_000
# What is legible on paper, in pixels, and less than half a page high for each page width.
_SHOWN_WIDTH = 720
_SHOWN_HEIGHT = 900
_MOST_UNCAPTURED = 20
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


class _Part(BaseModel):
    """A part of ``capture.json``, of which other members are left out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Certificate(_Part):
    sha256: str
    not_before: str | None = None
    not_after: str | None = None


class _Served(_Part):
    chain: list[_Certificate]


class _Uncaptured(_Part):
    subject: str
    reason: str
    reason_zh: str | None = None


class _Account(_Part):
    certificates: list[_Served] = Field(default_factory=list)
    not_captured: list[_Uncaptured] = Field(default_factory=list)


def read_captured_page(bag: ValidBag, capture: WebCapture) -> CaptureEntry:
    """Return what a certificate shows of the capture in a bag that was verified with its record."""
    account = _read_account(bag)
    served = (
        certificate
        for each in account.certificates
        for certificate in each.chain
        if certificate.sha256 == capture.certificate_sha256
    )
    certificate = next(served, None)
    return CaptureEntry(
        picture=None
        if capture.screenshot_sha256 is None
        else _read_picture(bag, capture.screenshot_sha256),
        certificate_not_before=None if certificate is None else certificate.not_before,
        certificate_not_after=None if certificate is None else certificate.not_after,
        not_captured=[
            UncapturedEntry(subject=each.subject, reason=each.reason, reason_zh=each.reason_zh)
            for each in account.not_captured[:_MOST_UNCAPTURED]
        ],
    )


def _read_account(bag: ValidBag) -> _Account:
    if _ACCOUNT not in bag.payload:
        return _Account()
    data = bag.read_payload(_ACCOUNT, _MAX_ACCOUNT_BYTES)
    try:
        return _Account.model_validate_json(data)
    except ValidationError as error:
        raise MalformedError(Message("certificate-capture-account", name=_ACCOUNT)) from error


def _read_picture(bag: ValidBag, sha256: str) -> Picture:
    digest = bytes.fromhex(sha256)
    name = next((name for name, each in bag.payload.items() if each.sha256 == digest), None)
    if name is None:
        raise MismatchError(Message("certificate-picture-missing", sha256=sha256))
    data = bag.read_payload(name, _MAX_PICTURE_BYTES)
    width, height = _measure(data, name)
    shown_rows = min(height, max(1, width * _SHOWN_HEIGHT // _SHOWN_WIDTH))
    shown_width = min(width, _SHOWN_WIDTH)
    shown_height = max(1, shown_rows * shown_width // width)
    try:
        whole_height = max(1, height * shown_width // width)
        reduced = reduce_picture(
            data, width=shown_width, height=shown_height, whole_height=whole_height
        )
    except ValueError as error:
        raise MalformedError(Message("certificate-picture-unreadable", name=name)) from error
    return Picture(
        name=name,
        sha256=sha256,
        width=width,
        height=height,
        shown_rows=shown_rows,
        shown_width=shown_width,
        shown_height=shown_height,
        shown_sha256=hashlib.sha256(reduced).hexdigest(),
        png=base64.b64encode(reduced).decode("ascii"),
    )


def _measure(data: bytes, name: str) -> tuple[int, int]:
    """Return the width and height of a PNG file, by its first chunk."""
    if data.startswith(_PNG) and len(data) > len(_PNG) + 8:
        width, height = struct.unpack_from(">2L", data, len(_PNG))
        if width and height and width * height <= _MAX_PIXELS:
            return width, height
    raise MalformedError(Message("certificate-picture-unreadable", name=name))
