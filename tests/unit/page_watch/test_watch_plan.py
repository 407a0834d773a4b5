"""Plans of watched pages, when a page is due, and what counts as a change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from anchor.comparison.capture_comparison import (
    CaptureDifference,
    FactDifference,
    PageDifference,
)
from anchor.comparison.picture_difference import PictureDifference
from anchor.comparison.resource_difference import ResourceDifference
from anchor.comparison.text_difference import TextDifference
from anchor.errors import MalformedError, UsageError
from anchor.messages.message import Message
from anchor.page_watch.watch_decision import list_changes
from anchor.page_watch.watch_plan import WatchPlan, parse_plan, seconds_until_due
from anchor.page_watch.watch_state import (
    PageState,
    PendingCapture,
    RecordedChange,
    WatchState,
    encode_state,
    parse_state,
)

PAGE = '[[page]]\nurl = "https://example.org/"\n'


def parse(text: str) -> WatchPlan:
    return parse_plan(text.encode(), Path("/plans/pages.toml"))


def test_a_page_has_the_plans_settings_unless_it_has_its_own() -> None:
    plan = parse(
        f'folder = "out"\nevery = 3600\ntext_share = 0.2\nlang = "zh-CN"\n{PAGE}every = 60\n'
        'viewports = ["390x844"]\n[[page]]\nurl = "http://example.org"\n'
    )
    assert plan.folder == Path("/plans/out")
    first, second = plan.pages
    assert (first.url, first.every, second.every) == ("https://example.org/", 60, 3_600)
    assert (first.text_share, first.picture_share) == (0.2, 0.01)
    assert (first.options.language, first.options.viewports) == ("zh-CN", ((390, 844),))
    assert second.options.viewports == ((1280, 800),)


def test_a_page_is_captured_as_its_options_say() -> None:
    plan = parse(
        f'film = true\n{PAGE}mode = "proxy"\nlogin_profile = "signed-in"\nsign_wacz = true\n'
        'keep_cookies = true\n[[page]]\nurl = "http://example.org"\nfilm = false\n'
    )
    first, second = plan.pages
    assert (first.uses_recorder, first.signs_wacz) == (True, True)
    assert (first.options.films, first.options.keeps_cookies) == (True, True)
    assert first.options.login_profile == Path("/plans/signed-in")
    assert (second.uses_recorder, second.signs_wacz) == (False, False)
    assert (second.options.films, second.options.keeps_cookies) == (False, False)
    assert second.options.login_profile is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "page"),
        ("page = 5", "page"),
        ("page = []", "1 to 1000"),
        (PAGE * 2, "twice"),
        ("[[page]]\n", "url"),
        ('[[page]]\nurl = "ftp://x/"', "http"),
        (f"{PAGE}every = 59", "every"),
        (f"{PAGE}every = 3600.5", "every"),
        (f"{PAGE}every = true", "every"),
        (f"{PAGE}text_share = 1.5", "text_share"),
        (f"{PAGE}picture_share = nan", "picture_share"),
        (f"{PAGE}evry = 60", "evry"),
        (f'{PAGE}language = "zh-CN"', "language"),
        (f'{PAGE}viewports = "1x1"', "viewports"),
        (f'{PAGE}viewports = ["1x1"]', "1x1"),
        (f'{PAGE}proxy = "http://user:secret@host:1"', "password"),
        (f"{PAGE}accept_bad_certificates = 1", "accept_bad_certificates"),
        (f'{PAGE}mode = "best"', "best"),
        (f'{PAGE}mode = "proxy"\nproxy = "http://host:1"', "proxy"),
        (f"{PAGE}film = 1", "film"),
        (f'folder = ""\n{PAGE}', "folder"),
        ("not TOML", "TOML"),
    ],
)
def test_a_wrong_plan_is_refused_by_the_member(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        parse(text)
    assert "secret" not in str(refusal.value)


def test_a_page_is_due_after_its_interval_and_when_the_clock_was_set_back() -> None:
    at = "2026-01-02T03:04:05Z"
    assert seconds_until_due(None, 60, at) == 0
    assert seconds_until_due(at, 60, at) == 60
    assert seconds_until_due(at, 60, "2026-01-02T03:04:45Z") == 20
    assert seconds_until_due(at, 60, "2026-01-02T03:05:05Z") == 0
    assert seconds_until_due(at, 60, "2036-01-02T03:05:05Z") == 0
    assert seconds_until_due(at, 60, "2016-01-02T03:05:05Z") == 0


def differ(
    *, text: int = 0, pixels: int = 0, facts: tuple[str, ...] = (), missing: bool = False
) -> CaptureDifference:
    page = PageDifference(
        url="https://example.org/",
        folders=("", ""),
        text=TextDifference(first_size=50, second_size=50, deleted=text, inserted=0, hunks=()),
        pictures={
            "screenshot-1x1.png": PictureDifference(
                first=(10, 10), second=(10, 10), total=100, changed=pixels
            )
        },
        uncompared={"page.txt": Message("picture-not-png")} if missing else {},
    )
    return CaptureDifference(
        facts=tuple(FactDifference(name=name, first="a", second="b") for name in facts),
        pages=(page,),
        pages_added=(),
        pages_removed=(),
        resources=ResourceDifference(added=(), removed=(), changed=(), unknown=(), same=1),
    )


@pytest.mark.parametrize(
    ("difference", "count"),
    [
        (differ(), 0),
        (differ(text=10), 0),
        (differ(text=11), 1),
        (differ(pixels=5), 0),
        (differ(pixels=6), 1),
        (differ(facts=("started_at", "address", "certificate_sha256", "browser")), 0),
        (differ(facts=("status", "title", "final_url")), 3),
        (differ(missing=True), 1),
        (dataclasses.replace(differ(), pages_added=("https://example.org/new",)), 1),
    ],
)
def test_a_change_is_what_exceeds_a_threshold_or_cannot_be_told(
    difference: CaptureDifference, count: int
) -> None:
    assert len(list_changes(difference, text_share=0.1, picture_share=0.05)) == count


CHANGE = RecordedChange(
    url="https://example.org/", at="2026-01-02T03:04:05Z", bag="bag", previous=None,
    reasons=("first",), pictures=(b"png", b"png"),
)  # fmt: skip


def test_the_state_is_read_as_it_was_written() -> None:
    pending = PendingCapture(
        taken=".anchor-0.tmp/bag", manifest_sha256="aa", groups={"kind": "web-capture"},
        not_before=None, change=CHANGE,
    )  # fmt: skip
    page = PageState(checked_at="2026-01-02T03:04:05Z", bag="bag", pending=pending)
    state = WatchState().with_page("https://example.org/", page).with_change(CHANGE)
    assert parse_state(encode_state(state), subject="state") == state


def test_of_old_changes_the_pictures_are_dropped_and_of_many_the_oldest() -> None:
    state = WatchState()
    for number in range(1_005):
        state = state.with_change(dataclasses.replace(CHANGE, bag=f"bag-{number}"))
    assert len(state.changes) == 1_000
    assert state.changes[-1].bag == "bag-1004"
    assert [bool(each.pictures) for each in state.changes] == [False] * 950 + [True] * 50


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"changes":[],"format":"anchor-page-watch/2","pages":{}}',
     b'{"changes":[1],"format":"anchor-page-watch/1","pages":{}}',
     b'{"changes":[],"format":"anchor-page-watch/1","pages":{"u":{"bag":null}}}'],
)  # fmt: skip
def test_a_damaged_state_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="state"):
        parse_state(data, subject="state")
