"""The exhibit list: foreign names stay text, and who states what stays apart."""

from __future__ import annotations

import json
from dataclasses import replace

from anchor.bag.exhibit_list import ExhibitEntry, encode_exhibits, render_exhibits
from anchor.base.canonical import encode_canonical

ENTRY = ExhibitEntry(
    original="data/originals/a.txt",
    receipt="receipts/a.txt.anchor.json",
    name="<script>\u202egpj.exe",
    recorded_at="2026-11-28T00:00:00Z",
    size=3,
    sha256="0" * 64,
    sm3="1" * 64,
    anchored={
        "chain_id": 1,
        "block_number": 17,
        "log": "0x00",
        "index": 2,
        "existed_no_later_than": "2026-11-28T00:00:12Z",
    },
    stated={"title": "标题 & title", "category": None},
    record=b"{}",
)
STATED = {"source": {"origin": "<b>电脑"}, "collection": {"witnesses": [{"name": "王某"}]}}
SUBMITTER = {"account": "acme", "actor": "person:1f"}


def test_a_foreign_name_is_shown_as_it_is_spelled():
    page = render_exhibits({}, [ENTRY]).decode("utf-8")
    assert "&lt;script&gt;\\u{202e}gpj.exe" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "标题 &amp; title" in page
    assert "default-src 'none'" in page


def test_statements_records_and_results_are_apart():
    document = json.loads(encode_exhibits({"court": "法院"}, [ENTRY]))
    (exhibit,) = document["exhibits"]
    assert document["stated"] == {
        "court": "法院", "case_reference": None, "submitted_by": None, "submitted_at": None,
    }  # fmt: skip
    assert exhibit["stated"] == {"title": "标题 & title", "category": None}
    assert exhibit["recorded"] == {"name": ENTRY.name, "recorded_at": ENTRY.recorded_at}
    assert exhibit["verified_when_packed"]["existed_no_later_than"] == "2026-11-28T00:00:12Z"


def test_what_the_record_states_is_listed_as_the_submitters():
    record = encode_canonical({**STATED, "submitter": SUBMITTER}, subject="a record")
    named = replace(ENTRY, record=record)
    page = render_exhibits({}, [named]).decode("utf-8")
    assert "存证主体（租户 acme）的陈述，提交人：person:1f。" in page
    assert "&lt;b&gt;电脑" in page and "王某" in page
    (exhibit,) = json.loads(encode_exhibits({}, [named]))["exhibits"]
    assert (exhibit["submitter"], exhibit["stated_in_record"]) == (SUBMITTER, STATED)
    nameless = replace(ENTRY, record=encode_canonical(STATED, subject="a record"))
    page = render_exhibits({}, [nameless]).decode("utf-8")
    assert "记录未载明陈述人" in page and "acme" not in page


def test_what_is_not_provided_says_so_in_both_languages():
    page = render_exhibits({}, [ENTRY]).decode("utf-8")
    # The court, the case, the party, its date; five of the exhibit's six.
    assert page.count("未提供 / not provided") == 9


def test_both_bounds_of_time_are_shown_where_the_receipt_proves_them():
    earliest = "2026-11-27T23:59:00Z"
    bounded = replace(ENTRY, anchored={**ENTRY.anchored, "made_no_earlier_than": earliest})
    page = render_exhibits({}, [bounded]).decode("utf-8")
    shown = "北京时间 2026-11-28 07:59:00（2026-11-27 23:59:00 UTC）"
    assert f"{shown} · 北京时间 2026-11-28 08:00:12（2026-11-28 00:00:12 UTC）" in page
    assert "not before · not later than" in page
    assert "not before" not in render_exhibits({}, [ENTRY]).decode("utf-8")
