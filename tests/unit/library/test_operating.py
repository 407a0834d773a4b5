"""What a project refuses before it does anything: calls that make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

import anchor
from anchor.chain.node import Node


@pytest.fixture
def project(tmp_path: Path) -> Iterator[anchor.Project]:
    chain = MemoryChain()
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    with anchor.Project(site.open(), node=Node(chain)) as opened:
        yield opened


@pytest.mark.parametrize("wait", ["finalized", "soon", "", 0])
def test_a_word_that_is_no_end_of_waiting_is_refused(project: anchor.Project, wait: Any):
    with pytest.raises(anchor.UsageError, match="wait is to be"):
        project.run_once(wait=wait)
