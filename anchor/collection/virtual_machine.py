"""The kind of machine that a process runs on: physical, virtual, or in a container."""

from __future__ import annotations

from pathlib import Path

from anchor.base.messages.message import Message, join

_MARKERS = {".dockerenv": "docker", "run/.containerenv": "podman"}
_CGROUPS = ("docker", "kubepods", "containerd", "lxc", "libpod")
_MOST_CHARACTERS = 1 << 20


def describe_machine(root: Path) -> str | None:
    """Return the kind of machine in a few words; None if nothing shows it."""
    container, virtual = _find_container(root), _find_hypervisor(root)
    kinds = [kind for kind in (container, virtual) if kind]
    return join(kinds, "semicolon") if kinds else None


def _find_container(root: Path) -> Message | None:
    for marker, name in _MARKERS.items():
        if (root / marker).exists():
            return Message("machine-container", name=name)
    groups = _read(root / "proc/1/cgroup") or ""
    named = next((name for name in _CGROUPS if name in groups), None)
    return Message("machine-container", name=named) if named else None


def _find_hypervisor(root: Path) -> Message | None:
    """Return what the processor's flags say; other processors than x86 say nothing."""
    cpu = _read(root / "proc/cpuinfo")
    if cpu is None or "\nflags" not in f"\n{cpu}":
        return None
    flags = next(line for line in cpu.splitlines() if line.startswith("flags"))
    vendor, product = (
        (_read(root / "sys/class/dmi/id" / name) or "").strip()
        for name in ("sys_vendor", "product_name")
    )
    named = " ".join(part for part in (vendor, product) if part)
    is_virtual = "hypervisor" in flags.split()
    kind = Message("machine-virtual") if is_virtual else Message("machine-physical")
    return Message("machine-named", kind=kind, name=named) if named else kind


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_CHARACTERS)
    except OSError:
        return None
