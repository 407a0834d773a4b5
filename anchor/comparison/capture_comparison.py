"""The comparison of two captures, page by page: texts, pictures, facts and resources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.comparison.capture_account import FACTS
from anchor.comparison.capture_bag import TEXT, CaptureBag, list_names
from anchor.comparison.picture_difference import PictureDifference, compare_pictures
from anchor.comparison.resource_difference import (
    ResourceDifference,
    compare_resources,
    drop_digests,
)
from anchor.comparison.text_difference import TextDifference, compare_texts

MAX_TEXT_BYTES: int = 100_000_000
MAX_PICTURE_BYTES: int = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """A fact that differs; None where a capture does not state it."""

    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDifference:
    """The differences of a page's views, and the views that could not be compared, with reasons.

    ``folders`` are those of its views in the two captures; ``text`` is None if it was not compared.
    """

    url: str
    folders: tuple[str, str]
    text: TextDifference | None
    pictures: dict[str, PictureDifference]
    uncompared: dict[str, Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDifference:
    """The differences of two captures; ``pages`` begins with the captures' own page.

    ``pages_added`` and ``pages_removed`` are URLs of pages that only one of the captures followed
    links to.
    """

    facts: tuple[FactDifference, ...]
    pages: tuple[PageDifference, ...]
    pages_added: tuple[str, ...]
    pages_removed: tuple[str, ...]
    resources: ResourceDifference

    @property
    def text_share(self) -> float:
        """Return the largest share of a page's text that differs."""
        return max((page.text.share for page in self.pages if page.text), default=0.0)

    @property
    def picture_share(self) -> float:
        """Return the largest share of a picture's pixels that differ."""
        shares = (each.share for page in self.pages for each in page.pictures.values())
        return max(shares, default=0.0)

    @property
    def is_complete(self) -> bool:
        """Return whether every view of both captures was compared."""
        return not any(page.uncompared for page in self.pages)


def compare_captures(
    first: CaptureBag, second: CaptureBag, *, is_marked: bool = False
) -> CaptureDifference:
    """Compare two captures; ``is_marked`` asks for pictures with the changes marked."""
    accounts = first.account, second.account
    resources = [account.resources for account in accounts]
    if accounts[0].facts["mode"] != accounts[1].facts["mode"]:
        # The one has bodies as they were sent, the other decoded ones.
        resources = list(map(drop_digests, resources))
    return CaptureDifference(
        facts=tuple(
            FactDifference(name=name, first=accounts[0].facts[name], second=accounts[1].facts[name])
            for name in FACTS
            if accounts[0].facts[name] != accounts[1].facts[name]
        ),
        pages=tuple(_compare_pages(first, second, is_marked=is_marked)),
        pages_added=tuple(_list_followed(second, first)),
        pages_removed=tuple(_list_followed(first, second)),
        resources=compare_resources(*resources),
    )


def _list_followed(one: CaptureBag, other: CaptureBag) -> Iterator[str]:
    """Yield the pages that only ``one`` followed links to."""
    for url, folder in one.account.pages.items():
        if folder and url not in other.account.pages:
            yield url


def _compare_pages(
    first: CaptureBag, second: CaptureBag, *, is_marked: bool
) -> Iterator[PageDifference]:
    """Yield the differences of the captures' own pages, and of the further ones that both have."""
    pages = first.account.pages, second.account.pages
    own = next(iter(pages[0])), next(iter(pages[1]))
    yield _compare_views(first, second, own[1], ("", ""), is_marked=is_marked)
    for url, folder in pages[0].items():
        other = pages[1].get(url)
        if folder and other:
            yield _compare_views(first, second, url, (folder, other), is_marked=is_marked)


def _compare_views(
    first: CaptureBag,
    second: CaptureBag,
    url: str,
    folders: tuple[str, str],
    *,
    is_marked: bool,
) -> PageDifference:
    uncompared: dict[str, Message] = {}
    pictures: dict[str, PictureDifference] = {}
    bags = (first, second)
    texts = _read_both(bags, folders, TEXT, MAX_TEXT_BYTES, uncompared)
    for name in list_names(bags, folders):
        pair = _read_both(bags, folders, name, MAX_PICTURE_BYTES, uncompared)
        if pair is None:
            continue
        try:
            pictures[name] = compare_pictures(*pair, is_marked=is_marked)
        except MalformedError as error:
            uncompared[name] = error.message
    return PageDifference(
        url=url,
        folders=folders,
        text=None if texts is None else compare_texts(*texts),
        pictures=pictures,
        uncompared=uncompared,
    )


def _read_both(
    bags: tuple[CaptureBag, CaptureBag],
    folders: tuple[str, str],
    name: str,
    most: int,
    uncompared: dict[str, Message],
) -> tuple[bytes, bytes] | None:
    """Return a view of both captures; None, and the reason, if they cannot be compared."""
    pairs = list(zip(bags, folders, strict=True))
    for bag, folder in pairs:
        size = bag.measure(folder + name)
        if size is None:
            uncompared[name] = Message("view-missing", bag=bag.path.name)
            return None
        if size > most:
            uncompared[name] = Message("view-too-large", bag=bag.path.name, size=size, limit=most)
            return None
    first, second = (bag.read(folder + name, most) for bag, folder in pairs)
    return (first or b"", second or b"")
