"""Hashing on a cluster goes on without a worker, and is continued without its scheduler."""

from __future__ import annotations

import gc
import importlib.metadata
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.memory_projects import MemorySite
from support.s3_server import S3Server
from support.store_contents import load_pieces

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.objects.object_store import ListedObject
from anchor.base.objects.object_url import parse_object_url
from anchor.evidence.hashing_pool import open_executor, open_workers
from anchor.objects import hashing_job
from anchor.objects.hashing_job import open_job
from anchor.objects.object_hashing import HashingRules
from anchor.operate.object_intake import ObjectIntake, take_objects
from anchor.operate.recent_block import name_no_block

RULES = HashingRules(algorithms=("sha256",), rate=400.0)
"""So slow that something can end while it is read."""


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(hashing_job, "PART_ROWS", 10)
    name = f"dask-{abs(hash(request.node.name))}"
    s3.make_bucket(name, {f"{number:02}": b"%02d" % number * 10 for number in range(60)})
    return name


@contextmanager
def start(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_address(log: Path) -> str:
    """Wait until a scheduler has written its address."""
    for _ in range(300):
        _, _, rest = log.read_text("utf-8").partition("Scheduler at:")
        if "\n" in rest:
            return rest.split()[0]
        time.sleep(0.1)
    raise TimeoutError(log.read_text("utf-8"))


@pytest.fixture
def cluster(tmp_path: Path, s3: S3Server) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address, and the processes: the scheduler and two workers."""
    log = tmp_path / "scheduler.log"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            start("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", log=log)
        )
        address = read_address(log)
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "20")
        workers = [
            stack.enter_context(
                start("worker", address, *options, log=tmp_path / f"worker-{number}.log")
            )
            for number in range(2)
        ]
        yield address, [scheduler, *workers]


def take(site: MemorySite, folder: Path, bucket: str, on_done: Any, name: str) -> ObjectIntake:
    project = site.open()
    try:
        with open_workers(name, None, lambda _: None) as workers:
            return take_objects(
                project,
                open_job(folder, [parse_object_url(f"s3://{bucket}")], ("sha256",)),
                RULES,
                workers=workers,
                name_block=name_no_block,
                on_done=on_done,
                on_total=lambda *_: None,
            )
    finally:
        project.database.close()


def count_recorded(site: MemorySite) -> int:
    project = site.open()
    with project.database.read() as connection:
        sources = [piece.source for piece in load_pieces(connection)]
    project.database.close()
    assert len(sources) == len(set(sources))
    return sum(source.startswith("s3:") for source in sources)


def ends(process: subprocess.Popen[bytes]) -> Callable[[int, int], None]:
    """Return what kills the process once the first objects are hashed."""

    def kill(files: int, size: int) -> None:
        process.send_signal(signal.SIGKILL)

    return kill


@pytest.mark.release
@pytest.mark.fault(
    "J18",
    how="one of two workers of the cluster is killed while it hashes",
    then="the other does its work: every object has its row",
)
def test_a_lost_worker_costs_nothing(
    site: MemorySite,
    bucket: str,
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, (_, worker, _) = cluster
    intake = take(site, tmp_path / "job", bucket, ends(worker), f"dask:{address}")
    assert (intake.unread, count_recorded(site)) == (0, 60)
    assert worker.wait(60) == -signal.SIGKILL


@pytest.mark.release
def test_a_scheduler_keeps_nothing_of_what_it_passed_on(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    from distributed import Client

    def count_listed() -> int:
        gc.collect()
        return sum(type(each).__name__ == "ListedObject" for each in gc.get_objects())

    address, _ = cluster
    listed = ListedObject(url=parse_object_url("s3://bucket/key"), size=1, revision=None)
    with open_workers(f"dask:{address}", None, lambda _: None) as workers:
        for _ in range(20):
            assert workers.executor.submit(list, [listed] * 3).result() == [listed] * 3
        with Client(address) as client:
            assert client.run_on_scheduler(count_listed) == 0


@pytest.mark.release
@pytest.mark.fault(
    "J18",
    how="the scheduler is killed while objects are hashed",
    then="one sentence, exit code 20; the next run continues",
)
def test_a_lost_scheduler_is_said_and_the_run_continued(
    site: MemorySite,
    bucket: str,
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, (scheduler, *_) = cluster
    with pytest.raises(CannotCheckError, match="scheduler was lost"):
        take(site, tmp_path / "job", bucket, ends(scheduler), f"dask:{address}")
    assert count_recorded(site) < 60
    assert take(site, tmp_path / "job", bucket, lambda *_: None, "threads").unread == 0
    assert count_recorded(site) == 60


@pytest.mark.release
def test_a_scheduler_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "distributed-2020.1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: distributed\nVersion: 2020.1.0\n")
    commands = importlib.metadata.distribution("distributed").read_text("entry_points.txt")
    (old / "entry_points.txt").write_text(commands or "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "scheduler.log"
    with start("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", log=log):
        address = read_address(log)
        with (
            pytest.raises(CannotCheckError, match="version"),
            open_workers(f"dask:{address}", None, lambda _: None),
        ):
            pytest.fail("it was used")


def test_a_scheduler_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchor.evidence.dask_executor._CONNECT_SECONDS", "1s")
    with (
        pytest.raises(CannotCheckError, match=r"127\.0\.0\.1:9 cannot be reached"),
        open_workers("dask:tcp://127.0.0.1:9", None, lambda _: None),
    ):
        pass


@pytest.mark.parametrize("name", ["", "dask:", "threads:4", "ray", "Dask"])
def test_other_names_are_refused(name: str) -> None:
    with (
        pytest.raises(UsageError, match="executor"),
        open_workers(name, None, lambda _: None),
    ):
        pass


@pytest.mark.parametrize("address", ["tcp://ann:secret@127.0.0.1:9", "127.0.0.1:9/x", "a b"])
def test_an_address_of_another_form_is_refused_and_not_repeated(address: str) -> None:
    with (
        pytest.raises(UsageError, match="the address of a Dask scheduler") as caught,
        open_workers(f"dask:{address}", None, lambda _: None),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_a_clusters_workers_are_its_own() -> None:
    with (
        pytest.raises(UsageError, match="cluster's own"),
        open_workers("dask:tcp://127.0.0.1:9", 3, lambda _: None),
    ):
        pass


def test_a_process_that_ends_is_said() -> None:
    with (
        pytest.raises(CannotCheckError, match="a worker process ended"),
        open_workers("processes", 1, lambda _: None) as workers,
    ):
        workers.executor.submit(signal.raise_signal, signal.SIGKILL).result()
    with open_executor(1) as threads:
        assert threads.submit(abs, -1).result() == 1
