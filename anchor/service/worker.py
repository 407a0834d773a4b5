"""A worker's open project, and the threads and tasks that work on its store."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.not_before import NotBefore
from anchor.monitor.chain_status import StatusPoller
from anchor.operate.clock_check import clock_error
from anchor.operate.copy_vault import CopyVault
from anchor.operate.incident_handling import check_no_incident, explain_incidents
from anchor.operate.live_publication import LivePublication
from anchor.operate.recent_block import RecentBlock
from anchor.operate.webhook_secrets import WebhookSecrets
from anchor.project.log_key import load_log_key
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.service.address_guard import AddressGuard
from anchor.service.anchor_watch_thread import AnchorWatchThread
from anchor.service.caller import Caller, reload_callers
from anchor.service.caller_recheck import CallerLease, CallerRecheck
from anchor.service.job_runner import JobRunner
from anchor.service.problems import CLOSE, RETRY_LATER, Problem
from anchor.service.proof_queue import ProofQueue
from anchor.service.readiness import Readiness
from anchor.service.receipt_builder import ReceiptBuilder
from anchor.service.settings import Settings
from anchor.service.stage_watch import StageWatch
from anchor.service.write_queue import WriteQueue

_LOG = logging.getLogger("anchor.service")

T = TypeVar("T")
P = ParamSpec("P")

# Threads for reads, which take about a millisecond each, most of it in the database.
_READERS = 4
# Messages that are sent at the same time.
_DELIVERIES = 4
# The most seconds for reading, comparing and scanning one copy.
_COPY_SECONDS = 12 * 3_600
# The most seconds for checking and storing one captured bag.
_CAPTURE_SECONDS = 1_800


class Service:
    """One worker's open project, with the threads and tasks that serve its requests."""

    def __init__(self, project: OpenProject, settings: Settings) -> None:
        self.project = project
        self.settings = settings
        self.recheck = CallerRecheck(self._reload_callers)
        keeping = project.config.keeping
        self.vault = None if keeping is None else CopyVault(keeping)
        self.webhook_secrets = WebhookSecrets(keeping)
        self.write_queue = WriteQueue(project.database, utc_now, end_this_process)
        self.readiness = Readiness(project.database, end_this_process)
        self.stage_watch = StageWatch(project, end_this_process)
        self.address_guard = AddressGuard(project.database, utc_now, end_this_process)
        # Each of these threads uses its own connections to nodes.
        open_node = partial(open_chain, project.config, _LOG.warning)
        self.anchor_watch = AnchorWatchThread(project, open_node, end_this_process)
        self.receipt_builder = ReceiptBuilder(project, open_node, self.anchor_watch.wake)
        self.outside = StatusPoller(
            project,
            open_node(),
            time.time,
            lambda: self.anchor_watch.watch.tell(self.stage_watch.anchored_at),
        )
        self.proof_queue = ProofQueue("explore")
        clock = partial(datetime.now, UTC)
        self.jobs = JobRunner(project.database, clock, end_this_process)
        # Apart from the certificates, and several at once: receivers may take long to answer.
        self.deliveries = JobRunner(project.database, clock, end_this_process, tasks=_DELIVERIES)
        # Apart from both: comparing a large copy takes minutes.
        self.copy_jobs = JobRunner(project.database, clock, end_this_process, seconds=_COPY_SECONDS)
        # Apart from all: taking in a large bag takes a while.
        self.capture_jobs = JobRunner(
            project.database, clock, end_this_process, seconds=_CAPTURE_SECONDS
        )
        self._public = LivePublication(project, load_log_key(project.config))
        # The published log's tree caches tiles, and is not thread-safe.
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self.stopping = asyncio.Event()
        """Set when the worker is asked to stop: streams then end."""
        self._recent_block = RecentBlock(project, project.config.not_before, _LOG.warning)
        self._namer = ThreadPoolExecutor(1, thread_name_prefix="name")
        self._changer = ThreadPoolExecutor(1, thread_name_prefix="change")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self._busy: Counter[str] = Counter()

    async def start(self) -> None:
        """Start the threads and tasks."""
        self.write_queue.start()
        self.readiness.start()
        await self.stage_watch.start()
        await self.address_guard.start()
        self.anchor_watch.start()
        self.jobs.start()
        self.deliveries.start()
        if self.vault is not None:
            self.copy_jobs.start()
            if self.settings.captures is not None:
                self.capture_jobs.start()

    async def read(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may block on the store, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def query(
        self, ask: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of ``ask`` on a read connection to the store, off the event loop."""

        def read() -> T:
            with self.project.database.read() as connection:
                return ask(connection, *args, **kwargs)

        return await self.read(read)

    async def change(
        self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of ``work`` in a transaction that changes the store.

        It runs off the event loop, and again if other writers interfere: ``work`` must have no
        effects outside the store.
        """

        def write() -> T:
            return self.project.database.write_with_retry(
                lambda connection: work(connection, *args, **kwargs)
            )

        result = await asyncio.get_running_loop().run_in_executor(self._changer, write)
        self.deliveries.wake()  # somebody may have to be told
        return result

    async def read_published(self, path: str) -> tuple[bytes | None, bool]:
        """Return a file of the published log, None if missing, and whether it can never change.

        Raises:
            ChainGuardError: Finality was violated: the log is not published until that is resolved.
        """

        def read() -> tuple[bytes | None, bool]:
            check_no_incident(self.project)
            return self._public.read(path), self._public.is_fixed(path)

        return await asyncio.get_running_loop().run_in_executor(self._publisher, read)

    async def name_block(self) -> NotBefore | None:
        """Return the block that records made now name; None if the configuration wants none."""
        if self.project.config.not_before is False:
            return None
        name = self._recent_block.name
        return await asyncio.get_running_loop().run_in_executor(self._namer, name)

    def take_slot(self, kind: Message, tenant: str, most: int) -> ExitStack:
        """Count a request against the tenant's limit in this worker, until the stack is closed.

        Raises:
            Problem: The tenant already has ``most`` requests of this kind in progress (429).
        """
        name = f"{kind} of {tenant}"
        if self._busy[name] >= most:
            raise Problem(
                429,
                Message("tenant-slots-used-up", limit=most, kind=kind),
                headers=RETRY_LATER | CLOSE,
            )
        self._busy[name] += 1
        slot = ExitStack()
        slot.callback(self._release, name)
        return slot

    def _release(self, name: str) -> None:
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]

    def _reload_callers(self, callers: Iterable[Caller]) -> dict[Caller, Caller]:
        return reload_callers(self.project.database, callers, utc_now())

    def check_chain(self) -> None:
        """Check that the chain, as last observed, does not contradict the log."""
        incident = explain_incidents(self.stage_watch.incidents)
        if incident is not None:
            raise incident
        self.anchor_watch.check()

    def check_clock(self) -> None:
        """Check that this machine's clock agrees with the chain's time, as last observed."""
        fault = self.anchor_watch.watch.judge(self.stage_watch.anchored_at)
        if fault is not None and fault.is_certain:
            raise clock_error(fault)

    def check_intake(self) -> None:
        """Check that evidence can be accepted.

        Raises:
            Problem: Too much evidence is waiting to be sealed (503).
        """
        self.check_chain()
        self.check_clock()
        if self.stage_watch.reach.waiting >= self.settings.max_backlog:
            raise Problem(
                503,
                Message("evidence-backlog-full"),
                headers=RETRY_LATER | CLOSE,
            )

    async def wait_for_change(
        self, changed: asyncio.Event, seconds: float, lease: CallerLease
    ) -> bool:
        """Wait for a change of stage or the worker's end; return whether either came in time.

        Raises:
            Problem: The key was revoked or has expired (401).
        """
        stopping = asyncio.ensure_future(self.stopping.wait())
        ending = asyncio.ensure_future(lease.ended.wait())
        watching = asyncio.ensure_future(self.stage_watch.wait(changed, seconds))
        try:
            await asyncio.wait({stopping, ending, watching}, return_when=asyncio.FIRST_COMPLETED)
            lease.check()
            return stopping.done() or watching.result()
        finally:
            for future in (stopping, ending, watching):
                future.cancel()

    async def close(self) -> None:
        """Write pending submissions, stop the threads and tasks, and close the project's store."""
        self.stopping.set()
        await self.jobs.stop()
        await self.deliveries.stop()
        await self.copy_jobs.stop()
        await self.capture_jobs.stop()
        self.anchor_watch.stop()
        await self.readiness.stop()
        await self.stage_watch.stop()
        await self.address_guard.stop()
        await self.recheck.stop()
        await asyncio.to_thread(self.write_queue.stop)
        await asyncio.to_thread(self.receipt_builder.close)
        self.proof_queue.close()
        self._publisher.shutdown()
        self._namer.shutdown(wait=False, cancel_futures=True)
        self._changer.shutdown()
        self._readers.shutdown()
        self.project.database.close()


def end_this_process() -> None:
    """End this worker as SIGTERM does; its supervisor starts a new one."""
    os.kill(os.getpid(), signal.SIGTERM)


def service_of(request: Request) -> Service:
    """Return the worker's service."""
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(service_of)]
"""The type of a route's parameter that receives the worker's service."""
