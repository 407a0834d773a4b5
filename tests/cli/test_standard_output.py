"""Standard output that is closed, full or not there ends a command as it ends other programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from support.command import ANCHOR, environment
from support.fixtures import MakeSite
from support.json_documents import check_document
from support.nodes import wait_until
from support.ports import free_port
from support.projects import Site, make_site
from support.service import make_key
from support.store_contents import count_pieces

from anchor.base.errors import ExitCode
from anchor.chain.devnet import Devnet

FULL = Path("/dev/full")
_TIMEOUT = 60


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said on standard error."""

    code: int
    err: str


def with_output(site: Site, out: int, *words: str) -> Ended:
    """Run a command with a descriptor as its standard output."""
    done = subprocess.run(
        [*ANCHOR, *words],
        cwd=site.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    return Ended(code=done.returncode, err=done.stderr)


def with_closed_pipe(site: Site, *words: str) -> Ended:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return with_output(site, writing, *words)
    finally:
        os.close(writing)


def with_full_disk(site: Site, *words: str) -> Ended:
    with FULL.open("wb", buffering=0) as full:
        return with_output(site, full.fileno(), *words)


def without_output(site: Site, *words: str, closed: str = ">&-") -> Ended:
    """Run a command with standard output closed, as a shell does it."""
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *ANCHOR, *words],
        cwd=site.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    assert done.stdout == ""
    return Ended(code=done.returncode, err=done.stderr)


COMMANDS = (
    ("--version",),
    ("--help",),
    ("verify", "--help"),
    ("status",),
    ("status", "--json"),
    ("audit", "--offline"),
    ("source",),
)
WRONG = (
    ("key", "show", "missing", "--json"),
    ("verify", "missing", "--json"),
    ("prove", "missing", "--json"),
    ("status", "--no-such-option", "--json"),
)


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory, embedded: Devnet) -> Site:
    folder = tmp_path_factory.mktemp("output") / "project"
    site = make_site(folder, embedded, number=8_150)
    site.add("a.txt", b"a")
    site.anchor()
    return site


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_pipe_ends_a_command_quietly_with_141(
    anchored: Site, words: tuple[str, ...]
) -> None:
    ended = with_closed_pipe(anchored, *words)
    assert ended.code == ExitCode.OUTPUT_CLOSED == 141
    assert "error" not in ended.err and "Traceback" not in ended.err, ended


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_under_standard_output_is_one_sentence_and_33(
    anchored: Site, words: tuple[str, ...]
) -> None:
    ended = with_full_disk(anchored, *words)
    assert ended.code == ExitCode.STORAGE, ended
    sentence = "error: standard output cannot be written: No space left on device; completed"
    assert [line for line in ended.err.splitlines() if line.startswith("error: ")] == [
        line for line in ended.err.splitlines() if line.startswith(sentence)
    ], ended
    assert ended.err.count(sentence) == 1, ended
    assert "Traceback" not in ended.err, ended


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
@pytest.mark.parametrize("output", [with_closed_pipe, with_full_disk])
def test_an_error_that_cannot_be_printed_as_json_stays_the_reason(
    anchored: Site, output: Callable[..., Ended], words: tuple[str, ...]
) -> None:
    ran = anchored.run(*words[:-1])
    told = ran.err.replace("anchor ", "python -m anchor ").splitlines()
    ended = output(anchored, *words)
    assert ended.code == ran.code not in (0, ExitCode.STORAGE), ended
    lines = ended.err.splitlines()
    assert [line for line in lines if "standard output" not in line] == told, ended
    assert len(lines) - len(told) == (output is with_full_disk), ended


def test_a_second_daemon_whose_output_is_full_ends_with_the_code_of_the_lock(
    anchored: Site,
) -> None:
    with anchored.open() as project, project.database.hold_lease():
        for output in (with_closed_pipe, with_full_disk):
            ended = output(anchored, "run", "--json")
            assert ended.code == ExitCode.CHAIN_GUARD, ended
            assert "another process" in ended.err, ended
        ran = anchored.run("run", "--json").refused(ExitCode.CHAIN_GUARD, "another process")
    (line,) = ran.out.splitlines()
    assert check_document(json.loads(line))["exit_code"] == ExitCode.CHAIN_GUARD


def test_a_status_without_its_node_says_why_though_nothing_can_be_printed(
    anchored: Site,
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    anchored.edit(anchored.url, nowhere)
    try:
        ended = with_full_disk(anchored, "status", "--json")
    finally:
        anchored.edit(nowhere, anchored.url)
    assert ended.code == ExitCode.CANNOT_CHECK, ended
    assert "cannot be reached (connection refused" in ended.err, ended


def test_a_standard_output_that_is_not_open_is_one_sentence_and_33(anchored: Site) -> None:
    ended = without_output(anchored, "status")
    assert ended.code == ExitCode.STORAGE
    assert "standard output cannot be written: it is not open" in ended.err
    # Neither stream is there: nothing can be said, and nothing is written into the store's file.
    assert without_output(anchored, "status", closed=">&- 2>&-").code == ExitCode.STORAGE
    assert without_output(anchored, "status", closed=">/dev/null <&- 2>&-").code == 0
    anchored.run("audit").expect(0)


def test_what_cannot_be_said_on_standard_error_is_lost_and_nothing_else(anchored: Site) -> None:
    for closed in (">/dev/null 2>&-", ">/dev/null 2>/dev/full"):
        assert without_output(anchored, "verify", "missing", closed=closed).code == ExitCode.USAGE
        assert without_output(anchored, "status", closed=closed).code == 0


@pytest.mark.fault(
    "J15",
    how="/dev/full, and a pipe that nobody reads, as standard output of `add` and `run --once`",
    then="33 and 141; what was done stays done, and is not done again",
)
def test_what_a_command_did_before_it_could_not_print_stays_done(
    new_site: MakeSite, embedded: Devnet
) -> None:
    site = new_site(embedded)
    site.write("a.txt", b"a")
    assert with_full_disk(site, "add", "a.txt").code == ExitCode.STORAGE
    assert count_pieces(site) == 1
    assert with_closed_pipe(site, "run", "--once").code == ExitCode.OUTPUT_CLOSED
    assert site.anchors_on_chain() == [(1, 1)]
    site.run("run", "--once").expect(0)
    assert site.anchors_on_chain() == [(1, 1)]


def test_some_lines_of_a_report_and_a_closed_pipe(anchored: Site) -> None:
    """As in ``anchor verify FILE | head -1``."""
    command = [*ANCHOR, "explain", "a.txt"]
    anchored.run("prove", "a.txt").expect(0)
    for lines in (1, 3):
        with subprocess.Popen(
            command, cwd=anchored.folder, env=environment(), stdout=-1, stderr=-1
        ) as run:
            assert run.stdout is not None and run.stderr is not None
            for _ in range(lines):
                assert run.stdout.readline()
            run.stdout.close()
            assert run.stderr.read() == b""
            assert run.wait(_TIMEOUT) in (0, 141)


@contextmanager
def going_on(site: Site, out: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*ANCHOR, *words], cwd=site.folder, env=environment(), stdin=subprocess.DEVNULL,
        stdout=out, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.fault(
    "J15",
    how="`run` and `run --json` onto /dev/full, and into a pipe that nobody reads",
    then="it anchors as before, tells it once on standard error, and ends with 0 when told to",
)
@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("kind", ["full", "closed"])
def test_run_anchors_whether_or_not_its_events_can_be_printed(
    new_site: MakeSite, embedded: Devnet, options: tuple[str, ...], kind: str
) -> None:
    site = new_site(embedded)
    site.add("a.txt", b"a")
    reading, writing = os.pipe()
    os.close(reading)
    with FULL.open("wb", buffering=0) as full:
        out = full.fileno() if kind == "full" else writing
        with going_on(site, out, "run", "--every", "1", *options) as process:
            os.close(writing)
            wait_for_anchors(site, 1)
            site.add("b.txt", b"b")
            wait_for_anchors(site, 2)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 0, err
    assert err.count("standard output cannot be written") == 1, err
    assert "Traceback" not in err


def test_run_prints_again_when_it_can_be_printed_again(
    new_site: MakeSite, embedded: Devnet
) -> None:
    """As with a log file on a disk that was full for a while."""
    site = new_site(embedded)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with going_on(site, writing, "run", "--every", "1", "--json") as process:
        os.close(writing)
        site.add("a.txt", b"a")
        wait_for_anchors(site, 1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_TIMEOUT)
    lines = os.read(reading, 65_536).decode().splitlines()
    os.close(reading)
    formats = {check_document(json.loads(line))["format"] for line in lines}
    assert formats == {"anchor-run-event/1"}


def test_serve_serves_though_nothing_can_be_printed(new_site: MakeSite, embedded: Devnet) -> None:
    site = new_site(embedded)
    key = make_key(site.folder)
    port = free_port()
    with (
        FULL.open("wb", buffering=0) as full,
        going_on(site, full.fileno(), "serve", "--port", str(port), "--workers", "1") as process,
    ):
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            transport=httpx.HTTPTransport(retries=20),
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT,
            trust_env=False,
        ) as client:
            answer = client.post("/v1/evidence", json={"sha256": "00" * 32})
            assert answer.status_code == 201, answer.text
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 0, err
    assert "standard output cannot be written" in err


def wait_for_anchors(site: Site, count: int) -> None:
    wait_until(lambda: len(site.anchors_on_chain()) == count, 40)
