"""The instructions in a bag promise a time only where a chain of its blocks proves one."""

from __future__ import annotations

import pytest

from anchor.bag.bag_readme import PackedBlock, Packing, write_readme
from anchor.base.types import ChainId

MAIN, SEPOLIA, DEVELOPMENT, UNLISTED = (ChainId(id) for id in (1, 11155111, 31337, 987654321))


def write(*chain_ids: ChainId) -> tuple[str, str]:
    """Return the instructions of a bag with a block of each chain, in Chinese and in English."""
    blocks = [PackedBlock(chain_id=each, log="0x1", number=1, hash="0x2") for each in chain_ids]
    packing = Packing(
        program="anchor",
        party="Acme",
        originals=1,
        has_policy=False,
        blocks=blocks,
        verifier_sha256="00",
        page_sha256="00",
        not_proven=(),
    )
    return write_readme(packing, (), "zh").decode(), write_readme(packing, (), "en").decode()


@pytest.mark.parametrize(
    ("chain_ids", "is_promised"),
    [
        ((MAIN,), True),
        ((UNLISTED,), True),
        ((MAIN, DEVELOPMENT), True),
        ((), True),
        ((SEPOLIA,), False),
        ((SEPOLIA, DEVELOPMENT), False),
    ],
)
def test_a_time_is_promised_only_where_a_chain_proves_one(
    chain_ids: tuple[ChainId, ...], is_promised: bool
) -> None:
    chinese, english = write(*chain_ids)
    assert ("其记录不晚于何时已存在" in chinese) == ("by when its record" in english) == is_promised
    assert ("测试用的链" in chinese) == ("a chain for tests" in english) != is_promised
