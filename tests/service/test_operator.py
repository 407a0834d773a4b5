"""The operator's page and `/v1/operator`: for keys with `admin` alone, each change written down."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import insert
from support.memory_projects import MemorySite
from support.service import bearer, digest
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, close_browsers, open_browser, visit

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.store.api_keys import create_key
from anchor.store.browser_sessions import Holder, begin_session
from anchor.store.jobs import MAX_TROUBLE, describe_trouble, order_job
from anchor.store.schema import deliveries, jobs
from anchor.store.tenant_keys import key_id_of
from anchor.store.webhooks import create_webhook

SAID = "the operator suspended this tenant"
FAR = "2999-01-01T00:00:00.000Z"


@pytest.fixture(scope="module")
def platform(grown_copy: MemorySite) -> Iterator[Platform]:
    with serve_platform(grown_copy) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def admin(platform: Platform) -> str:
    with platform.project.database.write() as connection:
        return create_key(connection, "ops", ["admin"], created_at=utc_now())


@pytest.fixture(scope="module")
def desk(platform: Platform, admin: str) -> httpx.Client:
    """The operator's browser."""
    with platform.project.database.write() as connection:
        holder = Holder(api_key=key_id_of(admin))
        token = begin_session(connection, holder, "Test", utc_now())
    return open_browser(platform, token)


def trail(platform: Platform) -> list[dict[str, object]]:
    lines = (platform.project.config.folder / "audit.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(answer: httpx.Response) -> str:
    return html.unescape(" ".join(re.sub("<[^>]*>", " ", answer.text).split()))


def act(platform: Platform, desk: httpx.Client, **fields: str) -> httpx.Response:
    return desk.post("/operator", data=fields, headers={"Origin": platform.url})


def test_a_suspended_tenant_is_told_so_and_only_its_owners_read(
    platform: Platform, admin: str, desk: httpx.Client
) -> None:
    owner, reader = visit(platform, "Ann", shut="owner"), visit(platform, "Bob", shut="reader")
    with platform.project.database.write() as connection:
        key = create_key(connection, "shut", ["submit", "read"], created_at=utc_now())
    with httpx.Client(base_url=platform.url, trust_env=False, timeout=60) as http:
        body = {"sha256": digest(990_001)}
        made = http.post("/v1/evidence", json=body, headers=bearer(key))
        assert made.status_code == 201
        path = f"/v1/evidence/{made.json()['id']}"
        suspension = "/v1/operator/tenants/shut/suspension"
        reason = {"reason": "unpaid <b>bill</b>"}
        assert http.put(suspension, json=reason, headers=bearer(admin)).status_code == 204
        wait_until(http, path, key, 403)
        for method, where in (("GET", path), ("POST", "/v1/evidence"), ("GET", "/v1/usage")):
            answer = http.request(method, where, json=body, headers=bearer(key))
            assert answer.status_code == 403 and SAID in answer.json()["detail"]
        listed = http.get("/v1/operator/tenants", headers=bearer(admin)).json()["tenants"]
        (shut,) = [each for each in listed if each["tenant"] == "shut"]
        assert shut["suspended_at"] and (shut["accepted"], shut["members"]) == (1, 2)
        assert owner.http.get("/tenants/shut/evidence").status_code == 200
        assert owner.http.get(path).status_code == 200
        assert "bill" in words(owner.http.get("/tenants/shut/events"))
        for visitor, page in (
            (owner, "/tenants/shut/keys"),
            (owner, "/tenants/shut/submit"),
            (reader, "/tenants/shut"),
            (reader, "/tenants/shut/evidence"),
        ):
            answer = visitor.http.get(page)
            assert answer.status_code == 403 and SAID in words(answer), page
        assert reader.http.get(path).status_code == 403
        shown = desk.get("/operator")
        assert "suspended since" in words(shown) and "<b>" not in shown.text
        assert act(platform, desk, do="resume", tenant="shut").status_code == 303
        wait_until(http, path, key, 200)
        again = http.post("/v1/evidence", json=body, headers=bearer(key))
        assert (again.status_code, again.json()["known"]) == (200, True)
        assert reader.http.get("/tenants/shut/evidence").status_code == 200
    events = [(each["event"], each["tenant"], each["by"]) for each in trail(platform)
              if each["event"].startswith("tenant-")]  # fmt: skip
    by = key_id_of(admin)
    assert events == [("tenant-suspended", "shut", by), ("tenant-resumed", "shut", by)]


def wait_until(http: httpx.Client, path: str, key: str, status: int) -> None:
    """Wait until a key gets this answer: what was found of it is trusted for a second."""
    end = time.monotonic() + 60
    while http.get(path, headers=bearer(key)).status_code != status:
        assert time.monotonic() < end, f"the answer is not {status}"
        time.sleep(0.1)


def test_the_operators_own_keys_outlive_the_suspension_of_their_tenant(
    platform: Platform, admin: str
) -> None:
    with httpx.Client(
        base_url=platform.url, trust_env=False, headers=bearer(admin), timeout=60
    ) as http:
        path = "/v1/operator/tenants/ops/suspension"
        assert http.put(path, json={"reason": "by mistake"}).status_code == 204
        assert http.delete(path).status_code == 204


def test_quotas_are_changed_by_page_and_api(
    platform: Platform, admin: str, desk: httpx.Client
) -> None:
    visit(platform, "Ann", bounded="owner")
    for per_day, per_minute in (("7", ""), ("", "3")):
        fields = {"tenant": "bounded", "per_day": per_day, "per_minute": per_minute}
        assert act(platform, desk, do="quota", **fields).status_code == 303
    with httpx.Client(
        base_url=platform.url, trust_env=False, headers=bearer(admin), timeout=60
    ) as http:
        path = "/v1/operator/tenants/bounded/quota"
        assert limits_of(http, "bounded") == (None, 3)
        assert http.put(path, json={"per_day": 5, "per_minute": None}).status_code == 204
        assert limits_of(http, "bounded") == (5, None)
        for body in ({}, {"per_day": -1, "per_minute": None}, {"per_day": 1}):
            assert http.put(path, json=body).status_code == 422
        nobody = http.put("/v1/operator/tenants/no/quota", json={"per_day": 1, "per_minute": 1})
        assert nobody.status_code == 404
    assert trail(platform)[-2]["event"] == "quota-changed"


def limits_of(http: httpx.Client, tenant: str) -> tuple[int | None, int | None]:
    for each in http.get("/v1/operator/tenants").json()["tenants"]:
        if each["tenant"] == tenant:
            return each["per_day"], each["per_minute"]
    raise AssertionError(tenant)


@pytest.mark.parametrize(
    ("fields", "field", "kept"),
    [
        ({"do": "quota", "tenant": "ops", "per_day": "many"}, "per_day", "many"),
        ({"do": "quota", "tenant": "ops", "per_minute": "-1", "per_day": "44"}, "per_minute", "44"),
        ({"do": "suspend", "tenant": "ops", "reason": " "}, "reason", ""),
        ({"do": "block", "network": "here", "why": "w", "days": "3"}, "network", "here"),
        ({"do": "block", "network": "192.0.2.1", "why": " ", "days": "3"}, "why", "192.0.2.1"),
        ({"do": "block", "network": "192.0.2.1", "why": "w", "days": "0"}, "days", "192.0.2.1"),
        ({"do": "block", "network": "127.0.0.0/8", "why": "w", "days": "3"}, "network", "127.0.0"),
        ({"do": "suspend", "tenant": "ops", "reason": "q" * 1_001}, "reason", "q" * 1_001),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    platform: Platform, desk: httpx.Client, fields: dict[str, str], field: str, kept: str
) -> None:
    answer = act(platform, desk, **fields)
    assert answer.status_code == 422 and f'id="{field}-error"' in answer.text
    assert kept in answer.text
    assert act(platform, desk, do="resume", tenant="nobody").status_code == 404
    for other in ({"do": "other"}, {"do": "hasten", "job": "x"}, {"unknown": "1"}):
        assert act(platform, desk, **other).status_code in (400, 404)


def test_failing_jobs_and_messages_are_shown_and_tried_again(
    platform: Platform, admin: str, desk: httpx.Client
) -> None:
    visit(platform, "Ann", telling="owner")
    with platform.project.database.write() as connection:
        order_job(connection, "unheard-of", "the-thing", due_at=FAR)
        reason = describe_trouble(Message("jobs-not-looked-at", reason="q" * 1_000))
        its = jobs.c.about == "the-thing"
        connection.execute(jobs.update().values(failures=2, trouble=reason).where(its))
        hook = create_webhook(
            connection,
            "telling",
            "https://secret.example/x",
            ("key.created",),
            OPERATOR,
            utc_now(),
            secret="whsec_AAAA",
        ).id
        for name, state in (("msg_dead", "failed"), ("msg_waits", "waiting")):
            connection.execute(
                insert(deliveries).values(
                    message=name, tenant="telling", webhook=hook, event="key.created",
                    body='{"a":"private"}', made_at=utc_now(), begun_at=utc_now(), state=state,
                    attempts=3, tried_at=utc_now(), due_at=FAR, trouble="status", status=503,
                )
            )  # fmt: skip
    shown = desk.get("/operator")
    text = words(shown)
    for each in ("the-thing", "failed 2 times", "msg_dead", "msg_waits", "503", "free of"):
        assert each in text
    assert "Reason: The jobs" in text and "q" * 400 not in text
    chinese = words(desk.get("/operator", params={"lang": "zh"}))
    assert "原因：" in chinese and "Reason: The" not in chinese
    assert "secret.example" not in shown.text and "private" not in shown.text
    with httpx.Client(
        base_url=platform.url, trust_env=False, headers=bearer(admin), timeout=60
    ) as http:
        (job,) = http.get("/v1/operator/jobs").json()["failing"]
        assert len(job["trouble"]) == MAX_TROUBLE
        accounts = http.get("/v1/operator/tenants").json()["tenants"]
        assert {(each["copy_bytes"], each["copy_limit"]) for each in accounts} == {(0, None)}
        assert http.post(f"/v1/operator/jobs/{job['id']}").status_code == 204
        assert http.get("/v1/operator/jobs").json()["failing"][0]["due_at"] < FAR
        assert http.delete("/v1/operator/outbox/msg_waits").status_code == 204
        assert http.delete("/v1/operator/outbox/msg_waits").status_code == 404
        messages = http.get("/v1/operator/outbox").json()["messages"]
        assert {each["message"]: each["state"] for each in messages}["msg_waits"] == "failed"
        room = http.get("/v1/operator/storage").json()
        assert 0 < room["disk_free"] < room["disk_total"] and room["tables"]["database"] > 0
    assert act(platform, desk, do="redeliver", message="msg_dead").status_code == 303
    assert act(platform, desk, do="redeliver", message="none").status_code == 404
    done = [each["event"] for each in trail(platform)]
    assert {"job-hastened", "message-given-up", "message-redelivered"} <= set(done)


def test_nobody_else_learns_that_the_page_is_there(platform: Platform) -> None:
    person = visit(platform, "Ann", acme="owner")
    origin = {"Origin": platform.url}
    changing = person.http.post("/operator", data={"do": "resume"}, headers=origin)
    for answer in (person.http.get("/operator"), changing):
        assert answer.status_code == 404
    with platform.browser() as stranger:
        for answer in (stranger.get("/operator"), stranger.post("/operator", headers=origin)):
            assert answer.status_code == 303 and "/login" in answer.headers["Location"]


def test_a_form_from_another_site_changes_nothing(platform: Platform, desk: httpx.Client) -> None:
    fields = {"do": "suspend", "tenant": "ops", "reason": "x"}
    headers = {"Origin": "https://evil.example"}
    assert desk.post("/operator", data=fields, headers=headers).status_code == 403


def test_a_change_that_cannot_be_written_down_is_not_made(platform: Platform, admin: str) -> None:
    visit(platform, "Ann", unwritten="owner")
    folder = platform.project.config.folder
    (folder / "audit.jsonl").rename(folder / "kept.jsonl")
    (folder / "audit.jsonl").mkdir()
    try:
        with httpx.Client(
            base_url=platform.url, trust_env=False, headers=bearer(admin), timeout=60
        ) as http:
            path = "/v1/operator/tenants/unwritten/quota"
            assert http.put(path, json={"per_day": 5, "per_minute": 5}).status_code == 503
            assert limits_of(http, "unwritten") == (None, None)
    finally:
        (folder / "audit.jsonl").rmdir()
        (folder / "kept.jsonl").rename(folder / "audit.jsonl")
