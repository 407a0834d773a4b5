"""Evidence is followed to its final anchor, and its receipt is what ``anchor prove`` writes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import httpx
import pytest
from service.conftest import Desk
from support.command import snapshot
from support.service import NDJSON, answers, bearer, digest, lines, make_key
from support.stores import NOW, damage

from anchor.log.publication import PublicationFolder
from anchor.operate.live_publication import LivePublication
from anchor.project.config import load_config
from anchor.project.log_key import load_log_key
from anchor.project.project import open_project


@pytest.fixture(scope="module")
def log(desk: Desk) -> list[str]:
    """The ids of 600 pieces of evidence, anchored and final, and published into a folder."""
    body = lines(range(600))
    answer = desk.served.http.post("/v1/bulk", content=body, headers=desk.headers | NDJSON)
    ids = [line["id"] for line in answers(answer)[:-1]]
    desk.site.round(wait_for="final")
    desk.site.run("export-log", desk.site.folder / "published").expect(0)
    wait_until_seen(desk, ids[0])
    return ids


def wait_until_seen(desk: Desk, id: str) -> None:
    """Wait until the service has seen that this is anchored."""
    get = desk.served.http.get
    found = get(f"/v1/evidence/{id}", params={"wait": 30}, headers=desk.headers).json()
    assert found["state"] == "anchored", found


def test_a_status_tells_the_anchor_and_the_place_in_the_log(desk: Desk, log: list[str]):
    get = desk.served.http.get
    for place in (0, 299, 599):
        found = get(f"/v1/evidence/{log[place]}", headers=desk.headers).json()
        assert (found["id"], found["state"], found["index"]) == (log[place], "anchored", place)
        assert found["anchor"]["final"] is True
        assert found["anchor"]["size"] >= 600


@pytest.mark.parametrize(
    ("path", "query", "pointer", "message"),
    [
        ("/v1/evidence/ID", "untill=anchored", "untill", "not a parameter of this request"),
        ("/v1/evidence/ID", "wait=1&wait=2", "wait", "given twice"),
        ("/v1/evidence/ID/receipt", "wait=1&force=1", "force", "not a parameter of this request"),
        ("/v1/heads", "limit=1&=null", "", "not a parameter of this request"),
        ("/v1/usage", "x" * 500, "x" * 80, "not a parameter of this request"),
    ],
)
def test_a_parameter_that_is_not_known_is_not_passed_over(
    desk: Desk, log: list[str], path: str, query: str, pointer: str, message: str
):
    url = f"{path.replace('ID', log[0])}?{query}"
    answer = desk.served.http.get(url, headers=desk.headers)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": pointer, "message": message}]


def test_a_receipt_is_byte_for_byte_what_prove_writes(desk: Desk, log: list[str]):
    out = desk.site.folder / "receipts"
    desk.site.run("prove", "--all", "--output", out).expect(0)
    for place in (0, 17, 599):
        answer = desk.served.http.get(f"/v1/evidence/{log[place]}/receipt", headers=desk.headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        written = (out / f"evidence {place}.pdf.anchor.json").read_bytes()
        ours, theirs = json.loads(answer.content), json.loads(written)
        # The state is proven at whatever block was final when the node was asked.
        assert ours["anchors"][0].pop("state") and theirs["anchors"][0].pop("state")
        assert ours == theirs
        assert answer.content.partition(b'"state"')[0] == written.partition(b'"state"')[0]


def test_a_receipt_of_the_service_verifies(desk: Desk, log: list[str], tmp_path: Path):
    answer = desk.served.http.get(f"/v1/evidence/{log[5]}/receipt", headers=desk.headers)
    evidence = tmp_path / "evidence"
    evidence.write_bytes(b"evidence 5")
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(answer.content)
    ran = desk.site.run("verify", evidence, "--receipt", receipt)
    ran.expect(0, "VERIFIED")
    evidence.write_bytes(b"evidence 6")
    desk.site.run("verify", evidence, "--receipt", receipt).expect(10)


def test_the_published_log_is_what_export_log_writes_and_nothing_beyond(desk: Desk, log: list[str]):
    folder = desk.site.folder / "published"
    files = snapshot(folder)
    assert {"checkpoint", "anchors/000", "tile/0/000"} <= set(files)
    get = desk.served.http.get
    for path, data in files.items():
        answer = get(f"/{path}")
        assert (answer.status_code, answer.content) == (200, data), path
        expected = "text/plain; charset=utf-8"
        if path.startswith("tile/"):
            expected = "application/octet-stream"
            assert "immutable" in answer.headers["Cache-Control"]
        else:
            assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"] == expected
    for path in (
        "tile/0/002", "tile/0/002.p/255", "tile/0/000.p/256", "tile/0/0", "tile/0/x000/000",
        "tile/1/000", "tile/6/000", "tile/-1/000", "tile/0/%2e%2e/checkpoint", "anchors/001",
        "anchors/0", "anchors/0000", "tile/0/000.p/0", "checkpoint/", "tile/",
        "tile/0/..%2f..%2fanchor.toml", "tile/entries/000",
    ):  # fmt: skip
        assert get(f"/{path}").status_code == 404, path
    # A narrower tile than the checkpoint's, as an older checkpoint asked for.
    narrow = get("/tile/0/000.p/8")
    assert narrow.content == files["tile/0/000"][: 8 * 32]


def test_an_audit_of_the_running_service_passes_every_step(desk: Desk, log: list[str]):
    key = desk.site.run("export-log", desk.site.folder / "published", "--json").document
    trust = desk.site.folder / "trust.toml"
    ran = desk.site.run(
        "audit", desk.served.url, "--rpc", desk.site.url, "--trust", trust,
        "--key", key["verifier_key"],
    )  # fmt: skip
    ran.expect(0, "VERIFIED")
    steps = [line.split(None, 2) for line in ran.out.splitlines() if line.strip()[:1].isdigit()]
    assert [step[1] for step in steps[:10]] == ["pass"] * 10


def test_the_live_log_does_not_change_a_file_it_calls_fixed(desk: Desk, log: list[str]):
    project = open_project(load_config(desk.site.folder / "anchor.toml"))
    try:
        live = LivePublication(project, load_log_key(project.config))
        there = PublicationFolder(desk.site.folder / "published")
        for path in ("checkpoint", "anchors/000", "tile/0/000", "tile/0/001"):
            assert live.read(path) == there.read(path)
        assert [live.is_fixed(path) for path in ("checkpoint", "anchors/000", "tile/0/000")] == [
            False,
            False,
            True,
        ]
    finally:
        project.database.close()


def test_heads_come_newest_first_with_their_anchors_and_page_by_page(desk: Desk, log: list[str]):
    for number in range(3):
        value = {"sha256": digest(10_000 + number)}
        desk.served.http.post("/v1/evidence", json=value, headers=desk.headers)
        desk.site.run("seal").expect(0)
    get = desk.served.http.get
    found = get("/v1/heads", headers=desk.headers).json()["heads"]
    sizes = [head["size"] for head in found]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) >= 4
    assert found[0]["anchor"] is None and found[0]["state"] in ("sealed", "submitted")
    assert found[-1]["anchor"]["final"] is True and found[-1]["state"] == "anchored"
    paged, before = [], None
    while True:
        params = {"limit": 2} if before is None else {"limit": 2, "before": before}
        page = get("/v1/heads", params=params, headers=desk.headers).json()
        paged += page["heads"]
        before = page["next"]
        if before is None:
            break
    assert paged == found
    assert get("/v1/heads", params={"limit": 0}, headers=desk.headers).status_code == 422


def test_what_is_not_sealed_has_no_receipt_yet_and_a_sealed_one_a_promise(desk: Desk):
    post, get = desk.served.http.post, desk.served.http.get
    id = post("/v1/evidence", json={"sha256": digest(20_000)}, headers=desk.headers).json()["id"]
    path = f"/v1/evidence/{id}/receipt"
    early = get(path, headers=desk.headers)
    assert (early.status_code, early.json()["state"]) == (202, "accepted")
    assert int(early.headers["Retry-After"]) > 0
    desk.site.run("seal").expect(0)
    promise = get(path, headers=desk.headers)
    assert promise.status_code == 200
    assert promise.json()["anchors"] == [] and "head" in promise.json()
    final = get(path, params={"until": "anchored", "wait": 0.3}, headers=desk.headers)
    assert (final.status_code, final.json()["state"]) == (202, "sealed")
    desk.site.round(wait_for="final")
    final = get(path, params={"until": "anchored", "wait": 30}, headers=desk.headers)
    assert final.status_code == 200 and final.json()["anchors"][0]["state"]


def test_who_waits_is_answered_when_it_happens_and_not_before(desk: Desk):
    post, get = desk.served.http.post, desk.served.http.get
    id = post("/v1/evidence", json={"sha256": digest(20_001)}, headers=desk.headers).json()["id"]
    short = get(f"/v1/evidence/{id}", params={"wait": 0.4}, headers=desk.headers)
    assert short.json()["state"] == "accepted"
    with ThreadPoolExecutor(1) as pool:
        params = {"wait": 50, "until": "sealed"}
        waiting = pool.submit(get, f"/v1/evidence/{id}", params=params, headers=desk.headers)
        time.sleep(0.2)
        assert not waiting.done()
        desk.site.run("seal").expect(0)
        assert waiting.result(60).json()["state"] == "sealed"
    for wait in (-1, 61, "x", "nan", "inf"):
        answer = get(f"/v1/evidence/{id}", params={"wait": wait}, headers=desk.headers)
        assert answer.status_code == 422, wait


def test_events_tell_each_state_until_it_is_anchored(desk: Desk):
    post = desk.served.http.post
    id = post("/v1/evidence", json={"sha256": digest(20_002)}, headers=desk.headers).json()["id"]
    told: list[str] = []
    accepted = threading.Event()

    def listen() -> None:
        with (
            httpx.Client(base_url=desk.served.url, timeout=60, trust_env=False) as client,
            client.stream("GET", f"/v1/evidence/{id}/events", headers=desk.headers) as stream,
        ):
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: "))["state"])
                    accepted.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert accepted.wait(60)
    desk.site.run("seal").expect(0)
    desk.site.round(wait_for="final")
    listener.join(60)
    assert not listener.is_alive()
    assert told[0] == "accepted" and told[-1] == "anchored"
    order = ["accepted", "sealed", "submitted", "included", "anchored"]
    assert sorted(told, key=order.index) == told and len(set(told)) == len(told)


def test_a_tenant_waits_for_so_much_at_once_and_no_more(desk: Desk):
    headers = bearer(make_key(desk.site.folder, "waiter"))
    post = desk.served.http.post
    id = post("/v1/evidence", json={"sha256": digest(20_003)}, headers=headers).json()["id"]
    limits = httpx.Limits(max_connections=200)

    def wait(_: int) -> int:
        params = {"wait": 60, "until": "sealed"}
        return client.get(f"/v1/evidence/{id}", params=params, headers=headers).status_code

    with (
        httpx.Client(
            base_url=desk.served.url, timeout=90, trust_env=False, limits=limits
        ) as client,
        ThreadPoolExecutor(150) as pool,
    ):
        answers = [pool.submit(wait, number) for number in range(150)]
        # Two workers let 64 wait each: the others are refused, however slowly they are sent.
        refused = [answer.result() for answer in islice(as_completed(answers, 50), 150 - 128)]
        desk.site.run("seal").expect(0)
        statuses = [answer.result() for answer in answers]
    assert set(refused) == {429}
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 128


def test_nothing_is_issued_while_finality_is_in_doubt(desk: Desk, log: list[str]):
    place = load_config(desk.site.folder / "anchor.toml").store
    damage(
        place,
        "INSERT INTO incidents (id, chain_id, head_size, noticed_at, sequence, block_number, "
        f"timestamp) SELECT 1, chain_id, head_size, '{NOW}', sequence, block_number, timestamp "
        "FROM anchors WHERE sequence = 1",
    )
    get = desk.served.http.get
    try:
        for path in ("/checkpoint", "/tile/0/000", f"/v1/evidence/{log[0]}/receipt"):
            answer = get(path, headers=desk.headers)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), path
    finally:
        damage(place, "DELETE FROM incidents")
    assert get("/checkpoint").status_code == 200
