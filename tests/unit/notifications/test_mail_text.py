"""E-mails: nobody's name gets into a header, and each language has its text."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest
from support.chinese_text import what_is_english

from anchor.base.canonical import JsonValue
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import translate
from anchor.notifications.event_types import NOTIFICATION_TYPES, NotificationType
from anchor.notifications.mail_text import MailFrame, MailSubject, build_mail, describe_subject

DATA: dict[str, JsonValue] = {
    "count": 3, "link": "https://a.example/v1/final-evidence?after=0", "number": "AC-1",
    "certificate": "0" * 32, "evidence": "1" * 64, "record": "2" * 64, "person": "3" * 16,
    "key": "4" * 12, "scopes": "read submit", "accepted": 80, "per_day": 100, "per_cent": 80,
    "host": "hooks.example", "erased_from": "2026-03-01T00:00:00.000Z",
}  # fmt: skip
EVIL = "Ann\r\nBcc: all@evil.example\r\n\r\n\u202e<b>{tenant}</b>"


def subject(
    event: NotificationType, person: str | None = "Ann", *, is_by_depth: bool = False
) -> MailSubject:
    at = "2026-01-01T10:00:00.000Z"
    return MailSubject(
        event=event, tenant="acme", at=at, data=DATA, person=person, is_by_depth=is_by_depth
    )


def frame(language: Language | None = None, recipient: str = "ann@x.org") -> MailFrame:
    return MailFrame(
        sender="anchor@a.example", recipient=recipient, language=language,
        base_url="https://a.example", token="5" * 32,
    )  # fmt: skip


def read(mail: Any) -> Any:
    return message_from_bytes(mail.as_bytes(), policy=SMTP)


@pytest.mark.parametrize("event", NOTIFICATION_TYPES)
def test_each_event_has_a_title_and_a_text_in_both_languages(event: NotificationType) -> None:
    title, lines = describe_subject(subject(event))
    for line in (title, *lines):
        assert translate(line, "zh") != translate(line, "en")
        told = translate(line, "zh").replace("read submit", "").replace("Ann", "")
        assert not what_is_english(told.replace("hooks.example", "")), told
    mail = read(build_mail("msg_1", subject(event), frame()))
    text = mail.get_content()
    assert translate(lines[0], "en") in text and translate(lines[0], "zh") in text
    only = read(build_mail("msg_1", subject(event), frame("zh"))).get_content()
    assert translate(lines[0], "zh") in only and translate(lines[0], "en") not in only


@pytest.mark.parametrize("is_by_depth", [True, False])
def test_an_e_mail_says_whether_the_nodes_confirmed_finality(is_by_depth: bool) -> None:
    title, (text, *_) = describe_subject(subject("evidence.final", is_by_depth=is_by_depth))
    for line in (title, text):
        assert ("counts as final" in line) == is_by_depth
        assert ("视为最终确定" in translate(line, "zh")) == is_by_depth
        assert ("已最终确定" in translate(line, "zh")) != is_by_depth
        assert not what_is_english(translate(line, "zh").replace("acme", ""))
    assert ("counts as final; not confirmed by the nodes" in text) == is_by_depth
    assert ("节点未确认" in translate(text, "zh")) == is_by_depth


def test_what_stands_in_the_headers() -> None:
    mail = read(build_mail("msg_1", subject("key.created"), frame()))
    assert mail["From"] == "anchor@a.example" and mail["To"] == "ann@x.org"
    assert mail["Message-ID"] == "<msg_1@a.example>"
    assert mail["List-Unsubscribe"] == f"<https://a.example/unsubscribe?token={'5' * 32}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Thu, 01 Jan 2026 10:00:00 +0000"
    assert mail.get_content_type() == "text/plain"


def test_a_name_gets_into_the_text_and_into_no_header() -> None:
    mail = read(build_mail("msg_1", subject("member.joined", EVIL), frame()))
    assert "Bcc" not in mail and "evil" not in "".join(map(str, mail.values()))
    assert "all@evil.example" in mail.get_content()


@pytest.mark.parametrize(
    "recipient",
    ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y", "a@b.example, c@d.example",
     "Ann <a@b.example>", "@b.example", "a@", "a", "", "a b@c.example", "a,b@c.example",
     "a@b..example", "a@b.example:25", "a@b.example(x)", 'a"b@c.example', "a@" + "b" * 64],
)  # fmt: skip
def test_what_is_not_one_address_gets_no_mail(recipient: str) -> None:
    with pytest.raises(ValueError):
        build_mail("msg_1", subject("key.created"), frame(recipient=recipient))


def test_an_address_with_other_letters_is_kept() -> None:
    mail = build_mail("msg_1", subject("key.created"), frame(recipient="安@例子.example"))
    assert str(mail["To"]) == "安@xn--fsqu00a.example"
