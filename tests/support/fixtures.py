"""Nodes of both kinds and projects on them: fixtures, which a folder's conftest takes over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.nodes import stop_the_clock
from support.paths import ROOT
from support.projects import Site, make_site
from support.tools import miss

from anchor.chain.devnet import Devnet, find_anvil, open_devnet

# Every project on a shared devnet needs a log of its own.
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def anvil_path() -> Path:
    return find_anvil(ROOT) or miss("anvil", "npm ci, or name one with ANCHOR_ANVIL")


@pytest.fixture(scope="session")
def anvil(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil that tests share: nobody changes its rules or its past."""
    with open_devnet(anvil=anvil_path) as node:
        yield node


@pytest.fixture(scope="module")
def module_anvil(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil of one module's tests, whose blocks need not be waited for."""
    with open_devnet(anvil=anvil_path) as node:
        yield node


@pytest.fixture
def own_anvil(anvil_path: Path) -> Iterator[Devnet]:
    """An anvil of the test's own, to do anything to."""
    with open_devnet(anvil=anvil_path) as node:
        yield node


@pytest.fixture(scope="session")
def bare_anvil(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """An anvil without the CREATE2 proxy, which tests share."""
    program = tmp_path_factory.mktemp("bare") / "anvil"
    program.write_text(f'#!/bin/sh\nexec "{anvil_path}" --disable-default-create2-deployer "$@"\n')
    program.chmod(0o755)
    with open_devnet(anvil=program) as node:
        yield node


@pytest.fixture(scope="session")
def embedded() -> Iterator[Devnet]:
    """The py-evm node that tests share."""
    with open_devnet(anvil=None) as node:
        yield node


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    """A py-evm node of one module's tests."""
    with open_devnet(anvil=None) as node:
        yield node


MakeSite = Callable[..., Site]


@pytest.fixture
def new_site(tmp_path: Path) -> MakeSite:
    """Create projects in this test's folder, each with a log of its own."""

    def create(node: Devnet, name: str = "project", *, deployed: bool = True) -> Site:
        return make_site(tmp_path / name, node, number=next(_numbers), deployed=deployed)

    return create


@pytest.fixture
def site(new_site: MakeSite, anvil: Devnet) -> Site:
    """A project on the shared anvil."""
    return new_site(anvil)


@pytest.fixture
def own_site(new_site: MakeSite, own_anvil: Devnet) -> Site:
    """A project with a piece of evidence, on an anvil of its own that mines for transactions."""
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    site.add("a.txt", b"a")
    return site


@pytest.fixture
def anchored(new_site: MakeSite, embedded: Devnet) -> Site:
    """A log with one anchor."""
    site = new_site(embedded)
    site.add("first", b"first")
    site.anchor()
    return site
