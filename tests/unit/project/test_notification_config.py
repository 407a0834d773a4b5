"""``[webhooks]`` and ``[mail]`` are read strictly, and passwords only from where nobody looks."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from anchor.base.errors import ConfigError, SignerError
from anchor.project.notification_config import (
    MailConfig,
    MailSection,
    WebhookSection,
    read_mail,
)

PAGES = "https://a.example"


def read(text: str, url: str | None = PAGES) -> MailConfig:
    members: dict[str, Any] = tomllib.loads(text)
    config = read_mail(MailSection.model_validate(members), Path("/folder"), url)
    assert config is not None
    return config


def test_without_a_section_there_is_no_mail_and_nothing_private() -> None:
    assert read_mail(None, Path("/folder"), None) is None
    assert not WebhookSection().allow_private
    with pytest.raises(ValidationError):
        WebhookSection.model_validate({"allow_privat": True})


def test_a_section_is_read() -> None:
    config = read(
        'host = "mail.example"\nfrom = "a@b.example"\nuser = "u"\npassword_file = "password"'
    )
    assert (config.host, config.port, config.security) == ("mail.example", 587, "starttls")
    assert config.password_file == Path("/folder/password")
    assert read('host = "mail.example"\nsecurity = "tls"\nfrom = "a@b.example"').port == 465
    assert (
        read('host = "localhost"\nsecurity = "none"\nfrom = "a@b.example"\nport = 2525').port
        == 2525
    )


@pytest.mark.parametrize(
    "text",
    [
        'host = "mail.example"',
        'host = "mail example"\nfrom = "a@b.example"',
        'host = "mail.example"\nfrom = "a@b.example"\nport = 0',
        'host = "mail.example"\nfrom = "a@b.example"\nsecurity = "ssl"',
        'host = "mail.example"\nfrom = "a@b.example"\npassword = "x"',
        'host = "mail.example"\nfrom = "Ann <a@b.example>"',
        'host = "mail.example"\nfrom = "a@b.example\\r\\nBcc: c@d.example"',
        'host = "mail.example"\nfrom = "ä@b.example"',
        'host = "mail.example"\nfrom = "a"',
    ],
)
def test_a_member_that_is_not_right_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        read(text)


@pytest.mark.parametrize(
    ("members", "url", "id"),
    [
        ("", None, "config-mail-url-missing"),
        ('user = "u"', PAGES, "config-mail-password-unclear"),
        ('password_file = "p"', PAGES, "config-mail-password-unclear"),
        ('user = "u"\npassword_file = "p"\npassword_variable = "P"', PAGES,
         "config-mail-password-unclear"),
        ('security = "none"', PAGES, "config-mail-not-encrypted"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(members: str, url: str | None, id: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(f'host = "mail.example"\nfrom = "a@b.example"\n{members}', url)
    assert error.value.message.id == id


def test_the_password_is_in_a_file_of_ones_own_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = 'host = "mail.example"\nfrom = "a@b.example"\n'
    assert read(base).read_password() is None
    file = tmp_path / "password"
    config = read(f'{base}user = "u"\npassword_file = "{file}"')
    with pytest.raises(SignerError):
        config.read_password()
    file.write_text("secret\n")
    file.chmod(0o644)
    with pytest.raises(SignerError):
        config.read_password()
    file.chmod(0o600)
    assert config.read_password() == "secret"
    file.write_text("geheim ä\n", "utf-8")
    with pytest.raises(ConfigError, match="not ASCII"):
        config.read_password()
    config = read(f'{base}user = "u"\npassword_variable = "MAIL_PASSWORD"')
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="MAIL_PASSWORD"):
        config.read_password()
    monkeypatch.setenv("MAIL_PASSWORD", "x")
    assert config.read_password() == "x"
