"""The service and the signer as two users, and a key that no other process can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support import separation
from support.separation import read_key

from anchor.chain.signer.keystore import write_keystore
from anchor.durable import open_private, private_mode

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
