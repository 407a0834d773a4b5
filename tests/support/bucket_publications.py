"""Logs in memory that are published to a bucket, and what lies in it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from support.grown_logs import grow
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.s3_server import S3Server
from support.troubles import Effects

from anchor.log.publication import PublicationWriter, open_writer
from anchor.operate.publishing import Publication, publish_log
from anchor.store.location import SqliteFile

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own, with a log at ``url``."""

    name: str
    s3: S3Server

    @property
    def url(self) -> str:
        return f"s3://{self.name}/log"

    def files(self) -> dict[str, bytes]:
        """Return the published files, by path."""
        listed = self.s3.client.list_objects_v2(Bucket=self.name, Prefix="log/").get("Contents", [])
        keys = [each["Key"] for each in listed]
        return {
            key.removeprefix("log/"): self.s3.client.get_object(Bucket=self.name, Key=key)[
                "Body"
            ].read()
            for key in keys
            if not key.endswith("/.anchor-probe")
        }

    def put(self, path: str, data: bytes) -> None:
        self.s3.client.put_object(Bucket=self.name, Key=f"log/{path}", Body=data)

    def restore(self, files: Mapping[str, bytes]) -> None:
        """Make the published files be these, as a bucket that is rolled back."""
        for path in self.files():
            self.s3.client.delete_object(Bucket=self.name, Key=f"log/{path}")
        for path, data in files.items():
            self.put(path, data)


def make_bucket(s3: S3Server) -> Bucket:
    name = f"published-{next(_NUMBERS)}"
    s3.make_bucket(name, {})
    return Bucket(name, s3)


def make_log(folder: Path, size: int) -> MemorySite:
    """Make a log of so many leaves, all of them final."""
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    extend(site, size)
    return site


def extend(site: MemorySite, size: int) -> None:
    grow(site, size)
    site.round(Effects(), "final")


def copy_log(site: MemorySite, folder: Path) -> MemorySite:
    """Copy a project with its store and key, as a standby has it."""
    shutil.copytree(site.config.folder, folder)
    config = replace(
        site.config,
        folder=folder,
        file=folder / site.config.file.name,
        store=SqliteFile(folder / "anchor.db"),
        tiles=folder / site.config.tiles.name,
        log_key=folder / site.config.log_key.name,
    )
    return MemorySite(site.chain, config)


def publish(site: MemorySite, target: str | PublicationWriter) -> Publication:
    project = site.open()
    try:
        return publish_log(project, open_writer(target) if isinstance(target, str) else target)
    finally:
        project.database.close()


class Interrupted:
    """A target at whose ``at``-th writing something happens first."""

    def __init__(self, url: str, at: int, happens: Callable[[], object]) -> None:
        self._target = open_writer(url)
        self._at, self._happens = at, happens
        self.name = self._target.name
        self.writes = 0

    def read(self, path: str) -> bytes | None:
        return self._target.read(path)

    def create(self, files: Mapping[str, bytes]) -> None:
        self._count()
        self._target.create(files)

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        self._count()
        self._target.replace(path, data, before=before)

    def _count(self) -> None:
        self.writes += 1
        if self.writes == self._at:
            self._happens()
