"""The hosts file (hosts(5)): entries that lead another machine's name somewhere else."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

# The names that distributions give to the loopback and to IPv6 multicast groups.
_LOOPBACK = {
    "localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6",
    "localhost6.localdomain6", "ip6-localhost", "ip6-loopback", "broadcasthost",
}  # fmt: skip
_MULTICAST = {
    "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts",
}  # fmt: skip


def find_foreign_entries(text: str, own_names: Collection[str]) -> list[str]:
    """Return the entries for names that are neither this machine's nor the loopback's.

    The address does not excuse an entry: a foreign name on the loopback address leads to a server
    on this machine.  A loopback name on another address counts as foreign, too.
    """
    own = {name.lower().rstrip(".") for name in own_names if name}
    foreign = []
    # Only line feeds end lines, as for the C library: what else looks like an end is a blank there.
    for line in text.split("\n"):
        address, *names = line.partition("#")[0].split() or [""]
        bad = [name for name in names if not _is_expected(address, name.lower().rstrip("."), own)]
        if bad:
            foreign.append(" ".join([address, *bad]))
    return foreign


def _is_expected(address: str, name: str, own: Collection[str]) -> bool:
    if name in _MULTICAST or name in own:
        return True
    if name not in _LOOPBACK:
        return False
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return parsed.is_loopback or name == "broadcasthost"
