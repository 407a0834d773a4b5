"""``scripts/stack``: the platform as in production by one command, and nothing left of it."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.command import Running, start_anchor
from support.nodes import wait_until
from support.paths import ROOT
from support.service import digest
from support.tools import check_program
from support.webhook_receiver import run_receiver

pytestmark = pytest.mark.release


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder below which the user that PostgreSQL runs as may have one, too."""
    folder = Path(tempfile.mkdtemp(prefix="anchor-tests-stack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def find_processes(folder: Path) -> list[str]:
    """Return the command lines of the processes that have the folder as theirs."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = [(process / name).read_bytes() for name in ("cmdline", "environ")]
        except OSError:
            continue
        if any(os.fsencode(folder) in part for part in about):
            lines.append(about[0].replace(b"\0", b" ").decode())
    return lines


def read_mails(folder: Path) -> list[str]:
    return [
        str(message_from_bytes(path.read_bytes(), policy=default)["Subject"])
        for path in sorted((folder / "new").glob("*"))
    ]


def read_states(visitor: httpx.Client, id: str) -> Iterator[str]:
    """Yield the states of the stream of events, as they come through nginx."""
    with visitor.stream("GET", f"/v1/evidence/{id}/events") as answer:
        assert answer.headers["Server"] == "nginx"
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])["state"]


def use(url: str, certificate: Path, mail: Path) -> None:
    """Do what a tenant does, through nginx: from a key to a certificate."""
    visitor = httpx.Client(
        base_url=url, verify=ssl.create_default_context(cafile=certificate),
        headers={"Origin": url}, timeout=60, trust_env=False,
    )  # fmt: skip
    with visitor, run_receiver() as receiver:
        assert visitor.get("/healthz").json() == {"status": "alive"}
        owner = re.findall(r'name="person" value="([0-9a-f]{16})"', visitor.get("/login").text)[0]
        answer = visitor.post("/login/sample", data={"person": owner, "next": "/account"})
        assert answer.status_code == 303 and "Secure" in answer.headers["Set-Cookie"]
        # The owner is told of the new key by e-mail, and programs by a webhook.
        made = visitor.post("/v1/keys", json={"scopes": ["submit", "read"]})
        assert made.status_code == 201, made.text
        wait_until(lambda: any("API key" in subject for subject in read_mails(mail)), seconds=60)
        events = ["evidence.final", "certificate.issued"]
        hook: dict[str, Any] = {"url": receiver.url(), "events": events}
        assert visitor.post("/v1/webhooks", json=hook).status_code == 201
        visitor.cookies.clear()
        visitor.headers["Authorization"] = f"Bearer {made.json()['key']}"
        accepted = visitor.post("/v1/evidence", json={"sha256": digest(1), "name": "a.pdf"})
        assert accepted.status_code == 201, accepted.text
        id = accepted.json()["id"]
        states = [state for state, _ in itertools.groupby(read_states(visitor, id))]
        assert states[-1] == "anchored", states
        receipt = visitor.get(f"/v1/evidence/{id}/receipt", params={"until": "anchored"})
        assert receipt.status_code == 200 and digest(1) in receipt.json()["record"]
        order = visitor.post(f"/v1/evidence/{id}/certificates").json()["id"]
        seen: dict[str, Any] = {}

        def is_made() -> bool:
            seen.update(visitor.get(f"/v1/certificates/{order}").json())
            return seen["state"] != "waiting"

        wait_until(is_made, seconds=120)
        assert seen["state"] == "issued", seen
        assert visitor.get(f"/v1/certificates/{order}/files/pdf").content.startswith(b"%PDF-")
        # The sample's files are final about then, too.
        wait_until(
            lambda: {json.loads(one.body)["type"] for one in receiver.requests} == set(events),
            seconds=60,
        )
        assert len({one.id for one in receiver.requests}) == len(receiver.requests)
        answer = visitor.get("/checkpoint")
        assert answer.status_code == 200 and answer.headers["Server"] == "nginx"


def read_start(running: Running) -> tuple[str, Path, Path]:
    shown = running.printed("fullchain.pem", 90.0)
    found = [re.search(pattern, shown) for pattern in (
        r"https://127\.0\.0\.1:\d+", r"e-mails: (.+)/new", r"\n(/.+/fullchain\.pem)")]  # fmt: skip
    url, mail, certificate = found
    assert url is not None and mail is not None and certificate is not None
    return url[0], Path(mail[1]), Path(certificate[1])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_one_command_serves_as_in_production_and_leaves_nothing(
    tmp_path: Path, anvil_path: Path, scratch: Path, end: signal.Signals
):
    check_program("nginx")
    command = (sys.executable, str(ROOT / "scripts/_stack.py"), "--port", "0")
    variables = {"ANCHOR_ANVIL": str(anvil_path), "TMPDIR": str(scratch)}
    with start_anchor(
        cwd=tmp_path, log=tmp_path / "log", env=variables, command=command
    ) as running:
        url, mail, certificate = read_start(running)
        if end == signal.SIGTERM:
            use(url, certificate, mail)
        assert len(find_processes(scratch)) >= 10
        running.process.send_signal(end)
        code = running.process.wait(60)
        printed = (tmp_path / "log.err").read_text("utf-8")
        assert code == (0 if end == signal.SIGTERM else -end), printed
    wait_until(lambda: not find_processes(scratch), seconds=40)
    wait_until(lambda: not any(scratch.iterdir()), seconds=10)
