"""The extras that commands need, named all at once."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

# The extra that installs each package that some commands need and a verifier may lack.
EXTRAS = {
    "web3": "rpc",
    "requests": "rpc",
    "eth_abi": "rpc",
    "tomlkit": "rpc",
    "eth_account": "operator",
    "sqlalchemy": "operator",
    "pydantic_settings": "operator",
    "typst": "certificate",
    "fontTools": "certificate",
    "jinja2": "certificate",
    "segno": "certificate",
    "pyhanko": "sign",
    "pkcs11": "pkcs11",
    "playwright": "capture",
    "warcio": "capture",
    "dns": "capture",
    "h11": "capture",
    "PIL": "capture",
    "cryptography": "capture",
    "authlib": "platform",
    "joserfc": "platform",
    "webauthn": "platform",
    "fastapi": "service",
    "uvicorn": "service",
    "prometheus_client": "service",
    "httpx": "service",
    "psycopg": "postgresql",
    "pyarrow": "objects",
    "rfc3161_client": "timestamps",
}

# The extras of commands that need others than "operator".
_OWN = {
    **dict.fromkeys(("demo", "devnet"), ("devnet",)),
    **dict.fromkeys(("capture", "capture-worker", "replay"), ("capture",)),
    **dict.fromkeys(("audit", "explain", "export", "pack", "sign", "trust", "verify"), ("rpc",)),
    "certify": ("certificate",),
    "copies": ("copies",),
    "serve": ("service",),
    "timestamp": ("operator", "timestamps"),
}
_NESTED = re.compile(r"anchor-evidence\[([\w,-]+)\].*extra == [\"']([\w-]+)[\"']")


def name_extras(command: str | None, package: str) -> str | None:
    """Return the extras with which a command that lacks a package can run; None if none has it."""
    if package not in EXTRAS:
        return None
    wanted = {EXTRAS[package], *_OWN.get(command or "", ("operator",))}
    included = {each for extra in wanted for each in _list_included(extra)}
    return ",".join(sorted(wanted - included))


def _list_included(extra: str) -> set[str]:
    """Return the extras that another one brings."""
    try:
        stated = requires("anchor-evidence") or ()
    except PackageNotFoundError:  # a checkout that is not installed
        return set()
    nested = filter(None, map(_NESTED.match, stated))
    direct = {each for match in nested if match[2] == extra for each in match[1].split(",")}
    return direct.union(*map(_list_included, direct))
