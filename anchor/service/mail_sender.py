"""Deliveries by e-mail, as the job ``mail``: over SMTP, with verified TLS."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial

from anchor.messages.message import Message
from anchor.notifications.event_types import is_told_by_mail
from anchor.notifications.mail_text import MailFrame, MailSubject, build_mail
from anchor.notifications.retries import is_given_up, plan_retry
from anchor.people.lifetimes import later
from anchor.project.notification_config import MailConfig
from anchor.service.job_runner import NotYet
from anchor.service.tls_trust import make_tls_context
from anchor.service.worker import Service
from anchor.store.deliveries import Delivery, DeliveryAttempt, Trouble, find_delivery, save_attempt
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.mail_choices import ensure_token, find_mail_choice
from anchor.store.memberships import load_memberships
from anchor.store.persons import PersonRow, find_persons
from anchor.system.clock import utc_now

_LOG = logging.getLogger("anchor.service")

# Seconds for each answer of the mail server.
_SECONDS = 20.0
# RFC 5321, 4.2.1: from this status on, another attempt would be answered in the same way.
_PERMANENT = 500


class _Refused(Exception):
    """The attempt failed; ``is_final`` if another one would, too."""

    def __init__(
        self, trouble: Trouble, status: int | None = None, *, is_final: bool = False
    ) -> None:
        super().__init__()
        self.trouble = trouble
        self.status = status
        self.is_final = is_final


class MailSender:
    """Sends the e-mails of one worker."""

    def __init__(
        self, service: Service, config: MailConfig, jitter: Callable[[], float] = random.random
    ) -> None:
        """Create the sender.

        Raises:
            SignerError: The file of the password cannot be used.
            ConfigError: The variable of the password is not set.
        """
        self._service = service
        self._config = config
        self._password = config.read_password()
        self._jitter = jitter
        self._tls = make_tls_context()

    async def work(self, job: TakenJob) -> Record:
        """Try the delivery that the job is about; return how to record that it is settled.

        A crash after the mail server has taken it leaves the job: it is sent again, with the same
        Message-ID.

        Raises:
            NotYet: It failed, and is tried again later.
        """
        delivery = await self._service.query(find_delivery, job.about)
        if delivery is None or delivery.state != "waiting" or delivery.person is None:
            return record_nothing
        at = utc_now()
        try:
            mail = await self._build(delivery, delivery.person)
            if mail is not None:
                await asyncio.to_thread(self._send, mail)
        except _Refused as error:
            refused = error
        else:
            done = DeliveryAttempt(at=at, trouble=None)
            return partial(save_attempt, delivery=delivery, attempt=done)
        _LOG.warning(
            Message("mail-not-sent", message=delivery.message, trouble=refused.trouble,
                    status=refused.status or 0)
        )  # fmt: skip
        seconds = plan_retry(job.failures + 1, self._jitter())
        due_at: str | None = later(at, seconds)
        if refused.is_final or is_given_up(delivery.begun_at, later(at, seconds)):
            due_at = None
        attempt = DeliveryAttempt(
            at=at, trouble=refused.trouble, status=refused.status, due_at=due_at
        )
        record: Record = partial(save_attempt, delivery=delivery, attempt=attempt)
        if due_at is None:
            return record
        raise NotYet(seconds, has_failed=True, record=record)

    async def _build(self, delivery: Delivery, person: str) -> EmailMessage | None:
        """Return the e-mail of a delivery, to the address that is confirmed at this moment.

        Returns None if the person left the tenant, or chose not to be told, since it was made.
        """
        data = json.loads(delivery.body)["data"]
        ids = {person, str(data.get("person", ""))}
        persons: dict[str, PersonRow] = await self._service.query(find_persons, ids)
        recipient = persons.get(person)
        if recipient is None or recipient.email is None or not recipient.email_verified:
            raise _Refused("address", is_final=True)
        choice = await self._service.query(find_mail_choice, person)
        memberships = await self._service.query(load_memberships, person)
        role = next((each.role for each in memberships if each.tenant == delivery.tenant), None)
        chosen = None if choice is None else choice.topics
        if role is None or not is_told_by_mail(role, delivery.event, chosen):
            return None
        token = await self._service.change(ensure_token, person) if choice is None else choice.token
        named = persons.get(str(data.get("person", "")))
        subject = MailSubject(
            event=delivery.event,
            tenant=delivery.tenant,
            at=delivery.made_at,
            data=data,
            person=None if named is None else named.name,
        )
        base_url = self._service.project.config.platform.url
        assert base_url is not None, "a configuration with a mail server has it"
        frame = MailFrame(
            sender=self._config.sender,
            recipient=recipient.email,
            language=None if choice is None else choice.language,
            base_url=base_url,
            token=token,
        )
        try:
            return build_mail(delivery.message, subject, frame)
        except ValueError as error:
            raise _Refused("address", is_final=True) from error

    def _send(self, mail: EmailMessage) -> None:
        try:
            with self._connect() as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            status = max((code for code, _ in error.recipients.values()), default=0)
            raise _Refused("refused", status, is_final=status >= _PERMANENT) from error
        except smtplib.SMTPSenderRefused as error:  # for the operator to mend
            raise _Refused("refused", error.smtp_code) from error
        except smtplib.SMTPDataError as error:
            is_final = error.smtp_code >= _PERMANENT
            raise _Refused("refused", error.smtp_code, is_final=is_final) from error
        except smtplib.SMTPResponseException as error:
            raise _Refused("connection", error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            # The server takes no address with such characters; or no STARTTLS, as an attacker may
            # say in its name, without which nothing is sent.
            is_odd = not str(mail["To"]).isascii()
            raise _Refused("address" if is_odd else "tls", is_final=is_odd) from error
        except ssl.SSLError as error:
            raise _Refused("tls") from error
        except TimeoutError as error:
            raise _Refused("time") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise _Refused("connection") from error

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host, config.port, timeout=_SECONDS, context=self._tls
            )
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=_SECONDS)
        try:
            if config.security == "starttls":
                server.starttls(context=self._tls)
            if config.user is not None and self._password is not None:
                server.login(config.user, self._password)
        except BaseException:
            server.close()
            raise
        return server
