"""The configuration of the platform and of the providers by which people sign in."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.chain.signer.keystore import read_password_file
from anchor.evidence.statement_text import StatementText

MOST_PROVIDERS = 8
_LOCAL = ("localhost", "127.0.0.1", "::1")
# RFC 6749, 3.3: the characters of a scope.
_SCOPE = re.compile(r"[!#-\[\]-~]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInConfig:
    """A provider (OpenID Connect): ``name`` is part of addresses, ``label`` is shown.

    Without ``secret_file`` and ``secret_variable`` the client is a public one.
    """

    name: str
    label: str
    issuer: str
    client_id: str
    secret_file: Path | None = None
    secret_variable: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")

    def read_secret(self) -> str | None:
        """Return the client's secret; None for a public client.

        Raises:
            SignerError: The file is missing, or readable by other users.
        """
        if self.secret_file is not None:
            return read_password_file(self.secret_file)
        if self.secret_variable is None:
            return None
        secret = os.environ.get(self.secret_variable, "")
        if not secret:
            raise ConfigError(
                Message("sign-in-secret-missing", name=self.name, variable=self.secret_variable)
            )
        return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformConfig:
    """The platform: the address of its pages, and whether anybody may create a tenant.

    ``operator`` and ``contact`` are the name and the address of its operator, for certificates.
    """

    url: str | None = None
    open_sign_up: bool = False
    operator: str | None = None
    contact: str | None = None
    providers: tuple[SignInConfig, ...] = ()


NO_PLATFORM = PlatformConfig()


def is_fit_url(url: str) -> bool:
    """Return whether a URL is HTTPS, or HTTP on this machine, and holds no secret or query."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    del port
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)


def _check_url(url: str) -> str:
    if not is_fit_url(url):
        raise ValueError(Message("config-url-not-https"))
    return url


def _check_base(url: str) -> str:
    if urlsplit(_check_url(url)).path.strip("/"):
        raise ValueError(Message("config-url-has-path"))
    return url.rstrip("/")


def _check_scopes(scopes: list[str]) -> list[str]:
    if "openid" not in scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise ValueError(Message("config-scopes-invalid"))
    return scopes


class PlatformSection(BaseModel):
    """``[platform]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_check_base)] | None = None
    open_sign_up: bool = False
    operator: StatementText | None = None
    contact: StatementText | None = None


class SignInSection(BaseModel):
    """``[[sign_in]]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    label: Annotated[str, Field(min_length=1, max_length=60)]
    issuer: Annotated[str, AfterValidator(_check_url), Field(max_length=255)]
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    client_secret_file: str | None = None
    client_secret_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None
    scopes: Annotated[list[str], Field(max_length=20), AfterValidator(_check_scopes)] = [
        "openid",
        "profile",
        "email",
    ]


def _check_providers(sections: list[SignInSection]) -> list[SignInSection]:
    if len({each.name for each in sections}) < len(sections):
        raise ValueError(Message("config-sign-in-twice"))
    return sections


SignInSections = Annotated[
    list[SignInSection], Field(max_length=MOST_PROVIDERS), AfterValidator(_check_providers)
]
"""The type of ``sign_in``."""


def read_platform(
    platform: PlatformSection, sections: list[SignInSection], folder: Path
) -> PlatformConfig:
    """Return the configuration of the platform; paths count from ``folder``.

    Raises:
        ConfigError: There are providers and no address to which they return people, or a secret is
            named twice.
    """
    if sections and platform.url is None:
        raise ConfigError(
            Message("config-platform-url-missing"), hint=Message("config-platform-url-hint")
        )
    for section in sections:
        if section.client_secret_file is not None and section.client_secret_variable is not None:
            raise ConfigError(Message("config-sign-in-secret-twice", name=section.name))
    return PlatformConfig(
        url=platform.url,
        operator=platform.operator,
        contact=platform.contact,
        open_sign_up=platform.open_sign_up,
        providers=tuple(_read_provider(section, folder) for section in sections),
    )


def _read_provider(section: SignInSection, folder: Path) -> SignInConfig:
    members: dict[str, Any] = section.model_dump(include={"name", "label", "issuer", "client_id"})
    file = section.client_secret_file
    return SignInConfig(
        **members,
        secret_file=None if file is None else folder / file,
        secret_variable=section.client_secret_variable,
        scopes=tuple(section.scopes),
    )
