"""What ``Output`` prints: in the reader's language, in columns, and without control characters."""

from __future__ import annotations

import json

import pytest

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Output, pad

CHINESE = Output(as_json=False, language="zh")


def test_text_and_marks_are_in_the_language_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for language, expected in (("zh_CN.UTF-8", "警告：3 片叶\n"), ("en", "warning: 3 leaves\n")):
        monkeypatch.setenv("LANGUAGE", language)
        output = Output(as_json=False)
        output.line(Message("leaf-count", size=3), mark=Message("warning-mark"))
        output.note(Message("leaf-count", size=3), mark=Message("warning-mark"))
        assert capsys.readouterr() == (expected, expected)


def test_a_language_that_is_named_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh")
    assert Output(as_json=False, language="en").say(Message("leaf-count", size=3)) == "3 leaves"


def test_json_is_english_in_every_language(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError(Message("exit-code", code=7), hint=Message("leaf-count", size=3))
    Output(as_json=True, language="zh").error(error)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "format": "anchor-error/1",
        "error": "exit code 7",
        "id": "exit-code",
        "operands": {"code": 7},
        "hint": "3 leaves",
        "exit_code": 2,
    }
    assert err == "错误：退出码 7\n  3 片叶\n"


def test_control_characters_in_operands_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\n\x1b[2Jb\u202e"
    CHINESE.line(Message("with-reason", failure=name, reason=Message("leaf-count", size=3)))
    assert capsys.readouterr().out == "a\\n\\x1b[2Jb\\u202e：3 片叶\n"
    CHINESE.row(name, "c", widths=())
    assert capsys.readouterr().out == "a\\n\\x1b[2Jb\\u202e  c\n"


def test_columns_are_padded_by_what_a_terminal_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert pad("叶（3）", 9) == "叶（3）  "
    assert pad("叶（3）", -9) == "  叶（3）"
    assert pad("too long", 3) == "too long"
    for name in ("leaf", Message("evidence-column-name")):
        CHINESE.row(name, "7", "end", widths=(6, -3), mark="- ")
    assert capsys.readouterr().out == "- leaf      7  end\n- 名称      7  end\n"
