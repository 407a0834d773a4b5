"""Garbage is collected rarely only as long as asked for."""

from __future__ import annotations

import gc

import pytest

from anchor.base.system.garbage_collection import collect_rarely


def test_the_threshold_comes_back_after_an_error_as_well() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyboardInterrupt), collect_rarely():
        assert gc.get_threshold()[0] > 100_000
        assert gc.get_threshold()[1:] == before[1:]
        assert gc.isenabled()
        raise KeyboardInterrupt
    assert gc.get_threshold() == before
