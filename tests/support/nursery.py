"""Starts ``anchor`` processes from one that has imported its libraries already.

Most of a short run is importing web3 and SQLAlchemy.  A process forked from one that has them is as
much a process of its own (arguments, folder, environment, descriptors, exit), and starts at once.

Run as a program, this is the process to fork from:  python nursery.py SOCKET.  It ends with its
standard input.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn, TypedDict

# What commands import; a name that is not installed is passed over.
_LIBRARIES = (
    "web3",
    "eth_account",
    "sqlalchemy",
    "sqlalchemy.dialects.sqlite",
    "Crypto.Cipher.AES",
    "Crypto.Hash.keccak",
    "Crypto.PublicKey.ECC",
    "Crypto.Signature.eddsa",
    "eth_hash.backends.pycryptodome",
    "platformdirs.unix",
    "psycopg",
    "pydantic_settings",
    "fastapi",
    "httptools",
    "requests",
    "uvicorn",
    "uvloop",
    "rich.progress",
    "typer._adapters",
)
# All but what only the certificates or the chain in memory load.
_PACKAGES = (
    "chain",
    "cli",
    "library",
    "monitor",
    "operate",
    "project",
    "recovery",
    "service",
    "store",
    "verification",
)
LENGTH = struct.Struct("!i")


class Request(TypedDict):
    """What a process starts with: program and arguments, and how many files it may open."""

    words: list[str]
    cwd: str
    env: dict[str, str]
    files: tuple[int, int]


def main() -> None:
    """Listen, and fork for each connection."""
    for name in (*_LIBRARIES, *_list_modules()):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    # Else each process looks through all of it at its end, and copies it page by page doing so:
    # 0.4 seconds of a core.  What a process makes itself is collected, and complains, as ever.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            _reap_keepers()
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _keep(connection)
                return
            connection.close()


def _list_modules() -> Iterator[str]:
    """Yield the modules of the packages that commands load."""
    import anchor

    root = anchor.__path__[0]
    for package in _PACKAGES:
        for module in pkgutil.walk_packages([f"{root}/{package}"], f"anchor.{package}."):
            if not module.name.startswith("anchor.chain.devnet"):
                yield module.name


def _reap_keepers() -> None:
    """Wait for the keepers that have ended, so that their times are counted as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(connection: socket.socket) -> None:
    """Start the process that was asked for, wait for it, and say how it ended."""
    request, descriptors = _receive(connection)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(request, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    connection.sendall(LENGTH.pack(pid))
    _, status = os.waitpid(pid, 0)
    connection.sendall(LENGTH.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _receive(connection: socket.socket) -> tuple[Request, list[int]]:
    size = LENGTH.size
    head, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(3 * 4), socket.MSG_WAITALL)
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    (length,) = LENGTH.unpack(head)
    body = connection.recv(length, socket.MSG_WAITALL)
    return json.loads(body), list(descriptors)


def _become(request: Request, descriptors: list[int]) -> NoReturn:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, tuple(request["files"]))
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["words"]
    program = importlib.import_module({"anchor": "anchor.__main__"}.get(sys.argv[0], sys.argv[0]))
    code: object = None
    try:
        program.main()
    except SystemExit as ended:
        code = ended.code
    _end(code)


def _end(code: object) -> NoReturn:
    """End this process as the interpreter does, and complain of what was left open.

    But free nothing of what was loaded before the fork: that copies all of it, page by page, which
    takes a tenth of a second of a core.
    """
    assert code is None or isinstance(code, int), code
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()
    for thing in gc.get_objects():
        is_open_file = isinstance(thing, io.FileIO) and not thing.closed
        if is_open_file or (isinstance(thing, socket.socket) and thing.fileno() >= 0):
            print(f"Exception ignored: {thing!r} was left open", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main()
