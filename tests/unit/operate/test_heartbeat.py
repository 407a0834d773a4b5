"""Signs of work: how often they are written, and that an old one does not outlive its truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.memory_projects import make_template

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import StoppableClock
from anchor.operate import heartbeat
from anchor.operate.heartbeat import find_silence, heartbeat_path, keep_beating
from anchor.project.config import Config


@dataclass
class FakeTime:
    """A clock that goes on while somebody sleeps."""

    passed: float = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def wall(self) -> float:
        return 1_790_000_000 + self.passed


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_template(tmp_path_factory.mktemp("heartbeat") / "project")


@pytest.fixture
def config(template: Config, tmp_path: Path) -> Config:
    return replace(template, file=tmp_path / "anchor.toml")


def test_each_sleep_gives_a_sign_if_one_is_due(config: Config) -> None:
    time = FakeTime()
    clock = StoppableClock(time, grace=1.0)
    signs = []
    with keep_beating(config, 1 << 60, clock, time.wall):
        for _ in range(40):
            clock.sleep(1.0)
            signs.append(json.loads(heartbeat_path(config).read_bytes())["at"])
    assert sorted({sign - 1_790_000_000 for sign in signs}) == [0, 15, 30]
    clock.sleep(100.0)
    assert find_silence(config, 1 << 60, time.wall()) == 110.0
    assert find_silence(config, (1 << 60) - 1, time.wall()) is None


def test_a_sign_that_cannot_be_written_leaves_no_old_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    clock = StoppableClock(time, grace=1.0)

    def refuse(*_: object, **__: object) -> None:
        raise StorageError(Message("heartbeat-subject"))

    with keep_beating(config, 1, clock, time.wall):
        assert find_silence(config, 1, time.wall()) == 0.0
        monkeypatch.setattr(heartbeat, "save_sighting", refuse)
        for _ in range(20):
            clock.sleep(1.0)
        assert find_silence(config, 1, time.wall()) is None
        monkeypatch.undo()
        for _ in range(20):
            clock.sleep(1.0)
        silence = find_silence(config, 1, time.wall())
        assert silence is not None and silence < 15.0
