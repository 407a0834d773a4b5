"""The language of a page, which its URL names, or else its reader's browser prefers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request

from anchor.base.messages.catalogue import Language
from anchor.service.pages.site_chain import SiteChain

PARAMETER = "lang"
"""The query's parameter that names a language: ``en`` or ``zh``; other values are ignored."""

_LANGUAGES: dict[str, Language] = {"en": "en", "zh": "zh"}
# A language range and its weight (RFC 9110, sections 12.4.2 and 12.5.4).
_RANGE = re.compile(
    r"[ \t]*(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The reader of a page: their language, and whether the page's URL (path and query) names it.

    ``site`` is what is said to every reader of the service's chain.

    Links of a page name the language only if its own URL did.
    """

    language: Language
    is_chosen: bool
    path: str
    query: tuple[tuple[str, str], ...]
    site: SiteChain

    def link(self, path: str, **query: object) -> str:
        """Return the address of a page of this site, in the reader's language."""
        chosen = {PARAMETER: self.language} if self.is_chosen else {}
        return _address(path, [*query.items(), *chosen.items()])

    def asked(self, parameter: str) -> str:
        """Return a parameter of the page's URL; empty if it is not there, or holds a NUL.

        PostgreSQL takes no text with a NUL.
        """
        text = dict(self.query).get(parameter, "")
        return "" if "\0" in text else text

    def turn(self, path: str, parameter: str, value: str | None) -> str:
        """Return the address of ``path`` with this page's parameters, one of them changed.

        None removes it.
        """
        kept = [(name, text) for name, text in self.query if name != parameter]
        added = [] if value is None else [(parameter, value)]
        return _address(path, [*kept, *added])

    def switch(self, language: Language) -> str:
        """Return the address of the same page in a language."""
        kept = [(name, text) for name, text in self.query if name != PARAMETER]
        return _address(self.path, [*kept, (PARAMETER, language)])


def read_reader(request: Request) -> Reader:
    """Return the reader of the page that is requested."""
    chosen = _LANGUAGES.get(request.query_params.get(PARAMETER, ""))
    accepted = ",".join(request.headers.getlist("Accept-Language"))
    return Reader(
        language=chosen or choose_language(accepted),
        is_chosen=chosen is not None,
        path=request.url.path,
        query=tuple(request.query_params.multi_items()),
        site=request.scope["state"]["site"],
    )


CurrentReader = Annotated[Reader, Depends(read_reader)]
"""The type of a route's parameter that receives the page's reader."""


def choose_language(accepted: str) -> Language:
    """Return Chinese if an ``Accept-Language`` header prefers it to English, otherwise English.

    A header that breaks its syntax counts as none.
    """
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            if part.strip(" \t"):
                return "en"
            continue  # a list may have empty members (RFC 9110, section 5.6.1)
        primary = match[1].lower().partition("-")[0]
        weights[primary] = max(weights.get(primary, 0.0), float(match[2] or 1))
    others = weights.get("*", 0.0)
    return "zh" if weights.get("zh", others) > weights.get("en", others) else "en"


def _address(path: str, query: list[tuple[str, object]]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
