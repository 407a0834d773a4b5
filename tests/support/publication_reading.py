"""Projects that publish, the folder and server of what they publish, and a reader of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support import fixtures
from support.projects import Site, make_site, reading
from support.publications import (
    DEV_CHAIN,
    NUMBERS,
)

from anchor.chain.chain_reader import ChainReader
from anchor.chain.devnet import Devnet
from anchor.log.publication import (
    CHECKPOINT,
    open_reader,
    read_anchors,
    read_tile,
)
from anchor.log.signed_note import parse_verifier
from anchor.project.project import trust_entry
from anchor.verification.log_audit import CheckedLog, check_log
from anchor.verification.policy import TrustPolicy

devnet = fixtures.devnet


@pytest.fixture
def site(tmp_path: Path, devnet: Devnet) -> Site:
    return make_site(tmp_path / "project", devnet, number=next(NUMBERS))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "published"


@dataclass
class Reader:
    """Somebody who has nothing of the operator's but what is published, and a policy."""

    site: Site

    def check(
        self, place: Path | str, *, vkey: str | None = None, pinned: bool = True
    ) -> CheckedLog:
        with self.site.open() as project:
            policy = TrustPolicy(entries=(trust_entry(project.config),)) if pinned else None
        self.told: list[int] = []
        source = open_reader(str(place))
        note = source.read(CHECKPOINT)
        assert note is not None
        with reading(self.site.url) as node:
            return check_log(
                note,
                partial(read_tile, source),
                policy=policy,
                verifier=None if vkey is None else parse_verifier(vkey),
                connect=lambda _: ChainReader(node),
                report_step=lambda number, *_: self.told.append(number),
                anchored=partial(read_anchors, source),
                chain_ids=(DEV_CHAIN,),
                accept_unpinned=True,
            )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@pytest.fixture
def server(place: Path) -> Iterator[str]:
    place.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/status/"):
                self.send_error(int(self.path.removeprefix("/status/")))
            elif "//" in self.requestline:  # another file, for most servers
                self.send_error(404)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place))) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
