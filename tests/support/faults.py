"""Which faults the tests injected, how, how often and with what outcome.

A test that injects faults of ``fault_catalogue.py`` says so::

    @pytest.mark.fault("E1", how="the answer is lost after the node took the transaction",
                       then="the same bytes are sent again; one anchor")

and, if it does so more than once, counts them with the fixture ``injected``: ``injected(64)`` for
all its faults, ``injected(64, "E1")`` for one.  Every run adds what
it saw to ``.build/faults.json``, from which ``scripts/_build/build_faults.py`` makes the page.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

RECORD = ROOT / ".build" / "faults.json"

_TIMES = pytest.StashKey[list[tuple[str, int]]]()


def marked(*marks: pytest.MarkDecorator) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put several marks on one test."""

    def put(test: Callable[..., None]) -> Callable[..., None]:
        for mark in marks:
            test = mark(test)
        return test

    return put


def name_test(path: Path, nodeid: str) -> str:
    """Return a test's name with its file's place in the repository, whichever lane it runs in."""
    return f"{path.relative_to(ROOT).as_posix()}::{nodeid.partition('::')[2]}"


class FaultRecorder:
    """The pytest plugin that keeps the record."""

    def __init__(self) -> None:
        self._seen: dict[str, list[dict[str, Any]]] = {}

    @pytest.fixture
    def injected(self, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Say how often this test injected its faults, or one of them; once, where it does not."""

        def count(times: int, id: str = "") -> None:
            request.node.stash.setdefault(_TIMES, []).append((id, times))

        return count

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        if report.when == "call" or report.outcome == "failed":
            counted: Counter[str] = Counter()
            for id, times in item.stash.get(_TIMES, []):
                counted[id] += times
            marks = [(*mark.args, *mark.kwargs.values()) for mark in item.iter_markers("fault")]
            if marks:
                self._seen[name_test(item.path, item.nodeid)] = [
                    {
                        "id": id,
                        "how": how,
                        "then": then,
                        "times": counted[id] + counted[""] if counted else 1,
                        "outcome": report.outcome,
                    }
                    for id, how, then in marks
                ]
        return report

    def pytest_sessionfinish(self) -> None:
        if not self._seen:
            return
        RECORD.parent.mkdir(exist_ok=True)
        with RECORD.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # other runs may end now, too
            file.seek(0)
            before = json.loads(file.read() or "{}")
            file.truncate(0)
            file.write(json.dumps(before | self._seen, indent=1, sort_keys=True))
