"""Crashes, lost messages and sudden events at an effect of a run, in this process.

An effect is a request to the node or a write to the store.  A crash is an exception that nothing
catches; whoever drives the run throws away all it had in memory and opens the store again.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection

from anchor.base.errors import NodeUnreachableError
from anchor.chain.node import RpcTransport
from anchor.store.database import Database

Trouble = Literal["crash before", "crash after", "request lost", "answer lost"]
TROUBLES: tuple[Trouble, ...] = ("crash before", "crash after", "request lost", "answer lost")


class Crash(Exception):
    """The process ends here."""


Moment = tuple[str, int]
"""The n-th time, from 0, that something is done: a method of the node, or who writes a commit."""


@dataclass
class Effects:
    """Counts effects; ``plan`` says what happens at which of them, ``happened`` what did."""

    plan: dict[Moment, Trouble | Callable[[], None]] = field(default_factory=dict)
    happened: list[tuple[Trouble, Moment]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one(self, what: str, *, can_be_lost: bool) -> Iterator[None]:
        """Stand around one effect."""
        moment = (what, self._counts[what])
        planned = self.plan.pop(moment, None)
        self._counts[what] += 1
        if callable(planned):
            planned()
            planned = None
        if not can_be_lost and planned is not None:
            planned = (
                "crash before" if planned in ("crash before", "request lost") else "crash after"
            )
        if planned is not None:
            self.happened.append((planned, moment))
        if planned == "crash before":
            raise Crash
        if planned == "request lost":
            raise NodeUnreachableError("the node did not answer")
        yield
        if planned == "crash after":
            raise Crash
        if planned == "answer lost":
            raise NodeUnreachableError("the node did not answer")


class TroubledTransport:
    """A way to a node on which messages get lost."""

    def __init__(self, rpc: RpcTransport, effects: Effects) -> None:
        self._rpc = rpc
        self._effects = effects

    @property
    def name(self) -> str:
        return self._rpc.name

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        with self._effects.one(method, can_be_lost=True):
            return self._rpc.call(method, params)


class TroubledDatabase(Database):
    """A store whose owner may crash before or after each commit, and so before or after the effect.

    Each commit has the name of the function that makes it, as each of the journal's methods does.
    """

    def __init__(self, database: Database, effects: Effects) -> None:
        super().__init__(database._backend, database._writer)
        self._effects = effects

    @contextmanager
    def write(self) -> Iterator[Connection]:
        # This generator runs in contextlib's frame, which our caller's `with` stands above.
        writer = sys._getframe(2).f_code.co_name
        with self._effects.one(writer, can_be_lost=False), super().write() as connection:
            yield connection

    @contextmanager
    def sequence(self) -> Iterator[Connection]:
        writer = sys._getframe(2).f_code.co_name
        with self._effects.one(writer, can_be_lost=False), super().sequence() as connection:
            yield connection
