"""E-mails of the service, taken by a real mail server with STARTTLS and a sign-in."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select, update
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.ports import free_port
from support.sign_in_providers import Platform, serve_platform
from support.troubles import Effects
from support.visitors import OPERATOR, Visitor, close_browsers, enrol, open_browser

from anchor.base.system.clock import utc_now
from anchor.people.mail_confirmation import next_link_at
from anchor.people.stated_person import StatedPerson
from anchor.project.notification_config import MailConfig
from anchor.service import mail_server
from anchor.store.announcements import ANNOUNCEMENT_JOB
from anchor.store.deliveries import count_deliveries
from anchor.store.mail_choices import find_mail_choice
from anchor.store.mail_confirmations import has_confirmed_address
from anchor.store.memberships import add_member
from anchor.store.persons import recognise_person
from anchor.store.schema import deliveries, jobs, mail_confirmations, people
from anchor.store.tenant_keys import issue_key

PASSWORD = "mail password"


@dataclass
class Inbox:
    """A mail server: what came, and how the next message is answered."""

    port: int = 0
    mails: list[tuple[Envelope, EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    recipient_answer: str = ""
    arrived: threading.Condition = field(default_factory=threading.Condition)

    async def check(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def take(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert session.ssl is not None and session.authenticated
        mail = message_from_bytes(envelope.content or b"", policy=default)
        assert isinstance(mail, EmailMessage)
        with self.arrived:
            self.mails.append((envelope, mail))
            self.arrived.notify_all()
        return self.answers.pop(0) if self.answers else "250 OK"

    def wait(self, count: int) -> list[EmailMessage]:
        with self.arrived:
            came = self.arrived.wait_for(lambda: len(self.mails) >= count, 60)
            assert came, f"{len(self.mails)} of {count} e-mails came"
            return [mail for _, mail in self.mails]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    start = datetime.now(UTC) - timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@contextmanager
def run_mail_server(certificate: Path, key: Path) -> Iterator[Inbox]:
    """Run a mail server that takes nothing without STARTTLS and the password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    inbox = Inbox()

    def authenticate(_server: SMTP, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        is_right = data.login == b"anchor" and data.password == PASSWORD.encode()
        return AuthResult(success=is_right)

    inbox.port = free_port()
    hooks = SimpleNamespace(handle_RCPT=inbox.check, handle_DATA=inbox.take)
    controller = Controller(
        hooks, hostname="127.0.0.1", port=inbox.port, tls_context=context, require_starttls=True,
        authenticator=authenticate, auth_required=True, enable_SMTPUTF8=False,
    )  # fmt: skip
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def inbox(files: tuple[Path, Path]) -> Iterator[Inbox]:
    with run_mail_server(*files) as running:
        yield running


@pytest.fixture
def mail(
    tmp_path: Path, inbox: Inbox, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> MailConfig:
    """The mail server, as a project is configured to use it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files[0]))
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n", "utf-8")
    password.chmod(0o600)
    return MailConfig(
        host="localhost", port=inbox.port, security="starttls", sender="anchor@a.example",
        user="anchor", password_file=password,
    )  # fmt: skip


@pytest.fixture
def platform(grown: MemorySite, tmp_path: Path, mail: MailConfig) -> Iterator[Platform]:
    site = grown.copy_to(tmp_path / "project").configure(mail=mail)
    with serve_platform(site) as served:
        yield served
    close_browsers()


def make_key(platform: Platform) -> None:
    """Do what the owners of the tenant are told about."""
    with platform.project.database.write() as connection:
        issue_key(connection, "acme", ["read"], OPERATOR, at=utc_now(), expires_at=None)


def own(platform: Platform, name: str = "Ann", **members: object) -> Visitor:
    """Sign an owner in, about which nobody is told."""
    with platform.project.database.write() as connection:
        id, token = enrol(connection, name, acme="owner")
        if members:
            connection.execute(update(people).where(people.c.id == id).values(**members))
        # In this transaction: a moment later the service would have begun to send.
        connection.execute(jobs.delete().where(jobs.c.kind == ANNOUNCEMENT_JOB))
    return Visitor(platform, open_browser(platform, token), id, token)


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def rows_of(platform: Platform) -> list[Any]:
    with platform.project.database.read() as connection:
        return list(connection.execute(select(deliveries)).all())


def test_an_e_mail_says_that_a_number_of_blocks_and_not_the_nodes_decided(
    tmp_path: Path, inbox: Inbox, mail: MailConfig
) -> None:
    site = grow_log(tmp_path / "log", [1]).configure(mail=mail, finality=2)
    with serve_platform(site) as platform:
        owner = own(platform)
        owner.post("/account/mail", {"language": "zh", "topics": ["evidence"]})
        headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}
        piece = {"sha256": "11" * 32, "name": "a.txt"}
        assert owner.http.post("/v1/evidence", headers=headers, json=piece).is_success
        site.round(Effects(), "final")
        (told,) = inbox.wait(1)
    close_browsers()
    assert told["Subject"] == "acme：证据的锚定视为最终确定"
    assert "租户 acme 的 1 件证据的锚定视为最终确定，节点未确认。" in told.get_content()


def test_an_owner_is_told_by_mail_chooses_and_ends_it(platform: Platform, inbox: Inbox) -> None:
    owner = own(platform)
    make_key(platform)
    (mail,) = inbox.wait(1)
    assert mail["To"] == "a@x.org" and mail["From"] == "anchor@a.example"
    assert mail["Subject"] == "acme: an API key was made / acme：已创建接口密钥"
    text = mail.get_content()
    assert "with the scopes: read" in text and "已创建接口密钥" in text
    wait_for(lambda: rows_of(platform) == [])
    page = owner.http.get("/account").text
    assert 'value="keys" checked' in page and 'value="evidence">' in page
    # Only Chinese, and about other things.
    owner.post("/account/mail", {"language": "zh", "topics": ["quota", "keys"]})
    page = owner.http.get("/account").text
    assert 'value="members">' in page and '<option value="zh" selected>' in page
    make_key(platform)
    mail = inbox.wait(2)[1]
    assert mail["Subject"] == "acme：已创建接口密钥" and "API key" not in mail.get_content()
    owner.post("/account/mail", {"language": "zh", "topics": ["quota"]})
    make_key(platform)
    for form in ({"language": "fr"}, {"language": "zh", "topics": ["x"]}, {"other": "x"}):
        assert owner.post("/account/mail", form).status_code == 400
    # The link in the header ends all of it, without a session; a program that opens it does not.
    link = re.fullmatch(r"<(.*)>", mail["List-Unsubscribe"])
    assert link is not None
    path = link[1].removeprefix(platform.url)
    with platform.browser() as stranger:
        assert "End e-mails" in stranger.get(path).text

        def topics() -> object:
            with platform.project.database.read() as connection:
                choice = find_mail_choice(connection, owner.id)
                return choice and choice.topics

        assert topics() == ("quota",)
        answer = stranger.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200 and topics() == ()
        for wrong in ("/unsubscribe", "/unsubscribe?token=x", path[:-1]):
            assert stranger.get(wrong).status_code == 404
            assert stranger.post(wrong).status_code == 404
    time.sleep(0.3)
    assert len(inbox.mails) == 2


def test_nothing_goes_to_an_address_that_is_not_confirmed(platform: Platform, inbox: Inbox) -> None:
    unconfirmed = own(platform, "Bob", email_verified=0)
    assert "has not confirmed your e-mail address" in unconfirmed.http.get("/account").text
    make_key(platform)
    wait_for(lambda: not _waits(platform))
    assert inbox.mails == [] and rows_of(platform) == []


def link_of(mail: EmailMessage, platform: Platform) -> str:
    """Return the path of the one link in a confirmation."""
    (path,) = set(re.findall(r"/confirm-address\?token=[0-9a-f]{64}", mail.get_content()))
    assert f"{platform.url}{path}" in mail.get_content()
    return str(path)


def confirmed(platform: Platform, person: str) -> bool:
    with platform.project.database.read() as connection:
        return has_confirmed_address(connection, person)


def test_an_address_is_confirmed_by_the_button_behind_its_link_once_and_then_told(
    platform: Platform, inbox: Inbox
) -> None:
    bob = own(platform, "Bob", email_verified=0, email="bob@x.org")
    assert "confirmation link" in bob.http.get("/account").text
    assert bob.post("/account/mail/confirmation").status_code == 303
    (mail,) = inbox.wait(1)
    assert mail["To"] == "bob@x.org" and mail["List-Unsubscribe"] is None
    assert mail["Subject"] == "Confirm your e-mail address / 请确认您的电子邮件地址"
    assert "Bob" not in mail.get_content(), "it has no words of whoever asked for it"
    path = link_of(mail, platform)
    # Another one only later, from whatever account with this address.
    other = own(platform, "Eve", email_verified=0, email="bob@x.org")
    for visitor in (bob, other):
        refused = visitor.post("/account/mail/confirmation")
        assert refused.status_code == 429 and "sent to this address lately" in refused.text
    make_key(platform)
    wait_for(lambda: not _waits(platform))
    with platform.browser() as stranger:
        for _ in range(3):  # as programs do that look into e-mails
            assert "Confirm the address" in stranger.get(path).text
            assert stranger.head(path).status_code in (200, 405)
        assert not confirmed(platform, bob.id)
        origin = {"Origin": platform.url, "Content-Type": "application/x-www-form-urlencoded"}
        foreign = stranger.post(path, headers=origin | {"Origin": "https://evil.example"})
        assert foreign.status_code == 403 and not confirmed(platform, bob.id)
        assert stranger.post(path[:-1] + "0x", headers=origin).status_code == 404
        assert "is confirmed" in stranger.post(path, headers=origin).text
        assert confirmed(platform, bob.id) and not confirmed(platform, other.id)
        for answer in (stranger.post(path, headers=origin), stranger.get(path)):
            assert answer.status_code == 404 and "was used" in answer.text
    assert "confirmed by you" in bob.http.get("/account").text
    wait_for(lambda: not _waits(platform))
    told = [mail["Subject"] for _, mail in inbox.mails[1:]]
    assert told == [], "what was done before is not told"
    make_key(platform)
    assert inbox.wait(2)[1]["To"] == "bob@x.org"
    # The provider states another address at the next sign-in: it is not confirmed.
    with platform.project.database.write() as connection:
        row = people.c.id == bob.id
        connection.execute(update(people).where(row).values(email="other@x.org"))
    assert not confirmed(platform, bob.id)


def test_a_link_expires_and_the_wait_for_the_next_one_doubles(
    platform: Platform, inbox: Inbox
) -> None:
    bob = own(platform, "Bob", email_verified=0, email="bob@x.org")
    early = "2020-01-01T00:00:00.000Z"
    for count in (1, 2):
        assert bob.post("/account/mail/confirmation").status_code == 303
        path = link_of(inbox.wait(count)[-1], platform)
        with platform.project.database.write() as connection:
            values = {"asked_at": early, "expires_at": early}
            connection.execute(update(mail_confirmations).values(**values))
        assert bob.http.get(path).status_code == 404
        assert bob.post(path).status_code == 404 and not confirmed(platform, bob.id)
    assert [next_link_at(asked, early)[11:16] for asked in (1, 2, 3)] == ["00:10", "00:20", "00:40"]
    assert next_link_at(99, early) == "2020-01-08T00:00:00.000Z"


def test_a_confirmation_that_the_mail_server_puts_off_is_sent_again_with_another_link(
    platform: Platform, inbox: Inbox
) -> None:
    bob = own(platform, "Bob", email_verified=0, email="bob@x.org")
    inbox.answers = ["451 later"]
    assert bob.post("/account/mail/confirmation").status_code == 303
    inbox.wait(1)
    wait_for(lambda: [row.failures for row in _waits(platform)] == [1])
    with platform.project.database.write() as connection:
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))
    first, second = (link_of(mail, platform) for mail in inbox.wait(2))
    assert first != second
    assert bob.http.get(first).status_code == 404 and bob.http.get(second).status_code == 200


def _waits(platform: Platform) -> list[Any]:
    with platform.project.database.read() as connection:
        return list(connection.execute(select(jobs)).all())


def test_an_address_that_lost_its_confirmation_meanwhile_gets_nothing(
    platform: Platform, inbox: Inbox
) -> None:
    owner = own(platform)
    inbox.recipient_answer = "451 later"
    make_key(platform)
    wait_for(lambda: [row.trouble for row in rows_of(platform)] == ["refused"])
    inbox.recipient_answer = ""
    with platform.project.database.write() as connection:
        connection.execute(update(people).where(people.c.id == owner.id).values(email_verified=0))
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))
    wait_for(lambda: [row.state for row in rows_of(platform)] == ["failed"])
    assert [row.trouble for row in rows_of(platform)] == ["address"] and inbox.mails == []


@pytest.mark.parametrize("change", ["leaves", "chooses"])
def test_whoever_left_or_chose_otherwise_meanwhile_gets_nothing(
    platform: Platform, inbox: Inbox, change: str
) -> None:
    owner, _ = own(platform), own(platform, "Bob", email_verified=0)
    inbox.recipient_answer = "451 later"
    make_key(platform)
    wait_for(lambda: [row.trouble for row in rows_of(platform)] == ["refused"])
    inbox.recipient_answer = ""
    if change == "leaves":
        assert owner.post("/tenants/acme/leave").status_code == 303
    else:
        owner.post("/account/mail", {"language": "both", "topics": ["quota"]})
    with platform.project.database.write() as connection:
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))
    wait_for(lambda: rows_of(platform) == [])
    assert inbox.mails == []


@pytest.mark.parametrize(
    ("answer", "recipient_answer", "state"),
    [
        ("451 try later", "", "waiting"),
        ("554 not this", "", "failed"),
        ("", "450 greylisted", "waiting"),
        ("", "550 no such user", "failed"),
    ],
)
def test_what_the_mail_server_refuses_for_a_while_is_tried_again(
    platform: Platform, inbox: Inbox, answer: str, recipient_answer: str, state: str
) -> None:
    own(platform)
    inbox.answers, inbox.recipient_answer = [answer] if answer else [], recipient_answer
    make_key(platform)
    wait_for(lambda: [row.attempts for row in rows_of(platform)] == [1])
    (row,) = rows_of(platform)
    assert (row.state, row.trouble, row.status) == (
        state, "refused", int((answer or recipient_answer)[:3]),
    )  # fmt: skip
    with platform.project.database.write() as connection:
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))
        counts = count_deliveries(connection, "2020-01-01T00:00:00.000Z")
    assert (counts.failing, counts.given_up) == ((1, 0) if state == "waiting" else (0, 1))
    inbox.recipient_answer = ""
    if state == "waiting":
        wait_for(lambda: rows_of(platform) == [])
        ids = {mail["Message-ID"] for mail in inbox.wait(2 if answer else 1)}
        assert ids == {f"<{row.message}@127.0.0.1>"}
    else:
        time.sleep(0.2)
        assert len(inbox.mails) == (1 if answer else 0)


def test_names_and_addresses_end_no_header(platform: Platform, inbox: Inbox) -> None:
    own(platform)
    evil = "Eve\r\nBcc: all@evil.example\r\n\r\nhello"
    stated = StatedPerson(
        issuer="https://id.example", subject="eve", name="Eve", email="e@x.org",
        email_verified=True,
    )  # fmt: skip
    with platform.project.database.write() as connection:
        eve = recognise_person(connection, stated, utc_now())
        # As no sign-in could store them: the mail has to be safe by itself.
        connection.execute(
            update(people)
            .where(people.c.id == eve)
            .values(name=evil, email="e@x.org\r\nBcc: all@evil.example")
        )
        add_member(connection, "acme", eve, "owner", OPERATOR, utc_now())
    inbox.wait(1)
    wait_for(lambda: [row.trouble for row in rows_of(platform)] == ["address"])
    ((envelope, mail),) = inbox.mails
    assert envelope.rcpt_tos == ["a@x.org"] and mail["Bcc"] is None
    assert "all@evil.example" in mail.get_content()


def test_without_starttls_or_with_another_certificate_nothing_is_sent(
    platform: Platform, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(platform)

    def refuse(*_: object, **__: object) -> None:
        raise smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server.")

    with monkeypatch.context() as patch:
        patch.setattr(smtplib.SMTP, "starttls", refuse)
        make_key(platform)
        wait_for(lambda: [row.trouble for row in rows_of(platform)] == ["tls"])
    work = platform.service.deliveries._work["mail"]
    monkeypatch.setattr(work.__self__._server, "_tls", ssl.create_default_context())
    with platform.project.database.write() as connection:
        connection.execute(update(jobs).values(due_at="2020-01-01T00:00:00.000Z"))
    wait_for(lambda: [row.attempts for row in rows_of(platform)] == [2])
    assert [row.trouble for row in rows_of(platform)] == ["tls"] and inbox.mails == []


def test_the_password_is_in_no_log(
    platform: Platform, inbox: Inbox, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    work = platform.service.deliveries._work["mail"]
    monkeypatch.setattr(work.__self__._server, "_password", "wrong-secret")
    monkeypatch.setattr(mail_server, "_SECONDS", 2.0)  # this server lets a wrong password wait
    own(platform)
    make_key(platform)
    wait_for(lambda: [row.trouble for row in rows_of(platform)] == ["connection"])
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "could not be sent: connection" in logged
    assert "wrong-secret" not in logged and "a@x.org" not in logged
    assert PASSWORD not in repr(platform.project.config) and inbox.mails == []
