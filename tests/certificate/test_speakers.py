"""Each statement is marked with who made it: the issuer, the depositor, or the record alone."""

from __future__ import annotations

from typing import Any

import pytest
from support.certificates import Issued, issue, page_texts, recorded
from support.world import INDEX, SIZE

from anchor.base.messages.message import Message
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.layout import Fields, JudgedStatement, JudgedTable, Seal, Value
from anchor.certificate.pdf import render_pdf
from anchor.certificate.statements import (
    Case,
    CaseParty,
    Depositor,
    Details,
    Issuer,
    RegisteredSubmitter,
    parse_details,
)

ANN = "person:1f0c3ad2b1e4f506"
SUBMITTER = {"submitter": {"account": "acme", "actor": ANN}}
STATED: dict[str, Any] = {
    "source": {
        "origin": "总经理的电脑",
        "generation_mechanism": "由系统生成",
        "storage_history": ["on the server", "on a disk"],
    },
    "collection": {
        "place": "上海",
        "witnesses": [{"name": "王某", "role": "clerk"}, {"name": "Ann"}],
    },
    "modifications": [{"change": "cut", "why": "length"}],
}
DEPOSITOR = RegisteredSubmitter(name="Ann Lee", account=ANN)


def issued_with(statements: dict[str, Any], **details: Any) -> Issued:
    world = recorded(INDEX, statements=statements)
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    return issue(world, receipt, details=Details(**details))


def test_of_a_digest_step_2_and_claim_c1_say_that_no_file_was_compared():
    world = recorded(INDEX, statements=STATED)
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    for has_file in (True, False):
        claims, steps = judged_rows(issue(world, receipt, has_file=has_file))
        words = "通过" if has_file else "未比对文件"
        assert (claims["C1"].verdict_words.zh, steps["2"].verdict_words.zh) == (words, words)
        assert claims["C7"].verdict_words.zh == "有陈述，未核对"
        assert claims["C7"].reason.zh.endswith("见证书“具体来源、环境与清洁性”")


def judged_rows(issued: Issued) -> list[dict[str, JudgedStatement]]:
    blocks = (block for sheet in build_sheets(issued.certificate) for block in sheet.blocks)
    tables = [block for block in blocks if isinstance(block, JudgedTable)]
    return [{row.id: row for row in table.rows} for table in tables[:2]]


def test_the_kind_of_evidence_is_one_row_by_details_and_record():
    issued = issued_with({"kind": "web-capture", **STATED, **SUBMITTER})
    (value,) = shown_all(issued, "Category")
    assert value.marks == ("＊",)
    assert shown_all(issued, "kind of evidence") == []


def shown(issued: Issued, label: str) -> Value:
    (value,) = shown_all(issued, label)
    return value


def shown_all(issued: Issued, label: str) -> list[Value]:
    return [
        row.value
        for sheet in build_sheets(issued.certificate)
        for block in sheet.blocks
        if isinstance(block, Fields)
        for row in block.rows
        if row.label.en == label
    ]


def legend(issued: Issued) -> str:
    front = build_sheets(issued.certificate)[0]
    (seal,) = (block for block in front.blocks if isinstance(block, Seal))
    return "".join(mark.zh[0] for mark in seal.marks)


def test_the_depositors_statements_in_the_record_are_its_own():
    issued = issued_with(STATED | SUBMITTER)
    for label, lines in (
        ("Source", ("总经理的电脑",)),
        ("How it was generated", ("由系统生成",)),
        ("Storage history, media", ("on the server; on a disk",)),
        ("Place of collection", ("上海",)),
        ("Witnesses as stated (unsigned)", ("王某 · clerk", "Ann")),
    ):
        value = shown(issued, label)
        assert (value.lines, set(value.marks)) == (lines, {"＊"}), label
    assert shown(issued, "modifications 1: what was changed").marks == ("＊",)
    assert legend(issued) == "※＊"


def test_who_collected_and_when_are_the_depositors_words_with_times_in_beijing_first():
    collection = {
        "operators": [{"name": "李某"}, {"name": "Bo", "role": "clerk"}],
        "started_at": "2026-03-03T01:30:00Z",
        "ended_at": "2026-03-03T02:00:00Z",
    }
    issued = issued_with({"collection": collection} | SUBMITTER)
    start = "北京时间 2026-03-03 09:30:00（2026-03-03 01:30:00 UTC）"
    end = "北京时间 2026-03-03 10:00:00（2026-03-03 02:00:00 UTC）"
    for label, line in (
        ("Collected by", "李某; Bo"),
        ("Collected", f"{start} – {end}"),
        ("start of the collection", start),
        ("end of the collection", end),
    ):
        value = shown(issued, label)
        assert (value.lines, value.marks) == ((line,), ("＊",)), label
    no_end = {"started_at": "2026-03-03T01:30:00Z"}
    assert shown(issued_with({"collection": no_end}), "Collected").lines == (f"{start} – …",)


def test_a_record_that_names_no_submitter_leaves_open_whose_statements_it_holds():
    issued = issued_with(STATED)
    assert shown(issued, "Source").marks == ("◇",)
    assert legend(issued) == "※◇"
    assert legend(issued_with({})) == "※"


def test_what_the_details_and_the_record_say_alike_stands_once_with_both_marks():
    world = recorded(INDEX, statements=STATED | SUBMITTER)
    digest = (world.evidence(INDEX).sha256 or b"").hex()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    text = (
        'format = "anchor-certificate-details/1"\n'
        f'[[exhibits]]\ndigest = "sha256:{digest}"\norigin = "总经理的电脑"\nplace = "Paris"\n'
    )
    issued = issue(world, receipt, details=parse_details(text.encode(), is_json=False))
    origin, place = shown(issued, "Source"), shown(issued, "Place of collection")
    assert (origin.lines, origin.marks) == (("总经理的电脑",), ("※＊",))
    assert (place.lines, place.marks) == (("Paris", "上海"), ("※", "＊"))


def test_what_the_depositor_entered_in_a_case_is_not_the_issuers():
    parties = [CaseParty(role="原告", name="甲公司"), CaseParty(role="被告", name="Bo Ho")]
    issued = issued_with(
        {},
        case_reference="（2026）1",
        case=Case(court="法院", parties=parties),
        exhibits_stated_by="depositor",
    )
    front, detail = shown_all(issued, "Parties")
    assert (front.lines, front.marks) == (("原告：甲公司；被告：Bo Ho",), ("＃",))
    assert (detail.lines, detail.marks) == (("原告：甲公司", "被告：Bo Ho"), ("＃", "＃"))
    assert shown(issued, "Case reference").marks == ("＃",)
    assert shown(issued, "Court").marks == ("＃",)
    assert legend(issued) == "※＃"


@pytest.mark.parametrize(
    ("submitter", "details", "depositor", "by"),
    [
        (
            SUBMITTER,
            {"depositor": Depositor(name="某公司")},
            "某公司 ※|acme（据记录 / as recorded）",
            (f"{ANN}（据记录 / as recorded）",),
        ),
        ({}, {}, "未记录 / not recorded", ("未记录 / not recorded",)),
        (SUBMITTER, {}, "acme（据记录 / as recorded）", (f"{ANN}（据记录 / as recorded）",)),
        (
            SUBMITTER,
            {"depositor": Depositor(name="acme"), "submitter": DEPOSITOR},
            "acme（据记录 / as recorded）",
            (f"{ANN}（据记录 / as recorded）", "姓名或名称“Ann Lee”由存证服务登记，不在记录内"),
        ),
        # A name of somebody else is not put to whom the record names.
        (
            SUBMITTER,
            {"submitter": RegisteredSubmitter(name="Bob", account="person:2")},
            "acme（据记录 / as recorded）",
            (f"{ANN}（据记录 / as recorded）",),
        ),
        (
            {},
            {"depositor": Depositor(name="acme"), "submitter": DEPOSITOR},
            "acme",
            (ANN, "姓名或名称“Ann Lee”由"),
        ),
    ],
)
def test_depositor_and_submitter_are_named_as_far_as_they_are_known(
    submitter: dict[str, Any], details: dict[str, Any], depositor: str, by: tuple[str, ...]
):
    issued = issued_with(submitter, **details)
    value = shown(issued, "Depositor")
    marks = value.marks or ("",) * len(value.lines)
    told = [f"{line} {mark}".strip() for line, mark in zip(value.lines, marks, strict=True)]
    assert "|".join(told).removesuffix(" ※") == depositor
    lines = shown(issued, "Submitted by").lines
    assert len(lines) == len(by) + bool(submitter or details)
    assert all(line.startswith(start) for line, start in zip(lines, by, strict=False))
    assert ("未核验身份" in lines[-1]) == bool(submitter or details)
    assert shown(issued, "Issuer").lines == ("未记录 / not recorded",)


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (SUBMITTER | {"verdict": 1}, "verdict"),
        ({"submitter": {"account": "acme"}, "verdict": 1}, "submitter, verdict"),
        ({"submitter": "acme"}, "submitter"),
    ],
)
def test_a_submitter_of_another_form_is_a_statement_like_others(
    groups: dict[str, Any], names: str
) -> None:
    issued = issued_with(groups)
    chinese, english = shown(issued, str(Message("certificate-record-statements"))).lines
    assert (chinese.replace("、", ", "), english) == (names, names)


def test_both_marks_and_names_are_on_paper(font: Font):
    issued = issued_with(STATED | SUBMITTER, issuer=Issuer(name="某存证平台"), submitter=DEPOSITOR)
    first, *rest = page_texts(render_pdf(issued.certificate, font))
    assert "某存证平台 ※" in first and f"{ANN}（据记录" in first
    assert "Ann Lee" in first and "不在记录内" in first
    assert "存证主体在记录中陈述" in first and "总经理的电脑 ＊" in "".join(rest)


@pytest.mark.parametrize("groups", [STATED, STATED | SUBMITTER])
def test_the_account_is_not_taken_for_the_holder_of_the_evidence(groups: dict[str, Any]) -> None:
    words = [each.zh for each in issued_with(groups).certificate.assumptions]
    is_told = any("存证主体" in each and "不一定是证据持有人" in each for each in words)
    assert is_told == ("submitter" in groups)
