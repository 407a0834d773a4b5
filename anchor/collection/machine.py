"""Observation of the machine: thin reading of its files and settings, without any judgement.

What cannot be read is None, and never a default.
"""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from anchor.collection.ca_store import CaPlaces, CaStore, find_places, load_store
from anchor.collection.virtual_machine import describe_machine

_MOST_BYTES = 1 << 24
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
INJECTING_VARIABLES = (
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH",
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "OPENSSL_CONF", "OPENSSL_MODULES", "SSLKEYLOGFILE",
    "FAKETIME",
)  # fmt: skip
"""Variables that make programs load other code, or trust other certificates or times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlaces:
    """Where a machine's files are; ``root`` is another folder than / in tests only."""

    root: Path
    ca: CaPlaces
    work: Path

    @classmethod
    def of_this_machine(cls) -> MachinePlaces:
        """Return the places of this machine; ``work`` is the folder whose disk is measured."""
        return cls(root=Path("/"), ca=find_places(), work=Path.cwd())


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineObservation:
    """What was seen of a machine; None: not observed.

    ``hosts`` is the hosts file's text, ``tracer`` the process that traces this one, 0 for none.
    ``injected`` are settings that change what programs load or trust.
    """

    os: str | None
    kernel: str | None
    cpu: str | None
    vm: str | None
    locale: str | None
    tz: str | None
    packages: tuple[str, ...] | None
    processes: tuple[str, ...] | None
    hosts: bytes | None
    own_names: tuple[str, ...]
    proxies: tuple[str, ...] | None
    dns_servers: tuple[str, ...] | None
    disk_free: int | None
    ca_store: CaStore | None
    injected: tuple[str, ...] | None
    tracer: int | None


def observe_machine(
    places: MachinePlaces, environment: Mapping[str, str] = os.environ
) -> MachineObservation:
    """Read what this process can see of the machine, without a network request."""
    root = places.root
    own = socket.gethostname()
    return MachineObservation(
        os=_find_value(_read(root / "etc/os-release"), "PRETTY_NAME") or platform.system() or None,
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}".strip() or None,
        cpu=_read_cpu(root),
        vm=describe_machine(root),
        locale=".".join(part for part in locale.getlocale() if part) or environment.get("LANG"),
        tz=f"{'/'.join(time.tzname)} UTC{time.strftime('%z')}",
        packages=_list_packages(root),
        processes=_list_processes(root),
        hosts=_read(root / "etc/hosts"),
        own_names=(own, own.partition(".")[0]),
        proxies=_list_proxies(environment),
        dns_servers=_list_dns_servers(root),
        disk_free=_measure_disk(places.work),
        ca_store=load_store(places.ca),
        injected=_list_injected(root, environment),
        tracer=_find_tracer(root),
    )


def _read(path: Path) -> bytes | None:
    """Return a file's bytes; None if it cannot be read, or is longer than any such file is."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= _MOST_BYTES else None


def _find_value(data: bytes | None, name: str) -> str | None:
    pattern = rf'^{name}\s*[=:]\s*"?([^"\n]+)"?'
    match = re.search(pattern, (data or b"").decode("utf-8", "replace"), re.MULTILINE)
    return match[1].strip() if match else None


def _read_cpu(root: Path) -> str | None:
    model = _find_value(_read(root / "proc/cpuinfo"), "model name")
    return model or platform.processor() or platform.machine() or None


def _list_packages(root: Path) -> tuple[str, ...] | None:
    """Return the installed packages of dpkg or apk as ``name version architecture``."""
    for path, names in (
        ("var/lib/dpkg/status", ("Package", "Version", "Architecture")),
        ("lib/apk/db/installed", ("P", "V", "A")),
    ):
        data = _read(root / path)
        if data is None:
            continue
        entries = data.decode("utf-8", "replace").split("\n\n")
        listed = [_describe_package(entry, names) for entry in entries if entry.strip()]
        return tuple(sorted(filter(None, listed)))
    return None


def _describe_package(entry: str, names: Iterable[str]) -> str | None:
    members = dict(
        line.split(":", 1) for line in entry.splitlines() if re.match(r"\w[\w-]*:", line)
    )
    if not members.get("Status", " installed").endswith(" installed"):
        return None
    return " ".join(members.get(name, "").strip() for name in names)


def _list_processes(root: Path) -> tuple[str, ...] | None:
    """Return the processes that this one may see, as ``id name``."""
    listed = []
    for path in (root / "proc").glob("[0-9]*/comm"):
        name = _read(path)
        if name is not None:
            listed.append((int(path.parent.name), name.decode("utf-8", "replace").strip()))
    return tuple(f"{number} {name}" for number, name in sorted(listed)) or None


def _list_proxies(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the proxies of the environment and, on macOS and Windows, of the system."""
    proxies = {
        name.lower(): value
        for name, value in environment.items()
        if name.lower() in _PROXY_VARIABLES and value
    }
    if environment is os.environ:
        proxies |= {
            f"{scheme}_proxy": url for scheme, url in getproxies().items() if scheme != "no"
        }
    return tuple(f"{name}={_redact(value)}" for name, value in sorted(proxies.items()))


def _redact(url: str) -> str:
    """Return a proxy's scheme, host and port; a user name and password are left out."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "?"
    return f"{parts.scheme or 'http'}://{host}" + (f":{port}" if port else "")


def _list_dns_servers(root: Path) -> tuple[str, ...] | None:
    data = _read(root / "etc/resolv.conf")
    if data is None:
        return None
    lines = (line.split() for line in data.decode("utf-8", "replace").splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def _measure_disk(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _list_injected(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    listed = [
        f"{name}={environment[name]}" for name in INJECTING_VARIABLES if environment.get(name)
    ]
    preloaded = b" ".join((_read(root / "etc/ld.so.preload") or b"").split())
    if preloaded:
        listed.append(f"/etc/ld.so.preload: {preloaded.decode('utf-8', 'replace')}")
    return tuple(listed)


def _find_tracer(root: Path) -> int | None:
    number = _find_value(_read(root / "proc/self/status"), "TracerPid")
    return int(number) if number is not None and number.isdecimal() else None
