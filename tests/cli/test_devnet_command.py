"""``anchor devnet --exec`` and the ready file: a chain for the length of one command."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import Running, run_anchor, start_anchor
from support.json_documents import check_document
from support.nodes import ask

EMBEDDED = ("devnet", "--embedded", "--port", "0")

ASK = """
import json, os, sys, urllib.request
url = os.environ["ANCHOR_DEVNET_URL"]
body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
chain = int(json.load(urllib.request.urlopen(request))["result"], 16)
ready = json.load(open("ready.json"))
assert (ready["url"], ready["chain_id"]) == (url, chain), ready
print(chain, *sys.argv[1:])
sys.exit(7)
"""
WAIT = """
import signal, sys, time
def end(number, frame):
    print("got", number)
    sys.exit(5)
for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, end)
print("waiting", flush=True)
while True:
    time.sleep(60)
"""


def test_a_command_runs_while_the_chain_answers_and_its_code_is_returned(tmp_path: Path) -> None:
    words = (sys.executable, "-c", ASK, "--json", "--port", "$HOME")
    ran = run_anchor(*EMBEDDED, "--ready-file", "ready.json", "--exec", *words, cwd=tmp_path)
    ran.expect(7)
    assert ran.out == "31337 --json --port $HOME\n"
    assert ran.err == ""
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_the_command_makes_is_on_its_chain(tmp_path: Path) -> None:
    run_anchor(*EMBEDDED, "--exec", "sh", "-ec", """
        "$0" -m anchor init --devnet project
        grep -F "$ANCHOR_DEVNET_URL" project/anchor.toml
    """, sys.executable, cwd=tmp_path).expect(0, "http://127.0.0.1:")  # fmt: skip


def end(running: Running, name: signal.Signals) -> int | None:
    running.process.send_signal(name)
    running.process.wait(90)
    return running.process.returncode


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_which_decides_how_it_ends(
    tmp_path: Path, name: signal.Signals
) -> None:
    words = (*EMBEDDED, "--exec", sys.executable, "-c", WAIT)
    with start_anchor(*words, cwd=tmp_path, log=tmp_path / "log") as running:
        running.printed("waiting")
        assert end(running, name) == 5
        assert running.printed_so_far().endswith(f"got {int(name)}\n")


def test_a_command_that_a_signal_ended_is_reported_as_shells_do(tmp_path: Path) -> None:
    words = ("--exec", "sh", "-c", "kill -TERM $$")
    run_anchor(*EMBEDDED, *words, cwd=tmp_path).expect(128 + signal.SIGTERM)


def test_what_cannot_be_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "text").chmod(0o755)
    for words, text, code in (
        (("--exec",), "--exec needs a command", 2),
        (("true",), "a command is run with --exec only", 2),
        (("--json", "--exec", "true"), "--json and --exec exclude each other", 2),
        (("--exec", "no-such-program"), "no-such-program could not be started", 127),
        (("--exec", "./text"), "./text could not be started", 126),
        (("--ready-file", "text/ready.json", "--exec", "true"), "text/ready.json", 2),
        (("--ready-file", ".", "--exec", "true"), "exists and is no ready file of a devnet", 2),
    ):
        run_anchor(*EMBEDDED, *words, cwd=tmp_path).refused(code, text)


def test_the_ready_file_is_there_while_the_chain_answers(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    words = (*EMBEDDED, "--json", "--ready-file", ready)
    with start_anchor(*words, cwd=tmp_path, log=tmp_path / "log") as running:
        printed: dict[str, Any] = check_document(json.loads(running.printed("}")))
        assert json.loads(ready.read_text()) == printed
        assert printed.keys() == {"format", "url", "chain_id", "kind", "pid"}
        assert (printed["format"], printed["kind"]) == ("anchor-devnet/1", "py-evm")
        assert ask(printed["url"], "eth_chainId") == hex(printed["chain_id"])
        assert end(running, signal.SIGTERM) == 0
    assert not ready.exists()


def test_a_ready_file_replaces_that_of_a_killed_devnet_and_nothing_else(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    words = (*EMBEDDED, "--ready-file", ready)
    with start_anchor(*words, cwd=tmp_path, log=tmp_path / "log") as running:
        running.printed("Stop it with Ctrl-C.")
        running.process.kill()
        running.process.wait()
    left = json.loads(ready.read_bytes())
    run_anchor(*words, "--exec", "cat", ready, cwd=tmp_path).expect(0, '"anchor-devnet/1"')
    assert not ready.exists()
    for data in ("mine", "", "{}", json.dumps(left | {"format": "anchor-status/1"})):
        ready.write_text(data)
        run_anchor(*words, "--exec", "true", cwd=tmp_path).refused(2, "no ready file of a devnet")
        assert ready.read_text() == data
    ready.unlink()
    ready.symlink_to("nowhere")
    run_anchor(*words, "--exec", "true", cwd=tmp_path).refused(2, "no ready file of a devnet")
    assert ready.is_symlink()


def test_the_ready_file_of_another_chain_is_left_alone(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with start_anchor(
        *EMBEDDED, "--ready-file", ready, cwd=tmp_path, log=tmp_path / "log"
    ) as running:
        running.printed("Stop it with Ctrl-C.")
        ready.write_text("another")
        assert end(running, signal.SIGTERM) == 0
    assert ready.read_text() == "another"
