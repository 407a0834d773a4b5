"""``/tenants/TENANT/captures``: the form, the list, and the page of a captured piece."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from support.capture_desk import make_capture_site
from support.copies import until
from support.made_captures import PICTURE, make_result, put_made, read_order
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, Visitor, close_browsers, visit

from anchor.base.system.clock import utc_now
from anchor.capture.capture_spool import CaptureSpool
from anchor.service.pages import capture_page, list_page
from anchor.service.settings import CaptureSettings, Settings
from anchor.store.captures import CaptureQuota, OrderedCapture, load_captures, order_capture
from anchor.store.memberships import ensure_tenant

PAGE = "/tenants/acme/captures"
URL = "https://example.org/<b>page</b>"
FORM = {"url": URL, "depth": "0", "viewports": "1280x800", "note": "卖家页面", "sure": "yes"}


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> CaptureSpool:
    return CaptureSpool(tmp_path_factory.mktemp("spool"))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, spool: CaptureSpool) -> Iterator[Platform]:
    site = make_capture_site(tmp_path_factory.mktemp("page"))
    captures = CaptureSettings(folder=spool.folder, per_day=3)
    with serve_platform(site, settings=Settings(captures=captures)) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def member(platform: Platform) -> Visitor:
    return visit(platform, acme="member")


def newest(platform: Platform) -> OrderedCapture:
    with platform.project.database.read() as connection:
        return load_captures(connection, "acme", 1)[0]


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ("as a stranger", "terms of use", "It does not prove who made the page")),
        ("zh", ("陌生访客", "使用条款", "不能证明网页由谁制作")),
    ],
)
def test_the_form_says_what_happens_before_anything_is_sent(
    member: Visitor, language: str, sentences: tuple[str, ...]
) -> None:
    answer = member.http.get(PAGE, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert all(sentence in answer.text for sentence in sentences)
    assert f'href="{PAGE}' in member.http.get("/tenants/acme/submit").text


def test_a_form_is_one_order_and_its_piece_shows_what_was_seen(
    platform: Platform, member: Visitor, spool: CaptureSpool
) -> None:
    key = re.search(r'name="form" value="([0-9a-f]{32})"', member.http.get(PAGE).text)
    assert key is not None
    form = FORM | {"form": key[1]}
    for _ in range(2):
        assert member.post(PAGE, form).status_code == 303
    capture = newest(platform)
    until(lambda: newest(platform).state == "running")
    until(lambda: (spool.folder / "orders" / f"{capture.id}.json").exists())
    assert read_order(spool, capture.id).url == URL
    assert len(list((spool.folder / "orders").iterdir())) == 1
    put_made(spool, capture.id, *make_result(capture.id, URL))
    until(lambda: newest(platform).state == "recorded")
    identity = newest(platform).identity
    assert identity is not None
    place = f"/tenants/acme/evidence/{identity.hex()}"
    until(lambda: f"{place}/picture" in member.http.get(place).text)
    text = member.http.get(place).text
    assert "&lt;b&gt;page&lt;/b&gt;" in text and "<b>page" not in text
    assert "93.184.215.14" in text and "a &lt;b&gt;stream&lt;/b&gt;" in text
    assert "does not prove who made the page" in text
    assert "证" in member.http.get(place, headers={"Accept-Language": "zh"}).text
    picture = member.http.get(f"{place}/picture")
    assert (picture.headers["Content-Type"], picture.content) == ("image/png", PICTURE)
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'"
    assert member.http.get(f"{place}/copy").content[:2] == b"PK"
    assert place in member.http.get(PAGE).text


def test_a_form_that_is_wrong_says_why_beside_the_field(member: Visitor) -> None:
    wrong = [
        ({"sure": ""}, "sure"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"depth": "7"}, "depth"),
        ({"viewports": "1x1"}, "viewports"),
    ]
    for fields, name in wrong:
        answer = member.post(PAGE, FORM | fields)
        assert answer.status_code == 422, fields
        assert f'id="{name}-error"' in answer.text, fields


def test_beyond_the_limit_a_page_says_so(member: Visitor) -> None:
    answers = [member.post(PAGE, FORM | {"form": f"{number:032x}"}) for number in range(4)]
    assert answers[-1].status_code == 429
    assert "has ordered 3 captures today" in answers[-1].text


def test_a_reader_sees_the_list_and_no_form(platform: Platform) -> None:
    reader = visit(platform, "Reader", acme="reader")
    text = reader.http.get(PAGE).text
    assert "example.org" in text
    assert 'name="url"' not in text
    assert reader.post(PAGE, FORM).status_code == 403


def test_the_list_leads_to_older_captures(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_page, "LIST_ROWS", 2)
    monkeypatch.setattr(capture_page, "LIST_ROWS", 2)
    quota = CaptureQuota(per_day=99, waiting=99, all_waiting=99)
    with platform.project.database.write() as connection:
        ensure_tenant(connection, "gallery", OPERATOR, utc_now())
        for number in range(5):
            order_capture(
                connection, "gallery", url=f"https://example.org/{number}", options={},
                key_hash=None, actor=OPERATOR, at=f"2026-01-01T00:00:0{number // 2}.000Z",
                quota=quota,
            )  # fmt: skip
        urls = [row.url for row in load_captures(connection, "gallery", 9)]
    reader = visit(platform, gallery="reader")
    address, shown = "/tenants/gallery/captures?lang=en", list[str]()
    while address:
        answer = reader.http.get(address)
        page = re.findall("<bdi>(https://example.org/[0-9])</bdi>", answer.text)
        assert 1 <= len(page) <= 2 and len(shown) < 9
        shown += page
        older = re.search('<a href="([^"]*)" rel="next">Older</a>', answer.text)
        address = html.unescape(older[1]) if older else ""
    assert shown == urls and len(shown) == 5
    assert "Newest" in answer.text
