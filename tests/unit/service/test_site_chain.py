"""Every page says what the service's chain is worth, and who decides what is final on it."""

from __future__ import annotations

import pytest

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import translate
from anchor.base.types import ChainId, Stage
from anchor.evidence.printed_number import NumberKind
from anchor.monitor.timeline import HeadState
from anchor.service.pages.about_page import list_proven
from anchor.service.pages.conformance_page import RULES
from anchor.service.pages.evidence_labels import choose_tones, label_stages
from anchor.service.pages.language import Reader
from anchor.service.pages.number_facts import _choose_verdict
from anchor.service.pages.rendering import _load_environment, answer_page
from anchor.service.pages.site_chain import SiteChain, describe_site_chain
from anchor.store.number_search import NumberedItem
from anchor.verification.policy import FinalityRule

MAIN, SEPOLIA, DEVELOPMENT, UNLISTED = (ChainId(id) for id in (1, 11155111, 31337, 987654321))
NO_TIME = "本链的区块时间不具证明意义"
EXISTED_BY = "不晚于所示时间已存在"
BY_DEPTH = "已锚定（视为最终确定，节点未确认）"


def show(
    site: SiteChain, template: str = "message.html", language: Language = "zh", **values: object
) -> str:
    """Return a page of a service on such a chain."""
    reader = Reader(language=language, is_chosen=False, path="/", query=(), site=site)
    given = {"here": "account", "title": "", "text": "", "hint": None, **values}
    return bytes(answer_page(template, given, reader).body).decode()


@pytest.mark.parametrize(
    ("chain_id", "warning", "proves_time"),
    [
        (MAIN, None, True),
        (SEPOLIA, "测试网络", False),
        (DEVELOPMENT, "开发链", False),
        (UNLISTED, "本版本未收录的链", True),
    ],
)
def test_every_page_warns_of_the_chain_and_claims_a_time_only_where_one_is_proven(
    chain_id: ChainId, warning: str | None, proves_time: bool
) -> None:
    page = show(describe_site_chain(chain_id, "finalized"))
    assert ('class="chain verdict' in page) == (warning is not None)
    assert warning is None or warning in page
    assert (EXISTED_BY in page) == proves_time
    assert (NO_TIME in page) != proves_time
    assert "节点未确认" not in page


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (0, "本服务将已入区块的锚定立即视为最终确定；节点未确认其最终确定性。"),
        (12, "锚定所在区块之后有 12 个区块时，本服务即视其为最终确定；节点未确认其最终确定性。"),
    ],
)
def test_what_the_service_alone_counts_as_final_is_said_to_be_so(
    rule: FinalityRule, words: str
) -> None:
    site = describe_site_chain(DEVELOPMENT, rule)
    assert words in show(site)
    assert translate(label_stages(site)["anchored"], "zh") == BY_DEPTH
    heads = _load_environment("zh", is_by_depth=True).from_string("{{ state | state }}")
    assert heads.render(state=HeadState.ANCHORED) == BY_DEPTH
    assert "节点未确认" in heads.render(state=HeadState.COVERED_FINALLY)
    assert "节点" not in heads.render(state=HeadState.COVERED)


def test_what_the_nodes_call_final_is_final() -> None:
    stages = label_stages(describe_site_chain(MAIN, "finalized"))
    assert translate(stages["anchored"], "zh") == "已锚定（已最终确定）"
    heads = _load_environment("zh", is_by_depth=False).from_string("{{ state | state }}")
    assert heads.render(state=HeadState.ANCHORED) == "已锚定（已最终确定）"


@pytest.mark.parametrize(("chain_id", "tone"), [(MAIN, "done"), (DEVELOPMENT, "half")])
def test_no_stage_is_done_where_the_chain_proves_no_time(chain_id: ChainId, tone: str) -> None:
    assert choose_tones(describe_site_chain(chain_id, "finalized"))["anchored"] == tone


@pytest.mark.parametrize("kind", [NumberKind.NUMBER, NumberKind.ROOT])
def test_the_verdict_on_a_number_says_whose_finality_it_is(kind: NumberKind) -> None:
    match = NumberedItem(
        kind=kind,
        index=1,
        stage=Stage.ANCHORED,
        is_erased=False,
        accepted_at=None,
        sealed_at=None,
        head=None,
        anchored=None,
    )
    by_depth, by_nodes = (
        translate(_choose_verdict(match, is_by_depth=each), "zh") for each in (True, False)
    )
    assert by_depth.endswith("（视为最终确定，节点未确认）")
    assert by_nodes.endswith("（已最终确定）")


@pytest.mark.parametrize(("chain_id", "proves_time"), [(MAIN, True), (DEVELOPMENT, False)])
def test_the_page_about_the_service_claims_what_its_chain_proves(
    chain_id: ChainId, proves_time: bool
) -> None:
    site = describe_site_chain(chain_id, "finalized")
    log = dict.fromkeys(("registry", "chain_id", "id", "owner", "number"), "")
    page = show(site, "about.html", proves=list_proven(site), not_proven=(), page_hash="", log=log)
    for claim in ("事后无人能够更改", "不晚于该区块的时间加该链的允许误差", "无须信任本服务"):
        assert (claim in page) == proves_time
    assert ("测试用的链" in page) != proves_time
    assert "日志号为 0 的可不填" in page


@pytest.mark.parametrize(
    ("chain_id", "proves_time"),
    [(MAIN, True), (UNLISTED, True), (SEPOLIA, False), (DEVELOPMENT, False)],
)
def test_no_page_promises_on_a_chain_for_tests_what_its_blocks_cannot_prove(
    chain_id: ChainId, proves_time: bool
) -> None:
    site = describe_site_chain(chain_id, "finalized")
    promises: dict[Language, str] = {
        "zh": "无须信任本服务",
        "en": "without having to trust this service",
    }
    limits = {"zh": "测试用的链", "en": "a chain for tests"}
    for language, promise in promises.items():
        home = show(site, "home.html", language=language)
        assert (promise in home) == proves_time
        assert (limits[language] in home) != proves_time
        conformance = show(site, "conformance.html", language=language, rules=RULES)
        assert (limits[language] in conformance) != proves_time


@pytest.mark.parametrize(
    ("chain_id", "label"),
    [(MAIN, "区块时间"), (SEPOLIA, "区块所载时间（不具证明意义）")],
)
def test_pages_label_a_blocks_time_by_what_it_proves(chain_id: ChainId, label: str) -> None:
    site, anchor = describe_site_chain(chain_id, "finalized"), {"timestamp": 1_790_000_000}
    erasure = {
        **dict.fromkeys(("accepted_at", "retention", "statement")),
        "leaf": "",
        "index": 1,
        "anchor": anchor,
        "erased_at": "2026-01-02T03:04:05.000Z",
    }
    of_tenant = {"tenant": "t", "permissions": (), "id": "1", "events": ()}
    erased = {**of_tenant, "erasure": erasure, **dict.fromkeys(("by", "actor", "basis"))}
    exhibit = {
        **dict.fromkeys(("name", "sha256", "sm3")),
        "status": {
            **dict.fromkeys(("notice", "notice_erased", "number", "index")),
            "anchor": anchor,
            "state": "anchored",
        },
        "row": {"id": "1", "position": 1, "label": "", "purpose": ""},
        "certificates": (),
    }
    fields = {**dict.fromkeys(("number", "title", "authority"), ""), "parties": ()}
    shared = {
        "case": {"fields": fields},
        "exhibits": [exhibit],
        "link": {"expires_at": "2026-01-02T03:04:05.000Z"},
        "token": "t",
        "stages": label_stages(site),
        "tones": choose_tones(site),
    }
    pages: dict[str, dict[str, object]] = {"erased.html": erased, "shared.html": shared}
    for template, values in pages.items():
        assert f"<dt>{label}</dt>" in show(site, template, **values), template
