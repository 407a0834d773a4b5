"""The thread of a worker that compares the chain with the log once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from random import SystemRandom

from anchor.chain.node import Node
from anchor.errors import AnchorError, ContradictedError, FinalityViolatedError, IncidentError
from anchor.operate.anchor_watch import PERIOD, ChainWatch, Clocks
from anchor.operate.incident_handling import check_no_incident
from anchor.project.project import OpenProject
from anchor.system.clock import unix_now

# A part of what PERIOD leaves of the minute, in seconds.
_SPREAD = 5.0
# Seconds until a look that something asked for, at once after another one.
_LEAST = 1.0
_random = SystemRandom().random
_LOG = logging.getLogger("anchor.service")


def read_steady_clock() -> float:
    """Return seconds since the machine started, those in which it was suspended as well."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class AnchorWatchThread:
    """Compares the chain with the log, unless another process just did; keeps contradictions.

    A final anchor that is not where it was is an incident in the store, where every worker sees
    it; a log that is closed, or has an unknown head, each worker finds by itself.
    """

    def __init__(
        self, project: OpenProject, open_node: Callable[[], Node], end_process: Callable[[], None]
    ) -> None:
        """Prepare; ``open_node`` opens nodes of this thread's own.

        ``end_process`` is called if the thread ends without being stopped.
        """
        self._project = project
        self._end_process = end_process
        clocks = Clocks(wall=unix_now, steady=read_steady_clock)
        self.watch = ChainWatch(project, clocks)
        """What was seen of the chain and its time; the thread alone looks."""
        self._open_node = open_node
        self._contradiction: ContradictedError | IncidentError | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchor-watch", daemon=True)

    def start(self) -> None:
        """Start the thread: it looks at once, and then once a minute."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, without waiting for a look that is under way."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Make the thread look at once."""
        self._wake.set()

    def check(self) -> None:
        """Check that the newest look found the log open, and its head in the store.

        Raises:
            ContradictedError: It did not.
            IncidentError: A final anchor is not where it was, and the store does not keep that.
        """
        contradiction = self._contradiction
        if contradiction is not None:
            raise type(contradiction)(contradiction.message, hint=contradiction.hint)

    def _run(self) -> None:
        try:
            self._look_on()
        finally:
            # Unwatched, a worker would go on for ever. Not at once: it might be so each time.
            if not self._stopping.wait(PERIOD):
                _LOG.error("nothing looks at the chain any more; this process ends for another")
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
                    # Nodes that differ about what is final may ask for one after the other.
                    self._stopping.wait(_LEAST)
            if not self._stopping.is_set():
                # Spread, so that of several workers one looks and the others find that it did.
                is_woken = self._wake.wait(rest + _SPREAD * _random())

    def _look(self, node: Node) -> None:
        try:
            if self.watch.look(node):
                self._contradiction = None
        except ContradictedError as error:
            self._contradiction = error
            _LOG.error("%s; nothing is taken in or handed out", error.message)
        except IncidentError as error:
            self._contradiction = None if self._is_stored() else error
            _LOG.error("%s; nothing is taken in or handed out", error.message)
        except FinalityViolatedError as error:
            # What it contradicts is in the store by now; the next look goes by the new chain.
            node.forget_final()
            self._wake.set()
            _LOG.error("%s", error.message)
        except AnchorError as error:
            _LOG.warning("the chain could not be compared with the log: %s", error.message)

    def _is_stored(self) -> bool:
        """Return whether the store holds an open incident, by which all workers go."""
        try:
            check_no_incident(self._project)
        except IncidentError:
            return True
        except AnchorError:
            pass
        return False
