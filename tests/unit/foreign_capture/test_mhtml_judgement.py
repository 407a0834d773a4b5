"""MHTML files: their parts, codings and locations, and each fault of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchor.evidence.foreign_capture_group import ForeignCapture
from anchor.foreign_capture.capture_judgement import judge_capture

MHTML = """\
From: <Saved by Blink>
Snapshot-Content-Location: https://example.org/
Subject: Front
Date: Fri, 2 Jan 2026 03:04:05 +0000
MIME-Version: 1.0
Content-Type: multipart/related;
\ttype="text/html";
\tboundary="----edge----"

------edge----
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: https://example.org/

<p class=3D"a">Hello=
</p>
------edge----
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-Location: https://example.org/a.png

iVBORw0KGgo=

------edge------
""".replace("\n", "\r\n")


def judge(folder: Path, text: str) -> ForeignCapture:
    file = folder / "capture"
    file.write_bytes(text.encode())
    return judge_capture(file)


def test_an_intact_file_passes_and_nothing_in_it_is_covered(tmp_path: Path) -> None:
    capture = judge(tmp_path, MHTML)
    assert [(each.id, each.result) for each in capture.findings] == [
        ("mhtml-parts", "pass"),
        ("mhtml-locations", "pass"),
        ("uncovered", "not_checked"),
    ]
    assert capture.form == "mhtml"
    assert capture.software_stated == "<Saved by Blink>"
    assert capture.first_stated == "2026-01-02T03:04:05.000Z"
    assert (capture.pages, capture.exchanges) == (1, 2)


def bend(old: str, new: str) -> str:
    assert old in MHTML
    return MHTML.replace(old, new, 1)


FAULTS = {
    "base64": (bend("iVBORw0KGgo=", "iVBOR*0KGgo="), "mhtml-parts", "fail", "part 2"),
    "more base64": (bend("KGgo=\r\n", "KGgo=\r\nAAAA\r\n"), "mhtml-parts", "fail", "part 2"),
    "quoted-printable": (bend("=3D", "=3"), "mhtml-parts", "fail", "part 1"),
    "coding": (bend(": base64", ": x-zip"), "mhtml-parts", "not_checked", "'x-zip'"),
    "nested": (bend("image/png", "multipart/mixed"), "mhtml-parts", "not_checked", "of its own"),
    "end": (bend("------edge------", ""), "mhtml-parts", "fail", "before its last boundary"),
    "rest": (MHTML + "more", "mhtml-parts", "fail", "follows the last boundary"),
    "boundary": (bend('boundary="----edge----"', "x=y"), "mhtml-parts", "fail", "no boundary"),
    "root": (
        bend("Snapshot-Content-Location: h", "Snapshot-Content-Location: x"),
        "mhtml-locations",
        "fail",
        "no part has the location",
    ),
    "twice": (bend("org/a.png", "org/"), "mhtml-locations", "fail", "two parts"),
    "no location": (
        bend("Content-Location: https://example.org/a.png\r\n", ""),
        "mhtml-locations",
        "fail",
        "part 2",
    ),
}


@pytest.mark.parametrize(("text", "name", "result", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(tmp_path: Path, text: str, name: str, result: str, said: str) -> None:
    finding = next(each for each in judge(tmp_path, text).findings if each.id == name)
    assert finding.result == result
    assert said in finding.observed
