"""``anchor serve --demo``: the whole platform by one command, and nothing of it left afterwards."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest
from support.command import Running, run_anchor, start_anchor
from support.nodes import wait_until

pytestmark = pytest.mark.release


def start(running: Running) -> tuple[str, Path]:
    """Return the demonstration's address, and the folder of its sample files."""
    shown = running.printed(" with 1 processes", 150.0)
    address = re.search(r" at (http://127\.0\.0\.1:\d+)", shown)
    files = re.search(r"submitted: (.+)", shown)
    assert address is not None and files is not None
    # Nobody has to look for it: it is in the first line, and in the first one once all is started.
    first, ready, *_ = running.printed_results().splitlines()
    assert first == f"the pages will be at {address[1]} in a moment"
    assert ready == f"open {address[1]} in a browser"
    return address[1], Path(files[1])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_one_command_serves_a_tenant_with_persons_and_leaves_nothing(
    tmp_path: Path, anvil_path: Path, end: signal.Signals
):
    (tmp_path / "tmp").mkdir()
    variables = {"ANCHOR_ANVIL": str(anvil_path), "TMPDIR": str(tmp_path / "tmp")}
    arguments = ("serve", "--demo", "--port", "0", "--workers", "1")
    with start_anchor(*arguments, cwd=tmp_path, log=tmp_path / "log", env=variables) as running:
        url, files = start(running)
        assert {file.name for file in files.iterdir()} >= {"chat.txt"}
        with httpx.Client(
            base_url=url, headers={"Origin": url}, timeout=60, trust_env=False
        ) as visitor:
            page = visitor.get("/login").text
            owner, _, auditor = re.findall(r'name="person" value="([0-9a-f]{16})"', page)
            assert visitor.post("/login/sample", data={"person": "0" * 16}).status_code == 404
            refused = visitor.post(
                "/login/sample", data={"person": owner}, headers={"Origin": "https://evil.example"}
            )
            assert refused.status_code == 403
            for person, role in ((auditor, "auditor"), (owner, "owner")):
                chosen = visitor.post("/login/sample", data={"person": person, "next": "/account"})
                assert (chosen.status_code, chosen.headers["Location"]) == (303, "/account")
                text = re.sub(r"<[^>]*>|\s+", " ", visitor.get("/account").text)
                assert re.search(rf"sample +{role} ", text), text
            wait_until(lambda: "anchored (final)" in visitor.get("/log").text, seconds=90)
        key = re.search(r"sign in with this key at \S+: (\S+)", running.printed("/login", 10.0))
        assert key is not None
        bearer = {"Authorization": f"Bearer {key[1]}"}
        shown = httpx.get(f"{url}/dashboard", headers=bearer, timeout=60, trust_env=False).text
        assert "the node has not been asked yet" not in shown and "gwei" in shown
        running.process.send_signal(end)
        running.process.wait(60)
    wait_until(lambda: not any((tmp_path / "tmp").glob("anchor-demo-*")), seconds=30)


@pytest.mark.parametrize(
    "more", [("--host", "0.0.0.0"), ("--proxy", "127.0.0.1"), ("--config", "anchor.toml")]
)
def test_a_demonstration_is_for_this_machine_and_its_own_project(
    tmp_path: Path, more: tuple[str, ...]
):
    run_anchor("serve", "--demo", *more, cwd=tmp_path).refused(2, "this machine alone")
