"""One server of S3's protocol for all of these tests, each with a bucket of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fixtures import anvil_path, own_anvil
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.s3_server import S3Server, run_s3_server, using

from anchor.base.objects.store_choice import open_object_store

__all__ = ["anvil_path", "own_anvil"]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with run_s3_server() as server, using(server):
        open_object_store.cache_clear()
        yield server
        open_object_store.cache_clear()


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    """A project that anchors on a chain in memory; only its store is used."""
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
