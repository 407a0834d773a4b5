"""The guard tells a name without an address from a resolver that does not answer."""

from __future__ import annotations

import socket

import pytest
import requests
from support.dns_server import serve_names

from anchor.capture import name_answers
from anchor.capture.egress_guard import EgressGuard
from anchor.capture.name_answers import Resolver

HOST = "shop.example.org"


def ask(guard: EgressGuard) -> str:
    """Return why the guard refused a page of ``HOST``."""
    with guard.serve() as url, pytest.raises(requests.RequestException):
        requests.get(f"http://{HOST}/", proxies={"http": url}, timeout=30)
    reason = guard.explain_refusal(f"http://{HOST}/", {HOST})
    assert reason is not None
    assert HOST in str(reason)
    return str(reason)


def test_a_resolver_that_does_not_answer_is_no_name_without_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(name_answers, "_SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert "no DNS server answered" in ask(
            EgressGuard(Resolver(address="127.0.0.1", port=port))
        )


def test_a_name_without_an_address_is_said_to_have_none() -> None:
    with serve_names({}) as port:
        assert "has no address" in ask(EgressGuard(Resolver(address="127.0.0.1", port=port)))
