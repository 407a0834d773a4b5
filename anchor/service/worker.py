"""What a worker has open while it serves: the project, and the threads that work on its store."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from fastapi import Request

from anchor.monitor.chain_status import StatusPoller
from anchor.operate.clock_check import clock_error
from anchor.operate.incident_handling import check_no_incident, explain_incidents
from anchor.operate.live_publication import LivePublication
from anchor.project.log_key import load_log_key
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.service.anchor_watch_thread import Lookout
from anchor.service.key_cache import KeyCache
from anchor.service.key_recheck import KeyLease, KeyRecheck
from anchor.service.pages.ended_sessions import EndedSessions
from anchor.service.problems import Problem
from anchor.service.proof_queue import Lane
from anchor.service.readiness import Readiness
from anchor.service.receipt_builder import Proofs
from anchor.service.settings import Settings
from anchor.service.stage_watch import StageWatch
from anchor.service.write_queue import Intake
from anchor.store.api_keys import ApiKey, find_keys_by_id
from anchor.system.clock import utc_now

_LOG = logging.getLogger("anchor.service")

T = TypeVar("T")

# Reads take a millisecond or so each, and most of that is the database's.
_READERS = 4


class RequestSlot:
    """One of the things that a tenant does at once, counted until it is released."""

    def __init__(self, busy: Counter[str], name: str) -> None:
        self._busy = busy
        self._name: str | None = name
        busy[name] += 1

    def release(self) -> None:
        """Count it no more; releasing it twice changes nothing."""
        name, self._name = self._name, None
        if name is None:
            return
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]

    def __enter__(self) -> RequestSlot:
        """Return the slot."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()


class Service:
    """One worker's view of the project."""

    def __init__(self, project: OpenProject, settings: Settings) -> None:
        self.project = project
        self.settings = settings
        self.keys = KeyCache()
        self.standing = KeyRecheck(self._load_keys, utc_now)
        self.intake = Intake(project.database, utc_now, self.give_up)
        self.readiness = Readiness(project.database, self.give_up)
        self.watch = StageWatch(project, settings.max_backlog, self.give_up)
        # Each of these threads asks nodes of its own.
        open_node = partial(open_chain, project.config, _LOG.warning)
        self.lookout = Lookout(project, open_node, self.give_up)
        self.proofs = Proofs(project, open_node, self.lookout.wake)
        self.outside = StatusPoller(
            project, open_node(), time.time, lambda: self.lookout.tell(self.watch.anchored_at)
        )
        self.ended_sessions = EndedSessions(settings.ended_sessions)
        self.exploring = Lane("explore")
        self._public = LivePublication(project, load_log_key(project.config))
        # The published log's tree remembers tiles, and is nothing for several threads.
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self.stopping = asyncio.Event()
        """Set once the worker is to end: streams then come to theirs."""
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self._busy: Counter[str] = Counter()

    async def start(self) -> None:
        """Begin to write and to watch."""
        self.intake.start()
        self.readiness.start()
        await self.watch.start()
        self.lookout.start()

    async def read(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may block on the store, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def read_published(self, path: str) -> tuple[bytes | None, bool]:
        """Return a file of the published log, None where there is none; and whether it is fixed.

        Raises:
            ChainGuardError: finality was violated, and nothing is published meanwhile.
        """

        def read() -> tuple[bytes | None, bool]:
            check_no_incident(self.project)
            return self._public.read(path), self._public.is_fixed(path)

        return await asyncio.get_running_loop().run_in_executor(self._publisher, read)

    def take_slot(self, kind: str, tenant: str, most: int) -> RequestSlot:
        """Count one more of what a tenant does at once in this worker, until it is released.

        Raises:
            Problem: The tenant does ``most`` of it already (429).
        """
        name = f"{kind} of {tenant}"
        if self._busy[name] >= most:
            raise Problem(
                429,
                f"this key's tenant has {most} {kind} under way here",
                headers={"Retry-After": str(self.settings.retry_after), "Connection": "close"},
            )
        return RequestSlot(self._busy, name)

    def _load_keys(self, ids: Iterable[str]) -> dict[str, ApiKey]:
        with self.project.database.read() as connection:
            return find_keys_by_id(connection, ids)

    def check_chain(self) -> None:
        """Check that the chain does not contradict the log, as was seen within the last minute.

        Raises:
            IncidentError: A final anchor is not where it was.
            ContradictedError: The log is closed, or its head there is unknown.
        """
        incident = explain_incidents(self.watch.incidents)
        if incident is not None:
            raise incident
        self.lookout.check()

    def check_clock(self) -> None:
        """Check that records can state the time, by what was last seen of the chain's.

        Raises:
            ClockError: This machine's clock is certainly far from it.
        """
        fault = self.lookout.judge_clock(self.watch.anchored_at)
        if fault is not None and fault.is_certain:
            raise clock_error(fault)

    def check_intake(self) -> None:
        """Check that evidence can be taken in.

        Raises:
            Problem: Too much waits for its seal already (503).
            ChainGuardError: The chain contradicts the log, or the clock is wrong.
        """
        self.check_chain()
        self.check_clock()
        if self.watch.reach.waiting >= self.settings.max_backlog:
            raise Problem(
                503,
                "too much evidence waits for its seal; nothing was taken in",
                headers={"Retry-After": str(self.settings.retry_after), "Connection": "close"},
            )

    async def wait_for_change(self, changed: asyncio.Event, seconds: float, held: KeyLease) -> bool:
        """Wait for a change of the watch's, or the worker's end; return whether either came.

        Raises:
            Problem: The key was revoked or has expired (401).
        """
        stopping = asyncio.ensure_future(self.stopping.wait())
        ending = asyncio.ensure_future(held.ended.wait())
        watching = asyncio.ensure_future(self.watch.wait(changed, seconds))
        try:
            await asyncio.wait({stopping, ending, watching}, return_when=asyncio.FIRST_COMPLETED)
            held.check()
            return stopping.done() or watching.result()
        finally:
            for future in (stopping, ending, watching):
                future.cancel()

    def give_up(self) -> None:
        """Let this process end; its supervisor starts another."""
        end_this_process()

    async def close(self) -> None:
        """Write what was given, and release what is open, the project's store as well."""
        self.stopping.set()
        self.lookout.stop()
        await self.readiness.stop()
        await self.watch.stop()
        await self.standing.stop()
        await asyncio.to_thread(self.intake.stop)
        await asyncio.to_thread(self.proofs.close)
        self.exploring.close()
        self.ended_sessions.close()
        self._publisher.shutdown()
        self._readers.shutdown()
        self.project.database.close()


def end_this_process() -> None:
    """Let this worker end as SIGTERM does."""
    os.kill(os.getpid(), signal.SIGTERM)


def service_of(request: Request) -> Service:
    """Return the worker's service, for a route (``Depends(service_of)``)."""
    service: Service = request.app.state.service
    return service
