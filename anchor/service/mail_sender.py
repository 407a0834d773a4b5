"""Deliveries by e-mail, as the job ``mail``."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.notifications.event_types import is_told_by_mail
from anchor.notifications.mail_text import MailFrame, MailSubject, build_mail
from anchor.notifications.retries import is_given_up, plan_retry
from anchor.people.lifetimes import later
from anchor.service.job_runner import NotYet
from anchor.service.mail_server import MailRefused, MailServer
from anchor.service.worker import Service
from anchor.store.deliveries import Delivery, DeliveryAttempt, find_delivery, save_attempt
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.mail_choices import ensure_token, find_mail_choice
from anchor.store.mail_confirmations import has_confirmed_address
from anchor.store.memberships import load_memberships
from anchor.store.persons import PersonRow, find_persons

_LOG = logging.getLogger("anchor.service")


class MailSender:
    """Sends the e-mails of one worker."""

    def __init__(
        self, service: Service, server: MailServer, jitter: Callable[[], float] = random.random
    ) -> None:
        """Create the sender."""
        self._service = service
        self._server = server
        self._jitter = jitter

    async def work(self, job: TakenJob) -> Record:
        """Try the delivery that the job is about; return how to record that it is settled.

        A crash after the mail server has taken it leaves the job: it is sent again, with the same
        Message-ID.
        """
        delivery = await self._service.query(find_delivery, job.about)
        if delivery is None or delivery.state != "waiting" or delivery.person is None:
            return record_nothing
        at = utc_now()
        try:
            mail = await self._build(delivery, delivery.person)
            if mail is not None:
                await asyncio.to_thread(self._server.send, mail)
        except MailRefused as error:
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
        is_confirmed = await self._service.query(has_confirmed_address, person)
        if recipient is None or recipient.email is None or not is_confirmed:
            raise MailRefused("address", is_final=True)
        choice = await self._service.query(find_mail_choice, person)
        memberships = await self._service.query(load_memberships, person)
        role = next((each.role for each in memberships if each.tenant == delivery.tenant), None)
        chosen = None if choice is None else choice.topics
        if role is None or not is_told_by_mail(role, delivery.event, chosen):
            return None
        token = await self._service.change(ensure_token, person) if choice is None else choice.token
        named = persons.get(str(data.get("person", "")))
        config = self._service.project.config
        subject = MailSubject(
            event=delivery.event,
            tenant=delivery.tenant,
            at=delivery.made_at,
            data=data,
            person=None if named is None else named.name,
            is_by_depth=config.final_after is not None,
        )
        base_url = config.platform.url
        assert base_url is not None, "a configuration with a mail server has it"
        frame = MailFrame(
            sender=self._server.sender,
            recipient=recipient.email,
            language=None if choice is None else choice.language,
            base_url=base_url,
            token=token,
        )
        try:
            return build_mail(delivery.message, subject, frame)
        except ValueError as error:
            raise MailRefused("address", is_final=True) from error
