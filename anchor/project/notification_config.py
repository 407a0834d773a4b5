"""The configuration of webhooks and e-mail: ``[webhooks]`` and ``[mail]``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.chain.signer.keystore import read_password_file
from anchor.notifications.mail_text import parse_address

MailSecurity: TypeAlias = Literal["starttls", "tls", "none"]
"""How the mail server is reached: encrypted after a command or from the start, or not at all."""

_LOCAL = ("localhost", "127.0.0.1", "::1")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Whether webhooks may lead into the operator's own networks, and to this machine by HTTP."""

    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """The mail server that takes e-mails, and the address that they come from.

    Without ``user`` there is no sign-in at the server.
    """

    host: str
    port: int
    security: MailSecurity
    sender: str
    user: str | None = None
    password_file: Path | None = None
    password_variable: str | None = None

    def read_password(self) -> str | None:
        """Return the password; None without a sign-in.

        Raises:
            SignerError: The file is missing, or readable by other users.
            ConfigError: The environment variable is not set, or the password is not in ASCII.
        """
        if self.password_file is not None:
            password = read_password_file(self.password_file)
        elif self.password_variable is not None:
            password = os.environ.get(self.password_variable, "")
            if not password:
                raise ConfigError(Message("mail-password-missing", variable=self.password_variable))
        else:
            return None
        if not password.isascii():  # smtplib takes no other
            raise ConfigError(Message("mail-password-not-ascii"))
        return password


NO_WEBHOOK_RULES = WebhookConfig()


def _check_sender(address: str) -> str:
    # Control characters would end the header; a name in front of the address is not taken.
    try:
        is_plain = address.isascii() and parse_address(address).addr_spec == address
    except ValueError:
        is_plain = False
    if not is_plain:
        raise ValueError(Message("config-mail-address-invalid"))
    return address


class WebhookSection(BaseModel):
    """``[webhooks]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private: bool = False


class MailSection(BaseModel):
    """``[mail]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    security: MailSecurity = "starttls"
    user: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    password_file: str | None = None
    password_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None
    sender: Annotated[str, AfterValidator(_check_sender), Field(alias="from")]


def read_mail(section: MailSection | None, folder: Path, url: str | None) -> MailConfig | None:
    """Return the configuration of e-mail, None without any; paths count from ``folder``.

    ``url`` is the address of the pages, where people end what is sent to them.

    Raises:
        ConfigError: There are no pages, the password is named twice or not together with the user,
            or would be sent over the network without encryption.
    """
    if section is None:
        return None
    if url is None:
        raise ConfigError(Message("config-mail-url-missing"))
    secrets = [each for each in (section.password_file, section.password_variable) if each]
    if len(secrets) != (0 if section.user is None else 1):
        raise ConfigError(Message("config-mail-password-unclear"))
    if section.security == "none" and section.host not in _LOCAL:
        raise ConfigError(Message("config-mail-not-encrypted"))
    return MailConfig(
        host=section.host,
        port=section.port or _PORTS[section.security],
        security=section.security,
        sender=section.sender,
        user=section.user,
        password_file=None if section.password_file is None else folder / section.password_file,
        password_variable=section.password_variable,
    )
