"""``/metrics``: right figures, all that what is shipped reads, and the same from every worker."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.fixtures import MakeSite
from support.grown_logs import grow_log
from support.memory_projects import OWNER, MemorySite
from support.page_service import PageService, serve_pages
from support.paths import ROOT
from support.service import Served, serve
from support.stopping import workers_of

from anchor.chain.devnet import Devnet
from anchor.log.publication import open_writer
from anchor.monitor.alarms import RULES
from anchor.operate.publishing import publish_log

ALERTS = (ROOT / "deploy" / "prometheus-alerts.yml").read_text("utf-8")
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
UNITS = ("_seconds", "_wei", "_gas", "_evidence", "_size", "_block", "_incidents", "_anchors",
         "_requests", "_messages")  # fmt: skip
UNITLESS = {"anchor_running", "anchor_alarm"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """A log of which everything is known: final anchors, a budget, a published log."""
    folder = tmp_path_factory.mktemp("metrics")
    site = grow_log(folder, [3, 1, 5], started=time.time() - 3 * 3_600)
    site.config = replace(site.config, publish=str(folder / "published"), budget=10**18)
    project = site.open()
    publish_log(project, open_writer(str(folder / "published")))
    project.database.close()
    return site


@pytest.fixture(scope="module")
def served(site: MemorySite) -> Iterator[PageService]:
    with serve_pages(site, site.chain) as served:
        yield served


def scrape(served: PageService) -> dict[str, Metric]:
    answer = served.ask("/metrics", served.admin)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(families: dict[str, Metric], name: str, **labels: str) -> list[float]:
    return [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    (value,) = values(families, name, **labels)
    return value


def scrape_after_a_request(served: PageService) -> dict[str, Metric]:
    """Return the metrics once a request is among them: it is counted after its answer."""
    served.ask("/log")
    wait_for(lambda: values(scrape(served), "anchor_http_requests_total"))
    return scrape(served)


def test_the_figures_are_those_of_store_and_chain(served: PageService, site: MemorySite) -> None:
    families = scrape(served)
    included = site.chain.included(OWNER)[-1]
    assert value(families, "anchor_head_size") == 9
    assert value(families, "anchor_final_size") == 4
    assert value(families, "anchor_published_size") == 4
    assert value(families, "anchor_anchors_total") == 3
    assert value(families, "anchor_anchor_gas") == included.gas_used
    assert value(families, "anchor_waiting_evidence") == 0
    assert value(families, "anchor_running") == 0
    assert value(families, "anchor_signer_balance_wei") == float(
        site.chain.head.state.balances[OWNER]
    )
    assert value(families, "anchor_chain_block") == site.chain.head.number
    assert value(families, "anchor_fee_cap_wei") == 100 * 10**9
    assert value(families, "anchor_budget_wei") == 10**18
    alarms = {sample.labels["alarm"]: sample.value for sample in families["anchor_alarm"].samples}
    assert alarms.keys() == {rule.name for rule in RULES}
    assert alarms["not-running"] == 1
    assert alarms["incident-open"] == 0


def test_every_figure_has_a_unit_in_its_name_and_says_what_it_is(served: PageService) -> None:
    families = scrape(served)
    assert len(families) > 25
    for name, family in families.items():
        assert name.startswith("anchor_")
        assert name in UNITLESS or name.endswith(UNITS), name
        assert family.documentation.endswith(".")
        assert len(family.documentation) < 90


def used_names(text: str) -> set[str]:
    return set(re.findall(r"\banchor_[a-z0-9_]+", text))


def exported_names(families: dict[str, Metric]) -> set[str]:
    return {sample.name for family in families.values() for sample in family.samples}


def test_the_alert_rules_name_only_what_is_exported(served: PageService) -> None:
    names = used_names(ALERTS)
    assert len(names) > 4
    assert names <= exported_names(scrape_after_a_request(served))


def test_the_grafana_dashboard_names_only_what_is_exported(served: PageService) -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    names = used_names("\n".join(expressions))
    exported = exported_names(scrape_after_a_request(served))
    assert names <= exported
    gauges = {name for name in exported if not name.startswith("anchor_http")}
    unused = gauges - names - used_names(ALERTS)
    assert unused <= {"anchor_open_incidents", "anchor_head_age_seconds", "anchor_tiles_size",
                      "anchor_unanchored_seconds", "anchor_anchor_age_seconds",
                      "anchor_transaction_seconds", "anchor_accepted_last_hour_evidence",
                      }  # fmt: skip


def test_every_alarm_has_an_alert_rule_of_its_severity() -> None:
    found = dict(
        re.findall(
            r'anchor_alarm\{alarm="([a-z-]+)"\}\) == 1\n(?: +for: \w+\n)? +labels: '
            r"\{severity: (\w+)\}",
            ALERTS,
        )
    )
    assert found == {rule.name: rule.severity.value for rule in RULES}


def test_the_deployment_page_explains_every_alarm() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    found = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| (\w+) \|$", page, re.MULTILINE))
    assert found == {rule.name: rule.severity.value for rule in RULES}


def test_routes_that_the_alert_rules_name_are_there(served: PageService) -> None:
    paths = served.ask("/openapi.json").json()["paths"]
    for route in re.findall(r'route="([^"]+)"', ALERTS):
        assert route in paths


def test_panels_of_the_dashboard_do_not_overlap_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_a_path_that_nobody_serves_is_no_name_of_its_own(served: PageService) -> None:
    for number in range(5):
        served.ask(f"/nothing/{number}")
        served.http.request(f"METHOD{number}", "/log")
    unserved = {"method": "GET", "route": "none", "status": "404"}
    # A request is counted once it has been answered.
    wait_for(lambda: sum(values(scrape(served), "anchor_http_requests_total", **unserved)) >= 5)
    families = scrape(served)
    routes = {sample.labels["route"] for sample in families["anchor_http_requests"].samples}
    methods = {sample.labels["method"] for sample in families["anchor_http_requests"].samples}
    assert not any("nothing" in route for route in routes)
    # Other tests of this process may have counted DELETE and PATCH.
    assert not any(method.startswith("METHOD") for method in methods)


# Several workers.


def count(served: Served, token: str) -> dict[str, float]:
    answer = served.http.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return {
        sample.labels["route"]: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "anchor_http_requests_total"
    }


def test_requests_of_all_workers_are_counted_together_and_those_of_dead_ones_stay(
    own_anvil: Devnet, new_site: MakeSite
) -> None:
    site = new_site(own_anvil)
    token = site.run("api-key", "create", "ops", "--scope", "admin").expect(0).out.strip()
    with serve(site.folder, workers=2) as served:
        for _ in range(60):
            # A connection for each, so that both workers get some.
            served.http.get("/healthz", headers={"Connection": "close"})
        # A worker counts a request once it has answered it.
        wait_for(lambda: count(served, token)["/healthz"] == 60)
        workers = workers_of(served.running.process.pid)
        assert len(workers) == 2
        victim = workers[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in workers_of(served.running.process.pid))
        wait_for(lambda: answers(served))
        total = [count(served, token)["/healthz"] for _ in range(6)]
    assert min(total) >= 60


def answers(served: Served) -> bool:
    try:
        return served.http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
