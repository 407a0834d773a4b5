"""``anchor run`` as a process: what it prints, how it stops, and that there is only one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import Running, start_anchor
from support.in_process import run_in_process
from support.nodes import ask, stop_the_clock
from support.operators import Operator
from support.projects import Site

from anchor.base.errors import ExitCode
from anchor.chain.devnet import Devnet

MakeSite = Callable[..., Site]


def end(running: Running, number: int) -> str:
    """Send a signal, wait for a clean end and return all that was printed."""
    running.process.send_signal(number)
    assert running.process.wait(60) == 0
    return running.printed("stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_anchors_what_is_added_and_stops_when_told(
    site: Site, tmp_path: Path, number: int
) -> None:
    with start_anchor("run", "--every", "1", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("started")
        first, second = site.write("a.txt", b"a"), site.write("b.txt", b"b")
        # As another process, while the daemon holds the lock.
        site.run("add", first).expect(0)
        running.printed("anchor 1 of 1 leaf")
        site.run("add", second).expect(0)
        running.printed("anchor 2 of 2 leaves")
        running.printed("anchor 2 is final")
        shown = end(running, number)
    assert site.anchors_on_chain() == [(1, 1), (2, 2)]
    assert shown.count("sealed 1 leaf;") == 2
    site.run("verify", first, second).expect(0)


@pytest.mark.release
def test_a_daemon_publishes_what_is_final_and_so_may_others_beside_it(
    site: Site, tmp_path: Path
) -> None:
    site.edit('# [publish]\n# target = "published"', '[publish]\ntarget = "published"')
    with start_anchor("run", "--every", "1", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("started")
        site.run("add", site.write("a.txt", b"a")).expect(0)
        running.printed("published 1 leaves in ")
        ran = site.run("export-log", tmp_path / "elsewhere").expect(0)
        assert "1 leaves" in ran.out
        end(running, signal.SIGTERM)
    for place in (site.folder / "published", tmp_path / "elsewhere"):
        site.run("audit", place).expect(0)
    other = ("run", "--publish", tmp_path / "other")
    with start_anchor(*other, cwd=site.folder, log=tmp_path / "again") as running:
        running.printed(f"published 1 leaves in {tmp_path / 'other'}")
        end(running, signal.SIGTERM)


def test_each_anchor_is_watched_until_it_is_final(new_site: MakeSite, own_anvil: Devnet) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)  # nothing becomes final by itself
    site.add("a.txt", b"a")
    operator = Operator(site)
    operator.clock.at = {30.0: lambda: ask(site.url, "anvil_mine", "0x4")}
    operator.run(until=60)
    assert operator.events() == ["included", "final"]
    assert operator.happened[-1].figures == {"sequence": 1, "size": 1}


def test_there_is_one_daemon_for_a_project(site: Site, tmp_path: Path) -> None:
    with start_anchor("run", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("started")
        for command in (("run",), ("run", "--once"), ("seal",)):
            site.run(*command).refused(32, "another process is sealing or anchoring")
        end(running, signal.SIGTERM)
    site.run("run", "--once").expect(0)


@pytest.mark.fault(
    "A8",
    how="a daemon is killed as it sends its transaction",
    then="the next one starts, finds or sends it, and anchors once",
)
def test_a_killed_daemon_leaves_nothing_that_keeps_the_next_from_starting(
    site: Site, tmp_path: Path
) -> None:
    site.add("a.txt", b"a")
    with start_anchor("run", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("sending transaction")
        running.process.kill()
        running.process.wait()
    with start_anchor("run", cwd=site.folder, log=tmp_path / "again") as running:
        running.printed("anchor 1 ")
        end(running, signal.SIGTERM)
    assert site.anchors_on_chain() == [(1, 1)]


def test_each_event_is_one_line_of_json(site: Site, tmp_path: Path) -> None:
    site.add("a.txt", b"a")
    with start_anchor("run", "--json", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("anchor 1 ")
        shown = end(running, signal.SIGTERM)
    events = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    names = [event["event"] for event in events]
    assert names[0] == "started"
    assert names[-1] == "stopped"
    (anchored,) = [event for event in events if event["event"] in ("included", "anchored")]
    assert anchored["sealed"] == anchored["size"] == anchored["sequence"] == 1
    assert len(anchored["root"]) == 64
    assert all(event["time"].endswith("Z") and event["text"] for event in events)


def test_a_wrong_password_ends_it_before_it_starts(site: Site) -> None:
    (site.folder / "devnet-password").write_text("wrong")
    site.run("run").refused(31)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--once", "--every", "5"), "--every, --leaves and --bytes set the pace of `run`"),
        (("--once", "--leaves", "5"), "--every, --leaves and --bytes set the pace of `run`"),
        (("--wait", "final"), "--wait needs --once"),
        (("--once", "--publish", "folder"), "--publish cannot be used with --once"),
        (("--publish", "https://example.org/log"), "a log cannot be published to a web server"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    site: Site, arguments: tuple[str, ...], expected: str
) -> None:
    run_in_process("run", *arguments, cwd=site.folder).refused(ExitCode.USAGE, expected)


@pytest.mark.fault(
    "G1",
    how="a second daemon, told to stand by, while the first one is killed with -9",
    then="it takes over and anchors what the first had sealed and not anchored",
)
def test_a_standby_takes_over_when_the_daemon_dies(site: Site, tmp_path: Path) -> None:
    first = ("run", "--every", "1")
    with start_anchor(*first, cwd=site.folder, log=tmp_path / "first") as running:
        running.printed("started")
        with start_anchor(*first, "--standby", cwd=site.folder, log=tmp_path / "second") as standby:
            standby.printed("another process is running for this log; waiting")
            site.run("add", site.write("a.txt", b"a")).expect(0)
            running.printed("anchor 1 of 1 leaf")
            running.process.kill()
            site.run("add", site.write("b.txt", b"b")).expect(0)
            standby.printed("started")
            standby.printed("anchor 2 of 2 leaves")
            end(standby, signal.SIGTERM)
    assert site.anchors_on_chain() == [(1, 1), (2, 2)]


def test_a_standby_ends_when_told(site: Site, tmp_path: Path) -> None:
    with start_anchor("run", cwd=site.folder, log=tmp_path / "first") as running:
        running.printed("started")
        with start_anchor("run", "--standby", cwd=site.folder, log=tmp_path / "other") as standby:
            standby.printed("waiting")
            assert "it was still waiting" in end(standby, signal.SIGTERM)
        end(running, signal.SIGTERM)


def test_a_seal_comes_earlier_when_the_records_have_so_many_bytes(site: Site) -> None:
    operator = Operator(site)
    operator.clock.at = {
        20.0: operator.add("a.txt"),  # the first one is sealed at once
        40.0: operator.add("b.txt"),
        60.0: operator.add("c.txt"),  # two records have 700 bytes or so
        80.0: operator.add("d.txt"),
    }
    operator.run(until=90, seconds=1_000, size=600)
    assert operator.sizes() == [1, 3]
