"""Collection: the machine is observed, and every file gets a record that documents the collection.

Nothing is observed, hashed or recorded before the operator's details are validated in full.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.base.canonical import MAX_INTEGER
from anchor.base.digests import DIGEST_BYTES, Digests
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import write_file
from anchor.base.types import ChainId, Hash32, LogId
from anchor.collection.cleanliness import judge_cleanliness
from anchor.collection.installation import observe_software
from anchor.collection.machine import MachinePlaces, observe_machine
from anchor.collection.machine_environment import describe_environment
from anchor.collection.ntp import compare_clock
from anchor.ethereum.keccak import format_address
from anchor.evidence.bundle_manifest import describe_contents, encode_manifest
from anchor.evidence.collection_profiles import Demand, list_lacking
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile
from anchor.evidence.file_hashing import FileDigest, hash_sources
from anchor.evidence.not_before import NotBefore
from anchor.evidence.observed_groups import CleanlinessCheck
from anchor.evidence.record import MAX_NAME_CHARACTERS, SALT_BYTES, encode_record
from anchor.evidence.record_groups import Kind, ProfileName, RecordGroups
from anchor.operate.file_intake import IntakeResult, gather
from anchor.operate.recent_block import NameBlock, name_no_block
from anchor.project.config import Config
from anchor.project.project import OpenProject

# The longest values that a record of a file may have beside its name and groups.
_ANY_DIGESTS = Digests(sha256=bytes(DIGEST_BYTES), sm3=bytes(DIGEST_BYTES), size=MAX_INTEGER)
_ANY_MEDIA_TYPE = "x" * 100
_ANY_BLOCK = NotBefore(
    chain_id=ChainId(MAX_INTEGER), block_number=MAX_INTEGER, block_hash=Hash32(bytes(32))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionResult:
    """A collection: the groups in every record, and the files that were recorded."""

    groups: RecordGroups
    intake: IntakeResult

    @property
    def checks(self) -> tuple[CleanlinessCheck, ...]:
        """Return the cleanliness checks that did not pass."""
        cleanliness = self.groups.cleanliness
        checks = [] if cleanliness is None else cleanliness.checks
        return tuple(check for check in checks if check.result != "pass")

    @property
    def lacking(self) -> tuple[Demand, ...]:
        """Return what the profile demands and the records do not hold."""
        return list_lacking(self.groups)


def observe_collection(
    config: Config,
    profile: ProfileName,
    details: RecordGroups,
    *,
    argv: Sequence[str] | None = None,
    places: MachinePlaces | None = None,
) -> RecordGroups:
    """Return the groups of a collection: the operator's ``details``, and what is observed now.

    Only the NTP servers of the configuration are asked; without any, there is no network request.
    """
    started_at = utc_now()
    machine = observe_machine(places or MachinePlaces.of_this_machine())
    clock = compare_clock(config.ntp)
    observed = {
        "profile": profile,
        "environment": describe_environment(machine),
        "cleanliness": judge_cleanliness(machine, clock, started_at=started_at),
        "clock": clock,
        "platform": observe_software(
            argv=argv,
            config=config.file.read_bytes() if config.file.is_file() else None,
            chain=f"eip155:{config.chain_id}",
            registry=format_address(config.registry),
            code_hash=f"0x{config.code_hash.hex()}",
        ),
    }
    return details.model_copy(update=observed)


def collect_files(
    project: OpenProject,
    sources: Iterable[Discovered],
    groups: RecordGroups,
    *,
    executor: Executor,
    name_block: NameBlock = name_no_block,
    on_done: Callable[[int, int], None] | None = None,
) -> CollectionResult:
    """Hash and record the files, each with the same groups; on return they are durable.

    Raises:
        UsageError: A record would be too long; nothing was hashed or recorded.
        CannotCheckError: Records are to name a block, and no node tells the final one.
    """
    listed = list(sources)
    check_record_size(listed, groups, project.config.log)
    intake = gather(
        project,
        listed,
        executor=executor,
        keep_files=True,
        groups=groups,
        on_done=on_done,
        name_block=name_block,
    )
    return CollectionResult(groups=groups, intake=intake)


def collect_bundle(
    project: OpenProject,
    sources: Iterable[Discovered],
    groups: RecordGroups,
    *,
    manifest: Path,
    executor: Executor,
    kind: Kind = "bundle",
    name_block: NameBlock = name_no_block,
    on_done: Callable[[int, int], None] | None = None,
) -> CollectionResult:
    """Hash the files, write their manifest and record it, all of them or none.

    The one record has the digests of the manifest, and lists the files or, if there are too many,
    the manifest.

    Raises:
        UsageError: A file cannot be read, the manifest exists already or lies where its paths do
            not lead to the files, or the record would be too long; nothing was recorded.
        CannotCheckError: Records are to name a block, and no node tells the final one.
    """
    listed = list(sources)
    _check_new(manifest)
    _check_paths(manifest, listed)
    name_block()  # so that a node that does not tell leaves nothing behind
    results = hash_sources(listed, project.config.digests, executor=executor, on_done=on_done)
    with closing(results):
        files, skipped = _take_all(results)
    data = encode_manifest(files)
    members = {"kind": kind, **groups.members(), **describe_contents(files, data)}
    described = RecordGroups.model_validate(members)
    named = SourceFile(path=manifest, name=manifest.name)
    check_record_size([named], described, project.config.log)
    _check_new(manifest)  # hashing may have taken hours
    write_file(manifest, data)
    # A crash here leaves a manifest without a record, which a repeated call refuses to overwrite.
    intake = gather(
        project,
        [named],
        executor=executor,
        keep_files=True,
        groups=described,
        name_block=name_block,
    )
    return CollectionResult(groups=described, intake=replace(intake, skipped=tuple(skipped)))


def _check_new(manifest: Path) -> None:
    if os.path.lexists(manifest):
        raise UsageError(Message("bundle-manifest-exists", path=manifest), path=manifest)


def _check_paths(manifest: Path, sources: Iterable[Discovered]) -> None:
    """Check that a manifest's paths lead from its folder to the files that are listed."""
    wanted = manifest.parent.resolve()
    for source in sources:
        if isinstance(source, SourceFile):
            depth = source.name.count("/")
            folder = source.path.parent.resolve()
            folder = (folder, *folder.parents)[depth]
            if folder != wanted:
                raise UsageError(
                    Message(
                        "bundle-manifest-misplaced", path=manifest, name=source.name, folder=folder
                    ),
                    path=manifest,
                )


def _take_all(
    results: Iterable[FileDigest | IntakeProblem | Skipped],
) -> tuple[list[FileDigest], list[Skipped]]:
    files: list[FileDigest] = []
    skipped: list[Skipped] = []
    for result in results:
        if isinstance(result, IntakeProblem):
            raise UsageError(
                Message("bundle-file-unread", path=result.path, reason=result.reason),
                path=result.path,
            )
        if isinstance(result, FileDigest):
            files.append(result)
        else:
            skipped.append(result)
    if not files:
        raise UsageError(Message("evidence-to-add-not-found"))
    return files, skipped


def check_record_size(sources: Iterable[Discovered], groups: RecordGroups, log: LogId) -> None:
    """Check that the record of every file can be made, so that none is made by halves."""
    names = {source.name for source in sources if isinstance(source, SourceFile)}
    fitting = [name for name in names if len(name) <= MAX_NAME_CHARACTERS]
    longest = max(fitting, key=lambda name: len(json.dumps(name).encode()), default="x")
    try:
        encode_record(
            digests=_ANY_DIGESTS,
            name=longest,
            media_type=_ANY_MEDIA_TYPE,
            salt=bytes(SALT_BYTES),
            recorded_at=utc_now(),
            log=log,
            statements=groups.members(),
            not_before=_ANY_BLOCK,
        )
    except MalformedError as error:
        raise UsageError(
            Message("collection-details-too-long", reason=error.message),
            hint=Message("collection-details-too-long-hint"),
        ) from error
