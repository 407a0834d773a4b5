"""The pages: who sees what, what they say, and that nothing foreign gets into them."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import closing
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.page_service import PageService, serve_pages

from anchor.base.digests import digest_bytes
from anchor.base.system.clock import utc_now
from anchor.log.merkle import hash_node
from anchor.monitor.background_poll import Sighting
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.service import proof_queue
from anchor.service.pages.rendering import POLICY, mark_code, mark_units
from anchor.service.settings import Settings
from anchor.store.api_keys import revoke_key
from anchor.store.runs import load_leaves
from anchor.store.sealing import seal

PUBLIC = (
    "/", "/log", "/log/leaf?of=0", "/log/leaf?of=nonsense", "/log/consistency?old=3&new=4",
    "/about", "/number", "/number?of=" + "ab" * 32,
)  # fmt: skip
EVIL = "<script>alert(1)</script>'\"&{{7133*7001}}{% raw %}\u202e\u0000"


@pytest.fixture
def site(grown: MemorySite, tmp_path: Path) -> MemorySite:
    """A copy of that log, to do anything to."""
    return grown.copy_to(tmp_path / "project")


class Outline(HTMLParser):
    """What a page is made of: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._texts: dict[int, list[str]] = {}
        self._open: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br"):
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        while self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        for number in self._open:
            self._texts.setdefault(number, []).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str, text: str) -> dict[str, str | None]:
        """The attributes of the one element of this tag with this text."""
        (attrs,) = [
            attrs
            for number, (name, attrs) in enumerate(self.elements)
            if name == tag and " ".join("".join(self._texts.get(number, [])).split()) == text
        ]
        return attrs

    def form_of(self, labels: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The action of the form that has these labels, and what it sends, filled in by them."""
        fields = {}
        for label, value in labels.items():
            id = self.named("label", label)["for"]
            (field,) = [attrs for _, attrs in self.elements if attrs.get("id") == id]
            fields[str(field["name"])] = value
        action = None
        for tag, attrs in self.elements:
            action = attrs["action"] if tag == "form" else action
            if tag == "input" and attrs.get("name") in fields:
                assert action is not None
                return action, fields
        raise AssertionError(labels)


def outline(answer) -> Outline:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Outline(answer.text)


# Who sees what.


def test_the_dashboard_is_for_whoever_is_signed_in(served: PageService) -> None:
    answer = served.ask("/dashboard")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert answer.content == b""
    assert served.ask("/dashboard", served.admin).status_code == 200
    assert served.ask("/dashboard", served.reader).status_code == 403
    assert served.ask("/dashboard", "anchor_" + "0" * 12 + "_" + "0" * 64).status_code == 401


def test_metrics_are_for_an_administrator(served: PageService) -> None:
    assert served.ask("/metrics").status_code == 401
    assert served.ask("/metrics", served.reader).status_code == 403
    assert served.ask("/metrics", served.admin).status_code == 200


@pytest.mark.parametrize("path", PUBLIC)
def test_the_log_is_for_everybody(path: str, served: PageService) -> None:
    assert served.ask(path).status_code in (200, 404)


def sign_in(served: PageService, token: str, **headers: str):
    return served.http.post("/login", data={"key": token}, headers=headers, follow_redirects=False)


def host(served: PageService) -> str:
    return str(served.http.base_url.netloc, "ascii")


def cookie_of(answer) -> str:
    (cookie,) = answer.headers.get_list("Set-Cookie")
    return cookie


def test_signing_in_begins_a_session_that_no_script_and_no_other_site_can_use(
    served: PageService,
) -> None:
    answer = sign_in(served, served.admin, Origin=f"https://{host(served)}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
    cookie = cookie_of(answer)
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Secure", f"Max-Age={12 * 3600}"):
        assert part in cookie
    assert cookie.startswith("__Host-anchor_session=") and "Domain" not in cookie
    assert served.admin not in cookie
    assert served.admin.rpartition("_")[2] not in cookie
    value = cookie.partition("=")[2].partition(";")[0]
    page = served.http.get("/dashboard", headers={"Cookie": f"__Host-anchor_session={value}"})
    assert page.status_code == 200
    assert "Sign out" in page.text
    served.http.cookies.clear()


def test_without_tls_the_session_goes_over_it_all_the_same(served: PageService) -> None:
    """On this machine there is none; where there is, the browser says so in Origin."""
    cookie = cookie_of(sign_in(served, served.admin, Origin=f"http://{host(served)}"))
    assert "Secure" not in cookie and cookie.startswith("anchor_session=")
    served.http.cookies.clear()


@pytest.mark.parametrize("token", ["", "nonsense", "anchor_000000000000_" + "0" * 64, "reader"])
def test_who_brings_no_key_for_it_stays_outside(token: str, served: PageService) -> None:
    answer = sign_in(served, served.reader if token == "reader" else token)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert served.reader not in answer.text
    alerts = [attrs for _, attrs in outline(answer).elements if attrs.get("role") == "alert"]
    assert len(alerts) == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil"])
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_of_another_site_is_refused(origin: str, path: str, served: PageService) -> None:
    answer = served.http.post(
        path, data={"key": served.admin}, headers={"Origin": origin}, follow_redirects=False
    )
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"key=a&key=b", "application/x-www-form-urlencoded", 403),
        (b"other=a", "application/x-www-form-urlencoded", 403),
        (b"", "application/x-www-form-urlencoded", 403),
        (b"key=%ff", "application/x-www-form-urlencoded", 403),
        (b"a=1&b=2&c=3", "application/x-www-form-urlencoded", 403),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 403),
        (b"{}", "application/json", 415),
    ],
)
def test_what_is_not_the_form_is_refused(
    body: bytes, kind: str, status: int, served: PageService
) -> None:
    answer = served.http.post("/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status


def test_a_form_that_is_too_long_is_not_read(served: PageService) -> None:
    with closing(HTTPConnection(host(served), timeout=60)) as connection:
        connection.putrequest("POST", "/login")
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", "999999999")
        connection.endheaders(b"key=")
        assert connection.getresponse().status == 413


def test_a_session_ends_with_its_key(site: MemorySite) -> None:
    with serve_pages(site) as served:
        sign_in(served, served.admin)
        assert served.http.get("/dashboard").status_code == 200
        with served.project.database.write() as connection:
            revoke_key(connection, served.admin.split("_")[1], utc_now())
        assert served.ask("/dashboard").status_code == 303


def test_signing_out_ends_the_session(site: MemorySite) -> None:
    with serve_pages(site) as served:
        sign_in(served, served.admin)
        assert served.http.get("/dashboard").status_code == 200
        kept = {"Cookie": "; ".join(f"{name}={text}" for name, text in served.http.cookies.items())}
        served.http.post("/logout", follow_redirects=False)
        assert served.ask("/dashboard").status_code == 303
        # Whoever kept the cookie has no session either.
        served.http.cookies.clear()
        assert (
            served.http.get("/dashboard", headers=kept, follow_redirects=False).status_code == 303
        )
        # Another session of the same key goes on.
        sign_in(served, served.admin)
        assert served.http.get("/dashboard").status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["ftp://{host}", "//{host}", "{host}", "http://{host}/", "http://{host}/login", "http:{host}"],
)
def test_a_form_is_from_a_page_of_the_web_or_refused(served: PageService, origin: str) -> None:
    answer = sign_in(served, served.admin, Origin=origin.format(host=host(served)))
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_behind_a_named_web_server_the_scheme_is_its_word(site: MemorySite) -> None:
    with serve_pages(site, settings=Settings(proxies=("127.0.0.0/8",))) as served:
        over_tls = {"X-Forwarded-Proto": "https"}
        plain = f"http://{host(served)}"
        assert sign_in(served, served.admin, Origin=plain, **over_tls).status_code == 403
        # Secure also where the browser says no origin.
        cookie = cookie_of(sign_in(served, served.admin, **over_tls))
        assert cookie.startswith("__Host-anchor_session=") and "Secure" in cookie
        # The plain name is not taken over TLS: another host of the domain could have set it.
        value = cookie.partition("=")[2].partition(";")[0]
        served.http.cookies.clear()
        for name, status in (("anchor_session", 303), ("__Host-anchor_session", 200)):
            headers = {"Cookie": f"{name}={value}", **over_tls}
            answer = served.http.get("/dashboard", headers=headers, follow_redirects=False)
            assert answer.status_code == status


def test_two_workers_of_a_service_know_each_others_sessions_and_so_does_another_start(
    site: MemorySite,
) -> None:
    settings = Settings()
    with serve_pages(site, settings=settings) as served:
        cookie = cookie_of(sign_in(served, served.admin)).partition("=")[2].partition(";")[0]
    headers = {"Cookie": f"anchor_session={cookie}"}
    with serve_pages(site) as served:
        assert served.http.get("/dashboard", headers=headers).status_code == 200
    assert settings.session_secret.hex() not in repr(settings)
    assert repr(settings.session_secret) not in repr(settings)


def test_signing_in_again_ends_the_session_that_the_browser_had(site: MemorySite) -> None:
    with serve_pages(site) as served:
        first = cookie_of(sign_in(served, served.admin)).partition("=")[2].partition(";")[0]
        second = cookie_of(sign_in(served, served.admin)).partition("=")[2].partition(";")[0]
        served.http.cookies.clear()
        for token, status in ((first, 303), (second, 200)):
            headers = {"Cookie": f"anchor_session={token}"}
            answer = served.http.get("/dashboard", headers=headers, follow_redirects=False)
            assert answer.status_code == status


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
def test_a_form_that_the_browser_calls_foreign_is_refused(
    served: PageService, site_of: str
) -> None:
    assert sign_in(served, served.admin, **{"Sec-Fetch-Site": site_of}).status_code == 403


# What they say.


def test_the_dashboard_says_what_the_overview_does(served: PageService) -> None:
    text = outline(served.ask("/dashboard", served.admin)).text
    assert "311" in text
    assert "no process seals and anchors" in text
    assert "included (reversible)" in text
    assert "anchored (final)" in text
    assert served.ask("/dashboard", served.admin).text.count('<svg class="bars"') == 3


@pytest.mark.parametrize(
    ("refresh", "header"),
    [("", None), ("30", "30"), ("0", None), ("30;url=https://evil.example", None)],
)
def test_it_refreshes_by_itself_only_where_asked_to(
    refresh: str, header: str | None, served: PageService
) -> None:
    answer = served.http.get("/dashboard", params={"refresh": refresh}, headers=bearer(served))
    assert answer.headers.get("Refresh") == header


def test_heads_are_shown_page_by_page(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [1])
    project = site.open()
    for number in range(120):
        accept(project, [submission(f"more {number}")])
        with project.database.hold_lease():
            seal(project.database, utc_now())
    project.database.close()
    roots = [head.root.hex() for head in site.heads()][::-1]
    seen: list[str] = []
    with serve_pages(site) as served:
        path: str | None = "/log"
        while path is not None:
            answer = served.ask(path)
            seen += re.findall(r'<td class="hash">([0-9a-f]{64})</td>', answer.text)
            older = [a for t, a in outline(answer).elements if t == "a" and a.get("rel") == "next"]
            path = older[0]["href"] if older else None
    assert seen == roots


@pytest.mark.parametrize("how", ["index", "hash", "HASH", "spaces"])
def test_a_leafs_page_has_every_hash_of_its_path(
    how: str, served: PageService, grown: MemorySite
) -> None:
    with served.project.database.read() as connection:
        leaf = load_leaves(connection, 70, 71)
    of = {"index": "70", "hash": leaf.hex(), "HASH": leaf.hex().upper(), "spaces": " 70 "}[how]
    answer = served.http.get("/log/leaf", params={"of": of})
    assert answer.status_code == 200
    assert "anchored (final)" in outline(answer).text
    hashes = re.findall(r"\b[0-9a-f]{64}\b", answer.text.partition("<main")[2])
    root = next(head.root for head in grown.heads() if head.size == 304)
    node, rest = bytes.fromhex(hashes[1]), hashes[2:]
    assert node == leaf
    for sibling, after in zip(rest[::2], rest[1::2], strict=True):
        pair = bytes.fromhex(sibling)
        assert after in (hash_node(pair, node).hex(), hash_node(node, pair).hex())
        node = bytes.fromhex(after)
    assert node == root
    assert answer.text.count("<rect") == 2 * len(rest[::2]) + 1


def test_two_heads_are_compared(served: PageService, grown: MemorySite) -> None:
    answer = served.ask("/log/consistency?old=4&new=311")
    assert answer.status_code == 200
    roots = {head.size: head.root.hex() for head in grown.heads()}
    assert roots[4] in answer.text
    assert roots[311] in answer.text
    assert "continues the first" in outline(answer).text


@pytest.mark.parametrize(
    ("labels", "heading"),
    [
        ({"Leaf hash or index": "70"}, "In the log, anchored (final)"),
        (
            {"Leaves of the first": "4", "Leaves of the second": "304"},
            "The second head continues the first",
        ),
    ],
)
def test_a_leaf_and_two_heads_are_found_through_the_forms(
    labels: dict[str, str], heading: str, served: PageService
) -> None:
    action, fields = outline(served.ask("/log")).form_of(labels)
    outline(served.http.get(action, params=fields)).named("h2", heading)


def test_the_older_heads_are_a_link_away(served: PageService) -> None:
    (link,) = [
        attrs
        for _, attrs in outline(served.ask("/log")).elements
        if attrs.get("aria-label") == "306 leaves: verify"
    ]
    outline(served.ask(str(link["href"]))).named("h1", "From 306 to 311 leaves")


@pytest.mark.parametrize(
    "path",
    [
        "/log/leaf?of=311", "/log/leaf?of=-1", "/log/leaf?of=", "/log/leaf", "/log/leaf?of=zzz",
        "/log/leaf?of=" + "ab" * 32, "/log/leaf?of=" + "9" * 5_000, "/log/consistency",
        "/log/consistency?old=4&new=3", "/log/consistency?old=4&new=5",
        "/log/consistency?old=x&new=4", "/log/consistency?old=0&new=4", "/log?before=x",
        "/log?before=" + "9" * 40,
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_on_the_page(path: str, served: PageService) -> None:
    answer = served.ask(path)
    assert answer.status_code == 404
    alerts = [attrs for _, attrs in outline(answer).elements if attrs.get("role") == "alert"]
    assert len(alerts) == 1
    assert len(answer.content) < 40_000


@pytest.mark.parametrize("before", ["1", "0", "999999999999999"])
def test_a_page_of_heads_at_the_ends_of_the_log(before: str, served: PageService) -> None:
    assert served.ask(f"/log?before={before}").status_code == 200


def test_an_empty_log_has_all_its_pages(tmp_path: Path) -> None:
    site = grow_log(tmp_path, [])
    with serve_pages(site, site.chain) as served:
        dashboard = outline(served.ask("/dashboard", served.admin)).text
        assert "Nothing is anchored yet" in dashboard
        assert "0 leaves since" in dashboard
        assert "No head is sealed yet" in outline(served.ask("/log")).text
        assert served.ask("/log/leaf?of=0").status_code == 404
        assert "anchor_head_size 0.0" in served.ask("/metrics", served.admin).text


def test_while_the_node_is_away_every_page_comes_at_once_and_says_so(site: MemorySite) -> None:
    with serve_pages(site) as served:
        served.service.outside.snapshot(30)
        text = outline(served.ask("/dashboard", served.admin)).text
        assert "the chain's state is unknown" in text
        assert "the node does not answer" in text
        metrics = served.ask("/metrics", served.admin).text
        assert "anchor_signer_balance_wei" not in metrics, "0 would be a lie"
        assert 'anchor_alarm{alarm="chain-unknown",severity="warning"} 1.0' in metrics
        for path in PUBLIC:
            assert served.ask(path).status_code in (200, 404)


def test_a_damaged_tree_is_no_proof_and_tells_strangers_nothing_of_this_machine(
    site: MemorySite,
) -> None:
    with serve_pages(site) as served:
        assert served.ask("/log/leaf?of=0").status_code == 200
        shutil.rmtree(site.config.tiles / "tile/0")
        answer = served.ask("/log/leaf?of=0")
    assert answer.status_code == 503
    assert "cannot be shown at the moment" in outline(answer).text
    assert str(site.config.folder) not in answer.text


def test_only_so_many_wait_for_proofs(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_queue, "_MOST_IN_LINE", 0)
    with serve_pages(site) as served:
        answer = served.ask("/log/leaf?of=0")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert served.ask("/log").status_code == 200, "heads need no line"


# What does not get in, and what does not get out.


@pytest.fixture
def evil(site: MemorySite) -> MemorySite:
    """A log with evidence whose names and sources attack, sealed and waiting."""
    project = site.open()
    accept(project, [submission(EVIL), submission(f"tenant:{EVIL}")])
    with project.database.hold_lease():
        seal(project.database, utc_now())
    accept(project, [submission(EVIL + " waiting")])
    project.database.close()
    return site


def test_names_and_sources_are_on_no_page(evil: MemorySite) -> None:
    with serve_pages(evil, evil.chain) as served:
        for path in (*PUBLIC, "/", "/log/leaf?of=311", "/metrics", "/login"):
            text = served.ask(path, served.admin if path in ("/", "/metrics") else None).text
            for word in ("alert(1)", "piece 0", "tenant:", "\u202e"):
                assert word not in text, (path, word)


ATTACKS = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "{{7133*7001}}",
    "`<b>`x",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("path", "names"),
    [("/log/leaf", ["of"]), ("/log/consistency", ["old", "new"]), ("/log", ["before"])],
)
def test_what_is_asked_for_comes_back_as_text(
    attack: str, path: str, names: list[str], served: PageService
) -> None:
    answer = served.http.get(path, params=dict.fromkeys(names, attack))
    page = outline(answer)
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert not [attrs for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "49938133" not in page.text


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_nodes_words_come_out_as_text(attack: str, site: MemorySite) -> None:
    with serve_pages(site) as served:
        served.service.outside._chain._last = Sighting(trouble=f"the node says {attack}")
        served.service.outside._chain._asked_at = time.time()
        page = outline(served.ask("/dashboard", served.admin))
    assert "the node says" in page.text
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert not [attrs for _, attrs in page.elements for name in attrs if name.startswith("on")]


ELEMENTS = {
    *("html", "head", "meta", "title", "link", "body", "header", "nav", "main", "footer"),
    *(
        "div",
        "section",
        "h1",
        "h2",
        "p",
        "span",
        "small",
        "code",
        "pre",
        "a",
        "br",
        "ul",
        "ol",
        "li",
    ),
    *("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption"),
    *("form", "label", "input", "button"),
    *("svg", "desc", "g", "circle", "path", "line", "rect", "text"),
}
"""What the templates have; no script, no style and no image is among it."""


@pytest.mark.parametrize("path", [*PUBLIC, "/", "/login"])
def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    path: str, served: PageService
) -> None:
    answer = served.ask(path, served.admin if path == "/" else None)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "script-src" not in POLICY, "default-src 'none' is what forbids them"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    page = outline(answer)
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    for tag, attrs in page.elements:
        assert "style" not in attrs
        for name in ("href", "src", "action"):
            if name in attrs and not (tag == "a" and attrs[name] == "#main"):
                assert str(attrs[name]).startswith("/")
                assert not str(attrs[name]).startswith("//")
        if tag == "link":
            assert served.ask(str(attrs["href"])).status_code == 200


def test_the_style_sheet_is_kept_for_ever_under_a_name_of_its_content(served: PageService) -> None:
    answer = served.ask("/login")
    path = re.search(r'href="(/pages-[0-9a-f]{16}\.css)"', answer.text)
    assert path is not None
    style = served.ask(path[1])
    assert style.headers["Content-Type"].startswith("text/css")
    assert "immutable" in style.headers["Cache-Control"]
    assert served.ask("/pages-0000000000000000.css").status_code == 404


def test_no_secret_is_on_any_page(served: PageService) -> None:
    key_pem = (served.project.config.log_key).read_text("ascii").split("\n")[1]
    for path in (*PUBLIC, "/", "/metrics", "/login"):
        text = served.ask(path, served.admin if path in ("/", "/metrics") else None).text
        for secret in (served.admin, served.reader, served.service.settings.session_secret.hex()):
            assert secret not in text
        assert key_pem not in text


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("run `a<b`", "run <code>a&lt;b</code>"),
        ("one ` tick <i>", "one ` tick &lt;i&gt;"),
        ("<b>`x`", "&lt;b&gt;<code>x</code>"),
        ("``", "<code></code>"),
    ],
)
def test_code_is_marked_and_everything_else_escaped(text: str, marked: str) -> None:
    assert str(mark_code(text)) == marked


def test_units_are_marked_and_everything_else_escaped() -> None:
    assert str(mark_units("12 min <s")) == "12 <small>min</small> &lt;s"
    assert str(mark_units("1 <x")) == "1 &lt;x"


def bearer(served: PageService) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.admin}"}


def submission(name: str) -> EvidenceInput:
    return EvidenceInput(
        source=name, name=name.replace("\0", ""), digests=digest_bytes(name.encode(), ("sha256",))
    )
