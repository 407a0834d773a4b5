"""The service starts, answers, says what is wrong as a problem, and stops when told."""

from __future__ import annotations

import html
from importlib import resources

import pytest
from support.projects import Site
from support.service import serve


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
    method: str, path: str, headers: dict[str, str], status: int, site: Site
):
    with serve(site.folder) as served:
        answer = served.http.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_verifier_page_comes_with_the_policy_that_it_names_itself(site: Site):
    page = resources.files("anchor").joinpath("web", "verify.html").read_bytes()
    with serve(site.folder) as served:
        answer = served.http.get("/verify.html")
    assert answer.content == page
    policy = answer.headers["Content-Security-Policy"]
    stated, _, frames = policy.rpartition("; ")
    assert frames == "frame-ancestors 'none'"
    assert html.escape(stated, quote=False).encode() in page or stated.encode() in page
    assert "unsafe" not in policy and "sha256-" in policy


def test_an_address_that_is_taken_is_said_to_be(site: Site):
    with serve(site.folder) as served:
        port = served.url.rpartition(":")[2]
        site.run("serve", "--port", port).refused(2, f"port {port} cannot be listened on")
