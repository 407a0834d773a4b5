"""The configuration of copies that tenants keep: ``[copies]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message

_LOCAL = "file://"
# 2^53 - 1: the largest number that JSON readers agree about.
_MOST_BYTES = (1 << 53) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingConfig:
    """Where copies are kept, the keyset that encrypts their keys, and each tenant's bytes.

    ``scan`` is the command of a virus scanner that reads from standard input; empty: none.
    """

    url: str = field(repr=False)
    keyset: Path
    tenant_bytes: int
    scan: tuple[str, ...] = ()


def _check_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    # A chained URL reads through a cache; the user and a query may be access keys.
    if not separator or not scheme.isalnum() or "::" in url:
        raise ValueError(Message("config-copies-url-invalid"))
    if "@" in rest.partition("/")[0] or "?" in rest:
        raise ValueError(Message("config-copies-url-secret"))
    return url


class KeepingSection(BaseModel):
    """``[copies]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_check_url), Field(repr=False)]
    keyset: Annotated[str, Field(min_length=1)]
    tenant_bytes: Annotated[int, Field(ge=0, le=_MOST_BYTES)]
    scan: list[Annotated[str, Field(min_length=1)]] = []


def read_keeping(section: KeepingSection | None, folder: Path) -> KeepingConfig | None:
    """Return the configuration of copies, None without any; paths count from ``folder``.

    Raises:
        ConfigError: The keyset is in the folder of the copies, which it is to be kept from.
    """
    if section is None:
        return None
    url, keyset = section.url, folder / section.keyset
    if url.startswith(_LOCAL):
        kept = folder / url.removeprefix(_LOCAL)
        if keyset.resolve().is_relative_to(kept.resolve()):
            raise ConfigError(Message("config-copies-keyset-inside"))
        url = f"{_LOCAL}{kept}"
    return KeepingConfig(
        url=url,
        keyset=keyset,
        tenant_bytes=section.tenant_bytes,
        scan=tuple(section.scan),
    )
