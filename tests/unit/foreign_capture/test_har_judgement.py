"""HAR files: what they state is compared with what they hold, and each fault is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from anchor.base.errors import MalformedError
from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture import capture_judgement
from anchor.foreign_capture.capture_judgement import judge_capture

URL = "https://example.org/"


def build(content: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    body = b"<p>body</p>"
    entry = {
        "startedDateTime": "2026-01-02T11:04:05.123+08:00",
        "request": {"method": "GET", "url": URL},
        "response": {
            "status": 200,
            "content": content
            or {
                "size": len(body),
                "text": base64.b64encode(body).decode(),
                "encoding": "base64",
            },
        },
    }
    creator = {"name": "sample", "version": "3"}
    log = {"version": "1.2", "creator": creator, "pages": [{}], "entries": [entry | members]}
    return {"log": log}


def judge(folder: Path, har: object) -> ForeignCapture:
    file = folder / "capture"
    file.write_bytes(har if isinstance(har, bytes) else json.dumps(har).encode())
    return judge_capture(file)


def test_an_intact_file_passes_and_nothing_in_it_is_covered(tmp_path: Path) -> None:
    capture = judge(tmp_path, build())
    assert [(each.id, each.result) for each in capture.findings] == [
        ("har-structure", "pass"),
        ("har-bodies", "pass"),
        ("uncovered", "not_checked"),
    ]
    assert (capture.version_stated, capture.software_stated) == ("1.2", "sample 3")
    assert (capture.first_stated, capture.pages) == ("2026-01-02T03:04:05.123Z", 1)
    assert "holds no digests" in capture.findings[-1].observed


DETAILS = {"_securityDetails": {"validFrom": 1, "validTo": 2}}
VALID = {"_securityDetails": {"validFrom": 1, "validTo": 9_000_000_000}}
FAULTS: dict[str, tuple[object, str, str, str]] = {
    "size": (build({"size": 5, "text": "AAAA", "encoding": "base64"}), "har-bodies", "fail", "3"),
    "text": (build({"size": 5, "text": "é"}), "har-bodies", "not_checked", "character set"),
    "base64": (
        build({"size": 3, "text": "A", "encoding": "base64"}),
        "har-bodies",
        "fail",
        "is not base64",
    ),
    "encoding": (
        build({"size": 3, "text": "A", "encoding": "br"}),
        "har-bodies",
        "not_checked",
        "'br'",
    ),
    "no size": (build({"text": "A", "size": -1}), "har-bodies", "not_checked", "no size"),
    "no body": (build({"size": 3}), "har-bodies", "not_checked", "not in the file"),
    "no time": (build(startedDateTime="yesterday"), "har-structure", "fail", "entry 1"),
    "no zone": (build(startedDateTime="2026-01-02T03:04:05"), "har-structure", "fail", "entry 1"),
    "no request": (build(request=None), "har-structure", "fail", "entry 1"),
    "version": ({"log": build()["log"] | {"version": "9"}}, "har-structure", "fail", "'9'"),
    "entries": ({"log": {"version": "1.2", "entries": 5}}, "har-structure", "fail", "not a list"),
    "member twice": (b'{"log": {"a": 1, "a": 2}}', "har-structure", "fail", "not a JSON object"),
    "no JSON": (b'{"log": {', "har-structure", "fail", "not a JSON object"),
    "too deep": (b'{"log": ' + b"[" * 100_000, "har-structure", "fail", "not a JSON object"),
    "certificate": (build(**DETAILS), "tls-certificates", "fail", "does not include"),
    "stated certificate": (build(**VALID), "tls-certificates", "not_checked", "does not hold"),
}


@pytest.mark.parametrize(("har", "name", "result", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(
    tmp_path: Path, har: object, name: str, result: str, said: str
) -> None:
    finding = next(each for each in judge(tmp_path, har).findings if each.id == name)
    assert finding.result == result
    assert said in finding.observed


def test_a_file_that_does_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_judgement, "_MAX_HAR_BYTES", 100)
    with pytest.raises(MalformedError, match="is not read"):
        judge(tmp_path, build())
