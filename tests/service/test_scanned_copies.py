"""Copies in a bucket of S3, which ClamAV has scanned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.copies import Uploader, keep, key_of, until
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import serve_pages
from support.s3_server import S3Server, run_s3_server, using
from support.tools import check_program

from anchor.keeping.upload_rules import PART_BYTES

ORIGINAL = os.urandom(PART_BYTES) + b"the end"
# What a signature of the test's own database is of.
INFECTED = b"a file that the test's signature is of. " * 100


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with run_s3_server() as server, using(server):
        server.make_bucket("copies", {})
        yield server


@pytest.fixture
def clamscan(tmp_path: Path) -> tuple[str, ...]:
    """Return the command of ClamAV, with one signature: an MD5 and a size."""
    program = check_program("clamscan")
    signatures = tmp_path / "test.hdb"
    digest = hashlib.md5(INFECTED, usedforsecurity=False).hexdigest()
    signatures.write_text(f"{digest}:{len(INFECTED)}:Test.File\n")
    return (program, "--no-summary", "-d", str(signatures), "-")


@pytest.fixture
def acme(tmp_path: Path, bucket: S3Server, clamscan: tuple[str, ...]) -> Iterator[Uploader]:
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    kept = keep(site, tmp_path, url="s3://copies/originals", scan=clamscan)
    with serve_pages(kept, chain) as served:
        yield Uploader(served, key_of(served))


def names(bucket: S3Server) -> list[str]:
    """Return the names of the objects."""
    listed = bucket.client.list_objects_v2(Bucket="copies").get("Contents", [])
    return [entry["Key"] for entry in listed]


def read(bucket: S3Server, name: str) -> bytes:
    """Return an object."""
    data: bytes = bucket.client.get_object(Bucket="copies", Key=name)["Body"].read()
    return data


def test_a_clean_original_is_kept_encrypted_and_an_infected_one_is_refused(
    acme: Uploader, bucket: S3Server
) -> None:
    clean, infected = acme.upload(ORIGINAL), acme.upload(INFECTED)
    assert acme.settled(clean)["state"] == "kept"
    assert acme.read(clean).content == ORIGINAL
    assert acme.settled(infected)["reason"] == "infected"
    assert acme.read(infected).status_code == 409
    until(lambda: len(names(bucket)) == 2)
    objects = [read(bucket, name) for name in names(bucket)]
    assert not any(ORIGINAL[:64] in data or ORIGINAL[-7:] in data for data in objects)
    assert acme.ask("DELETE", f"/v1/evidence/{clean}/copy", {}).status_code == 204
    until(lambda: names(bucket) == [])


def test_a_scanner_without_signatures_cannot_tell(
    acme: Uploader, clamscan: tuple[str, ...]
) -> None:
    Path(clamscan[3]).unlink()
    id = acme.upload(ORIGINAL)
    acme.wait(id, lambda copy: copy["state"] == "waiting")
    assert acme.read(id).status_code == 409
