"""The check of ``anchor doctor`` for timestamping authorities: two or more, of different operators.

Only names can be compared here: authorities under one domain are taken for one operator's, and two
domains may have one operator all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import groupby
from urllib.parse import urlsplit

from anchor.base.messages.message import Message, join
from anchor.project.config import TsaConfig

# Domains such as co.uk and com.cn, under which everybody's names are one label longer.
_SHARED_LABEL = 3


def check_authorities(tsas: Sequence[TsaConfig]) -> tuple[Message, Message | None]:
    """Return which authorities are configured, and what the operator might improve, if anything."""
    if not tsas:
        return Message("doctor-tsa-none"), None
    text = Message("doctor-tsa-configured", names=join([tsa.name for tsa in tsas]))
    if len(tsas) == 1:
        return text, Message("config-tsa-single")
    for domain, group in groupby(sorted(tsas, key=_domain_of), _domain_of):
        names = [tsa.name for tsa in group]
        if len(names) > 1:
            return text, Message("doctor-tsa-same-operator", names=join(names), domain=domain)
    return text, None


def _domain_of(tsa: TsaConfig) -> str:
    """Return the domain that an authority's host is registered under, or its address."""
    host = (urlsplit(tsa.url).hostname or "").rstrip(".")
    with suppress(ValueError):
        return str(ip_address(host))
    labels = host.split(".")
    is_shared = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= _SHARED_LABEL
    return ".".join(labels[-3:] if is_shared else labels[-2:])
