"""What becomes of a certificate when the process that makes it ends without one."""

from __future__ import annotations

import json

import pytest

from anchor.base.errors import CannotCheckError, ExitCode
from anchor.base.system.limited_process import Ended
from anchor.service.certificate_maker import explain_end
from anchor.service.problems import Problem

VERDICTS = {10, 11, 12, 13, 22}


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in (0, 21)])
def test_only_a_verdict_on_the_evidence_refuses_it(code: ExitCode) -> None:
    out = json.dumps({"error": "why", "id": None}).encode()
    error = explain_end(Ended(code=code, out=out, err=b""))
    assert type(error) is (Problem if code in VERDICTS else CannotCheckError)


@pytest.mark.parametrize("out", [b"", b"Traceback", b"{}"])
def test_a_process_that_was_killed_tells_nothing_about_the_evidence(out: bytes) -> None:
    assert isinstance(explain_end(Ended(code=-9, out=out, err=b"")), CannotCheckError)
