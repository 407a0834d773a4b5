"""The thread of a worker that compares the chain with the log once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from random import SystemRandom

from anchor.base.errors import AnchorError, ContradictedError, FinalityViolatedError, IncidentError
from anchor.base.messages.message import Message
from anchor.base.system.clock import unix_now
from anchor.chain.node import Node
from anchor.operate.anchor_watch import PERIOD, ChainWatch, Clocks
from anchor.operate.incident_handling import check_no_incident
from anchor.project.project import OpenProject

# The most seconds of random delay between two checks, within what PERIOD leaves of the minute.
_SPREAD = 5.0
# The least seconds between two checks if another one is requested during the first.
_LEAST = 1.0
_random = SystemRandom().random
_LOG = logging.getLogger("anchor.service")


def read_steady_clock() -> float:
    """Return the seconds since the machine started, including those spent suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class AnchorWatchThread:
    """A thread that compares the chain with the log, unless another process has just done so.

    A final anchor that has disappeared is recorded as an incident in the store, where every worker
    sees it; a closed log, or one with an unknown head, is detected by each worker on its own.
    """

    def __init__(
        self, project: OpenProject, open_node: Callable[[], Node], end_process: Callable[[], None]
    ) -> None:
        """Create the thread; ``open_node`` opens nodes that it does not share.

        ``end_process`` is called if the thread ends without being stopped.
        """
        self._project = project
        self._end_process = end_process
        clocks = Clocks(wall=unix_now, steady=read_steady_clock)
        self.watch = ChainWatch(project, clocks)
        """The last observations of the chain and its time; only the thread updates them."""
        self._open_node = open_node
        self._contradiction: ContradictedError | IncidentError | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchor-watch", daemon=True)

    def start(self) -> None:
        """Start the thread: it checks at once, and then once a minute."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, without waiting for a check in progress."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Make the thread check at once."""
        self._wake.set()

    def check(self) -> None:
        """Check that the last observation found the log open, and its head in the store.

        Raises:
            IncidentError: A final anchor has disappeared, and the store has no record of that.
        """
        contradiction = self._contradiction
        if contradiction is not None:
            raise type(contradiction)(contradiction.message, hint=contradiction.hint)

    def _run(self) -> None:
        try:
            self._look_on()
        finally:
            # A worker without this thread must not go on. It ends after a pause, in case every
            # new worker fails the same way.
            if not self._stopping.wait(PERIOD):
                _LOG.error(Message("chain-watch-ended"))
                self._end_process()

    def _look_on(self) -> None:
        node = self._open_node()
        is_woken = False
        while not self._stopping.is_set():
            self._wake.clear()
            rest = None
            if self._contradiction is None and not is_woken:
                rest = self.watch.adopt(PERIOD)
            if rest is None:
                self._look(node)
                rest = PERIOD
                if self._wake.is_set():
                    # Nodes that disagree about the final block may request checks in a row.
                    self._stopping.wait(_LEAST)
            if not self._stopping.is_set():
                # A random delay, so that one of several workers checks and the others adopt it.
                is_woken = self._wake.wait(rest + _SPREAD * _random())

    def _look(self, node: Node) -> None:
        try:
            if self.watch.look(node):
                self._contradiction = None
        except ContradictedError as error:
            self._contradiction = error
            _LOG.error(Message("service-contradicted", reason=error.message))
        except IncidentError as error:
            self._contradiction = None if self._is_stored() else error
            _LOG.error(Message("service-contradicted", reason=error.message))
        except FinalityViolatedError as error:
            # The contradicted anchors are recorded by now; the next check accepts the new chain.
            node.forget_final()
            self._wake.set()
            _LOG.error(error.message)
        except AnchorError as error:
            _LOG.warning(Message("chain-not-compared", reason=error.message))

    def _is_stored(self) -> bool:
        """Return whether the store holds an open incident, which all workers observe."""
        try:
            check_no_incident(self._project)
        except IncidentError:
            return True
        except AnchorError:
            pass
        return False
