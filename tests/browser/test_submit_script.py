"""The rules of the page for submitting, in Node: names, statements, texts, and repeated sending."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from support.page_script import PageScript, run_submit_script

from anchor.base.messages.message import Message, translate
from anchor.evidence.record_groups import RecordGroups
from anchor.service.submission_schemas import read_digests

NAMES = ["a", "bb", "ccc"]


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_submit_script() as running:
        yield running


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a.txt", None),
        ("文件/合同 (2).pdf", None),
        ("\u202egpj.exe", None),
        ("a\tb\x07\n", None),
        ("😀" * 4_096, None),
        ("😀" * 4_097, Message("submit-name-long", limit=4_096)),
        ("x" * 10_000, Message("submit-name-long", limit=4_096)),
        ("", Message("submit-name-empty")),
        ("a\0b", Message("submit-name-nul")),
        ("\ud800", Message("submit-name-surrogate")),
        ("a\udc00b", Message("submit-name-surrogate")),
    ],
    ids=ascii,
)
def test_a_name_is_taken_exactly_if_the_service_takes_it(
    script: PageScript, name: str, fault: Message | None
) -> None:
    said = script.ask("name", name=name)
    assert said["fault"] == (fault and [fault, translate(fault, "zh")])
    lone = any("\ud800" <= letter <= "\udfff" for letter in name)
    taken = not isinstance(read_digests({"sha256": "0" * 64, "name": name}), set) and not lone
    assert taken == (fault is None)
    shown = said["shown"]
    assert len(shown) < 4_200 and not any(letter in shown for letter in "\u202e\t\x07\n\0\ud800")
    assert said["hidden"] == any(letter in name for letter in "\u202e\t\0")


@pytest.mark.parametrize(
    ("stated", "groups"),
    [
        ({}, {}),
        ({"kind": "photo"}, {"kind": "photo"}),
        ({"origin": " a camera "}, {"source": {"origin": "a camera"}}),
        ({"place": "x" * 1_000}, {"collection": {"place": "x" * 1_000}}),
        (
            {"kind": "file", "origin": "来源", "place": "b", "method": "c"},
            {
                "kind": "file",
                "source": {"origin": "来源"},
                "collection": {"place": "b", "method": "c"},
            },
        ),
        (
            {
                "generation": "由考勤系统自动生成",
                "storage": "on the server\r\n\n copied to a disk ",
                "witnesses": "王某，某公司\nAnn",
            },
            {
                "source": {
                    "generation_mechanism": "由考勤系统自动生成",
                    "storage_history": ["on the server", "copied to a disk"],
                },
                "collection": {"witnesses": [{"name": "王某，某公司"}, {"name": "Ann"}]},
            },
        ),
        (
            {"collectors": "李某，律师\nBo", "started": "2026-03-03T09:30", "ended": ""},
            {
                "collection": {
                    "operators": [{"name": "李某，律师"}, {"name": "Bo"}],
                    "started_at": "2026-03-03T01:30:00Z",
                }
            },
        ),
        (
            {"started": "2026-01-01T07:59:59.5", "ended": "2026-01-01T07:59:59.500"},
            {
                "collection": {
                    "started_at": "2025-12-31T23:59:59.500Z",
                    "ended_at": "2025-12-31T23:59:59.500Z",
                }
            },
        ),
        ({"started": "2026-03-03T09:30", "ended": "2026-03-03T09:29"}, "ended"),
        (
            {"started": "?", "ended": "12026-03-03T09:29", "collectors": "\u202e"},
            "collectors started ended",
        ),
        ({"started": "0026-03-03T09:30", "ended": "2026-13-03T09:29"}, "started ended"),
        ({"storage": "x\n" * 20}, {"source": {"storage_history": ["x"] * 20}}),
        ({"place": "x" * 1_001, "method": "a\nb", "origin": "\u202e"}, "origin place method"),
        ({"storage": "x\n" * 21, "witnesses": "Ann\n\u202e"}, "storage witnesses"),
        ({"witnesses": "x" * 1_001}, "witnesses"),
    ],
)
def test_what_is_stated_becomes_groups_that_the_service_takes(
    script: PageScript, stated: dict[str, str], groups: dict[str, object] | str
) -> None:
    said = script.ask("groups", stated=stated)
    if isinstance(groups, str):
        assert said == {"faults": groups.split()}
    else:
        assert said == groups
        assert RecordGroups.model_validate(said, strict=True).members() == groups


@pytest.mark.parametrize(
    ("title", "text", "name", "saved"),
    [
        ("What I saw", "one\ntwo", "What I saw.txt", "one\ntwo"),
        (" 证言 ", "一\r\n二\r三", "证言.txt", "一\n二\n三"),
        ("a/b\\c:d*?", "x", "a_b_c_d__.txt", "x"),
        (".hidden.", "x", "_hidden_.txt", "x"),
        ("😀", "\ufeff😀", "😀.txt", "\ufeff😀"),
    ],
)
def test_a_text_becomes_the_file_that_is_saved(
    script: PageScript, title: str, text: str, name: str, saved: str
) -> None:
    made = script.ask("text", title=title, text=text)
    assert made["name"] == name
    assert base64.b64decode(made["data"]) == saved.encode()


@pytest.mark.parametrize(
    ("title", "text", "faults"),
    [
        ("", "", ["title", "text"]),
        ("a\u202eb", "x", ["title"]),
        ("x" * 201, "x", ["title"]),
        ("a", "half \ud83d", ["text"]),
    ],
    ids=ascii,
)
def test_a_text_that_cannot_be_kept_is_told_beside_its_field(
    script: PageScript, title: str, text: str, faults: list[str]
) -> None:
    assert script.ask("text", title=title, text=text) == {"faults": faults}


def test_a_line_has_the_name_only_if_it_is_to_be_recorded(script: PageScript) -> None:
    entry = {"sha256": "1", "sm3": "2", "size": 3, "name": "a", "isText": False}
    batch = {"key": "k", "withNames": True, "groups": {}}
    assert script.ask("line", entry=entry, batch=batch) == (
        '{"sha256":"1","sm3":"2","size":3,"name":"a","groups":{}}'
    )
    batch["withNames"] = False
    assert script.ask("line", entry={**entry, "isText": True}, batch=batch) == (
        '{"sha256":"1","sm3":"2","size":3,"groups":{"kind":"statement"}}'
    )
    batch["groups"] = {"kind": "photo"}
    assert '"groups":{"kind":"photo"}' in script.ask(
        "line", entry={**entry, "isText": True}, batch=batch
    )


@pytest.mark.parametrize("is_hashed", [False, True], ids=["while hashing", "once hashed"])
@pytest.mark.parametrize("half", [False, True], ids=["whole", "half of the lines"])
@pytest.mark.parametrize("is_crash", [False, True], ids=["no answer", "page closed"])
@pytest.mark.parametrize("is_applied", [False, True], ids=["not applied", "applied"])
def test_whatever_goes_wrong_each_file_is_recorded_once(
    script: PageScript, is_applied: bool, is_crash: bool, half: bool, is_hashed: bool
) -> None:
    """Each effect on the service and on the browser's store fails in turn, applied or not."""
    lives = script.ask(
        "fates", names=NAMES, isApplied=is_applied, isCrash=is_crash, half=half, isHashed=is_hashed
    )
    assert len(lives) >= 4, "adding, submitting, sending and what was answered"
    for life in lives:
        assert life["batches"] <= 1, "two clicks are one submission"
        assert life["recorded"] == NAMES
        assert life["stages"] == ["anchored"] * len(NAMES)
        assert life["numbers"] == len(NAMES)


@pytest.mark.parametrize("status", [0, 408, 429, 500, 503])
def test_what_may_succeed_later_is_tried_again_after_as_long_as_is_asked(
    script: PageScript, status: int
) -> None:
    refusals = [{"status": status}, {"status": status, "retryAfter": 7}, {"status": status}]
    said = script.ask("refusals", names=NAMES, refusals=refusals)
    assert (said["recorded"], said["asked"], said["isPaused"]) == (NAMES, 4, False)
    assert said["waits"][:3] == [1, 7, 4]


@pytest.mark.parametrize("refusal", [{"status": 401}, {"status": 403}, {"status": 404},
                                     {"status": 429, "retryAfter": 40_000}])  # fmt: skip
def test_where_waiting_does_not_help_nothing_is_asked_until_somebody_says_so(
    script: PageScript, refusal: dict[str, int]
) -> None:
    said = script.ask("refusals", names=NAMES, refusals=[refusal], resume=True)
    assert (said["recorded"], said["asked"], said["isPaused"]) == ([], 1, True)
    assert said["after"] == NAMES


@pytest.mark.parametrize(
    ("status", "seconds", "message"),
    [
        (0, None, Message("submit-problem-away")),
        (401, None, Message("submit-problem-signed-out")),
        (403, None, Message("submit-problem-not-permitted")),
        (404, None, Message("submit-problem-not-permitted")),
        (429, 40_000, Message("submit-problem-quota")),
        (429, 5, Message("submit-problem-busy")),
        (503, None, Message("submit-problem-busy")),
        (422, None, Message("submit-refused", detail="its own words")),
    ],
)
def test_what_the_service_refuses_is_said_in_words(
    script: PageScript, status: int, seconds: int | None, message: Message
) -> None:
    said = script.ask("problem", status=status, retryAfter=seconds)
    assert said == [message, translate(message, "zh")]
