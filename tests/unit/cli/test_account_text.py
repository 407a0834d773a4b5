"""The text report shows stated and observed members apart, and every check that did not pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.group_examples import FULL

from anchor.cli.account_text import print_account
from anchor.cli.console import Output
from anchor.evidence.group_reading import read_groups


def shown(
    capsys: pytest.CaptureFixture[str],
    members: dict[str, Any],
    *,
    in_full: bool,
    language: Any = "en",
) -> list[str]:
    account = read_groups(json.dumps(members).encode())
    print_account(Output(as_json=False, language=language), account, in_full=in_full)
    return capsys.readouterr().out.splitlines()


def test_the_groups_are_named_apart(capsys: pytest.CaptureFixture[str]):
    stated, observed, *rest = shown(capsys, FULL, in_full=False)
    assert stated.startswith("  stated in the record, not verified: profile, ")
    assert "environment" not in stated
    assert observed == (
        "  observed by the program that made the record, not verified: "
        "platform, environment, cleanliness check, database extract, "
        "web capture made elsewhere, clock, web capture"
    )
    assert rest[:2] == ["    FAIL  Proxy: x", "    FAIL  Index: x"]
    assert any("collection.operators" in line for line in rest)


def test_in_full_every_value_stands_below_who_vouches_for_it(capsys: pytest.CaptureFixture[str]):
    lines = shown(capsys, FULL, in_full=True)
    place = lines.index("  observed by the program that made the record, not verified")
    assert "    origin (source.origin): 被告的办公电脑" in lines[:place]
    assert "    chain (platform.chain): eip155:1" in lines[:place]
    assert "    software (platform.software): anchor-evidence" in lines[place:]
    assert "    proxy settings (environment.proxy): none found" in lines[place:]
    assert "    pages (foreign_capture.pages): 1" in lines[place:]
    assert not [line for line in lines if "foreign_capture.findings" in line]


def test_a_check_that_was_not_made_is_shown_as_such(capsys: pytest.CaptureFixture[str]):
    cleanliness = json.loads(json.dumps(FULL["cleanliness"]))
    cleanliness["checks"][0]["result"] = "not_checked"
    members = {"cleanliness": cleanliness}
    assert "    not checked  Proxy: x" in shown(capsys, members, in_full=False)
    assert "    未检查  代理：x" in shown(capsys, members, in_full=False, language="zh")


def test_a_value_cannot_print_a_line_of_its_own(capsys: pytest.CaptureFixture[str]):
    members = {"items": [{"path": "a\nFAIL  x", "size": 1, "digests": {"sha256": "ab" * 32}}]}
    assert "    files of the bundle 1: path within the bundle (items.0.path): a\\nFAIL  x" in shown(
        capsys, members, in_full=True
    )


def test_what_cannot_be_interpreted_is_named(capsys: pytest.CaptureFixture[str]):
    (line,) = shown(capsys, {"clock": 5}, in_full=True)
    assert line.endswith("cannot be interpreted: clock")
