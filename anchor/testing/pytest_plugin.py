"""The pytest plugin of the entry point ``anchor``; fixtures import what they need when used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anchor.testing.fixture_types import (
    AnchorChain,
    AnchorProject,
    FileAnchoring,
    OfflineVerification,
)

if TYPE_CHECKING:
    from anchor.testing.local_chain import LocalChain
    from anchor.testing.local_project import LocalProject

_OPTION = "anchor_chain"
_CHOICES = "auto (anvil if it is installed, else py-evm), anvil, py-evm, or the URL of a devnet"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of the chain to the command line and to the configuration file."""
    group = parser.getgroup("anchor", "electronic evidence on a local chain")
    group.addoption("--anchor-chain", metavar="CHAIN", help=f"Chain of the tests: {_CHOICES}.")
    parser.addini(_OPTION, f"Default of --anchor-chain: {_CHOICES}.", default="auto")


@pytest.fixture(scope="session")
def anchor_chain(pytestconfig: pytest.Config) -> Iterator[AnchorChain]:
    """The local chain that all tests of the session share."""
    choice = pytestconfig.getoption(_OPTION) or pytestconfig.getini(_OPTION)
    with _as_failure(), warnings.catch_warnings():
        # web3 7 imports what websockets deprecates; in many projects warnings are errors.
        warnings.simplefilter("ignore", DeprecationWarning)
        from anchor.library.extras import needs_extra

        with needs_extra("anchor.testing", "devnet"):
            from anchor.testing import local_chain, local_project

            del local_project  # loaded for later, where no warning of its imports counts
        chain = local_chain.open_chain(choice)
    with chain:
        yield chain


@pytest.fixture
def anchor_project(anchor_chain: LocalChain, tmp_path: Path) -> Iterator[AnchorProject]:
    """A project of this test, with a log of its own."""
    from anchor.testing.local_project import LocalProject

    with _as_failure():
        project = LocalProject(tmp_path / "anchor-project", anchor_chain)
    with project:
        yield project


@pytest.fixture
def anchored(anchor_project: LocalProject) -> FileAnchoring:
    """Anchor a file and return its receipt."""
    return anchor_project.anchor


@pytest.fixture
def verify_offline(anchor_project: LocalProject) -> OfflineVerification:
    """Verify a file by its receipt without asking a node."""
    return anchor_project.verify_offline


@pytest.fixture
def reorg(anchor_chain: AnchorChain) -> Callable[[int], None]:
    """Replace the newest blocks that hold transactions by empty ones."""
    return anchor_chain.reorg


@pytest.fixture
def mine(anchor_chain: AnchorChain) -> Callable[[int], None]:
    """Mine blocks."""
    return anchor_chain.mine


@contextmanager
def _as_failure() -> Iterator[None]:
    """Turn an error of anchor into a failure that is its sentence and its hint, without a trace."""
    from anchor.base.errors import AnchorError

    try:
        yield
    except (AnchorError, ImportError) as error:
        hint = getattr(error, "hint", None)
        pytest.fail(f"{error} ({hint})" if hint else str(error), pytrace=False)
