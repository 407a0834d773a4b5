"""Collecting evidence from Python: files recorded with an account of their collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.collection.collection_details import check_details
from anchor.evidence.discovery import IntakeProblem, Skipped, find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.record_groups import ProfileName
from anchor.library.adding import Added, describe_file, report_left_out
from anchor.operate.evidence_collection import collect_bundle, collect_files, observe_collection
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import choose_block
from anchor.project.project import OpenProject


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A collection: the pieces recorded, and the groups that each of their records holds.

    ``failed`` and ``not_checked`` are the ids of cleanliness checks; ``lacking`` are the members
    that the profile demands and the records do not hold.
    """

    added: list[Added]
    groups: Mapping[str, Any]
    failed: tuple[str, ...]
    not_checked: tuple[str, ...]
    lacking: tuple[str, ...]


def collect_evidence(
    project: OpenProject,
    files: Iterable[Path],
    *,
    profile: ProfileName,
    details: Mapping[str, Any],
    manifest: Path | None,
    not_before: bool | None,
    report: Callable[[Message], None],
    on_left_out: Callable[[IntakeProblem | Skipped], None] | None,
    on_progress: Callable[[int, int], None] | None,
) -> Collected:
    """Record files as documented at ``Project.collect``."""
    if profile not in get_args(ProfileName):
        expected = join(get_args(ProfileName))
        raise UsageError(Message("profile-unknown", actual=str(profile)[:80], expected=expected))
    check_outside_bags(manifest)
    stated = check_details(dict(details))
    groups = observe_collection(project.config, profile, stated)
    sources = skip_receipts(find_sources(list(files), follow_symlinks=False), project.config.log)
    collect = collect_files if manifest is None else partial(collect_bundle, manifest=manifest)
    with open_executor() as executor:
        done = collect(
            project,
            sources,
            groups,
            executor=executor,
            name_block=choose_block(project, not_before, report),
            on_done=on_progress,
        )
    report_left_out(done.intake, report=report, on_left_out=on_left_out)
    return Collected(
        added=list(map(describe_file, done.intake.files)),
        groups=done.groups.members(),
        failed=tuple(check.id for check in done.checks if check.result == "fail"),
        not_checked=tuple(check.id for check in done.checks if check.result == "not_checked"),
        lacking=tuple(demand.name for demand in done.lacking),
    )
