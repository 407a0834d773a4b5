"""One object in a hundred changes while a bucket is read: each is named, none is recorded."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.memory_projects import MemorySite
from support.s3_server import S3Server
from support.store_contents import load_pieces

from anchor.base.messages.message import Message
from anchor.base.objects.object_url import parse_object_url
from anchor.evidence.hashing_pool import HashingWorkers
from anchor.objects.hashing_job import open_job
from anchor.objects.object_hashing import HashingRules
from anchor.objects.object_manifest import read_rows
from anchor.operate.object_intake import take_objects
from anchor.operate.recent_block import name_no_block

_COUNT, _CHANGED = 5_000, 50


class GatedPool(ThreadPoolExecutor):
    """Threads whose tasks from number ``first`` on wait until the gate is open."""

    def __init__(self, first: int) -> None:
        super().__init__(2)
        self.gate = threading.Event()
        self._first = first
        self._submitted = 0

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self._submitted += 1
        if self._submitted <= self._first:
            return super().submit(call, *arguments, **named)

        def wait_and_call() -> Any:
            self.gate.wait()
            return call(*arguments, **named)

        return super().submit(wait_and_call)


def content(number: int) -> bytes:
    return b"%08d" % number * (1 + number % 50)


@pytest.mark.release
@pytest.mark.fault(
    "J17",
    how="50 of 5,000 objects are replaced by others of the same length while a run reads them",
    then="the 50 are named and not recorded; the others are recorded as they were listed",
)
def test_each_change_is_named_and_no_mixture_recorded(
    site: MemorySite, s3: S3Server, tmp_path: Path
) -> None:
    chance = random.Random(20261128)
    numbers = chance.sample(range(2_560, _COUNT), _CHANGED)
    s3.make_bucket("changing", {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: put(s3, number, content(number)), range(_COUNT)))
    job = open_job(tmp_path / "job", [parse_object_url("s3://changing")], ("sha256",))
    project = site.open()
    with GatedPool(first=10) as pool:

        def change(files: int, size: int) -> None:
            """Replace the objects once the first task is done."""
            if not pool.gate.is_set():
                for number in numbers:
                    put(s3, number, content(number)[::-1])
                pool.gate.set()

        try:
            intake = take_objects(
                project,
                job,
                HashingRules(algorithms=("sha256",)),
                workers=HashingWorkers(pool, 1, 2),
                name_block=name_no_block,
                on_done=change,
                on_total=lambda *_: None,
            )
        finally:
            pool.gate.set()
    with project.database.read() as connection:
        stored = {
            piece.source: piece.sha256
            for piece in load_pieces(connection)
            if piece.source.startswith("s3:")
        }
    project.database.close()
    changed = {url(number) for number in numbers}
    assert (intake.unread, {problem.url for problem in intake.problems}) == (_CHANGED, changed)
    assert {problem.reason for problem in intake.problems} == {Message("object-changed")}
    assert stored == {
        url(number): hashlib.sha256(content(number)).digest()
        for number in range(_COUNT)
        if number not in numbers
    }
    rows = list(read_rows(job.part(0)))
    assert {row.url for row in rows if row.digests is None} == changed and len(rows) == _COUNT


def url(number: int) -> str:
    return f"s3://changing/{number:05}"


def put(s3: S3Server, number: int, data: bytes) -> None:
    s3.client.put_object(Bucket="changing", Key=f"{number:05}", Body=data)
