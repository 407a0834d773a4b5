"""The difference of what two captures received: resources added, removed and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anchor.comparison.capture_account import ResourceKey, ResourceState

States = frozenset[ResourceState]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDifference:
    """Requests by method and URL, in the order of the URLs.

    ``changed`` have other statuses or other digests of their bodies.  Of ``unknown``, a body has no
    digest that could be compared, so that nothing tells whether it changed.
    """

    added: tuple[ResourceKey, ...]
    removed: tuple[ResourceKey, ...]
    changed: tuple[tuple[ResourceKey, States, States], ...]
    unknown: tuple[ResourceKey, ...]
    same: int


def compare_resources(
    first: Mapping[ResourceKey, States], second: Mapping[ResourceKey, States]
) -> ResourceDifference:
    """Compare the answers to the requests of two captures."""
    changed: list[tuple[ResourceKey, States, States]] = []
    unknown: list[ResourceKey] = []
    same = 0
    for key in sorted(first.keys() & second.keys(), key=_order):
        before, after = first[key], second[key]
        if {status for status, _ in before} != {status for status, _ in after}:
            changed.append((key, before, after))
        elif any(digest is None for _, digest in before | after):
            unknown.append(key)
        elif before != after:
            changed.append((key, before, after))
        else:
            same += 1
    return ResourceDifference(
        added=tuple(sorted(second.keys() - first.keys(), key=_order)),
        removed=tuple(sorted(first.keys() - second.keys(), key=_order)),
        changed=tuple(changed),
        unknown=tuple(unknown),
        same=same,
    )


def drop_digests(resources: Mapping[ResourceKey, States]) -> Mapping[ResourceKey, States]:
    """Return the resources without digests, of bodies that cannot be compared with others."""
    return {
        key: frozenset((status, None) for status, _ in states) for key, states in resources.items()
    }


def _order(key: ResourceKey) -> tuple[str, str]:
    return key[1], key[0]
