"""A log in a bucket: no object is replaced unseen, whatever ends, races or is rolled back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from support.bucket_publications import (
    Bucket,
    Interrupted,
    copy_log,
    extend,
    make_bucket,
    make_log,
    publish,
)
from support.memory_projects import MemorySite
from support.publications import refusal
from support.s3_server import S3Server

from anchor.base.errors import AnchorError, ExitCode
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import StoreUnavailable
from anchor.base.objects.s3_store import S3Store
from anchor.base.objects.store_choice import open_writable_store
from anchor.log.checkpoint import open_checkpoint
from anchor.log.publication import (
    CHECKPOINT,
    MAX_FILE_BYTES,
    PublicationChanged,
    open_reader,
    open_writer,
)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemorySite, MemorySite]:
    """A log of 300 leaves, and as it was with 3."""
    folder = tmp_path_factory.mktemp("grown")
    new = make_log(folder, 3)
    publish(new, str(folder / "published"))
    old = copy_log(new, folder / "old")
    extend(new, 297)
    return new, old


@pytest.fixture(scope="module")
def new(grown: tuple[MemorySite, MemorySite]) -> MemorySite:
    return grown[0]


@pytest.fixture(scope="module")
def old(grown: tuple[MemorySite, MemorySite]) -> MemorySite:
    return grown[1]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """Another log, of 400 leaves."""
    return make_log(tmp_path_factory.mktemp("other"), 400)


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    return make_bucket(s3)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(
    grown: tuple[MemorySite, MemorySite], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of the longer log, in a folder."""
    folder = tmp_path_factory.mktemp("expected")
    for site in reversed(grown):
        publish(site, str(folder))
    return files(folder)


def size_of(bucket: Bucket) -> int:
    return open_checkpoint(bucket.files()[CHECKPOINT], None).head.size


def test_a_bucket_holds_the_same_files_as_a_folder(
    new: MemorySite, old: MemorySite, bucket: Bucket, expected: dict[str, bytes]
) -> None:
    assert publish(old, bucket.url).tiles_written == 1
    assert publish(new, bucket.url).tiles_written == 3
    assert bucket.files() == expected
    before = bucket.files()
    assert not publish(new, bucket.url).is_new
    assert bucket.files() == before
    reader = open_reader(bucket.url)
    assert all(reader.read(path) == data for path, data in expected.items())
    assert reader.read("tile/0/999") is None


def test_each_object_says_what_it_is_and_for_how_long(new: MemorySite, bucket: Bucket) -> None:
    publish(new, bucket.url)
    for path in bucket.files():
        head = bucket.s3.client.head_object(Bucket=bucket.name, Key=f"log/{path}")
        told = head["ContentType"], head["CacheControl"]
        if path.startswith("tile/"):
            assert told == ("application/octet-stream", "public, max-age=31536000, immutable")
        else:
            assert told == ("text/plain; charset=utf-8", "no-cache")


def test_an_object_that_is_too_long_is_not_taken_for_a_file(bucket: Bucket) -> None:
    bucket.put("most", bytes(MAX_FILE_BYTES))
    bucket.put("more", bytes(MAX_FILE_BYTES + 1))
    reader = open_reader(bucket.url)
    assert reader.read("most") == bytes(MAX_FILE_BYTES)
    assert refusal(reader.read, "more").exit_code == ExitCode.CANNOT_CHECK


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "anchors/000"])
def test_an_object_with_other_bytes_is_named_and_left(
    new: MemorySite, old: MemorySite, bucket: Bucket, path: str
) -> None:
    publish(old, bucket.url)
    foreign = b"4 " + b"0" * 64 + b"\n"
    bucket.put(path, foreign)
    checkpoint = bucket.files()[CHECKPOINT]
    error = refusal(publish, new, bucket.url)
    assert (error.exit_code, path in error.message) == (ExitCode.CHAIN_GUARD, True), error.message
    assert bucket.files()[path] == foreign
    assert bucket.files()[CHECKPOINT] == checkpoint


def test_an_older_store_publishes_nothing(new: MemorySite, old: MemorySite, bucket: Bucket) -> None:
    publish(new, bucket.url)
    before = bucket.files()
    error = refusal(publish, old, bucket.url)
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert "the published log has 300 leaves" in error.message
    assert bucket.files() == before


def test_a_file_that_changed_since_it_was_read_is_not_replaced(bucket: Bucket) -> None:
    writer = open_writer(bucket.url)
    with pytest.raises(PublicationChanged):
        writer.replace(CHECKPOINT, b"ours", before=b"old")
    bucket.put(CHECKPOINT, b"theirs")
    for before in (None, b"old", b"theirs and more"):
        with pytest.raises(PublicationChanged):
            writer.replace(CHECKPOINT, b"ours", before=before)
    assert bucket.files() == {CHECKPOINT: b"theirs"}
    writer.replace(CHECKPOINT, b"ours", before=b"theirs")
    assert bucket.files() == {CHECKPOINT: b"ours"}


# Of a first publication: tiles of both levels in one batch, the list, the checkpoint.
EFFECTS = (1, 2, 3)


@pytest.mark.fault(
    "G7",
    how="at each write of a publisher, another of the same log publishes as much, less or more",
    then="each reads again and decides; the bucket holds the longer log, and its checkpoint never "
    "goes back",
)
@pytest.mark.parametrize("at", EFFECTS)
@pytest.mark.parametrize("rival", ["older", "equal", "newer"])
def test_two_publishers_of_one_log_race(
    new: MemorySite,
    old: MemorySite,
    bucket: Bucket,
    tmp_path: Path,
    expected: dict[str, bytes],
    rival: str,
    at: int,
) -> None:
    ours = old if rival == "newer" else new
    theirs = {"older": old, "newer": new}.get(rival) or copy_log(new, tmp_path / "standby")

    def publish_theirs() -> None:
        try:
            publish(theirs, bucket.url)
        except AnchorError as error:
            # A smaller log does not go on with tiles that it does not have.
            assert (rival, error.exit_code) == ("older", ExitCode.CHAIN_GUARD)

    target = Interrupted(bucket.url, at, publish_theirs)
    if rival == "newer":
        error = refusal(publish, ours, target)
        assert (error.exit_code, error.message.id) == (
            ExitCode.CHAIN_GUARD, "publication-ahead-of-store",
        )  # fmt: skip
    else:
        assert publish(ours, target).head.size == 300
    assert target.writes >= at
    stored = bucket.files()
    assert size_of(bucket) == 300
    assert {path: stored[path] for path in stored if path in expected} == {
        path: data for path, data in expected.items() if path in stored
    }
    assert set(expected) - set(stored) <= {"tile/0/000.p/3"}


@pytest.mark.fault(
    "G7",
    how="at each write of a publisher, another log is published to the same bucket",
    then="one of them is told (32); no object of the other is replaced",
)
@pytest.mark.parametrize("at", EFFECTS)
def test_two_logs_race_for_one_bucket(
    new: MemorySite, other: MemorySite, bucket: Bucket, at: int
) -> None:
    sizes: list[int] = []

    def attempt(site: MemorySite, target: str | Interrupted) -> None:
        try:
            sizes.append(publish(site, target).head.size)
        except AnchorError as error:
            assert error.exit_code == ExitCode.CHAIN_GUARD

    attempt(new, Interrupted(bucket.url, at, lambda: attempt(other, bucket.url)))
    # The first to write a tile.
    assert sizes == [400 if at == 1 else 300]
    assert size_of(bucket) == sizes[0]


def test_a_target_that_keeps_changing_is_given_up(
    new: MemorySite, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = S3Store.write

    def lose(self: S3Store, url: Any, *arguments: Any, **options: Any) -> bool:
        return not url.key.endswith(CHECKPOINT) and write(self, url, *arguments, **options)

    monkeypatch.setattr(S3Store, "write", lose)
    error = refusal(publish, new, bucket.url)
    assert (error.exit_code, error.message.id) == (
        ExitCode.CANNOT_CHECK, "publication-keeps-changing",
    )  # fmt: skip
    assert CHECKPOINT not in bucket.files()


class Crash(BaseException):
    """The process ends here."""


Trouble = Literal["crash before", "crash after", "request lost", "answer lost"]


def trouble_at(monkeypatch: pytest.MonkeyPatch, number: int, trouble: Trouble) -> Callable[[], int]:
    """Make the ``number``-th request to write fail; return a function that counts them."""
    write, lock, count = S3Store.write, threading.Lock(), 0

    def troubled(self: S3Store, *arguments: Any, **options: Any) -> bool:
        nonlocal count
        with lock:
            count += 1
            is_due = count == number
        if is_due and trouble == "crash before":
            raise Crash
        if is_due and trouble == "request lost":
            raise StoreUnavailable(Message("object-store-failed", kind="ReadTimeoutError"))
        is_written = write(self, *arguments, **options)
        if is_due and trouble == "crash after":
            raise Crash
        if is_due and trouble == "answer lost":
            raise StoreUnavailable(Message("object-store-failed", kind="ReadTimeoutError"))
        return is_written

    monkeypatch.setattr(S3Store, "write", troubled)
    return lambda: count


# Three requests that test the conditions, three tiles, the list, the checkpoint.
REQUESTS = 8


@pytest.mark.fault(
    "A22",
    how="the publisher ends before or after each request to a bucket, or request or answer is lost",
    then="readers have the old log or the new one; the next run goes on, and writes nothing twice",
)
@pytest.mark.parametrize("trouble", ["crash before", "crash after", "request lost", "answer lost"])
@pytest.mark.parametrize(
    "number",
    [
        *(pytest.param(number, marks=pytest.mark.release) for number in range(1, REQUESTS)),
        REQUESTS,
    ],
)
def test_a_publication_that_ended_is_continued(
    new: MemorySite,
    old: MemorySite,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, bytes],
    number: int,
    trouble: Trouble,
) -> None:
    publish(old, bucket.url)
    bucket.s3.client.delete_object(Bucket=bucket.name, Key="log/.anchor-probe")
    with monkeypatch.context() as patch:
        count = trouble_at(patch, number, trouble)
        if trouble.startswith("crash"):
            with pytest.raises(Crash):
                publish(new, bucket.url)
        else:
            error = refusal(publish, new, bucket.url)
            assert error.exit_code == ExitCode.CANNOT_CHECK
            assert "ReadTimeoutError" in error.message
        assert count() >= number
    is_applied = trouble in ("crash after", "answer lost")
    stored = bucket.files()
    assert size_of(bucket) == (300 if is_applied and number == REQUESTS else 3)
    assert all(expected[path] == data for path, data in stored.items() if path != CHECKPOINT
               and not path.startswith("anchors/"))  # fmt: skip
    assert publish(new, bucket.url).head.size == 300
    assert bucket.files() == expected


@pytest.mark.fault(
    "F30",
    how="a bucket is rolled back, wholly or in part, also between reading and writing",
    then="what is missing is written again, with the same bytes",
)
@pytest.mark.parametrize(
    "at", [0, *(pytest.param(at, marks=pytest.mark.release) for at in EFFECTS[:-1]), EFFECTS[-1]]
)
@pytest.mark.parametrize("part", ["all", "checkpoint", "list", "nothing left"])
def test_a_bucket_that_was_rolled_back_is_completed(
    new: MemorySite,
    old: MemorySite,
    bucket: Bucket,
    expected: dict[str, bytes],
    part: str,
    at: int,
) -> None:
    publish(old, bucket.url)
    past = bucket.files()

    def roll_back() -> None:
        present = bucket.files()
        bucket.restore({
            "all": past,
            "checkpoint": present | {CHECKPOINT: past[CHECKPOINT]},
            "list": present | {"anchors/000": past["anchors/000"]},
            "nothing left": {},
        }[part])  # fmt: skip

    if at == 0:
        publish(new, bucket.url)
        roll_back()
    else:
        publish(new, Interrupted(bucket.url, at, roll_back))
    publish(new, bucket.url)
    assert bucket.files() | past == expected | past
    assert size_of(bucket) == 300


def test_a_name_that_is_no_url_of_a_store_is_refused() -> None:
    for place in ("memory://log", "s3://key@bucket", "gs://key@bucket/log"):
        error = refusal(open_writer, place)
        assert (error.exit_code, "\n" in error.message) == (ExitCode.USAGE, False)
        assert error.hint is not None
    assert "is only read" in refusal(open_writable_store, "https").message
