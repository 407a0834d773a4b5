"""Serve a temporary project as in production: PostgreSQL, nginx with TLS, two workers, and e-mail.

It starts what ``anchor serve --demo`` does (chain, project, daemon, sample tenant), but with its
store in PostgreSQL, a mail server that keeps every message in a folder and sends none, two workers
of the service, and nginx with deploy/nginx.conf and a self-signed certificate.  All of it is on
this machine alone, and ends with this process, however that ends.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import psycopg
from support.nginx import free_port, write_nginx

from anchor.base.errors import AnchorError
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.cli.demo_site import open_demo_site
from anchor.service.server import listen, serve
from anchor.service.settings import Settings
from anchor.store.location import PostgresDatabase

HOST = "127.0.0.1"
WORKERS = 2
START_SECONDS = 60.0
STOP_SECONDS = 20.0
DRAIN_SECONDS = 5

# PostgreSQL does not run as root, which gives it to the user that Debian's package made.
OWNER = "postgres"
# It ends at once on SIGINT; on SIGTERM it would wait for its clients.
POSTGRESQL = """
"$1/initdb" --pgdata="$2/data" --username=anchor --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --no-sync >"$2/initdb.log" || exit
"$1/postgres" -D "$2/data" -c listen_addresses= -c unix_socket_directories="$2" &
server=$!
trap 'kill -INT $server' TERM
wait $server
wait $server
"""

CONFIGURATION = """
[publish]
target = "published"

[webhooks]
allow_private = true

[mail]
host = "127.0.0.1"
port = {port}
security = "none"
from = "anchor@example.org"
"""


class StackError(Exception):
    """A part is missing, or did not start."""


@dataclass(frozen=True)
class Programs:
    """Where the programs are that Debian's packages bring."""

    postgresql: Path
    nginx: str


def find_programs() -> Programs:
    """Find PostgreSQL and nginx.

    Raises:
        StackError: One is missing.
    """
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4])
    )
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not versions:
        raise StackError("PostgreSQL is missing (on Debian: apt install postgresql)")
    if nginx is None:
        raise StackError("nginx is missing (on Debian: apt install nginx)")
    return Programs(postgresql=versions[-1].parent, nginx=nginx)


def start(
    stack: ExitStack, command: list[str], scratch: Path
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start a program that ends with this one; return it and the file of what it prints."""
    with ExitStack() as file:
        log = file.enter_context(tempfile.TemporaryFile())
        started = start_guarded(command, scratch, stdout=log, stderr=log)
        stack.push(file.pop_all())
    stack.callback(end_guarded, started, STOP_SECONDS)
    return started, log


def start_postgresql(stack: ExitStack, programs: Programs) -> PostgresDatabase:
    """Start a server with an empty database; it is reached by a socket in a folder of its own.

    Raises:
        StackError: It did not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="anchor-stack-postgresql-"))
    user: list[str] = []
    if os.geteuid() == 0:
        user = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
        shutil.chown(folder, OWNER, OWNER)
    command = [*user, "/bin/sh", "-c", POSTGRESQL, "sh", str(programs.postgresql), str(folder)]
    server, log = start(stack, command, folder)
    location = PostgresDatabase(f"postgresql://anchor@/postgres?host={folder}")
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(location.url).close()
        except psycopg.OperationalError as error:
            if server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            log.seek(0)
            reason = log.read().decode()
            raise StackError(f"PostgreSQL did not start: {reason}") from error
        return location


def start_listening(
    stack: ExitStack, name: str, command: list[str], scratch: Path, port: int
) -> None:
    """Start a program, and wait until it listens on ``port``.

    Raises:
        StackError: It did not.
    """
    started, log = start(stack, command, scratch)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    log.seek(0)
    raise StackError(f"{name} did not start: {log.read().decode()}")


def run(port: int, mail: Path | None) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        StackError: A part is missing, or did not start.
    """
    programs = find_programs()
    port = port or free_port()
    url = f"https://{HOST}:{port}"
    with ExitStack() as stack:
        listener = stack.enter_context(listen(HOST, 0))
        print("starting PostgreSQL, mail server, chain, daemon, service and nginx ...", flush=True)
        store = start_postgresql(stack, programs)
        folder = Path(tempfile.mkdtemp(prefix="anchor-stack-"))
        mail = mail or folder / "mail"
        mail_port = free_port()
        catcher = [
            sys.executable, "-m", "aiosmtpd", "--nosetuid", "--listen", f"{HOST}:{mail_port}",
            "--class", "aiosmtpd.handlers.Mailbox", str(mail),
        ]  # fmt: skip
        start_listening(stack, "the mail server", catcher, folder, mail_port)
        more = CONFIGURATION.format(port=mail_port)
        site = stack.enter_context(open_demo_site(url, store=store, more=more))
        front = folder / "nginx"
        front.mkdir()
        arguments = write_nginx(
            front, port, listener.getsockname()[1], site.config.parent / "published"
        )
        start_listening(stack, "nginx", [programs.nginx, *arguments], front, port)
        print(f"files whose digests the sample tenant submitted: {site.files}")
        print(f"e-mails: {mail / 'new'}")
        print(f"serving {url} with {WORKERS} processes; its certificate is self-signed:")
        print(front / "fullchain.pem", flush=True)
        settings = Settings(
            access_log=False, drain_seconds=DRAIN_SECONDS, proxies=(HOST,),
            sample_people=site.people,
        )  # fmt: skip
        tempfile.tempdir = str(folder)  # so that what workers need goes with the folder, too
        serve(site.config, settings, listener, WORKERS)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8443, help="port for TLS; 0: any free one")
    parser.add_argument("--mail", type=Path, help="folder that keeps the e-mails (Maildir)")
    arguments = parser.parse_args()
    try:
        run(arguments.port, arguments.mail)
    except (StackError, AnchorError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
