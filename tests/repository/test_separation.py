"""The service and the signer as two users, and a key that no other process can read."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support import separation
from support.command import ANCHOR
from support.projects import Site, make_site
from support.separation import GROUP, SERVICE, SIGNER, as_user, read_key

from anchor.base.system.durable_files import open_private, private_mode
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.signer.keystore import write_keystore

KEY = bytes(range(1, 33))


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    write_keystore(path, KEY, "password", iterations=2)
    return path


@pytest.mark.fault(
    "J9",
    how="another process of the signer's user reads its memory (process_vm_readv, /proc)",
    then="refused by the kernel: the process that opened a keystore is not dumpable",
)
def test_no_process_of_the_same_user_reads_the_key(keystore: Path):
    assert read_key(keystore, "password", KEY) == ("refused", 0)


def test_the_reader_of_that_test_would_find_it(keystore: Path, monkeypatch: pytest.MonkeyPatch):
    """Without it: so the test above is one."""
    without = separation._HOLD.replace(
        "signer = ",
        "import anchor.chain.signer.keystore as k\nk.protect_memory = lambda: None\nsigner = ",
    )
    monkeypatch.setattr(separation, "_HOLD", without)
    _, found = read_key(keystore, "password", KEY)
    # Yama may forbid it to all processes but a debugger's own children.
    assert found > 0 or Path("/proc/sys/kernel/yama/ptrace_scope").exists()


def make_shared(folder: Path, node: Devnet) -> Site:
    """Create a project of the signer's and the group's, as docs/deploying.md says."""
    folder.mkdir()
    folder.chmod(0o2770)
    before = os.umask(0o077)  # whatever it is: the folder's bit counts
    try:
        site = make_site(folder, node, number=980)
    finally:
        os.umask(before)
    if os.geteuid() == 0:
        os.chown(folder, 0, GROUP)
        for path in folder.rglob("*"):
            os.chown(path, SIGNER, GROUP)
    for name in ("anchor.toml", "trust.toml"):
        (folder / name).chmod(0o640)
        if os.geteuid() == 0:
            os.chown(folder / name, 0, GROUP)
    folder.chmod(0o2770)  # which chown takes away
    return site


@contextmanager
def running(user: int, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``anchor`` in a project as a user, with the umask that the units set."""
    variables = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "ANCHOR_CONFIG": str(folder / "anchor.toml"),  # named, as the units name it
    }
    command = [*as_user(user), *ANCHOR, *arguments]
    with (folder.parent / f"{user}.err").open("a") as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True,
            umask=0o007,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def run(user: int, folder: Path, *arguments: str) -> str:
    with running(user, folder, *arguments) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, (folder.parent / f"{user}.err").read_text()
    return output


def test_the_service_and_the_signer_work_on_one_project_as_two_users():
    # Where other users can look, unlike in pytest's own folder.
    with tempfile.TemporaryDirectory() as name, open_devnet(anvil=None) as node:
        Path(name).chmod(0o755)
        folder = make_shared(Path(name) / "project", node).folder
        key = run(SIGNER, folder, "api-key", "create", "acme").strip()
        headers = {"Authorization": f"Bearer {key}"}
        with running(SERVICE, folder, "serve", "--port", "0", "--workers", "1") as service:
            assert service.stdout is not None
            url = service.stdout.readline().partition(" at ")[2].split()[0]
            with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
                for number in range(2):
                    value = {"sha256": hashlib.sha256(b"%d" % number).hexdigest()}
                    answer = http.post("/v1/evidence", json=value)
                    assert answer.status_code == 201, answer.text
                    run(SIGNER, folder, "run", "--once", "--wait", "included")
                    path = f"/v1/evidence/{answer.json()['id']}"
                    assert http.get(path).json()["state"] in ("included", "anchored")
                    assert http.get(f"{path}/receipt").status_code == 200
                assert http.get("/checkpoint").status_code == 200
        if os.geteuid() == 0:
            assert not (folder / "anchor.toml").stat().st_mode & 0o022
            owners = {path.stat().st_uid for path in folder.glob("anchor.db*")}
            assert owners <= {SIGNER, SERVICE}


def test_files_are_private_unless_their_folder_is_shared(tmp_path: Path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir(mode=0o755)
    shared.mkdir()
    shared.chmod(0o2770)
    assert (private_mode(alone), private_mode(shared)) == (0o600, 0o660)
    assert private_mode(tmp_path / "missing") == 0o600
    before = os.umask(0o077)
    try:
        for folder, mode in ((alone, 0o600), (shared, 0o660)):
            os.close(open_private(folder / "file", os.O_CREAT | os.O_RDWR))
            assert stat.S_IMODE((folder / "file").stat().st_mode) == mode
    finally:
        os.umask(before)
