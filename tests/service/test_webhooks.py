"""Webhooks of the service: made by owners, signed, sent at least once, and never inside."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Peer
from support.chinese_text import what_is_english
from support.memory_projects import MemorySite
from support.ports import free_port
from support.sign_in_providers import Platform, serve_platform
from support.troubles import Effects
from support.visitors import OPERATOR, Visitor, close_browsers, visit
from support.webhook_receiver import Receiver, run_receiver

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.operate.record_notices import record_notice
from anchor.project.notification_config import WebhookConfig
from anchor.service import webhook_sender
from anchor.service.webhook_sender import WebhookSender
from anchor.store.api_keys import create_key
from anchor.store.deliveries import Delivery, load_deliveries
from anchor.store.schema import deliveries, jobs, webhooks
from anchor.store.tenant_keys import issue_key
from anchor.store.webhooks import find_webhook

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def site(grown_copy: MemorySite) -> MemorySite:
    return grown_copy.configure(webhooks=WebhookConfig(allow_private=True))


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


_numbers = iter(range(1_000))


@pytest.fixture
def owner(platform: Platform) -> Visitor:
    """The owner of a tenant of the test's own."""
    return visit(platform, **{f"tenant-{next(_numbers)}": "owner"})


def tenant_of(visitor: Visitor) -> str:
    found = re.search(r"/tenants/([a-z0-9-]+)", visitor.http.get("/account").text)
    assert found is not None
    return found[1]


def api(visitor: Visitor, method: str, path: str, body: object = None) -> Any:
    """Ask the API with the session, and return the answer."""
    headers = {"Origin": visitor.platform.url, "Anchor-Tenant": tenant_of(visitor)}
    return visitor.http.request(method, f"/v1{path}", headers=headers, json=body)


def make(visitor: Visitor, url: str, *events: str) -> dict[str, str]:
    answer = api(visitor, "POST", "/webhooks", {"url": url, "events": list(events)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def make_key(visitor: Visitor) -> None:
    answer = api(visitor, "POST", "/keys", {"scopes": ["read"]})
    assert answer.status_code == 201, answer.text


def log_of(platform: Platform, webhook: str) -> list[Delivery]:
    with platform.project.database.read() as connection:
        return load_deliveries(connection, webhook)


def newest(platform: Platform, webhook: str) -> Delivery:
    """Return the newest message to a webhook, once there is one."""
    wait_for(lambda: log_of(platform, webhook))
    return log_of(platform, webhook)[0]


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def hurry(platform: Platform) -> None:
    """Make all jobs due, and the service look at them."""
    with platform.project.database.write() as connection:
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))


# What is sent.


def test_a_message_is_signed_so_that_the_reference_implementation_accepts_it(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    made = make(owner, receiver.url("/a/b?c=d"), "key.created")
    make_key(owner)
    (request,) = receiver.wait(1)
    assert request.path == "/a/b?c=d" and request.headers["content-type"] == "application/json"
    document = Peer(made["secret"]).verify(request.body, request.headers)
    assert document["type"] == "key.created"
    assert document["data"].keys() == {"tenant", "key", "scopes", "expires_at"}
    assert len(request.body) < 1_000 and "anchor_" not in request.body.decode()
    wait_for(lambda: newest(platform, made["id"]).state == "delivered")
    (delivery,) = log_of(platform, made["id"])
    assert (delivery.message, delivery.status, delivery.attempts) == (request.id, 204, 1)
    rotated = api(owner, "POST", f"/webhooks/{made['id']}/secret").json()["secret"]
    make_key(owner)
    request = receiver.wait(2)[1]
    for secret in (made["secret"], rotated):
        Peer(secret).verify(request.body, request.headers)


def test_only_what_was_chosen_is_sent_and_only_to_its_tenant(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    make(owner, receiver.url("/one"), "key.created")
    make(owner, receiver.url("/two"), "key.created", "key.revoked")
    make(owner, receiver.url("/three"), "evidence.final")
    other = visit(platform, **{f"tenant-{next(_numbers)}": "owner"})
    make(other, receiver.url("/other"), "key.created", "key.revoked")
    with platform.project.database.write() as connection:
        key = issue_key(
            connection, tenant_of(owner), ["read"], OPERATOR, at=utc_now(), expires_at=None
        )
    receiver.wait(2)
    assert api(owner, "DELETE", f"/keys/{key.split('_')[1]}").status_code == 204
    receiver.wait(3)
    time.sleep(0.3)
    assert sorted(request.path for request in receiver.requests) == ["/one", "/two", "/two"]


def test_what_becomes_final_at_once_is_one_message(
    platform: Platform, site: MemorySite, owner: Visitor, receiver: Receiver
) -> None:
    tenant = tenant_of(owner)
    made = make(owner, receiver.url(), "evidence.final")
    with platform.project.database.write() as connection:
        key = create_key(connection, tenant, ["submit", "read"], created_at=utc_now())
    headers = {"Authorization": f"Bearer {key}"}
    lines = b"".join(b'{"sha256":"%064x"}\n' % number for number in range(2_000))
    with platform.browser(**headers) as program:
        answer = program.post(
            "/v1/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )
        ids = [json.loads(line).get("id") for line in answer.text.splitlines()][:-1]
        assert answer.is_success and len(ids) == 2_000
        site.round(Effects(), "final")
        (request,) = receiver.wait(1)
        document = Peer(made["secret"]).verify(request.body, request.headers)
        data = document["data"]
        assert (document["type"], data["count"]) == ("evidence.final", 2_000)
        assert data["ids"] == ids[:100] and len(request.body) < 16_384
        listed, link = [], data["link"].removeprefix(platform.url)
        while True:
            page = program.get(f"{link}&limit=1000").json()
            listed += [piece["id"] for piece in page["evidence"]]
            if page["is_last"]:
                break
            link = f"/v1/final-evidence?after={page['next']}"
        assert listed == ids
        nothing = program.get(f"/v1/final-evidence?after={page['next']}").json()
        assert nothing == {
            "evidence": [],
            "next": page["next"],
            "is_last": True,
            "final_after_blocks": None,
        }
    site.round(Effects(), "final")
    time.sleep(0.3)
    assert len(receiver.requests) == 1, "nothing new became final"


def test_a_notice_about_a_tenants_record_is_told(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    make(owner, receiver.url(), "notice.recorded")
    answer = api(owner, "POST", "/evidence", {"sha256": "ab" * 32, "name": "a.pdf"})
    id = answer.json()["id"]
    record_notice(platform.project, id, None, reason="private reason", actor="operator")
    (request,) = receiver.wait(1)
    data = json.loads(request.body)["data"]
    assert (data["evidence"], data["kind"]) == (id, "withdraws")
    assert "private" not in request.body.decode()
    with pytest.raises(UsageError):
        record_notice(platform.project, id, None, reason="again", actor="operator")
    time.sleep(0.3)
    assert len(receiver.requests) == 1


# Failures.


@pytest.mark.parametrize(
    ("change", "trouble", "status"),
    [
        ({"status": 500}, "status", 500),
        ({"status": 404}, "status", 404),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "redirect", 302),
        ({"status": 200, "body": b"x" * 70_000}, "length", 200),
        ({"delay": 3.0}, "time", None),
    ],
)
def test_a_message_that_fails_is_tried_again_with_the_same_id(
    platform: Platform, owner: Visitor, receiver: Receiver, monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object], trouble: str, status: int | None,
) -> None:  # fmt: skip

    def wait_for_answers(seconds: float) -> None:
        sender = WebhookSender(platform.service, seconds=seconds, jitter=lambda: 0.0)
        monkeypatch.setitem(platform.service.deliveries._work, "webhook", sender.work)

    wait_for_answers(0.5 if trouble == "time" else 60.0)
    made = make(owner, receiver.url(), "key.created")
    for name, value in change.items():
        setattr(receiver, name, value)
    make_key(owner)
    wait_for(lambda: [each.trouble for each in log_of(platform, made["id"])] == [trouble])
    (delivery,) = log_of(platform, made["id"])
    assert (delivery.state, delivery.status, delivery.attempts) == ("waiting", status, 1)
    assert delivery.due_at is not None and delivery.due_at > utc_now()
    with platform.project.database.read() as connection:
        assert connection.execute(select(jobs.c.failures)).scalars().all() == [1]
        assert find_webhook(connection, tenant_of(owner), made["id"]).failing_since
    receiver.status, receiver.headers, receiver.body, receiver.delay = 200, {}, b"x" * 60_000, 0
    wait_for_answers(60.0)
    hurry(platform)
    wait_for(lambda: newest(platform, made["id"]).state == "delivered")
    paths = {request.path for request in receiver.requests}
    assert len({request.id for request in receiver.requests}) == 1 and paths == {"/hook"}
    with platform.project.database.read() as connection:
        assert find_webhook(connection, tenant_of(owner), made["id"]).failing_since is None


def test_a_receiver_that_is_away_delays_no_other(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # which never answers
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
        slow = [make(owner, url, "key.created")["id"] for _ in range(2)]
        quick = make(owner, receiver.url(), "key.created")
        make_key(owner)
        receiver.wait(1)
        assert [newest(platform, id).attempts for id in slow] == [0, 0]
        wait_for(lambda: newest(platform, quick["id"]).state == "delivered")
        for id in slow:
            assert api(owner, "DELETE", f"/webhooks/{id}").status_code == 204


def test_a_webhook_is_disabled_when_it_is_gone_and_enabled_again(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    made = make(owner, receiver.url("/gone"), "key.created")
    receiver.status = 410
    make_key(owner)
    wait_for(lambda: api(owner, "GET", f"/webhooks/{made['id']}").json()["state"] == "disabled")
    count = len(receiver.requests)
    make_key(owner)
    hurry(platform)
    tenant = tenant_of(owner)
    page = owner.http.get(f"/tenants/{tenant}/webhooks/{made['id']}").text
    assert "The webhook is disabled since" in page and "Save and enable" in page
    assert "webhook disabled after failures" in owner.http.get(f"/tenants/{tenant}/events").text
    wait_for(lambda: newest(platform, made["id"]).state == "failed")
    assert len(receiver.requests) == count
    receiver.status = 200
    answer = owner.post(
        f"/tenants/{tenant}/webhooks/{made['id']}",
        {"do": "change", "url": receiver.url("/back"), "events": ["key.created"]},
    )
    assert answer.status_code == 303
    make_key(owner)
    receiver.wait(count + 1)
    assert receiver.requests[-1].path == "/back"


def test_a_delivery_is_sent_again_by_hand_with_the_same_id(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    made, tenant = make(owner, receiver.url(), "key.created"), tenant_of(owner)
    make_key(owner)
    (first,) = receiver.wait(1)
    wait_for(lambda: newest(platform, made["id"]).state == "delivered")
    path = f"/tenants/{tenant}/webhooks/{made['id']}"
    page = owner.http.get(path).text
    assert first.id in page and "Send again" in page
    assert owner.post(path, {"do": "send", "message": first.id}).status_code == 303
    second = receiver.wait(2)[1]
    assert second.id == first.id and second.body == first.body
    Peer(made["secret"]).verify(second.body, second.headers)
    assert owner.post(path, {"do": "send", "message": "msg_none"}).status_code == 422
    wait_for(lambda: newest(platform, made["id"]).state == "delivered")
    path = f"/webhooks/{made['id']}/deliveries"
    assert api(owner, "POST", f"{path}/{first.id}").status_code == 202
    receiver.wait(3)
    assert api(owner, "POST", f"{path}/msg_none").status_code == 404
    (row,) = api(owner, "GET", path).json()["deliveries"]
    assert row["message"] == first.id


# Nothing goes inside.


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Answer each look-up of a name with the next of these; return the list of names asked for."""
    asked: list[str] = []
    real = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def resolve(self: Any, host: Any, port: Any, **named: Any) -> Any:
        if host != "inside.example":
            return await real(self, host, port, **named)
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
    monkeypatch.setattr("uvloop.Loop.getaddrinfo", resolve, raising=False)
    return asked


def send(platform: Platform, url: str, *, allow_private: bool = False) -> str:
    """Send a message to a URL as the service does; return the trouble, or the status."""
    sender = WebhookSender(platform.service, seconds=2.0)
    sender._allow_private = allow_private
    at = utc_now()
    secret = "whsec_" + "MDAw" * 8

    async def try_it() -> str:
        from anchor.store.webhooks import Webhook

        webhook = Webhook(
            id="1", tenant="t", url=url, events=(), secret=secret, former_secret=None,
            former_until=None, made_by="", made_at=at, failing_since=None, disabled_at=None,
        )  # fmt: skip
        delivery = Delivery(
            message="msg_1", tenant="t", webhook="1", person=None, event="key.created",
            body="{}", made_at=at, begun_at=at, state="waiting", attempts=0, tried_at=None,
            due_at=None, status=None, trouble=None,
        )  # fmt: skip
        try:
            return str(await sender._send(delivery, webhook, at))
        except webhook_sender._Failed as error:
            return error.trouble

    return asyncio.run(try_it())


@pytest.mark.fault(
    "J16",
    how="the name of a webhook's host resolves to an address inside, alone, beside a public one, "
    "or from the second answer on",
    then="nothing is connected to but the address that was judged",
)
def test_a_name_that_leads_inside_is_refused_and_a_second_answer_is_not_asked_for(
    platform: Platform, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, ["169.254.169.254"], ["1.1.1.1"])
    assert send(platform, f"https://inside.example:{receiver.port}/") == "private"
    assert asked == ["inside.example"]
    # What an attacker's name server does: a public address to be judged, then one inside.
    asked = resolving(monkeypatch, ["203.0.113.1", "127.0.0.1"], ["127.0.0.1"])
    assert send(platform, f"https://inside.example:{receiver.port}/") == "private"
    assert asked == ["inside.example"]
    monkeypatch.setattr(webhook_sender, "choose_address", lambda addresses, **_: addresses[0])
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    assert send(platform, f"https://inside.example:{receiver.port}/") == "tls"
    assert asked == ["inside.example"], "the address that was judged is the one connected to"
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("https://nothing.invalid/", "name"),
        ("https://10.0.0.1/", "private"),
        ("http://1.1.1.1/", "private"),
        (f"https://{'a' * 64}.example/", "name"),
        ("https://.example/", "name"),
        ("https://a..example/", "name"),
    ],
)
def test_what_cannot_be_reached_is_a_failure_and_nothing_worse(
    platform: Platform, url: str, trouble: str
) -> None:
    assert send(platform, url) == trouble


def test_a_receivers_certificate_is_verified(platform: Platform, receiver: Receiver) -> None:
    url = f"https://127.0.0.1:{receiver.port}/"
    assert send(platform, url, allow_private=True) == "tls"
    port = free_port()
    assert send(platform, f"http://127.0.0.1:{port}/", allow_private=True) == "connection"


# Pages and API.


def test_a_form_that_is_wrong_keeps_what_was_typed_and_says_what_is_wrong(
    platform: Platform, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = tenant_of(owner)
    path = f"/tenants/{tenant}/webhooks"
    rules = replace(platform.project.config, webhooks=WebhookConfig())
    monkeypatch.setattr(platform.service, "project", replace(platform.project, config=rules))
    page = owner.post(path, {"url": f"http://{EVIL}/", "events": ["key.created"]})
    assert page.status_code == 422 and EVIL not in page.text and "&lt;script&gt;" in page.text
    assert 'id="url-error"' in page.text and 'value="key.created" checked' in page.text
    page = owner.post(path, {"url": "https://169.254.169.254/"})
    assert "inside a private network" in page.text and 'id="events-error"' in page.text
    assert "choose at least one event" in page.text
    for events in (["nonsense"], ["key.created", "nonsense"]):
        page = owner.post(path, {"url": "https://a.example/", "events": events})
        assert page.status_code == 422
    answer = api(owner, "POST", "/webhooks", {"url": "http://a.example/", "events": ["x"]})
    assert answer.status_code == 422
    answer = api(
        owner, "POST", "/webhooks", {"url": "http://a.example/", "events": ["key.created"]}
    )
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert api(owner, "GET", "/webhooks").json() == {"webhooks": []}


def test_a_secret_is_shown_once_and_in_no_list_or_log(
    platform: Platform, owner: Visitor, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    tenant = tenant_of(owner)
    path = f"/tenants/{tenant}/webhooks"
    page = owner.post(path, {"url": receiver.url(), "events": ["key.created"]})
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", page.text)
    assert page.status_code == 200 and secret is not None
    (row,) = api(owner, "GET", "/webhooks").json()["webhooks"]
    one = f"{path}/{row['id']}"
    rotated = owner.post(one, {"do": "rotate"})
    assert "whsec_" in rotated.text and secret[0] not in rotated.text
    make_key(owner)
    receiver.wait(1)
    for address in (path, one, f"/tenants/{tenant}/events"):
        assert "whsec" not in owner.http.get(address).text
    for address in ("/webhooks", f"/webhooks/{row['id']}", f"/webhooks/{row['id']}/deliveries",
                    "/audit-trail"):  # fmt: skip
        assert "whsec" not in api(owner, "GET", address).text
    own = [record for record in caplog.records if record.name.startswith("anchor")]
    logged = "\n".join(record.getMessage() for record in own)
    assert "whsec" not in logged and receiver.url() not in logged
    assert owner.post(one, {"do": "remove"}).status_code == 303
    assert owner.http.get(one).status_code == 404
    assert owner.post(one, {"do": "rotate"}).status_code == 404


def test_another_tenants_webhook_is_as_none(platform: Platform, owner: Visitor) -> None:
    made = make(owner, "https://receiver.example/", "key.created")
    stranger = visit(platform, **{f"tenant-{next(_numbers)}": "owner"})
    path, own = f"/webhooks/{made['id']}", tenant_of(stranger)
    body = {"url": "https://evil.example/", "events": ["key.created"]}
    for method, address, data in (
        ("GET", path, None), ("POST", path, body), ("DELETE", path, None),
        ("POST", f"{path}/secret", None), ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/deliveries/msg_1", None),
    ):  # fmt: skip
        assert api(stranger, method, address, data).status_code == 404
    for tenant in (own, tenant_of(owner)):
        address = f"/tenants/{tenant}/webhooks/{made['id']}"
        assert stranger.http.get(address).status_code == 404
        for do in ("change", "remove", "rotate", "send"):
            answer = stranger.post(address, {"do": do, "url": body["url"], "events": "key.created"})
            assert answer.status_code == 404
    assert api(owner, "GET", path).json()["url"] == "https://receiver.example/"


def test_the_pages_are_in_chinese_for_chinese_readers(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    made, tenant = make(owner, receiver.url(), "key.created"), tenant_of(owner)
    receiver.status = 500
    make_key(owner)
    wait_for(lambda: newest(platform, made["id"]).trouble == "status")
    for path in (f"/tenants/{tenant}/webhooks", f"/tenants/{tenant}/webhooks/{made['id']}"):
        page = owner.http.get(path, params={"lang": "zh"}).text
        text = re.sub(r"<code[^>]*>.*?</code>|<bdi>.*?</bdi>|<title>.*?</title>", "", page)
        text = re.sub(r"<[^>]+>", "\n", text).replace(tenant, "")
        assert not what_is_english(text), path
    hurry(platform)


def test_the_operator_sees_what_waits_and_fails(
    platform: Platform, owner: Visitor, receiver: Receiver
) -> None:
    made = make(owner, receiver.url(), "key.created")
    receiver.status = 503
    with platform.project.database.write() as connection:
        connection.execute(deliveries.delete())
        connection.execute(jobs.delete())
        admin = create_key(connection, "operator", ["admin"], created_at=utc_now())
    make_key(owner)
    wait_for(lambda: newest(platform, made["id"]).attempts == 1)
    with platform.browser(Authorization=f"Bearer {admin}") as program:
        metrics = program.get("/metrics").text
        dashboard = program.get("/dashboard").text
    assert "anchor_waiting_messages 1.0" in metrics
    assert "anchor_failing_messages 1.0" in metrics
    assert "anchor_given_up_messages 0.0" in metrics
    assert "1 waiting, 1 of them after failures; 0 given up" in dashboard
    with platform.project.database.write() as connection:
        connection.execute(update(webhooks).values(disabled_at=utc_now()))
    hurry(platform)
    wait_for(lambda: newest(platform, made["id"]).state == "failed")
