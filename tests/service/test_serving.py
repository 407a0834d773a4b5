"""The service starts, answers, says what is wrong as a problem, and stops when told."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pytest
from support.projects import Site, make_site
from support.service import Served, serve

from anchor.chain.devnet import open_devnet
from anchor.page import load_page


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that the tests only ask."""
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path_factory.mktemp("serving") / "project", node, number=990)
    with serve(site.folder) as running:
        yield running


def test_it_serves_and_ends_with_zero_when_told_to_stop(site: Site):
    with serve(site.folder, workers=2) as served:
        assert served.http.get("/healthz").json() == {"status": "alive"}
        ready = served.http.get("/readyz")
        assert ready.json() == {"status": "ready"}
        assert "default-src 'none'" in ready.headers["Content-Security-Policy"]
        assert ready.headers["X-Content-Type-Options"] == "nosniff"
        assert ready.headers["Cache-Control"] == "no-store"
        assert served.stop() == 0


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("PUT", "/healthz", {}, 405),
        ("GET", "/healthz", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    method: str, path: str, headers: dict[str, str], status: int, served: Served
):
    answer = served.http.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_verifier_page_comes_with_the_policy_that_it_names_itself(served: Served):
    page = load_page()
    answer = served.http.get("/verify.html")
    assert answer.content == page
    policy = answer.headers["Content-Security-Policy"]
    stated, _, frames = policy.rpartition("; ")
    assert frames == "frame-ancestors 'none'"
    assert html.escape(stated, quote=False).encode() in page or stated.encode() in page
    assert "unsafe" not in policy and "sha256-" in policy


def test_an_address_that_is_taken_is_said_to_be(site: Site, served: Served):
    port = served.url.rpartition(":")[2]
    site.run("serve", "--port", port).refused(2, f"port {port}: ")
