"""A project and its service for each kind of store, which a module's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.fixtures import anvil, anvil_path, embedded, module_anvil, new_site, own_anvil, site
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages
from support.projects import Site, make_site
from support.service import Served, bearer, make_key, serve

from anchor.chain.devnet import Devnet
from anchor.store.location import StoreLocation

__all__ = ["anvil", "anvil_path", "embedded", "module_anvil", "new_site", "own_anvil", "site"]


@dataclass(frozen=True)
class Desk:
    """A service for a project, and the key of a tenant."""

    site: Site
    served: Served
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Return what brings the key."""
        return bearer(self.key)


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.release)


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_anvil: Devnet
) -> Iterator[Desk]:
    """A service of two workers over each kind of store."""
    store: StoreLocation | None = None
    if request.param == "postgresql":
        store = request.getfixturevalue("postgres").create()
    folder = tmp_path_factory.mktemp(request.param)
    number = 900 if store is None else 901
    site = make_site(folder / "project", module_anvil, number=number, store=store)
    with serve(site.folder, workers=2) as served:
        yield Desk(site, served, make_key(site.folder))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """A log of five anchors, the newest of them reversible."""
    return grow_log(tmp_path_factory.mktemp("grown"), [3, 1, 300, 2, 5])


@pytest.fixture(scope="module")
def grown_copy(grown: MemorySite, tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """A copy of that log's project, for what writes into its store."""
    return grown.copy_to(tmp_path_factory.mktemp("copy") / "project")


@pytest.fixture(scope="module")
def served(grown: MemorySite) -> Iterator[PageService]:
    """The service's pages of that log."""
    with serve_pages(grown, grown.chain) as served:
        yield served
