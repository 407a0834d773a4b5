"""A world's certificate, its PDF, and the font that it is set in: fixtures for conftests."""

from __future__ import annotations

import pytest
from support.certificates import Issued, issue
from support.world import INDEX, SIZE, World

from anchor.certificate.fonts import Font, find_font
from anchor.certificate.pdf import render_pdf


@pytest.fixture(scope="session")
def font() -> Font:
    return find_font()


@pytest.fixture(scope="session")
def issued() -> Issued:
    """A certificate with everything stated, of a receipt with its state proof."""
    world = World()
    world.main.needed = 2
    return issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE))))


@pytest.fixture(scope="session")
def pdf(issued: Issued, font: Font) -> bytes:
    return render_pdf(issued.certificate, font)
