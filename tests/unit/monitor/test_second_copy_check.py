"""What ``anchor doctor`` says of the second copy, and what it advises."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from anchor.base.errors import CopyMissingError
from anchor.base.messages.message import translate
from anchor.monitor.second_copy_check import check_second_copy
from anchor.store.database import Database
from anchor.store.replication import Copies, CopyRule, Position, Standby

STANDBY = Standby(
    name="b", sync_state="sync", flushed=10, is_logical=False, is_backup=False, is_near=False
)
ENOUGH = Copies(
    rule=CopyRule(copies=2),
    position=Position(timeline="00000001", lsn=10),
    standbys=(STANDBY,),
    waited_for="b",
)


class Watched:
    """A store whose server says ``seen`` of its copies."""

    def __init__(self, seen: Copies | None) -> None:
        self.seen = seen

    def read_copies(self) -> Copies | None:
        return self.seen


def check(seen: Copies | None) -> tuple[str, str | None]:
    return check_second_copy(cast(Database, Watched(seen)))


def test_one_server_is_enough_where_no_other_is_asked_for() -> None:
    assert check(None) == ("one: store_copies asks for no second copy", None)


def test_enough_copies_need_no_advice() -> None:
    text, advice = check(ENOUGH)
    assert text.startswith("2 of 2 servers hold all commits")
    assert advice is None


def test_every_piece_of_advice_is_given_in_either_language() -> None:
    near = replace(STANDBY, is_near=True)
    seen = replace(ENOUGH, standbys=(near, replace(near, name="c")), waited_for="*")
    _, advice = check(seen)
    assert advice == (
        "the standby seems to be on the same machine as the server: one fault would take both; "
        "synchronous_standby_names is *, so any standby that connects counts: name it; "
        "more standbys count than necessary: in a fail-over, promote the one that has received "
        "most (docs/operating.md)"
    )
    parts = translate(advice, "zh").split("；")
    assert len(parts) == 3
    assert parts[0] == "备用服务器似乎在主服务器自身的机器上：一次故障会同时毁掉两者"


@pytest.mark.parametrize(
    ("seen", "hint"),
    [
        (replace(ENOUGH, standbys=()), "start the standby"),
        (replace(ENOUGH, waited_for="", standbys=(replace(STANDBY, sync_state="async"),)),
         "no standby counts"),
        (replace(ENOUGH, standbys=(replace(STANDBY, flushed=9),)), "too slow or down"),
    ],
)  # fmt: skip
def test_too_few_copies_are_an_error_that_says_what_to_look_at(seen: Copies, hint: str) -> None:
    with pytest.raises(CopyMissingError, match="1 of 2 servers") as caught:
        check(seen)
    assert caught.value.hint is not None
    assert hint in caught.value.hint
