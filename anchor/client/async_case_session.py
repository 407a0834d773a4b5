"""The part of the asynchronous client that works on cases."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol, TypeVar

from anchor.client.case_answers import CaseExhibit, CaseNote, CasePage, TenantCase
from anchor.client.case_exchanges import CaseExchanges
from anchor.client.evidence_answers import MadeReviewLink, ReviewLink
from anchor.client.exchanges import Exchange, Exchanges

_Value = TypeVar("_Value")


class _Do(Protocol):
    def __call__(self, exchange: Exchange[_Value], /) -> Awaitable[_Value]: ...


class AsyncCaseClient:
    """The cases that a client's key sees, as ``AsyncClient.cases``.

    Every call raises a UsageError if the service refuses it, a CannotCheckError if it does not
    answer, and a MalformedError if the answer is not one of the service.
    """

    def __init__(self, do: _Do, exchanges: Exchanges) -> None:
        self._do = do
        self._exchanges = CaseExchanges(exchanges)

    async def list(
        self, *, before: str | None = None, state: Literal["open", "closed"] | None = None
    ) -> CasePage:
        """Return a page of cases, the newest first, after the case ``before``."""
        return await self._do(self._exchanges.list_cases(before, state))

    async def create(
        self,
        number: str,
        title: str,
        *,
        authority: str = "",
        parties: Sequence[tuple[str, str]] = (),
        shared: bool = False,
    ) -> TenantCase:
        """Create a case; ``parties`` are pairs of role and name."""
        return await self._do(self._exchanges.create(number, title, authority, parties, shared))

    async def fetch(self, case: str) -> TenantCase:
        """Return the case with this id."""
        return await self._do(self._exchanges.fetch(case))

    async def change(
        self,
        case: str,
        *,
        number: str | None = None,
        title: str | None = None,
        authority: str | None = None,
        parties: Sequence[tuple[str, str]] | None = None,
        shared: bool | None = None,
    ) -> TenantCase:
        """Change what is given, and return the case."""
        changes = {"number": number, "title": title, "authority": authority, "shared": shared}
        return await self._do(self._exchanges.change(case, changes, parties))

    async def close(self, case: str) -> TenantCase:
        """Close a case, which ends the force of its hold, and return it."""
        return await self._do(self._exchanges.change(case, {"state": "closed"}))

    async def reopen(self, case: str) -> TenantCase:
        """Open a case again, and return it."""
        return await self._do(self._exchanges.change(case, {"state": "open"}))

    async def place_hold(self, case: str, reason: str) -> TenantCase:
        """Put the exhibits of a case under a legal hold, and return the case."""
        return await self._do(self._exchanges.set_hold(case, reason))

    async def lift_hold(self, case: str) -> TenantCase:
        """Lift the legal hold of a case, and return the case."""
        return await self._do(self._exchanges.set_hold(case, None))

    async def exhibits(self, case: str) -> Sequence[CaseExhibit]:
        """Return the exhibits of a case, in order."""
        return await self._do(self._exchanges.list_exhibits(case))

    async def add_exhibit(
        self, case: str, evidence: str, *, label: str = "", purpose: str = "", note: str = ""
    ) -> CaseExhibit:
        """Add a piece of evidence, by its id or preservation number, at the end."""
        return await self._do(self._exchanges.add_exhibit(case, evidence, label, purpose, note))

    async def change_exhibit(
        self,
        case: str,
        exhibit: str,
        *,
        label: str | None = None,
        purpose: str | None = None,
        note: str | None = None,
        position: int | None = None,
    ) -> None:
        """Change what is given of an exhibit; at ``position``, from 1, it moves."""
        changes = {"label": label, "purpose": purpose, "note": note, "position": position}
        await self._do(self._exchanges.change_exhibit(case, exhibit, changes))

    async def remove_exhibit(self, case: str, exhibit: str) -> None:
        """Remove an exhibit; the evidence stays as it is."""
        await self._do(self._exchanges.remove_exhibit(case, exhibit))

    async def package(self, case: str) -> bytes:
        """Return the case as a packed folder: a ZIP file with receipts and the list of exhibits."""
        return await self._do(self._exchanges.fetch_package(case))

    async def links(self, case: str) -> Sequence[ReviewLink]:
        """Return the review links to a case, those in force first, without their tokens."""
        return await self._do(self._exchanges.list_links(case))

    async def make_link(self, case: str, label: str, *, days: int = 14) -> MadeReviewLink:
        """Make a link by which whoever has it reads the case, and return it, once."""
        return await self._do(self._exchanges.make_link(case, label, days))

    async def revoke_link(self, case: str, link: str) -> None:
        """Revoke a review link by its id."""
        await self._do(self._exchanges.revoke_link(case, link))

    async def notes(self, case: str, *, before: int | None = None) -> Sequence[CaseNote]:
        """Return a page of notes, the newest first, below the id ``before``."""
        return await self._do(self._exchanges.list_notes(case, before))

    async def add_note(self, case: str, text: str) -> CaseNote:
        """Add a note; the same text once more, right after, is the same note."""
        return await self._do(self._exchanges.add_note(case, text))
