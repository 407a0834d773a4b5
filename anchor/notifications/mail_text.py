"""E-mails about events: plain text, in the recipient's language or in both, and their headers.

Nothing that a user wrote stands in a header: a tenant's name is of letters, digits and hyphens, and
the recipient's address is taken only if it is one address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit

from anchor.base.canonical import JsonValue
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.base.units import format_stored_time
from anchor.notifications.event_types import NotificationType
from anchor.people.mail_confirmation import CONFIRMATION_SECONDS
from anchor.people.stated_person import clean_email

_BOTH: Final[tuple[Language, ...]] = ("en", "zh")
# Long enough for a link in a header, which some mail programs do not read on a second line.
_POLICY: Final = SMTP.clone(max_line_length=300)
_RULE: Final = "-" * 40
# RFC 5322, 3.2.3, and the other letters of RFC 6532: what stands in a header without quotes.
_NAME: Final = re.compile(r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x7f])+")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSubject:
    """What an e-mail is about: the event, its data, and the person's name that it names, if any.

    ``is_by_depth`` is whether a number of blocks, and not the nodes, decides what is final.
    """

    event: NotificationType
    tenant: str
    at: str
    data: Mapping[str, JsonValue]
    person: str | None
    is_by_depth: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFrame:
    """What is the same in each e-mail to a person; ``language`` is None for both."""

    sender: str
    recipient: str
    language: Language | None
    base_url: str
    token: str

    @property
    def unsubscribe_url(self) -> str:
        """Return the address at which the recipient ends all e-mails without a sign-in."""
        return f"{self.base_url}/unsubscribe?token={self.token}"


def build_mail(message: str, subject: MailSubject, frame: MailFrame) -> EmailMessage:
    """Return an e-mail; ``message`` is the id that makes a repeated one recognisable."""
    title, lines = describe_subject(subject)
    lines = [
        *lines,
        Message("mail-time", time=format_stored_time(subject.at)),
        Message("mail-page", url=f"{frame.base_url}/tenants/{subject.tenant}"),
        Message("mail-why", account=f"{frame.base_url}/account"),
        Message("mail-end", unsubscribe=frame.unsubscribe_url),
    ]
    mail = _compose(message, title, lines, frame, subject.at)
    mail["List-Unsubscribe"] = f"<{frame.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail


def build_confirmation(message: str, frame: MailFrame, at: str) -> EmailMessage:
    """Return the e-mail with the link by which its recipient confirms the address.

    It has no words of whoever asked for it, because it may come to a stranger.
    """
    lines = [
        Message("mail-confirmation-text", url=frame.base_url),
        Message("list-single", text=f"{frame.base_url}/confirm-address?token={frame.token}"),
        Message("mail-confirmation-limits", hours=CONFIRMATION_SECONDS // 3_600),
    ]
    return _compose(message, Message("mail-confirmation"), lines, frame, at)


def _compose(
    message: str, title: Message, lines: list[Message], frame: MailFrame, at: str
) -> EmailMessage:
    languages = _BOTH if frame.language is None else (frame.language,)
    parts = ["\n\n".join(translate(line, language) for line in lines) for language in languages]
    mail = EmailMessage(policy=_POLICY)
    host = urlsplit(frame.base_url).hostname or "localhost"
    mail["From"] = parse_address(frame.sender)
    mail["To"] = parse_address(frame.recipient)
    mail["Subject"] = " / ".join(translate(title, language) for language in languages)
    mail["Date"] = format_datetime(datetime.fromisoformat(at))
    mail["Message-ID"] = f"<{message}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"\n\n{_RULE}\n\n".join(parts) + "\n", cte="base64")
    return mail


def parse_address(text: str) -> Address:
    """Return an e-mail address that a header can have, the domain in ASCII."""
    if clean_email(text) is None:
        raise ValueError("not an address")
    name, _, domain = text.rpartition("@")
    # UnicodeError, a ValueError, if a label is empty or too long.
    encoded = domain.encode("idna").decode("ascii")
    if not _DOMAIN.fullmatch(encoded) or not _NAME.fullmatch(name):
        raise ValueError("not an address")
    return Address(username=name, domain=encoded)


def describe_subject(subject: MailSubject) -> tuple[Message, list[Message]]:
    """Return the title of an e-mail, and what it says."""
    tenant, data = subject.tenant, subject.data
    person = subject.person or str(data.get("person"))
    match subject.event:
        case "evidence.final":
            title, text = (
                Message("mail-evidence-final", tenant=tenant),
                Message("mail-evidence-final-text", count=data["count"], tenant=tenant),
            )
            if subject.is_by_depth:
                title, text = (
                    Message("mail-evidence-final-by-depth", tenant=tenant),
                    Message(
                        "mail-evidence-final-text-by-depth", count=data["count"], tenant=tenant
                    ),
                )
            return title, [text, Message("mail-evidence-final-list", url=data["link"])]
        case "certificate.issued":
            return Message("mail-certificate-issued", tenant=tenant), [
                Message("mail-certificate-issued-text", number=data["number"]),
                Message("mail-about-evidence", evidence=data.get("evidence", "")),
            ]
        case "certificate.refused":
            return Message("mail-certificate-refused", tenant=tenant), [
                Message("mail-certificate-refused-text", id=data["certificate"]),
                Message("mail-about-evidence", evidence=data.get("evidence", "")),
            ]
        case "certificate.revoked":
            return Message("mail-certificate-revoked", tenant=tenant), [
                Message("mail-certificate-revoked-text", number=data["number"]),
                Message("mail-about-evidence", evidence=data.get("evidence", "")),
            ]
        case "notice.recorded":
            return Message("mail-notice-recorded", tenant=tenant), [
                Message("mail-notice-recorded-text", record=data["record"]),
                Message("mail-about-evidence", evidence=data.get("evidence", "")),
            ]
        case _:
            return _describe_administration(subject, person)


def _describe_administration(subject: MailSubject, person: str) -> tuple[Message, list[Message]]:
    """Return title and text of an e-mail about retention, members, keys, quotas or webhooks."""
    tenant, data = subject.tenant, subject.data
    match subject.event:
        case "retention.due":
            return Message("mail-retention-due", tenant=tenant), [
                Message(
                    "mail-retention-due-text", count=data["count"], erased_from=data["erased_from"]
                ),
                Message("mail-retention-due-list", url=data["link"]),
            ]
        case "retention.erased":
            return Message("mail-retention-erased", tenant=tenant), [
                Message("mail-retention-erased-text", count=data["count"])
            ]
        case "member.joined":
            return Message("mail-member-joined", tenant=tenant), [
                Message("mail-member-joined-text", person=person, tenant=tenant)
            ]
        case "member.removed":
            return Message("mail-member-removed", tenant=tenant), [
                Message("mail-member-removed-text", person=person, tenant=tenant)
            ]
        case "key.created":
            return Message("mail-key-created", tenant=tenant), [
                Message("mail-key-created-text", key=data["key"], scopes=data["scopes"])
            ]
        case "key.revoked":
            return Message("mail-key-revoked", tenant=tenant), [
                Message("mail-key-revoked-text", key=data["key"])
            ]
        case "quota.reached":
            return Message("mail-quota-reached", tenant=tenant, level=data["per_cent"]), [
                Message(
                    "mail-quota-reached-text",
                    accepted=data["accepted"],
                    limit=data["per_day"],
                    tenant=tenant,
                )
            ]
        case _:
            return Message("mail-webhook-disabled", tenant=tenant), [
                Message("mail-webhook-disabled-text", host=data["host"])
            ]
