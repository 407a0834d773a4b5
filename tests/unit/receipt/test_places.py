"""What may be written over a receipt: no forged one keeps a real one away, and none is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.world import INDEX, World, honest

import anchor
from anchor.base.types import ChainId, Hash32, Head
from anchor.operate.receipt_files import ReceiptFolder


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.anchor.json"


def test_a_forged_receipt_with_more_anchors_does_not_keep_the_real_one_away(
    world: World, path: Path
):
    real = honest(world)
    (anchored,) = real.anchors
    other_root = replace(anchored, head=Head(root=Hash32(bytes(32)), size=anchored.head.size))
    elsewhere = replace(anchored, chain_id=ChainId(999))
    for forged in (
        (other_root, replace(elsewhere, chain_id=ChainId(998)), elsewhere),
        (anchored, replace(other_root, chain_id=ChainId(999))),
        (replace(anchored, sequence=anchored.sequence + 1), elsewhere),
        (replace(anchored, path=anchored.path[1:]), elsewhere),
    ):
        replace(real, anchors=forged).save(path)
        assert real.save(path) == real
        assert path.read_bytes() == real.encode()
        path.unlink()


def test_a_receipt_with_all_of_the_anchors_and_more_stays(world: World, path: Path):
    real = honest(world)
    (anchored,) = real.anchors
    more = replace(real, anchors=(anchored, replace(anchored, chain_id=ChainId(999))))
    proven = replace(real, anchors=(world.prove(anchored),))
    for better in (more, proven):
        better.save(path)
        assert real.save(path) == better
        assert world.receipt(INDEX).save(path) == better
        path.unlink()
    more.save(path)
    assert proven.save(path) == proven  # what proves an anchor is not left away for another one


def test_a_receipt_of_the_files_earlier_content_is_replaced(world: World, path: Path):
    world.receipt(0).save(path)
    assert honest(world).save(path) == honest(world)
    assert anchor.Receipt.load(path) == honest(world)


def test_a_folder_has_a_place_for_each_record_of_a_name(world: World, tmp_path: Path):
    first, second = world.receipt(0), world.receipt(1)
    first.save(ReceiptFolder(tmp_path).place("a", first))
    place = ReceiptFolder(tmp_path).place("a", second)
    assert place == tmp_path / "a.1.anchor.json"
    second.save(place)
    again = ReceiptFolder(tmp_path)
    assert again.place("a", second) == place
    assert again.place("a", first) == tmp_path / "a.anchor.json"


def test_a_pipe_is_not_waited_for(world: World, path: Path):
    os.mkfifo(path)
    with pytest.raises(anchor.UsageError, match="not a regular file"):
        anchor.Receipt.load(path)
    with pytest.raises(anchor.UsageError, match="is not a receipt of this log"):
        honest(world).save(path)
