"""What is said of the servers that follow the store's."""

from __future__ import annotations

from anchor.base.messages.message import translate
from anchor.store.replication import Copies, CopyRule, Position, Standby


def test_the_standbys_and_their_roles_read_in_both_languages() -> None:
    standbys = tuple(
        Standby(
            name=name,
            sync_state=state,
            flushed=None,
            is_logical=False,
            is_backup=backup,
            is_near=False,
        )
        for name, state, backup in (("b", "sync", False), ("", "async", False), ("c", "", True))
    )
    seen = Copies(
        rule=CopyRule(copies=2),
        position=Position(timeline="00000001", lsn=10),
        standbys=standbys,
        waited_for="b",
    )
    assert seen.format_standbys() == (
        "connected: b (counts as a copy), an unnamed standby (async, does not count as a copy), "
        "c (a running base backup, not a copy)"
    )
    assert translate(seen.format_standbys(), "zh") == (
        "已连接：b（计入）、未命名者（async，不计入）、c（正在进行的基础备份，不是副本）"
    )
