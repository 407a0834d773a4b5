"""Orders of captures: limits, what a worker may return, and one record for each at most."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.capture_desk import CaptureClient, make_capture_site, make_client, serve_captures
from support.copies import until
from support.made_captures import count_left, make_result, put_made, read_order
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.ssrf_corpus import URLS

from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_writer import write_bag
from anchor.base.errors import ConfigError, MalformedError, StorageError, StoreBusyError
from anchor.capture.capture_spool import MOST_ATTEMPTS, CaptureOrder, CaptureSpool
from anchor.capture.capture_worker import CaptureLimits, CaptureWorker
from anchor.service import capture_desk, job_runner
from anchor.service.settings import CaptureSettings, Settings
from anchor.store.captures import save_recorded
from anchor.store.kept_copies import begin_copy

PAGE, ID = "https://example.org/", "0" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def site(folder: Path) -> MemorySite:
    return make_capture_site(folder, tenant_bytes=1 << 20)


@pytest.fixture(scope="module")
def served(site: MemorySite, folder: Path) -> Iterator[PageService]:
    limits = {"per_day": 14, "waiting": 12, "at_once": 12}
    with serve_captures(site, folder / "spool", **limits) as running:
        yield running


@pytest.fixture
def spool(folder: Path) -> CaptureSpool:
    return CaptureSpool(folder / "spool")


@pytest.fixture
def acme(served: PageService) -> CaptureClient:
    return make_client(served, f"t-{os.urandom(6).hex()}")


def evidence_of(client: CaptureClient) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = client.ask("/v1/evidence").json()["evidence"]
    return pieces


def read_kept(client: CaptureClient, evidence: str) -> bytes:
    status = f"/v1/evidence/{evidence}"
    until(lambda: client.ask(status).json()["kept_copy"]["state"] == "kept")
    content: bytes = client.ask(f"{status}/copy").content
    return content


def order_running(client: CaptureClient, **members: Any) -> str:
    id = client.accepted(PAGE, **members)
    client.wait(id, "running")
    return id


def test_a_good_result_becomes_one_piece_with_its_bag_picture_and_page(
    acme: CaptureClient, spool: CaptureSpool
) -> None:
    id = order_running(acme, note="the seller's page", depth=1)
    until(lambda: (spool.folder / "orders" / f"{id}.json").exists())
    order = read_order(spool, id)
    assert (order.url, order.depth, order.viewports) == (PAGE, 1, ("1280x800",))
    put_made(spool, id, *make_result(id, PAGE))
    capture = acme.wait(id)
    assert (capture["refusal"], capture["robots"]) == (None, "allowed")
    assert capture["not_captured"] == [{"subject": "ws://x/", "reason": "a <b>stream</b>"}]
    (piece,) = evidence_of(acme)
    assert piece["id"] == capture["evidence"]
    status = f"/v1/evidence/{piece['id']}"
    until(lambda: acme.ask(status).json()["kept_copy"]["state"] == "kept")
    assert acme.ask(f"{status}/copy").content[:2] == b"PK"
    until(lambda: count_left(spool.folder) == 0)
    assert [each["id"] for each in acme.ask("/v1/captures").json()["captures"]] == [id]


def bend_url(document: dict[str, Any]) -> None:
    document["groups"]["capture"]["url"] = "https://other.example/"


def bend_digest(document: dict[str, Any]) -> None:
    document["groups"]["items"][0]["digests"]["sha256"] = "0" * 64


def drop_file(document: dict[str, Any]) -> None:
    document["groups"]["items"].pop()


def bend_kind(document: dict[str, Any]) -> None:
    document["groups"]["kind"] = "statement"


def add_party(document: dict[str, Any]) -> None:
    document["groups"]["provider"] = {"legal_name": "a notary"}


def add_erasure(document: dict[str, Any]) -> None:
    document["groups"]["erasure"] = {"leaf": "0" * 64}


def bend_id(document: dict[str, Any]) -> None:
    document["id"] = "0" * 32


def bend_name(document: dict[str, Any]) -> None:
    document["name"] = "../manifest-sha256.txt"


def add_member(document: dict[str, Any]) -> None:
    document["state"] = "recorded"


def bend_missing(document: dict[str, Any]) -> None:
    document["missing"] = [{"subject": 1}]


BENDS: list[Callable[[dict[str, Any]], None]] = [
    bend_url, bend_digest, drop_file, bend_kind, add_party, add_erasure, bend_id, bend_name,
    add_member, bend_missing,
]  # fmt: skip


def test_a_result_of_another_page_kind_or_bag_is_refused(
    acme: CaptureClient, spool: CaptureSpool
) -> None:
    ids = [order_running(acme) for _ in range(len(BENDS) + 2)]
    for id, bend in zip(ids, BENDS, strict=False):
        document, bag = make_result(id, PAGE)
        document = deepcopy(document)
        bend(document)
        put_made(spool, id, document, bag)
    document, bag = make_result(ids[-2], PAGE)
    put_made(spool, ids[-2], document, None)  # no bag
    outside = spool.folder.parent / "outside.zip"
    write_bag(outside, make_result(ids[-1], PAGE)[1])
    kept = outside.read_bytes()
    (spool.folder / "results" / f"{ids[-1]}.zip").symlink_to(outside)
    put_made(spool, ids[-1], make_result(ids[-1], PAGE)[0], None)
    for id in ids:
        capture = acme.wait(id)
        assert capture["state"] == "refused", ids.index(id)
        assert capture["refusal"]
    assert evidence_of(acme) == []
    until(lambda: count_left(spool.folder) == 0)
    assert outside.read_bytes() == kept


SECRET = b"A FILE THAT ONLY THE SERVICE MAY READ "


def put_watched(
    spool: CaptureSpool, client: CaptureClient, swap: Callable[[Path, int], object]
) -> tuple[str, bytes]:
    """Put a good result, and call ``swap`` whenever its bag is about to be opened; return both."""
    id = order_running(client)
    document, bag = make_result(id, PAGE)
    made = spool.folder / "good.zip"
    write_bag(made, bag)
    path, kept = spool.bag_path(id), made.read_bytes()
    count = itertools.count(1)

    def watch(event: str, words: tuple[Any, ...]) -> None:
        if event == "open" and str(words[0]).endswith(path.name):
            swap(path, next(count))

    WATCHES.append(watch)
    made.rename(path)
    put_made(spool, id, document, None)
    return id, kept


WATCHES: list[Callable[[str, tuple[Any, ...]], None]] = []


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    def call(event: str, words: tuple[Any, ...]) -> None:
        for watch in WATCHES:
            watch(event, words)

    sys.addaudithook(call)  # for the life of the process


@pytest.fixture(autouse=True)
def _no_watches() -> Iterator[None]:
    yield
    WATCHES.clear()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_link_put_over_a_bag_never_leads_to_a_file_of_the_service(
    acme: CaptureClient, spool: CaptureSpool, at: int
) -> None:
    def swap(path: Path, number: int) -> None:
        if number == at:
            secret = spool.folder.parent / f"secret-{at}"
            secret.write_bytes((SECRET * path.stat().st_size)[: path.stat().st_size])
            (spool.folder / "link").symlink_to(secret)
            (spool.folder / "link").rename(path)

    id, kept = put_watched(spool, acme, swap)
    state = acme.wait(id, seconds=60)["state"]
    pieces = evidence_of(acme)
    assert (state, len(pieces)) == (("refused", 0) if at == 1 else ("recorded", 1))
    for piece in pieces:
        assert read_kept(acme, piece["id"]) == kept


def test_a_bag_that_is_shortened_while_it_is_checked_is_kept_as_it_was_checked(
    acme: CaptureClient, spool: CaptureSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(source: Any) -> Any:
        valid = validate_bag(source)
        os.truncate(spool.bag_path(order), 5)
        return valid

    monkeypatch.setattr(capture_desk, "validate_bag", check)
    order, kept = put_watched(spool, acme, lambda *_: None)
    assert acme.wait(order, seconds=60)["state"] == "recorded"
    assert read_kept(acme, evidence_of(acme)[0]["id"]) == kept


def test_a_shorter_bag_than_that_whose_copy_was_begun_is_refused(
    acme: CaptureClient, spool: CaptureSpool, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    lengths: list[int] = []

    def promise_more(*words: Any, length: int, **named: Any) -> Any:
        lengths.append(length)
        return begin_copy(*words, length=length + 1, **named)

    monkeypatch.setattr(capture_desk, "begin_copy", promise_more)
    id, _ = put_watched(spool, acme, lambda *_: None)
    assert acme.wait(id, seconds=60)["state"] == "refused"
    assert len(lengths) == 1


def make_fifo(path: Path, secret: Path) -> None:
    os.mkfifo(path)


def make_second_name(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def make_link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def make_folder(path: Path, secret: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [make_fifo, make_second_name, make_link, make_folder])
@pytest.mark.parametrize("part", ["json", "zip"])
def test_only_a_file_of_the_worker_itself_is_read(
    tmp_path: Path, make: Callable[[Path, Path], None], part: str
) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    secret = tmp_path / "secret"
    secret.write_bytes(b"{}")
    make(tmp_path / "results" / f"{ID}.{part}", secret)
    with pytest.raises(MalformedError, match="folder of captures"):
        spool.read_result(ID) if part == "json" else spool.take_bag(ID, 1 << 20)


def test_a_link_in_place_of_the_folder_of_results_is_not_followed(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / f"{ID}.json").write_bytes(b"{}")
    with pytest.raises(MalformedError, match="folder of captures"):
        spool.read_result(ID)


@pytest.mark.fault(
    "J20",
    how="the service fails before each step of taking a capture in",
    then="one record",
)
def test_a_service_that_fails_before_the_end_records_once(
    acme: CaptureClient, spool: CaptureSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def fail_once(connection: Any, id: str, account: Any, *, at: str) -> None:
        if not failures:
            failures.append(id)
            raise StorageError("the disk went away")
        save_recorded(connection, id, account, at=at)

    monkeypatch.setattr(job_runner, "_LEASE", 2)
    monkeypatch.setattr(capture_desk, "save_recorded", fail_once)
    id = order_running(acme)
    put_made(spool, id, *make_result(id, PAGE))
    assert acme.wait(id)["state"] == "recorded"
    assert failures == [id]
    assert len(evidence_of(acme)) == 1


def test_another_result_of_a_recorded_capture_is_not_recorded(
    acme: CaptureClient, spool: CaptureSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def lose_first(connection: Any, id: str, account: Any, *, at: str) -> None:
        if not taken:
            taken.append(id)
            put_made(spool, id, *make_result(id, PAGE, more=b"another capture"))
            raise StorageError("the disk went away")
        save_recorded(connection, id, account, at=at)

    monkeypatch.setattr(job_runner, "_LEASE", 2)
    monkeypatch.setattr(capture_desk, "save_recorded", lose_first)
    id = order_running(acme)
    put_made(spool, id, *make_result(id, PAGE))
    assert acme.wait(id)["state"] == "refused"
    assert len(evidence_of(acme)) == 1


def test_a_bag_for_which_there_is_no_room_is_refused(
    acme: CaptureClient, spool: CaptureSpool
) -> None:
    id = order_running(acme)
    put_made(spool, id, *make_result(id, PAGE, large=os.urandom(1 << 20)))
    capture = acme.wait(id)
    assert capture["state"] == "refused"
    assert str(1 << 20) in capture["refusal"]
    assert evidence_of(acme) == []


def test_limits_are_answered_with_429_and_a_key_is_one_order(acme: CaptureClient) -> None:
    first = acme.order(PAGE, "k1")
    again = acme.order(PAGE, "k1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = acme.order(f"{PAGE}other", "k1")
    assert other.status_code == 422
    for number in range(11):
        acme.accepted(f"{PAGE}{number}")
    beyond = acme.order(PAGE)
    assert beyond.status_code == 429
    assert "12" in beyond.json()["detail"]
    assert beyond.headers["Retry-After"]


def test_a_day_has_its_limit(acme: CaptureClient, spool: CaptureSpool) -> None:
    for _ in range(2):
        ids = [order_running(acme) for _ in range(7)]
        for id in ids:
            document = {"id": id, "refusal": {"en": "no answer", "zh": "无响应"}}
            put_made(spool, id, document, None)
        for id in ids:
            assert acme.wait(id)["refusal"] == "no answer"
    beyond = acme.order(PAGE)
    assert beyond.status_code == 429
    assert int(beyond.headers["Retry-After"]) <= 86_400


# A stranger sees in these nothing but a public name; the guard judges what it resolves to.
NAMES = {url for url in URLS if ".attacker.example" in url}


@pytest.mark.fault(
    "J21",
    how="addresses of private, link-local and other special networks, in many spellings",
    then="refused with the reason",
)
def test_an_address_of_the_corpus_is_refused_with_its_reason(acme: CaptureClient) -> None:
    for url in URLS:
        if url in NAMES:
            continue
        answer = acme.order(url)
        assert answer.status_code == 422, url
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/url" and error["message"], url


@pytest.mark.parametrize(
    "members",
    [
        {"depth": 9},
        {"viewports": []},
        {"viewports": ["1x1"]},
        {"note": "x" * 10_000},
        {"note": "two\nlines\0"},
        {"url": "https://example.org/" + "x" * 1_000},
        {"more": 1},
    ],
)
def test_an_order_that_is_malformed_is_refused(
    acme: CaptureClient, members: dict[str, Any]
) -> None:
    answer = acme.served.http.post(
        "/v1/captures", json={"url": PAGE} | members, headers=acme.headers
    )
    assert answer.status_code == 422, answer.text


def test_captures_are_off_unless_the_operator_wants_them(site: MemorySite) -> None:
    with serve_pages(site, site.chain) as served:
        client = make_client(served, "t-off")
        for answer in (client.order(PAGE), client.ask("/v1/captures")):
            assert answer.status_code == 404
            assert "offers no captures" in answer.json()["detail"]


def test_captures_without_copies_are_a_configuration_error(
    site: MemorySite, tmp_path: Path
) -> None:
    bare = replace(site, config=replace(site.config, keeping=None))
    settings = Settings(captures=CaptureSettings(folder=tmp_path))
    with pytest.raises(ConfigError, match="need copies"), serve_pages(bare, None, settings):
        pass


def make_order(id: str) -> CaptureOrder:
    return CaptureOrder(id=id, url=PAGE, viewports=("1280x800",), depth=0, max_bytes=1 << 20)


def run_once(spool: CaptureSpool, *command: str, limits: CaptureLimits | None = None) -> list[str]:
    told: list[str] = []
    worker = CaptureWorker(spool, command, limits or CaptureLimits(), told.append)
    worker.run(threading.Event(), is_once=True)
    return told


def test_an_order_whose_process_dies_each_time_ends_with_that_reason(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    spool.put_order(make_order("a" * 32))
    told = run_once(spool, "/bin/sh", "-c", "kill -KILL $$")
    assert sum("begun (attempt" in each for each in told) == MOST_ATTEMPTS
    result = spool.read_result("a" * 32)
    assert result is not None and "begun 3 times" in str(result["refusal"])
    assert spool.list_claimed() == []


@pytest.mark.fault(
    "J20",
    how="the worker was killed once, three times, and between the two steps of a result",
    then="taken again, given up after three attempts, a result without its bag is empty",
)
def test_what_a_killed_worker_had_taken_is_taken_again_but_not_for_ever(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    for id in ("a" * 32, "b" * 32, "c" * 32):
        spool.put_order(make_order(id))
    taken = [spool.claim() for _ in range(3)]
    first, second, third = (each for each in taken if each is not None)
    spool.take_again(spool.take_again(second))
    spool.put_result(third, b"{}", None)
    third.path.write_bytes(b"")  # killed between the two steps
    write = 'printf \'{"id":"x"}\' > "$2/result.json"'
    run_once(spool, "/bin/sh", "-c", write, "sh")
    assert spool.read_result(first.id) == {"id": "x"}
    assert "begun 3 times" in str(spool.read_result(second.id))
    assert spool.read_result(third.id) == {}
    assert spool.list_claimed() == []


@pytest.mark.fault(
    "J20",
    how="a capture beyond its limits of time and memory",
    then="ended, with that reason",
)
def test_a_capture_beyond_its_time_or_memory_ends_with_the_reason(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    spool.put_order(make_order("a" * 32))
    run_once(spool, "/bin/sh", "-c", "sleep 600", limits=CaptureLimits(seconds=0.5))
    assert "more than 0 seconds" in str(spool.read_result("a" * 32))
    spool.put_order(make_order("b" * 32))
    grow = "x = bytearray(300 << 20); import time; time.sleep(600)"
    limits = CaptureLimits(memory=200 << 20)
    run_once(spool, sys.executable, "-c", grow, limits=limits)
    assert "200 MiB" in str(spool.read_result("b" * 32))


def test_two_workers_do_not_share_a_folder(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path)
    spool.prepare()
    stop = threading.Event()
    first = CaptureWorker(spool, ("/bin/true",), CaptureLimits(), lambda _: started.set())
    started = threading.Event()
    spool.put_order(make_order("a" * 32))
    thread = threading.Thread(target=first.run, args=(stop,))
    thread.start()
    try:
        assert started.wait(60)
        with pytest.raises(StoreBusyError):
            run_once(spool, "/bin/true")
    finally:
        stop.set()
        thread.join()
