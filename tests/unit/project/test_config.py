"""A configuration that is refused: the file or variable at fault is named, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.memory_projects import make_template

from anchor.base.errors import ConfigError
from anchor.base.messages.message import translate
from anchor.project.config import SignerConfig, encode_config, load_config


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    config = make_template(tmp_path_factory.mktemp("template") / "project")
    key = SignerConfig(keystore=Path("key.json"), ape_account=None, password_file=None)
    return encode_config(replace(config, signer=key))


@pytest.fixture
def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "anchor.toml"
    path.write_text(text, "utf-8")
    load_config(path)
    return path


def refused(file: Path) -> tuple[str, str]:
    """Return why a configuration is refused, without its path, in English and in Chinese."""
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    message = caught.value.message
    english, chinese = (translate(message, language) for language in ("en", "zh"))
    assert english == message
    return english.replace(f"{file}, ", ""), chinese.replace(f"{file} ", "")


@pytest.mark.parametrize(
    ("old", "new", "english", "chinese"),
    [
        ("max_fee_gwei = 100", "max_fee_gwei = true",
         "member chain.max_fee_gwei: it is neither a number nor text",
         "的成员 chain.max_fee_gwei：既不是数字，也不是文本"),
        ("max_fee_gwei = 100", 'max_fee_gwei = "1e2"',
         ("member chain.max_fee_gwei: "
          'write gwei as a plain number, such as 100 or "0.05", with at most nine decimals'),
         '的成员 chain.max_fee_gwei：请将 gwei 写成普通数字，如 100 或 "0.05"，精确到 wei'),
        ("max_fee_gwei = 100", "max_fee_gwei = 0",
         "member chain.max_fee_gwei: it is not between 0.000000001 and 1000000 gwei",
         "的成员 chain.max_fee_gwei：不在 0.000000001 至 1000000 gwei 之间"),
        ("wait_seconds = ", "wait_secs = ",
         "member chain.wait_secs: there is no such member",
         "的成员 chain.wait_secs：没有这样的成员"),
        ("[log]", "[logs]",
         "member log: it is missing", "的成员 log：缺少该成员"),
        ("number = 7", "number = -1",
         "member log.number: Input should be greater than or equal to 0", None),
    ],
)  # fmt: skip
def test_a_member_is_named_with_what_is_wrong_in_either_language(
    old: str, new: str, english: str, chinese: str | None, file: Path
) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    told = refused(file)
    assert told[0] == english
    if chinese is not None:
        assert told[1] == chinese
    assert "Input" not in told[1]


def test_a_variable_is_named_in_place_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_CHAIN__CHAIN_ID", "0")
    assert refused(file)[0].startswith("ANCHOR_CHAIN__CHAIN_ID in the environment: ")
    assert refused(file)[1].startswith("环境变量 ANCHOR_CHAIN__CHAIN_ID：")


def test_variables_that_are_no_json_are_all_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_CHAIN__WITNESSES", "secret")
    monkeypatch.setenv("ANCHOR_CHAIN__RPC", "http://n")
    assert refused(file) == (
        "ANCHOR_CHAIN__RPC or ANCHOR_CHAIN__WITNESSES in the environment is not JSON",
        "环境变量 ANCHOR_CHAIN__RPC 或 ANCHOR_CHAIN__WITNESSES 不是 JSON",
    )


def test_two_keys_are_refused_with_the_variables_that_set_them(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_SIGNER__APE_ACCOUNT", "someone")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.hint == "the environment sets ANCHOR_SIGNER__APE_ACCOUNT"
    assert translate(caught.value.hint, "zh") == "环境变量设置了 ANCHOR_SIGNER__APE_ACCOUNT"
