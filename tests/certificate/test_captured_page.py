"""What a certificate takes from the bag of a web capture: picture, times, what is missing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.bags import write_folder
from support.evidence_bags import complete_evidence, small_payload

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import validate_bag
from anchor.base.errors import AnchorError, MalformedError, MismatchError
from anchor.certificate.captured_page import read_captured_page
from anchor.certificate.model import CaptureEntry
from anchor.evidence.observed_groups import WebCapture

SHOT = "data/screenshot-1280x800.png"
SERVED = "ab" * 32


def draw(width: int, height: int) -> bytes:
    """Return a picture whose rows tell how far down they are: red at the top, blue below."""
    picture = Image.new("RGB", (width, height))
    for row in range(height):
        shade = 255 * row // height
        picture.paste((255 - shade, 0, shade), (0, row, width, row + 1))
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def read(folder: Path, picture: bytes, account: object, **changes: Any) -> CaptureEntry:
    text = account if isinstance(account, bytes) else json.dumps(account).encode()
    payload = {**small_payload(0), SHOT: picture, "data/capture.json": text}
    files, _ = complete_evidence(payload)
    bag = validate_bag(BagFolder(write_folder(folder / "bag", files)))
    stated = {
        "mode": "cdp-reconstructed", "url": "https://a.test/", "final_url": "https://a.test/",
        "started_at": "2026-09-21T14:00:00Z", "ended_at": "2026-09-21T14:00:09Z",
        "certificate_sha256": SERVED, "screenshot_sha256": hashlib.sha256(picture).hexdigest(),
        "requests": 1, "not_captured": 30, "cookies": "redacted", **changes,
    }  # fmt: skip
    return read_captured_page(bag, WebCapture.model_validate(stated))


ACCOUNT = {
    "certificates": [
        {"origin": "https://other.test", "chain": [{"sha256": "cd" * 32, "not_before": "never"}]},
        {"origin": "https://a.test", "chain": [
            {"sha256": SERVED, "not_before": "2026-01-01T00:00:00Z",
             "not_after": "2026-12-31T00:00:00Z", "names": ["a.test"]},
        ]},
    ],
    "not_captured": [{"subject": f"/{number}", "reason": "x", "code": "y"} for number in range(30)],
}  # fmt: skip


def test_the_times_are_those_of_the_pages_own_certificate(tmp_path: Path) -> None:
    entry = read(tmp_path, draw(40, 30), ACCOUNT)
    times = entry.certificate_not_before, entry.certificate_not_after
    assert times == ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z")
    assert [each.subject for each in entry.not_captured] == [f"/{number}" for number in range(20)]


def test_the_reason_of_an_omission_is_stated_in_both_languages(tmp_path: Path) -> None:
    earlier = {"subject": "/a", "reason": "the server failed", "code": "y"}
    account = {**ACCOUNT, "not_captured": [earlier, {**earlier, "reason_zh": "服务器出错"}]}
    entry = read(tmp_path, draw(40, 30), account)
    assert [each.reason_zh for each in entry.not_captured] == [None, "服务器出错"]


@pytest.mark.parametrize(
    ("width", "height", "rows", "shown"),
    [(40, 30, 30, (40, 30)), (1440, 900, 900, (720, 450)), (1280, 5000, 1600, (720, 900))],
)
def test_a_picture_is_reduced_and_cut_off_below(
    tmp_path: Path, width: int, height: int, rows: int, shown: tuple[int, int]
) -> None:
    picture = read(tmp_path, draw(width, height), ACCOUNT).picture
    assert picture is not None
    assert (picture.width, picture.height, picture.shown_rows) == (width, height, rows)
    data = base64.b64decode(picture.png)
    assert hashlib.sha256(data).hexdigest() == picture.shown_sha256
    with Image.open(io.BytesIO(data)) as reduced:
        assert reduced.size == (picture.shown_width, picture.shown_height) == shown
        colours = reduced.convert("RGB")
        top, bottom = (colours.getpixel((shown[0] // 2, row)) for row in (1, shown[1] - 2))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    for row, colour in ((1, top), (shown[1] - 2, bottom)):
        assert abs(colour[2] - 255 * row * rows // (shown[1] * height)) < 12


@pytest.mark.parametrize(
    ("picture", "account", "changes", "error", "said"),
    [
        (draw(4, 4), ACCOUNT, {"screenshot_sha256": "00" * 32}, MismatchError, "00" * 32),
        (b"no picture", ACCOUNT, {}, MalformedError, SHOT),
        (draw(4, 4)[:40], ACCOUNT, {}, MalformedError, SHOT),
        (draw(4, 4)[:16] + b"\x7f\xff\xff\xff" * 2 + bytes(9), ACCOUNT, {}, MalformedError, SHOT),
        (draw(4, 4), b"[", {}, MalformedError, "data/capture.json"),
        (draw(4, 4), {"certificates": "x"}, {}, MalformedError, "data/capture.json"),
    ],
)
def test_what_does_not_fit_or_cannot_be_read_is_refused(
    tmp_path: Path,
    picture: bytes,
    account: object,
    changes: dict[str, Any],
    error: type[AnchorError],
    said: str,
) -> None:
    with pytest.raises(error) as refusal:
        read(tmp_path, picture, account, **changes)
    assert said in str(refusal.value)
