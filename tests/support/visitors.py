"""Persons in browsers of their own, signed in without a provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Connection
from support.sign_in_providers import Platform

from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.people.lifetimes import invitation_end
from anchor.people.roles import Role
from anchor.people.stated_person import StatedPerson
from anchor.store.browser_sessions import Holder, begin_session
from anchor.store.invitations import create_invitation
from anchor.store.memberships import add_member, ensure_tenant
from anchor.store.persons import recognise_person

OPERATOR = Actor("operator", "root")


@dataclass
class Visitor:
    """A person in a browser of their own."""

    platform: Platform
    http: httpx.Client
    id: str
    token: str

    def post(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """Send a form of a page of this site."""
        headers = {
            "Origin": self.platform.url,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.http.post(path, data=data or {}, headers=headers)


_numbers = iter(range(1_000_000))
_opened: list[httpx.Client] = []


def close_browsers() -> None:
    """Close the browsers that tests opened."""
    while _opened:
        _opened.pop().close()


def visit(platform: Platform, name: str = "Ann", **tenants: Role) -> Visitor:
    """Sign a new person in who has these roles."""
    with platform.project.database.write() as connection:
        id, token = enrol(connection, name, **tenants)
    return Visitor(platform, open_browser(platform, token), id, token)


def enrol(connection: Connection, name: str, **tenants: Role) -> tuple[str, str]:
    """Store a person who has these roles, and a session; return the ids of both."""
    at = utc_now()
    stated = StatedPerson(
        issuer="https://id.example", subject=f"{name[:20]}-{next(_numbers)}".encode().hex(),
        name=name, email="a@x.org", email_verified=True,
    )  # fmt: skip
    id = recognise_person(connection, stated, at)
    for tenant, role in tenants.items():
        ensure_tenant(connection, tenant, OPERATOR, at)
        add_member(connection, tenant, id, role, OPERATOR, at)
    return id, begin_session(connection, Holder(person=id), "Test", at)


def open_browser(platform: Platform, token: str) -> httpx.Client:
    """Open a browser with a session; the module closes it."""
    http = httpx.Client(base_url=platform.url, timeout=30, trust_env=False)
    # As cookie jars write the domain of a name without dots.
    domain = "127.0.0.1" if "127.0.0.1" in platform.url else "localhost.local"
    http.cookies.set("anchor_session", token, domain)
    _opened.append(http)
    return http


def invite(platform: Platform, tenant: str, role: Role = "member") -> str:
    at = utc_now()
    with platform.project.database.write() as connection:
        ensure_tenant(connection, tenant, OPERATOR, at)
        return create_invitation(
            connection, tenant, role, OPERATOR,
            email=None, made_at=at, expires_at=invitation_end(at),
        )  # fmt: skip
