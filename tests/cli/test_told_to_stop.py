"""``run``, ``serve`` and ``devnet`` told to stop at any instant, from their first line on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from support.command import environment
from support.fixtures import MakeSite
from support.stopping import is_running, start, wait_for_code, workers_of

from anchor.chain.devnet import Devnet

INSTANTS = 8
COMMANDS = {
    "run": ("run", "--every", "1"),
    "serve": ("serve", "--port", "0", "--workers", "2", "--quiet"),
    "devnet": ("devnet", "--embedded", "--port", "0"),
}


@pytest.mark.release
@pytest.mark.fault(
    "A17",
    how="SIGTERM and SIGINT to `run`, `serve` and `devnet` at random instants of their start",
    then="each ends with 0 and without a word of failure; the next one runs",
)
@pytest.mark.parametrize("name", COMMANDS)
def test_it_ends_with_0_whenever_it_is_told_to(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path, name: str
) -> None:
    site = new_site(embedded)
    random = Random(name)
    for number in range(INSTANTS):
        told = random.choice((signal.SIGTERM, signal.SIGINT))
        out = tmp_path / f"out-{number}"
        with start(site.folder, COMMANDS[name], out) as process:
            wait_for_code(process)
            time.sleep(random.uniform(0, 0.2 if number % 2 else 3))
            workers = workers_of(process.pid)
            process.send_signal(told)
            assert process.wait(60) == 0, (number, out.read_text())
        shown = out.read_text()
        assert "Traceback" not in shown and "error" not in shown, shown
        assert not [worker for worker in workers if is_running(worker)]
    site.run("run", "--once").expect(0)
    site.run("audit").expect(0)


def test_the_handlers_are_set_before_anything_else_is_loaded() -> None:
    code = (
        "import sys; bare = set(sys.modules); import anchor.__main__\n"
        "print(*(set(sys.modules) - bare))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.startswith("anchor")}
    assert loaded == {
        "anchor",
        "anchor.__main__",
        "anchor.base",
        "anchor.base.system",
        "anchor.base.system.signals",
    }
    foreign = {name.partition(".")[0] for name in done.stdout.split()} - {"anchor"}
    assert foreign <= set(sys.stdlib_module_names)


@pytest.mark.release
def test_ctrl_c_reaches_every_process_of_a_terminal_and_leaves_no_traceback(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path
) -> None:
    """A terminal sends it to the whole group: to workers that are still being loaded, too."""
    site = new_site(embedded)
    random = Random(7)
    for number in range(3):
        out = tmp_path / f"out-{number}"
        command = [sys.executable, "-m", "anchor", *COMMANDS["serve"]]
        with (
            out.open("wb") as shown,
            subprocess.Popen(
                command, cwd=site.folder, env=environment(), stdout=shown, stderr=shown,
                process_group=0,
            ) as process,
        ):  # fmt: skip
            wait_for_code(process)
            while not workers_of(process.pid):
                time.sleep(0.02)
            time.sleep(random.uniform(0, 1.5))
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 0, out.read_text()
        assert "Traceback" not in out.read_text(), out.read_text()
