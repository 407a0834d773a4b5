"""The pages in Chinese and English: whose they are, that links keep them, and that all is said."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import select
from support.chinese_text import CHARACTER, what_is_english
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages

from anchor.base.messages.message import Message, translate
from anchor.base.types import Address, ChainId
from anchor.monitor.background_poll import Sighting
from anchor.monitor.chain_status import ChainFacts
from anchor.monitor.overview import Overview, read_overview
from anchor.service.pages import dashboard_facts
from anchor.service.pages.language import Reader, choose_language
from anchor.service.pages.rendering import _load_environment, answer_page
from anchor.service.pages.site_chain import SiteChain
from anchor.store.runs import load_leaves
from anchor.store.schema import anchors
from anchor.store.statistics import OpenTransaction

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
PAGES = (
    "/", "/dashboard", "/dashboard?refresh=30", "/login", "/log", "/log?before=4", "/log?before=1",
    "/log/leaf?of=0", "/log/leaf?of=310", "/log/consistency?old=4&new=311", "/conformance",
    "/number", "/about",
)  # fmt: skip
PROBLEMS = (
    "/log?before=x", "/log/leaf?of=nonsense", "/log/leaf?of=999", "/log/leaf?of=" + "ab" * 32,
    "/log/consistency", "/log/consistency?old=4&new=3", "/log/consistency?old=4&new=5",
    "/number?of=nonsense", "/number?of=" + "ab" * 32,
)  # fmt: skip
LANGUAGES = {"zh": "zh-Hans", "en": "en"}
# Units, the project's name, names of other documents, abridged hashes, and what the store keeps in
# English: why proofs are missing.
NAMES = re.compile(
    r"\b(ether|gwei|gas|Gas|anchor|C2SP|UTC|SHA-256|[0-9a-f]{4}…[0-9a-f]{4})\b|/checkpoint|"
    r"eth_getProof|[a-z]+\.[a-z_]+\b|所记原因：.*"
)


def ask(served: PageService, path: str, **headers: str):
    if path.startswith("/dashboard"):
        headers["Authorization"] = f"Bearer {served.admin}"
    return served.http.get(path, headers=headers, follow_redirects=False)


class Words(HTMLParser):
    """A page's language, links and texts, without code, hashes and what is in another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language: str | None = None
        self.links: list[str] = []
        self.hidden: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "html":
            self.language = values["lang"]
        self.links += [str(values[name]) for name in ("href", "action") if name in values]
        if values.get("type") == "hidden":
            self.hidden.append(values)
        self.texts += [str(values[name]) for name in ("aria-label", "title") if name in values]
        is_other = tag == "code" or (tag != "html" and "lang" in values)
        is_left_out = is_other or "hash" in str(values.get("class")).split()
        if tag not in ("meta", "link", "input", "br"):
            self._open.append((tag, is_left_out))

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(is_left_out for _, is_left_out in self._open):
            self.texts.append(" ".join(data.split()))


def find_english(html: str) -> list[str]:
    """Return the texts of a page that are not in Chinese, or not all of them."""
    return [text for text in Words(html).texts if _is_english(NAMES.sub("", text))]


def _is_english(text: str) -> bool:
    is_word = re.search("[A-Za-z]{2,}", text) is not None and not CHARACTER.search(text)
    return is_word or what_is_english(text) is not None


# Which language.


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("zh", "zh"), ("zh-CN", "zh"), ("ZH-hans-cn", "zh"), ("en", "en"), ("de", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.6", "zh"), ("zh;q=0", "en"), ("en;q=0,zh;q=0.001", "zh"),
        ("fr, zh;q=0.3", "zh"), ("zh;q=0.5,*;q=0.8", "en"), ("*", "en"), ("en;q=0.2,*", "zh"),
        ("zh,en", "en"), ("zh-TW;q=0.1,zh;q=0.9,en;q=0.5", "zh"), ("zhx", "en"), (",zh ,, ", "zh"),
        ("zh;q=1.000", "zh"), ("zh;Q=1", "zh"), ("zh ; q=0.5", "zh"),
        # Not a list of language ranges.
        ("zh;q=2", "en"), ("zh;q=0.5555", "en"), ("zh;q=-1", "en"), ("zh;q=", "en"),
        ("zh;level=1", "en"), ("zh;q=１", "en"), ("zh,<script>", "en"), ("zh_CN", "en"),
        ("zh-", "en"), ("zh en", "en"), ("zh;q=1;q=0.5", "en"),
    ],
)  # fmt: skip
def test_a_page_is_chinese_for_those_who_prefer_that_to_english(
    accepted: str, language: str
) -> None:
    assert choose_language(accepted) == language


@pytest.mark.parametrize("path", [*PAGES, *PROBLEMS])
def test_every_page_says_its_language_and_that_it_depends_on_the_browsers(
    path: str, served: PageService
) -> None:
    for language, accepted in (("zh", CHINESE["Accept-Language"]), ("en", "de-CH"), ("en", "")):
        answer = ask(served, path, **{"Accept-Language": accepted})
        assert answer.headers["Vary"] == "Accept-Language"
        assert Words(answer.text).language == LANGUAGES[language]


def test_without_the_header_a_page_is_english_and_with_two_both_count(
    served: PageService,
) -> None:
    def language(*accepted: str) -> str | None:
        headers = [("Accept-Language", text) for text in accepted]
        return Words(served.http.get("/log", headers=headers).text).language

    assert language() == "en"
    assert language("en;q=0.5", "zh") == "zh-Hans"


@pytest.mark.parametrize("path", [*PAGES, *PROBLEMS])
def test_the_url_names_a_language_before_the_browser_does(path: str, served: PageService) -> None:
    mark = "&" if "?" in path else "?"
    assert Words(ask(served, f"{path}{mark}lang=zh").text).language == "zh-Hans"
    assert Words(ask(served, f"{path}{mark}lang=en", **CHINESE).text).language == "en"
    for unknown in ("", "ZH", "de", "zh-CN", "%3Cscript%3E"):
        answer = ask(served, f"{path}{mark}lang={unknown}")
        assert Words(answer.text).language == "en"
        assert "<script" not in answer.text


# That it is kept.

FORMS = ("/log/leaf", "/log/consistency", "/number")
ELSEWHERE = ("/pages-", "/favicon.svg", "/verify.html", "/checkpoint", "#main")


@pytest.mark.parametrize("path", [*PAGES, *PROBLEMS])
def test_links_and_forms_keep_the_language_that_the_url_names(
    path: str, served: PageService
) -> None:
    mark = "&" if "?" in path else "?"
    words = Words(ask(served, f"{path}{mark}lang=zh").text)
    inner = [link for link in words.links if not link.startswith(ELSEWHERE)]
    switch = [link for link in inner if "lang=en" in link]
    forms = [link for link in inner if link in FORMS]
    assert len(switch) == 1
    assert all("lang=zh" in link for link in inner if link not in (*switch, *forms))
    # A form that is sent by GET puts its fields into the query.
    assert [field["value"] for field in words.hidden] == ["zh"] * len(forms)
    # Without it in the URL, they do not name it either.
    words = Words(ask(served, path, **CHINESE).text)
    assert [link for link in words.links if "lang=zh" in link] == []
    assert words.hidden == []


def test_the_other_language_is_a_link_away_on_the_same_page(served: PageService) -> None:
    path = "/log/consistency?old=4&new=311"
    for language, other in (("zh", "en"), ("en", "zh")):
        words = Words(ask(served, f"{path}&lang={language}").text)
        (switch,) = [link for link in words.links if f"lang={other}" in link]
        assert switch == f"{path}&lang={other}"
        answer = ask(served, switch)
        assert answer.status_code == 200
        assert Words(answer.text).language == LANGUAGES[other]


def test_signing_in_and_out_keeps_the_language(served: PageService) -> None:
    answer = served.http.get("/dashboard?lang=zh", follow_redirects=False)
    assert answer.headers["Location"] == "/login?lang=zh"
    refused = served.http.post("/login?lang=zh", data={"key": "nonsense"}, follow_redirects=False)
    assert "该接口密钥不属于本服务" in refused.text
    assert find_english(refused.text) == []
    refused = served.http.post(
        "/login", data={"key": served.reader}, headers=CHINESE, follow_redirects=False
    )
    assert "该接口密钥不能用于仪表盘" in refused.text
    answer = served.http.post("/login?lang=zh", data={"key": served.admin}, follow_redirects=False)
    assert answer.headers["Location"] == "/dashboard?lang=zh"
    page = served.http.get("/dashboard?lang=zh").text
    assert 'action="/logout?lang=zh"' in page
    assert find_english(page) == []
    answer = served.http.post("/logout?lang=zh", follow_redirects=False)
    assert answer.headers["Location"] == "/login?lang=zh"
    served.http.cookies.clear()


# That all is said.


@pytest.mark.parametrize("path", [*PAGES, *PROBLEMS])
def test_a_chinese_page_has_no_english_in_it(path: str, served: PageService) -> None:
    answer = ask(served, path, **CHINESE)
    assert answer.status_code in (200, 404, 422)
    assert find_english(answer.text) == []


def test_the_api_answers_pages_in_their_language_and_programs_in_english(
    served: PageService,
) -> None:
    path = "/v1/evidence/" + "ab" * 32
    wanted = translate(Message("request-key-missing"), "zh")
    page = served.http.get(path, headers=CHINESE).json()
    assert (page["detail"], page["id"]) == (wanted, "request-key-missing")
    assert served.http.get(path).json()["detail"] == Message("request-key-missing")
    key = {"Authorization": f"Bearer {served.reader}"}
    program = served.http.get(path, headers=CHINESE | key).json()
    assert program["detail"] == Message("evidence-unknown-to-tenant")
    refused = served.http.post("/v1/lookup", json={"numbers": 1}, headers=CHINESE).json()
    assert all(CHARACTER.search(each["message"]) for each in refused["errors"])


def test_the_verdict_on_each_kind_of_number_is_in_chinese(served: PageService) -> None:
    with served.project.database.read() as connection:
        leaves = [load_leaves(connection, at, at + 1).hex() for at in (0, 310)]
        heads = connection.execute(select(anchors.c.tx_hash)).scalars().all()
    for number in (*leaves, *(tx_hash.hex() for tx_hash in heads)):
        answer = ask(served, f"/number?of={number}", **CHINESE)
        assert answer.status_code == 200
        assert find_english(answer.text) == []


def test_the_check_finds_english(served: PageService) -> None:
    texts = find_english(ask(served, "/log").text)
    assert {"Find a leaf", "Table of heads", "Heads", "anchored (final)"} <= {*texts}
    assert not any(CHARACTER.search(text) for text in texts)


def test_the_pages_of_an_empty_log_without_a_node_are_chinese_too(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [])
    with serve_pages(site) as served:
        for path in ("/", "/dashboard", "/log", "/log/leaf?of=0"):
            assert find_english(ask(served, path, **CHINESE).text) == []
        served.service.outside.snapshot(30)
        answer = ask(served, "/dashboard", **CHINESE)
        assert "节点不应答" in answer.text
        assert find_english(answer.text) == []


def test_a_page_that_cannot_be_shown_says_so_in_chinese(grown: MemorySite, tmp_path: Path) -> None:
    site = grown.copy_to(tmp_path / "project")
    with serve_pages(site) as served:
        assert ask(served, "/log/leaf?of=0").status_code == 200
        shutil.rmtree(site.config.tiles / "tile/0")
        answer = ask(served, "/log/leaf?of=0", **CHINESE)
    assert answer.status_code == 503
    assert "现在无法显示" in answer.text
    assert find_english(answer.text) == []


FACTS = ChainFacts(
    block=1_000,
    block_time=1_000,
    final_block=990,
    size=6,
    is_closed=False,
    balance=10**18,
    base_fee=10**9,
)
TROUBLE = Message("alarm-subject-unreadable")


@pytest.fixture(scope="module")
def overview(served: PageService) -> Overview:
    return read_overview(served.project, time.time())


def seen(**changes: object) -> Sighting[ChainFacts]:
    return Sighting(value=replace(FACTS, **changes), seen_at=time.time() - 60)


def test_facts_of_the_dashboard_are_said_in_both_languages(overview: Overview) -> None:
    at = overview.read_at
    spending = replace(overview.spending, wei_a_day=10**17, budget=10**18, budget_spent=10**17)
    overview = replace(overview, spending=spending)
    chain = ChainId(1)
    recent = Sighting(value=replace(FACTS, block_time=int(at) - 60), seen_at=at - 90)
    later = replace(overview, read_at=int(at) + 0.0)
    transaction = OpenTransaction(
        sender=Address(bytes(20)),
        nonce=7,
        reserved_at="",
        attempts=2,
        head_size=None,
        max_fee=20 * 10**9,
        first_signed_at=None,
        signed_at=None,
    )
    for fact, english, chinese in (
        (
            dashboard_facts.describe_balance(seen(), overview),
            "lasts 10 d at this rate",
            "按目前支出可用 10 天",
        ),
        (
            dashboard_facts.describe_balance(seen(balance=10**20), overview),
            "lasts more than a year at this rate",
            "按目前支出可用一年以上",
        ),
        (
            dashboard_facts.describe_balance(
                seen(), replace(overview, spending=replace(spending, wei_a_day=None))
            ),
            "a forecast is available in a few hours",
            "数小时后可知能用多久",
        ),
        (
            dashboard_facts.describe_balance(replace(recent, trouble=TROUBLE), overview),
            "lasts 10 d at this rate; seen 1 min 30 s ago",
            "按目前支出可用 10 天；1 分钟 30 秒前查得",
        ),
        (
            dashboard_facts.describe_balance(Sighting(), overview),
            "the node has not been asked yet",
            "尚未查询节点",
        ),
        (
            dashboard_facts.describe_spending(replace(spending, transactions=5)),
            "transactions: 5; 0.1 ether of 1 ether in 30 days",
            "交易 5 笔；30 天预算 1 ether 中已用 0.1 ether",
        ),
        (
            dashboard_facts.describe_chain(chain, replace(recent, seen_at=int(at) - 90), later),
            "1; block 1,000, made 1 min ago; final: 990; seen 1 min 30 s ago",
            "1；区块 1,000，1 分钟前产生；最终确定：990；1 分钟 30 秒前查得",
        ),
        (
            dashboard_facts.describe_chain(chain, Sighting(), overview),
            "1; its state is unknown",
            "1；链上内容未知",
        ),
        (
            dashboard_facts.describe_transaction(transaction),
            "the transaction with nonce 7; attempts: 2; up to 20 gwei per gas",
            "nonce 为 7 的交易；已尝试 2 次；每单位 gas 最多 20 gwei",
        ),
        (
            dashboard_facts.describe_transaction(replace(transaction, max_fee=None)),
            "the transaction with nonce 7; attempts: 2",
            "nonce 为 7 的交易；已尝试 2 次",
        ),
        (
            dashboard_facts.describe_publication(Sighting(value=6, seen_at=at - 5), overview),
            "6 leaves; seen 5 s ago",
            "6 片叶；5 秒前查得",
        ),
        (
            dashboard_facts.describe_publication(Sighting(trouble=TROUBLE), overview),
            "unknown: it could not be read",
            "未知：未能查看",
        ),
        (dashboard_facts.describe_publication(Sighting(), overview), "unknown", "未知"),
    ):
        assert fact == english
        assert translate(fact, "zh") == chinese


def test_what_a_message_is_given_is_escaped_and_code_marked() -> None:
    site = SiteChain(warning=None, proves_time=True, finality=None)
    reader = Reader(language="zh", is_chosen=False, path="/log", query=(), site=site)
    given = Message("dashboard-published-here", link="<b>`x`</b>")
    values = {"here": "log", "title": given, "text": given, "hint": None}
    page = bytes(answer_page("message.html", values, reader).body).decode()
    assert "<h1>公布于本站 &lt;b&gt;`x`&lt;/b&gt;；未配置其他位置</h1>" in page
    assert "<p>公布于本站 &lt;b&gt;<code>x</code>&lt;/b&gt;；未配置其他位置</p>" in page


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ('{{ message("dashboard-alarms") }}', "警报"),
        (
            '{{ message("dashboard-published-here", link="<b>") }}',
            "公布于本站 &lt;b&gt;；未配置其他位置",
        ),
        (
            '{% set at %}<a href="{{ "&" }}">{% endset %}{{ message("path-named", path=at) }}',
            '路径 <a href="&amp;">',
        ),
        ('{{ message("dashboard-running") | code }}', "<code>anchor run</code> 正在运行"),
        ('{{ message("dashboard-seen", age=age(65, 0)) }}', "1 分钟 5 秒前查得"),
        ("{{ count | duration }}", "2 分钟 5 秒"),
        ("{{ count | duration | figure }}", "2 <small>分钟</small> 5 <small>秒</small>"),
        ("{{ count | leaves }}", "125 片叶"),
    ],
)
def test_templates_say_messages_in_the_pages_language(template: str, html: str) -> None:
    assert (
        _load_environment("zh", is_by_depth=False).from_string(template).render(count=125) == html
    )
