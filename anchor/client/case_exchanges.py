"""The exchanges about cases, shared by both clients, without I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import httpx

from anchor.client.answers import read_answer
from anchor.client.case_answers import (
    CaseExhibit,
    CaseNote,
    CasePage,
    TenantCase,
    read_case,
    read_cases,
    read_exhibit,
    read_exhibits,
    read_note,
    read_notes,
)
from anchor.client.evidence_answers import (
    MadeReviewLink,
    ReviewLink,
    read_links,
    read_made_link,
)
from anchor.client.exchanges import Exchange, Exchanges, ServiceRequest

_CASES = "/v1/cases"


@dataclass(frozen=True, slots=True)
class CaseExchanges:
    """The exchanges about cases of one client."""

    exchanges: Exchanges

    def list_cases(self, before: str | None, state: str | None) -> Exchange[CasePage]:
        """Fetch a page of cases."""
        given = {"before": before, "state": state}
        params = {name: text for name, text in given.items() if text is not None}
        answer = yield from self._ask("GET", _CASES, params=params)
        return read_answer(answer, read_cases)

    def create(
        self,
        number: str,
        title: str,
        authority: str,
        parties: Sequence[tuple[str, str]],
        shared: bool,
    ) -> Exchange[TenantCase]:
        """Create a case."""
        body = {
            "number": number,
            "title": title,
            "authority": authority,
            "parties": _describe_parties(parties),
            "shared": shared,
        }
        answer = yield from self._ask("POST", _CASES, body)
        return read_answer(answer, read_case)

    def fetch(self, case: str) -> Exchange[TenantCase]:
        """Fetch a case."""
        answer = yield from self._ask("GET", _path(case))
        return read_answer(answer, read_case)

    def change(
        self,
        case: str,
        changes: Mapping[str, object],
        parties: Sequence[tuple[str, str]] | None = None,
    ) -> Exchange[TenantCase]:
        """Change those members of a case that are not None."""
        body = {name: value for name, value in changes.items() if value is not None}
        if parties is not None:
            body["parties"] = _describe_parties(parties)
        answer = yield from self._ask("PATCH", _path(case), body)
        return read_answer(answer, read_case)

    def set_hold(self, case: str, reason: str | None) -> Exchange[TenantCase]:
        """Place a hold for a reason, or lift it."""
        hold = None if reason is None else {"reason": reason}
        answer = yield from self._ask("PATCH", _path(case), {"hold": hold})
        return read_answer(answer, read_case)

    def list_exhibits(self, case: str) -> Exchange[list[CaseExhibit]]:
        """Fetch the exhibits of a case."""
        answer = yield from self._ask("GET", f"{_path(case)}/exhibits")
        return read_answer(answer, read_exhibits)

    def add_exhibit(
        self, case: str, evidence: str, label: str, purpose: str, note: str
    ) -> Exchange[CaseExhibit]:
        """Add an exhibit."""
        body = {"evidence": evidence, "label": label, "purpose": purpose, "note": note}
        answer = yield from self._ask("POST", f"{_path(case)}/exhibits", body)
        return read_answer(answer, read_exhibit)

    def change_exhibit(
        self, case: str, exhibit: str, changes: Mapping[str, object]
    ) -> Exchange[None]:
        """Change those members of an exhibit that are not None."""
        body = {name: value for name, value in changes.items() if value is not None}
        yield from self._ask("PATCH", f"{_path(case)}/exhibits/{quote(exhibit, safe='')}", body)

    def remove_exhibit(self, case: str, exhibit: str) -> Exchange[None]:
        """Remove an exhibit."""
        yield from self._ask("DELETE", f"{_path(case)}/exhibits/{quote(exhibit, safe='')}")

    def fetch_package(self, case: str) -> Exchange[bytes]:
        """Fetch a case as a packed folder."""
        answer = yield from self._ask("GET", f"{_path(case)}/package")
        return answer.content

    def list_notes(self, case: str, before: int | None) -> Exchange[list[CaseNote]]:
        """Fetch a page of notes."""
        params = {} if before is None else {"before": str(before)}
        answer = yield from self._ask("GET", f"{_path(case)}/notes", params=params)
        return read_answer(answer, read_notes)

    def add_note(self, case: str, text: str) -> Exchange[CaseNote]:
        """Add a note."""
        answer = yield from self._ask("POST", f"{_path(case)}/notes", {"text": text})
        return read_answer(answer, read_note)

    def list_links(self, case: str) -> Exchange[list[ReviewLink]]:
        """Fetch the review links to a case."""
        answer = yield from self._ask("GET", f"{_path(case)}/links")
        return read_answer(answer, read_links)

    def make_link(self, case: str, label: str, days: int) -> Exchange[MadeReviewLink]:
        """Make a review link."""
        body = {"label": label, "days": days}
        answer = yield from self._ask("POST", f"{_path(case)}/links", body)
        return read_answer(answer, read_made_link)

    def revoke_link(self, case: str, link: str) -> Exchange[None]:
        """Revoke a review link."""
        yield from self._ask("DELETE", f"{_path(case)}/links/{quote(link, safe='')}")

    def _ask(
        self,
        method: Literal["GET", "POST", "PATCH", "DELETE"],
        path: str,
        body: Mapping[str, object] | None = None,
        params: dict[str, str] | None = None,
    ) -> Exchange[httpx.Response]:
        content = None if body is None else json.dumps(body).encode("ascii")
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = ServiceRequest(
            method=method, path=path, content=content, headers=headers, params=params
        )
        return (yield from self.exchanges.ask(request))


def _path(case: str) -> str:
    return f"{_CASES}/{quote(case, safe='')}"


def _describe_parties(parties: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "name": name} for role, name in parties]
