"""Clocks that jump, ours and the chain's: neither moves the work, nor spoils what it leaves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.nodes import ask, stop_the_clock
from support.operators import Operator
from support.paths import PACKAGE
from support.projects import Site
from support.store_contents import count_pieces, load_pieces

from anchor.chain.devnet import Devnet

MakeSite = Callable[..., Site]


class JumpingClock:
    """Stands in for ``datetime``: an hour ahead, an hour behind and right, in turn."""

    jumps = itertools.cycle((timedelta(hours=1), timedelta(hours=-1), timedelta(0)))
    times = 0
    fromtimestamp = staticmethod(datetime.fromtimestamp)

    @classmethod
    def now(cls, zone: object) -> datetime:
        assert zone is UTC, "a wall clock with summer time would jump by itself"
        cls.times += 1
        return datetime.now(UTC) + next(cls.jumps)


@pytest.mark.fault(
    "F19",
    how="the machine's wall clock jumps an hour ahead or back at each look",
    then="the daemon seals at the same moments as ever, in the same order, and warns; the audit is "
    "clean",
)
def test_a_wall_clock_that_jumps_moves_nothing(
    new_site: MakeSite,
    embedded: Devnet,
    monkeypatch: pytest.MonkeyPatch,
    injected: Callable[[int], None],
) -> None:
    def add(operator: Operator, name: str) -> Callable[[], None]:
        def take_in() -> None:
            with monkeypatch.context() as right:  # by a wrong clock nothing would be taken in
                right.setattr("anchor.base.system.clock.datetime", datetime)
                operator.add(name)()

        return take_in

    def work(name: str) -> Operator:
        operator = Operator(new_site(embedded, name))
        moments = {10.0: "a", 20.0: "b", 50.0: "c", 200.0: "d"}
        operator.clock.at = {when: add(operator, piece) for when, piece in moments.items()}
        operator.run(until=300)
        return operator

    undisturbed = work("undisturbed")
    JumpingClock.times = 0
    with monkeypatch.context() as patched:
        patched.setattr("anchor.base.system.clock.datetime", JumpingClock)
        jumping = work("jumping")
    injected(JumpingClock.times)
    assert JumpingClock.times > 10
    assert jumping.sizes() == undisturbed.sizes() == [1, 3, 4]
    assert [event for event in jumping.events() if event != "warning"] == undisturbed.events()
    places = [(Path(piece.source).name, piece.leaf_index) for piece in load_pieces(jumping.site)]
    assert places == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    jumping.site.run("audit").expect(0)
    jumping.site.run("verify", jumping.site.folder / "a").expect(0)


def test_no_schedule_looks_at_the_wall_clock() -> None:
    """``time.time`` is for the ages that people are shown; ``datetime.now`` for what they read.

    How long a session or a key is good is told by the wall clock, too: it outlives a process.
    """
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "time.time(" in (text := path.read_text("utf-8")) or "datetime.now(" in text
    }
    devnet = {name for name in readers if name.startswith("chain/devnet/")}
    assert readers - devnet == {
        "capture/capture_worker.py",
        "cli/commands/certify.py",
        "cli/commands/doctor.py",
        "cli/commands/api_key.py",
        "cli/commands/backup.py",
        "cli/commands/log.py",
        "cli/object_inputs.py",
        "library/operating.py",
        "base/system/clock.py",
        "service/routes/metrics.py",
        "service/certificate_maker.py",
        "service/pages/dashboard.py",
        "service/pages/key_page.py",
        "service/pages/passkey_page.py",
        "service/pages/provider_sign_in.py",
        "service/passkey_challenges.py",
        "service/routes/keys.py",
        "store/location.py",
    }


@pytest.mark.fault(
    "F20",
    how="the chain's clock jumps a year ahead of ours, then blocks have equal timestamps",
    then="evidence is anchored before and after, proven and verified; then nothing more is "
    "taken in, with one sentence",
)
def test_a_chain_whose_clock_jumps_a_year_anchors_all_the_same(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    pieces = [site.add("a", b"a")]
    site.anchor()
    ask(site.url, "evm_increaseTime", 365 * 24 * 3600)
    pieces.append(site.add("b", b"b"))
    site.anchor()
    ask(site.url, "anvil_setBlockTimestampInterval", 0)
    for name in ("c", "d"):
        pieces.append(site.add(name, name.encode()))
        site.anchor()
    ask(site.url, "anvil_mine", "0x4")
    site.run("run", "--once").expect(0, "anchored (final)")
    times = [row[0] for row in site.rows("SELECT timestamp FROM anchors ORDER BY sequence")]
    assert times[1] - times[0] >= 365 * 24 * 3600
    assert times[1] == times[2] == times[3]
    site.run("verify", *pieces).expect(0)
    site.run("audit").expect(0)
    # Anchors that are final are certain evidence: by their time, our clock is a year behind.
    for arguments in (("add", site.write("e", b"e")), ("stamp", site.write("f", b"f"))):
        site.run(*arguments).refused(32, "at least 364 d", "behind the chain's time")
    assert count_pieces(site) == 4
    site.run("doctor").expect(32, "behind the chain's time")
    site.run("status").expect(0, "behind the chain's time")
    site.run("run", "--once").expect(0)
