"""An operator whose daemon lives in a fast time of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from support.clocks import FastClock
from support.projects import Site, reading

from anchor.base.system.clock import StoppableClock, unix_now
from anchor.chain.node import Node
from anchor.cli.context import open_signer
from anchor.log.publication import PublicationWriter
from anchor.operate.daemon import Daemon, Pace
from anchor.operate.events import Event
from anchor.operate.publisher import Publisher
from anchor.operate.timestamper import Timestamper


@dataclass
class Operator:
    """A project and a daemon for it, whose clock runs fast."""

    site: Site
    happened: list[Event] = field(default_factory=list)
    clock: FastClock = field(default_factory=FastClock)

    def run(
        self,
        until: float,
        *,
        url: str | None = None,
        chain: Node | None = None,
        seconds: float = 60.0,
        leaves: int = 100,
        size: int | None = None,
        grace: float = 20.0,
        target: PublicationWriter | None = None,
        jitter: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Run the daemon until the clock says ``until``; ``chain`` None reads one node."""
        stoppable = StoppableClock(self.clock, grace=grace)
        self.clock.at[until] = stoppable.stopping.set
        pace = Pace(seconds=seconds, leaves=leaves, size=size)
        tell = self.happened.append
        with (
            self.site.lead() as project,
            reading(url or self.site.url, monotonic=self.clock.monotonic) as node,
        ):
            signer = open_signer(project.config)
            publisher = None
            if target is not None:
                publisher = Publisher(project, target, stoppable, emit=tell, jitter=jitter)
            timestamper = None
            if project.config.tsa:
                timestamper = Timestamper(project, stoppable, emit=tell, jitter=jitter)
            Daemon(
                project, chain or node, signer, stoppable, pace, tell=tell, jitter=jitter,
                wall=unix_now, publisher=publisher, timestamper=timestamper,
            ).run()  # fmt: skip

    def add(self, *names: str) -> Callable[[], object]:
        """Return what takes in evidence of these names."""
        return lambda: [self.site.add(name, name.encode()) for name in names]

    def events(self) -> list[str]:
        return [item.event for item in self.happened if item.event != "progress"]

    def sizes(self) -> list[int]:
        return [size for size, _ in self.site.heads()]
