"""The service's limits: what one client, one request and one worker may take."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of each worker process; sizes in bytes, times in seconds."""

    # A record's bytes, escaped at their worst, and a little around them.
    max_body: int = 512 * 1024
    # A line of a bulk submission is what one body may be.
    max_line: int = 512 * 1024
    # Some ten million lines as they usually are.
    max_bulk: int = 2 << 30
    # For all of a single submission's body, and for each next piece of a bulk one's.
    body_seconds: float = 15.0
    # For all of a bulk submission.
    bulk_seconds: float = 3_600.0
    # For a request's first line and headers.
    header_seconds: float = 10.0
    # For a client that does not read its answers.
    answer_seconds: float = 30.0
    # The longest a client may wait for a change in one request.
    max_wait: float = 60.0
    # How long an event stream goes on before the client has to ask again.
    max_stream: float = 3_600.0
    # Connections to one worker at a time, and the bulk submissions and waits of one tenant there.
    max_connections: int = 512
    # Connections to one worker from one address (an IPv6 /64), unless it is a named proxy's.
    max_per_peer: int = 128
    # Addresses and networks of the web servers in front, whose X-Forwarded-* headers count.
    proxies: tuple[str, ...] = ()
    max_bulks: int = 4
    max_waits: int = 64
    # Evidence that waits for its seal, above which no more is taken in.
    max_backlog: int = 5_000_000
    # Requests without a key, and keys that were refused, from one address (an IPv6 /64) in each
    # second, after so many at once; 0 is no limit. An audit of a published log asks for some
    # hundred files a second.
    anonymous_rate: float = 100.0
    anonymous_burst: int = 1_000
    refused_rate: float = 20.0
    refused_burst: int = 500
    # Whether each request is logged.
    access_log: bool = True
    # How long requests that are under way get after SIGTERM; workers are killed 5 seconds later.
    drain_seconds: int = 20
    # Signs the sessions of the pages: all workers of a service share it, and a restart ends them.
    session_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    # Where all workers of a service note the sessions that were signed out; None: each its own.
    ended_sessions: Path | None = None
