"""A daemon that publishes by itself: when, what it survives, and that anchoring never waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import fixtures
from support.chaos import ANY, open_proxy
from support.clocks import FastClock
from support.disasters import sql
from support.nodes import ask, other_chain, wait_until
from support.operators import Operator
from support.projects import make_site
from support.publications import NUMBERS, publish, refusal

from anchor.base.errors import CannotCheckError, ChainGuardError, ExitCode
from anchor.base.system.file_lock import hold_file
from anchor.chain.devnet import Devnet
from anchor.log.checkpoint import open_checkpoint
from anchor.log.publication import CHECKPOINT, PublicationFolder
from anchor.operate.publishing import publish_log
from anchor.project.log_key import load_log_key

devnet = fixtures.devnet


def is_idle() -> bool:
    return all(thread.name != "anchor-publisher" for thread in threading.enumerate())


class PatientClock(FastClock):
    """A fast clock that lets a publication end before time goes on."""

    def sleep(self, seconds: float) -> None:
        while not is_idle():
            time.sleep(0.002)
        super().sleep(seconds)


@pytest.fixture
def operator(tmp_path: Path, devnet: Devnet) -> Operator:
    site = make_site(tmp_path / "project", devnet, number=next(NUMBERS))
    return Operator(site, clock=PatientClock())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "published"


def published_size(operator: Operator, place: Path) -> int:
    with operator.site.open() as project:
        key = load_log_key(project.config).verifier()
    return open_checkpoint((place / CHECKPOINT).read_bytes(), key).head.size


def texts(operator: Operator, event: str) -> list[str]:
    return [item.text for item in operator.happened if item.event == event]


def test_each_new_final_head_is_published(operator: Operator, place: Path) -> None:
    sizes: list[int] = []
    operator.add("a")()
    operator.clock.at = {
        20.0: lambda: sizes.append(published_size(operator, place)),
        70.0: operator.add("b", "c"),
    }
    operator.run(until=200, target=PublicationFolder(place))
    assert operator.events() == ["anchored", "published", "anchored", "published"]
    assert [*sizes, published_size(operator, place)] == [1, 3]
    assert texts(operator, "published")[-1] == f"published 3 leaves in {place}; wrote 1 tiles"


@dataclass
class Counting(PublicationFolder):
    """A folder that counts how often it is looked at."""

    place: Path
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.place)

    def read(self, path: str) -> bytes | None:
        self.reads.append(path)
        return super().read(path)


def test_a_place_is_not_looked_at_while_nothing_new_is_final(
    operator: Operator, place: Path
) -> None:
    operator.add("a")()
    target = Counting(place)
    operator.run(until=1_000, target=target)
    assert target.reads.count(CHECKPOINT) == 2, "before it decides, and before it replaces it"


def test_what_an_earlier_process_left_unpublished_is_published_at_the_start(
    operator: Operator, place: Path
) -> None:
    operator.add("a")()
    operator.site.anchor()
    operator.run(until=5, target=PublicationFolder(place))
    assert operator.events() == ["published"]
    assert published_size(operator, place) == 1
    operator.happened.clear()
    operator.clock.now = 0
    operator.run(until=100, target=PublicationFolder(place))
    assert operator.events() == [], "there is nothing new"


def test_before_anything_is_final_nothing_is_published(operator: Operator, place: Path) -> None:
    operator.site.edit("finality = 0", "finality = 64")
    for _ in range(64):  # what others sent with the key is final
        ask(operator.site.url, "evm_mine")
    operator.add("a")()
    operator.run(until=100, target=PublicationFolder(place))
    assert operator.events() == ["included"]
    assert not place.exists()


@pytest.mark.fault(
    "A12",
    how="the place to publish in cannot be written to, while the daemon anchors",
    then="told, and tried again after 5, 10, 20 seconds; anchoring goes on; then it is published",
)
def test_a_place_that_fails_is_tried_again_and_keeps_nothing_from_being_anchored(
    operator: Operator, place: Path
) -> None:
    place.write_bytes(b"a file where the folder should be")
    operator.add("a")()
    operator.clock.at = {10.0: operator.add("b"), 30.0: place.unlink}
    operator.run(until=100, seconds=5.0, target=PublicationFolder(place))
    failed = texts(operator, "unpublished")
    assert all(str(place) in text and text.endswith("anchoring continues") for text in failed)
    waits = [text.partition("again in ")[2].partition(",")[0] for text in failed]
    assert waits == ["5 seconds", "10 seconds", "20 seconds"]
    assert operator.sizes() == [1, 2]
    assert operator.events().count("anchored") == 2
    assert published_size(operator, place) == 2


@dataclass
class Hanging(PublicationFolder):
    """A folder on a server that does not answer for a while."""

    place: Path
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(self.place)

    def create(self, files: Mapping[str, bytes]) -> None:
        self.goes_on.wait(60)
        super().create(files)


@pytest.mark.fault(
    "A12",
    how="the place to publish in hangs for half an hour, while the daemon anchors",
    then="told each ten minutes; anchoring goes on, and what was missed is published afterwards",
)
def test_a_place_that_hangs_keeps_nothing_from_being_anchored(
    operator: Operator, place: Path
) -> None:
    target = Hanging(place)
    operator.clock = FastClock()  # which does not wait for it
    operator.add("a")()
    operator.clock.at = {
        100.0: operator.add("b"),
        1_900.0: lambda: [target.goes_on.set(), wait_until(is_idle)],
        1_902.0: lambda: wait_until(is_idle),  # that publishes what has come meanwhile
    }
    operator.run(until=2_000, target=target)
    assert operator.sizes() == [1, 2]
    assert texts(operator, "warning") == [
        f"publishing the log in {place} has taken {minutes} minutes so far; anchoring continues"
        for minutes in (10, 20, 30)
    ]
    assert published_size(operator, place) == 2


class Broken:
    """A place with a bug."""

    name = "a broken place"

    def read(self, path: str) -> bytes | None:
        raise ZeroDivisionError

    def create(self, files: Mapping[str, bytes]) -> None:
        raise ZeroDivisionError

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        raise ZeroDivisionError


@pytest.mark.fault(
    "A14",
    how="the thread that publishes dies of what nobody expected",
    then="the daemon ends, and does not go on without it",
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_ends_the_daemon(operator: Operator) -> None:
    operator.add("a")()
    with pytest.raises(RuntimeError, match="the thread publisher died"):
        operator.run(until=1_000, target=Broken())


@dataclass
class Refusing:
    """An object store whose credentials have expired."""

    name = "the s3:// store"
    times: int = 0

    def read(self, path: str) -> bytes | None:
        self.times += 1
        raise CannotCheckError(f"{path} could not be read from {self.name}: PermissionError")

    def create(self, files: Mapping[str, bytes]) -> None:
        raise AssertionError("what cannot be read is not written to")

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        raise AssertionError("what cannot be read is not written to")


def test_a_place_that_refuses_is_asked_at_most_every_five_minutes(operator: Operator) -> None:
    operator.add("a")()
    target = Refusing()
    operator.run(until=3_000, target=target)
    failed = [item for item in operator.happened if item.event == "unpublished"]
    waits = [item.text.partition("again in ")[2].partition(" ")[0] for item in failed]
    assert waits[:8] == ["5", "10", "20", "40", "80", "160", "300", "300"]
    assert target.times == len(failed) == 15
    assert failed[-1].figures["exit_code"] == ExitCode.CANNOT_CHECK


def test_an_anchor_that_was_never_noted_is_looked_up_before(
    operator: Operator, place: Path
) -> None:
    """As after a crash between an inclusion and its note: the list of anchors has to be whole."""
    for name in ("a", "b", "c"):
        operator.add(name)()
        operator.site.anchor()
    publish(operator.site, place)
    for name in ("d", "e"):
        operator.add(name)()
        operator.site.anchor()
    sql(operator.site, "DELETE FROM anchors WHERE head_size = 4")
    operator.run(until=60, target=PublicationFolder(place))
    assert operator.events()[-1] == "published"
    assert (place / "anchors/000").read_bytes().count(b"\n") == 5


def test_a_publication_asks_no_node_of_another_chain_what_is_missing(
    operator: Operator, devnet: Devnet, place: Path
) -> None:
    operator.add("a")()
    operator.site.anchor()
    place.write_bytes(b"in the way of the first try")
    with other_chain(4242) as other, open_proxy(devnet) as (proxy, url):
        operator.clock.at = {
            3.0: lambda: [place.unlink(), proxy.always(ANY, lambda call: call.forward(other))]
        }
        with pytest.raises(ChainGuardError, match="on chain 4242"):
            operator.run(until=100, url=url, target=PublicationFolder(place))
    assert not place.exists()


def test_two_publications_of_a_log_do_not_run_at_once(operator: Operator, place: Path) -> None:
    operator.add("a")()
    operator.site.anchor()
    with operator.site.open() as project:
        with hold_file(operator.site.folder / "publishing.lock", CannotCheckError("held")):
            error = refusal(publish_log, project, PublicationFolder(place))
        assert error.exit_code == ExitCode.CHAIN_GUARD
        assert "another process is publishing this log" in error.message
        assert not place.exists()
    publish(operator.site, place)
    assert published_size(operator, place) == 1
