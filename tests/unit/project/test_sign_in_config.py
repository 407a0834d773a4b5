"""The sections ``[platform]`` and ``[[sign_in]]``: read, or refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.memory_projects import make_template

from anchor.base.errors import AnchorError, ConfigError, SignerError
from anchor.base.messages.message import translate
from anchor.project.config import SignerConfig, encode_config, load_config

SECTIONS = """
[platform]
url = "https://anchor.example.org"
open_sign_up = true
[[sign_in]]
name = "one"
label = "一号"
issuer = "https://id.example.org/realm"
client_id = "anchor"
client_secret_file = "secret"
[[sign_in]]
name = "two"
label = "Two"
issuer = "http://localhost:8080"
client_id = "anchor"
client_secret_variable = "TEST_SIGN_IN_TWO"
scopes = ["openid"]
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    config = make_template(tmp_path_factory.mktemp("template") / "project")
    key = SignerConfig(keystore=Path("key.json"), ape_account=None, password_file=None)
    return encode_config(replace(config, signer=key))


@pytest.fixture
def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "anchor.toml"
    path.write_text(text + SECTIONS, "utf-8")
    return path


def test_providers_are_read_with_their_secrets_elsewhere(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = load_config(file).platform
    assert (platform.url, platform.open_sign_up) == ("https://anchor.example.org", True)
    one, two = platform.providers
    assert (one.name, one.label, one.scopes) == ("one", "一号", ("openid", "profile", "email"))
    assert two.scopes == ("openid",)
    with pytest.raises(SignerError, match="secret"):
        one.read_secret()
    secret = file.with_name("secret")
    secret.write_text("s3cret\n")
    with pytest.raises(SignerError, match="other"):
        one.read_secret()
    secret.chmod(0o600)
    assert one.read_secret() == "s3cret"
    with pytest.raises(ConfigError, match="TEST_SIGN_IN_TWO"):
        two.read_secret()
    monkeypatch.setenv("TEST_SIGN_IN_TWO", "other")
    assert two.read_secret() == "other"
    assert replace(two, secret_variable=None).read_secret() is None
    assert "s3cret" not in repr(platform) and "other" not in repr(platform)


def test_without_the_sections_nobody_signs_in(file: Path, text: str) -> None:
    file.write_text(text)
    platform = load_config(file).platform
    assert (platform.url, platform.open_sign_up, platform.providers) == (None, False, ())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('url = "https://anchor.example.org"\n', "", "no platform.url"),
        ("https://anchor.example.org", "http://anchor.example.org", "platform.url"),
        ("https://anchor.example.org", "https://anchor.example.org/path", "it has a path"),
        ("https://anchor.example.org", "https://user@anchor.example.org", "platform.url"),
        ("https://anchor.example.org", "ftp://anchor.example.org", "platform.url"),
        ("https://anchor.example.org", "https://[", "platform.url"),
        ("https://anchor.example.org", "https://a:x", "platform.url"),
        ("open_sign_up = true", "open_signup = true", "there is no such member"),
        ("https://id.example.org/realm", "http://id.example.org", "sign_in.0.issuer"),
        ("https://id.example.org/realm", "https://id.example.org/?x=1", "sign_in.0.issuer"),
        ('name = "two"', 'name = "one"', "two providers have the same name"),
        ('name = "two"', 'name = "a/b"', "sign_in.1.name"),
        ('label = "Two"', 'label = ""', "sign_in.1.label"),
        ('["openid"]', '["email"]', "has to contain openid"),
        ('["openid"]', '["openid", "a b"]', "spaces"),
        ('client_id = "anchor"\nclient_secret_v', 'client_secret = "x"\nclient_secret_v',
         "sign_in.1.client_id"),
        ('client_secret_file = "secret"', 'client_secret_file = "a"\nclient_secret_variable = "B"',
         "not both"),
        ("TEST_SIGN_IN_TWO", "lower", "sign_in.1.client_secret_variable"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_where(file: Path, old: str, new: str, words: str) -> None:
    changed = file.read_text("utf-8").replace(old, new, 1)
    assert changed != file.read_text("utf-8")
    file.write_text(changed, "utf-8")
    with pytest.raises(AnchorError) as caught:
        load_config(file)
    assert words in str(caught.value)
    assert translate(caught.value.message, "zh") != str(caught.value)
    assert "client_secret = " not in str(caught.value)
