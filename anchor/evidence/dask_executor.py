"""Dask workers as an executor (https://distributed.dask.org): on this machine, or of a cluster."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message

R = TypeVar("R")

_SAME = ("python", "dask", "distributed")
# How often a task is begun again whose worker was lost.
_RETRIES = 5
_CONNECT_SECONDS = "30s"
# Of zlib: the fastest.
_COMPRESSION = 1


@contextmanager
def open_dask(
    address: str | None, workers: int, report: Callable[[Message], None]
) -> Iterator[tuple[Executor, Sequence[int]]]:
    """Open the workers of the scheduler at ``address``, or ``workers`` processes on this machine.

    Yields the executor and the number of threads of each worker process.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise UsageError(
            Message("executor-dask-missing"), hint=Message("executor-dask-missing-hint")
        ) from None
    # Dask only warns of other versions, in many lines; `_check_workers` refuses them.
    warnings.filterwarnings("ignore", module=r"distributed\.client")
    # A scheduler that ended does not come back with these tasks: waiting longer is of no use.
    settings = {
        "distributed.comm.timeouts.connect": _CONNECT_SECONDS,
        "distributed.comm.retry.count": 3,
        "distributed.client.scheduler-info-interval": "5s",
    }
    with dask.config.set(settings):
        client = _connect(distributed, address, workers)
        try:
            _check_workers(client)
            if address is None:
                report(Message("executor-dask-dashboard", address=client.dashboard_link))
            with client.get_executor(pure=False, retries=_RETRIES) as executor:
                yield _PackedTasks(executor), tuple(client.ncores().values())
        except (CancelledError, OSError) as error:
            raise _lost(error) from None
        finally:
            _close(client)


class _PackedTasks(Executor):
    """Sends the arguments of tasks as compressed bytes.

    A scheduler keeps its last thousand messages to each worker with the objects in them: 90 KiB for
    a task of 256 objects of a store, 5 KiB as bytes.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, function: Callable[..., R], /, *given: Any, **named: Any) -> Future[R]:
        packed = zlib.compress(_codec().dumps((given, named)), _COMPRESSION)
        return self._executor.submit(_run_packed, function, packed)


def _run_packed(function: Callable[..., R], packed: bytes) -> R:
    """Call a function with arguments that were packed; this function runs on a worker."""
    given, named = _codec().loads(zlib.decompress(packed))
    return function(*given, **named)


def _codec() -> Any:
    """Return Dask's own pickle, which has no types."""
    from distributed.protocol import pickle

    return pickle


def _connect(distributed: Any, address: str | None, workers: int) -> Any:
    if address is None:
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )
        return distributed.Client(cluster)
    try:
        return distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (TypeError, FileNotFoundError):  # for tls:// without certificates, and without files
        raise UsageError(
            Message("executor-dask-tls-missing", address=address),
            hint=Message("executor-dask-tls-missing-hint"),
        ) from None
    except (OSError, ValueError) as error:
        raise CannotCheckError(
            Message("executor-dask-unreachable", address=address, kind=type(error).__name__)
        ) from None


def _check_workers(client: Any) -> None:
    answered = client.get_versions()
    places = (answered["client"], answered["scheduler"], *answered["workers"].values())
    if len({tuple(place["packages"][name] for name in _SAME) for place in places}) > 1:
        raise CannotCheckError(
            Message("executor-dask-versions"), hint=Message("executor-dask-versions-hint")
        )


def _close(client: Any) -> None:
    cluster = client.cluster
    client.close(timeout=5)
    if cluster is not None:
        cluster.close(timeout=5)


def _lost(error: BaseException) -> CannotCheckError:
    return CannotCheckError(
        Message("executor-dask-lost", kind=type(error).__name__),
        hint=Message("executor-lost-hint"),
    )
