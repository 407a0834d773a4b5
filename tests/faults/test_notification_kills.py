"""Workers killed at each effect of a delivery: no message is lost, and its id stays the same."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Peer
from support.projects import Site, make_site
from support.service import Served, bearer, make_key, serve
from support.stopping import workers_of
from support.webhook_receiver import Receiver, run_receiver

from anchor.base.system.clock import utc_now
from anchor.chain.devnet import open_devnet
from anchor.people.actors import Actor
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.store.location import StoreLocation
from anchor.store.tenant_keys import issue_key, key_id_of

pytestmark = pytest.mark.release

# After a kill the job is taken again when its worker's time is over.
LEASE = 30.0


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    store: StoreLocation | None = None
    if request.param == "postgresql":
        store = request.getfixturevalue("postgres").create()
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path / "project", node, number=960, store=store)
    with (site.folder / "anchor.toml").open("a") as file:
        file.write("\n[webhooks]\nallow_private = true\n")
    site.run("trust", "allow").expect(0)
    return site


def kill_workers(served: Served) -> None:
    """Kill each worker at once; their supervisor starts others."""
    for pid in workers_of(served.running.process.pid):
        os.kill(pid, signal.SIGKILL)


def change(site: Site) -> str:
    """Make a key, as another process; return its id, which the message names."""
    with closing(open_project(load_config(site.folder / "anchor.toml")).database) as database:
        token = database.write_with_retry(
            lambda connection: issue_key(
                connection, "acme", ["read"], Actor("operator", "root"),
                at=utc_now(), expires_at=None,
            )
        )  # fmt: skip
    return key_id_of(token)


def received(receiver: Receiver) -> dict[str, list[str]]:
    """Return the ids of the messages that came, by the key that they are about."""
    keys: dict[str, list[str]] = {}
    for request in list(receiver.requests):
        key = json.loads(request.body)["data"]["key"]
        keys.setdefault(key, []).append(request.id)
    return keys


def wait_until(receiver: Receiver, keys: list[str], times: int = 1) -> None:
    end = time.monotonic() + 3 * LEASE
    while any(len(received(receiver).get(key, [])) < times for key in keys):
        assert time.monotonic() < end, received(receiver)
        time.sleep(0.05)


@pytest.mark.fault(
    "F29",
    how="every worker is killed between the commit of a change, the making of its message, the "
    "receiver's answer and the note that it was delivered",
    then="each message comes, at most twice, both times with the same id and signed",
)
def test_killed_workers_lose_no_message(site: Site) -> None:
    admin = bearer(make_key(site.folder, "acme", "manage"))
    with run_receiver() as receiver:
        with serve(site.folder, workers=2) as served:
            body = {"url": receiver.url(), "events": ["key.created"]}
            answer = served.ask_until_answered(
                lambda: served.http.post("/v1/webhooks", json=body, headers=admin)
            )
            assert answer.status_code == 201, answer.text
            secret = answer.json()["secret"]
            # Killed while the receiver has the message and has not answered yet.
            receiver.delay = 2.0
            held = [change(site)]
            wait_until(receiver, held)
            kill_workers(served)
            receiver.delay = 0.0
            # Killed as soon as the change is committed.
            committed = [change(site)]
            kill_workers(served)
            wait_until(receiver, held, 2)
            wait_until(receiver, committed)
            # Killed at other moments, of which some hit the making of the message.
            random: list[str] = []
            for delay in (0.0, 0.3, 0.9):
                random.append(change(site))
                time.sleep(delay)
                kill_workers(served)
            wait_until(receiver, random)
        # Committed while no service runs at all.
        away = [change(site)]
        with serve(site.folder, workers=1) as served:
            wait_until(receiver, away)
            log = served.http.get("/v1/webhooks", headers=admin).json()["webhooks"]
            path = f"/v1/webhooks/{log[0]['id']}/deliveries"
            end = time.monotonic() + 3 * LEASE
            while True:
                rows = served.http.get(path, headers=admin).json()["deliveries"]
                if all(row["state"] == "delivered" for row in rows):
                    break
                assert time.monotonic() < end, rows
                time.sleep(0.2)
        keys = received(receiver)
        assert keys.keys() == {*held, *committed, *random, *away}
        assert all(len(set(ids)) == 1 for ids in keys.values()), "one message, one id"
        assert len(rows) == len(keys) == len({ids[0] for ids in keys.values()})
        times = Counter(len(ids) for ids in keys.values())
        assert len(keys[held[0]]) == 2 and max(times) <= 2, times
        for request in receiver.requests:
            Peer(secret).verify(request.body, request.headers)
