"""The objects that ``anchor add`` is given: URLs, and manifests that other programs made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import ObjectUrl, UrlList
from anchor.evidence.hashing_pool import HashingWorkers
from anchor.evidence.hashing_progress import HashingProgress
from anchor.objects.hashing_job import open_job
from anchor.objects.object_hashing import HashingRules
from anchor.objects.object_manifest import list_manifests, read_rows
from anchor.operate.object_intake import ObjectIntake, take_manifest, take_objects
from anchor.operate.recent_block import NameBlock
from anchor.project.project import OpenProject


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInputs:
    """What was named; ``job`` without URLs continues the job in that folder."""

    urls: Sequence[ObjectUrl] | UrlList
    job: Path | None
    manifests: tuple[Path, ...]
    rate: float | None

    @property
    def is_any(self) -> bool:
        """Return whether there are objects to add."""
        return bool(self.urls or self.job or self.manifests)

    def refuse_options(self) -> None:
        """Refuse the options that make more evidence of what is known."""
        if self.is_any:
            raise UsageError(Message("option-not-for-objects"))


def add_objects(
    project: OpenProject,
    inputs: ObjectInputs,
    workers: HashingWorkers,
    name_block: NameBlock,
    progress: HashingProgress,
    report: Callable[[Message], None],
) -> ObjectIntake:
    """Hash and accept the objects of the URLs, and accept those of the manifests.

    Raises:
        MalformedError: A manifest is malformed; nothing was accepted.
        CannotCheckError: A store or the workers do not answer; repeating it continues.
    """
    intake = ObjectIntake()
    if not inputs.is_any:
        return intake
    paths = [each for path in inputs.manifests for each in list_manifests(path)]
    checked = [(path, read_rows(path)) for path in paths]
    for path, rows in checked:
        intake.join(take_manifest(project, path, rows, name_block))
    if inputs.urls or inputs.job:
        folder = inputs.job or _choose_folder(project)
        report(Message("object-manifests-in", path=folder))
        job = open_job(folder, inputs.urls or None, project.config.digests)
        rate = None if inputs.rate is None else inputs.rate / workers.processes
        rules = HashingRules(algorithms=job.algorithms, rate=rate)
        intake.join(
            take_objects(
                project,
                job,
                rules,
                workers=workers,
                name_block=name_block,
                on_done=progress,
                on_total=progress.expect,
            )
        )
    return intake


def _choose_folder(project: OpenProject) -> Path:
    """Return a new folder, named after the time."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return project.config.folder / "manifests" / moment
