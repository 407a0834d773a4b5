"""The service's limits: on one client, one request and one worker."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from anchor.people.sample_person import SamplePerson


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """The spool folder of captures, and their limits; sizes in bytes.

    ``per_day``, ``waiting`` (those under way) and ``at_once`` (those that the worker may have) are
    each tenant's; ``max_bytes`` bounds the bodies of one page, ``bag_bytes`` one bag.
    """

    folder: Path
    per_day: int = 100
    waiting: int = 50
    all_waiting: int = 2_000
    at_once: int = 2
    max_bytes: int = 1 << 27
    bag_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of each worker process; sizes in bytes, times in seconds."""

    # A record's bytes in their longest escaped form, and the members around them.
    max_body: int = 512 * 1024
    # A line of a bulk submission is as long as the body of a single one may be.
    max_line: int = 512 * 1024
    # Some ten million lines of usual length.
    max_bulk: int = 2 << 30
    # For the whole body of a single submission, and for each next piece of a bulk one.
    body_seconds: float = 15.0
    # For a whole bulk submission.
    bulk_seconds: float = 3_600.0
    # For a request's first line and headers.
    header_seconds: float = 10.0
    # For a client that does not read its answers.
    answer_seconds: float = 30.0
    # The longest a client may wait for a change in one request.
    max_wait: float = 60.0
    # The duration of an event stream, after which the client has to reconnect.
    max_stream: float = 3_600.0
    # Simultaneous connections to one worker, and bulk submissions and waits of one tenant in it.
    max_connections: int = 512
    # Connections to one worker from one address (an IPv6 /64), unless it is a named proxy's.
    max_per_peer: int = 128
    # Addresses and networks of the proxies whose X-Forwarded-* headers are trusted.
    proxies: tuple[str, ...] = ()
    max_bulks: int = 4
    max_waits: int = 64
    # The amount of evidence waiting to be sealed, above which submissions are refused.
    max_backlog: int = 5_000_000
    # Requests without a key, and refused keys, from one address (an IPv6 /64) per second, after
    # an initial burst; 0 means no limit. An audit of a published log requests about a hundred
    # files a second.
    anonymous_rate: float = 100.0
    anonymous_burst: int = 1_000
    refused_rate: float = 20.0
    refused_burst: int = 500
    # Whether each request is logged.
    access_log: bool = True
    # Time for requests in progress to end after SIGTERM; workers are killed 5 seconds later.
    drain_seconds: int = 20
    # Captures of web pages, which tenants order; none without it.
    captures: CaptureSettings | None = None
    # As whom anybody may sign in without a password: of a demonstration on this machine alone.
    sample_people: tuple[SamplePerson, ...] = ()
    # Signs the cookies of sign-ins under way; shared by all workers, and new with each start.
    session_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
