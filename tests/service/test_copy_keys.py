"""Scanners, rotated keysets and jobs that were killed: what becomes of copies."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.copies import Uploader, keep, key_of, objects, until
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import serve_pages

from anchor.base.errors import ConfigError, UsageError
from anchor.keeping.master_keyset import MasterKeyset
from anchor.operate.copy_keys import create_keyset, drop_former_keys, rotate_keyset
from anchor.store.kept_copies import find_copy_of

TEXT = b"the original. " * 10_000
# Reads all of standard input, as clamdscan does; what it says is in a file.
SCANNER = """#!{python}
import pathlib, sys
data = sys.stdin.buffer.read()
verdict = pathlib.Path("{folder}/verdict")
if b"EICAR" in data:
    sys.exit(1)
sys.exit(int(verdict.read_text()) if verdict.exists() else len(data) != {size})
"""


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    script = tmp_path / "scanner"
    script.write_text(SCANNER.format(python=sys.executable, folder=tmp_path, size=len(TEXT)))
    script.chmod(0o700)
    return keep(site, tmp_path, scan=(str(script),))


@pytest.fixture
def acme(site: MemorySite) -> Iterator[Uploader]:
    with serve_pages(site, site.chain) as served:
        yield Uploader(served, key_of(served))


def test_the_scanner_reads_every_byte_and_decides(acme: Uploader, tmp_path: Path) -> None:
    clean, infected = acme.upload(TEXT), acme.upload(b"EICAR" + TEXT)
    assert acme.settled(clean)["state"] == "kept"
    assert acme.settled(infected)["reason"] == "infected"
    assert acme.read(infected).status_code == 409
    until(lambda: len({path.parent for path in objects(tmp_path)}) == 1)


def test_a_scanner_that_cannot_tell_is_asked_again(
    acme: Uploader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.service.copy_keeper._FIRST_PAUSE", 0)
    (tmp_path / "verdict").write_text("2")
    id = acme.upload(TEXT)
    acme.wait(id, lambda copy: copy["state"] == "waiting")
    assert acme.read(id).status_code == 409
    (tmp_path / "verdict").unlink()
    assert acme.settled(id)["state"] == "kept"
    (tmp_path / "scanner").unlink()
    other = acme.upload(TEXT, name="other")
    acme.wait(other, lambda copy: copy["state"] == "waiting")


def test_a_scanner_that_reads_nothing_holds_nothing_up(
    acme: Uploader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "scanner"
    assert acme.served.service.vault is not None
    read_part = acme.served.service.vault.read_part

    def read_late(*args: Any) -> bytes:
        time.sleep(0.5)  # the scanner has ended by then
        return read_part(*args)

    monkeypatch.setattr(acme.served.service.vault, "read_part", read_late)
    script.write_text(f"#!{sys.executable}\nimport os\nos.close(0)\n")
    id = acme.upload(TEXT * 20)
    assert acme.settled(id)["state"] == "kept"


@pytest.mark.parametrize("last", ["time.sleep(60)", "sys.stdin.buffer.read(); time.sleep(60)"])
def test_a_scanner_that_hangs_cannot_tell(
    acme: Uploader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr("anchor.service.copy_check._PATIENCE", 0.3)
    (tmp_path / "scanner").write_text(f"#!{sys.executable}\nimport sys, time\n{last}\n")
    id = acme.upload(TEXT * 20)
    acme.wait(id, lambda copy: copy["state"] == "waiting")
    assert acme.read(id).status_code == 409


def test_a_rotated_keyset_is_in_force_at_once(acme: Uploader, site: MemorySite) -> None:
    keeping = site.config.keeping
    assert keeping is not None
    id = acme.upload(TEXT)
    acme.settled(id)
    with acme.served.project.database.read() as connection:
        before = find_copy_of(connection, bytes.fromhex(id))
    under_way = acme.submit(TEXT, name="under way")
    upload = acme.begin(under_way, len(TEXT))
    acme.append(upload, TEXT[:10], 0)
    former = MasterKeyset.load(keeping.keyset)
    assert rotate_keyset(acme.served.project) == 2
    with acme.served.project.database.read() as connection:
        after = find_copy_of(connection, bytes.fromhex(id))
    assert before is not None and after is not None and before.wrapped_key != after.wrapped_key
    assert acme.read(id).content == TEXT
    assert drop_former_keys(acme.served.project) == 1
    assert drop_former_keys(acme.served.project) == 0
    assert former.primary not in MasterKeyset.load(keeping.keyset).key_ids
    assert stat.S_IMODE(keeping.keyset.stat().st_mode) == 0o600
    assert acme.append(upload, TEXT[10:], 10).status_code == 204
    assert acme.settled(under_way)["state"] == "kept"
    assert acme.read(id).content == acme.read(under_way).content == TEXT
    trail = (site.config.folder / "audit.jsonl").read_text()
    assert "copies-key-added" in trail and "copies-keys-dropped" in trail


def test_a_rotation_that_was_killed_is_completed_by_the_next(
    acme: Uploader, site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = acme.upload(TEXT)
    acme.settled(id)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("anchor.operate.copy_keys.replace_wrapped_key", die)
        rotate_keyset(acme.served.project)
    assert acme.read(id).content == TEXT
    assert drop_former_keys(acme.served.project) == 1
    assert acme.read(id).content == TEXT


def test_a_lost_keyset_is_told_and_keeps_the_service_from_starting(
    acme: Uploader, site: MemorySite
) -> None:
    keeping = site.config.keeping
    assert keeping is not None
    with pytest.raises(UsageError, match="exists already"):
        create_keyset(site.config)
    id = acme.upload(TEXT)
    acme.settled(id)
    keeping.keyset.unlink()
    assert acme.read(id).status_code == 503
    assert acme.create(acme.submit(b"new"), 3).status_code == 503
    with pytest.raises(ConfigError), serve_pages(site, site.chain):
        pass
    create_keyset(site.config)
    assert acme.read(id).status_code == 503
