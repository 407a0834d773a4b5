"""Links by which people confirm their e-mail address, as the job ``confirmation``."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.notifications.mail_text import MailFrame, build_confirmation
from anchor.notifications.retries import plan_retry
from anchor.people.mail_confirmation import confirmation_end
from anchor.service.job_runner import NotYet
from anchor.service.mail_server import MailRefused, MailServer
from anchor.service.worker import Service
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.mail_choices import find_mail_choice
from anchor.store.mail_confirmations import find_confirmation, make_confirmation_token

_LOG = logging.getLogger("anchor.service")


class MailConfirmer:
    """Sends the links of one worker: the only e-mails to addresses that are not confirmed."""

    def __init__(
        self, service: Service, server: MailServer, jitter: Callable[[], float] = random.random
    ) -> None:
        """Create the sender."""
        self._service = service
        self._server = server
        self._jitter = jitter

    async def work(self, job: TakenJob) -> Record:
        """Send a link to the person whom the job is about.

        Each attempt has a token of its own, and ends that of the one before: the store has hashes
        only.  After a crash a second e-mail comes, and its link is the one that works.
        """
        at = utc_now()
        asked = await self._service.query(find_confirmation, job.about)
        token = await self._service.change(make_confirmation_token, job.about, at)
        if asked is None or token is None or at > confirmation_end(asked.asked_at):
            return record_nothing
        choice = await self._service.query(find_mail_choice, job.about)
        base_url = self._service.project.config.platform.url
        assert base_url is not None, "a configuration with a mail server has it"
        frame = MailFrame(
            sender=self._server.sender,
            recipient=asked.address,
            language=None if choice is None else choice.language,
            base_url=base_url,
            token=token,
        )
        name = f"confirmation-{job.about}-{asked.asked}-{job.attempts}"
        try:
            await asyncio.to_thread(self._server.send, build_confirmation(name, frame, at))
        except (MailRefused, ValueError) as error:
            refused = error if isinstance(error, MailRefused) else None
            trouble = Message(
                "mail-not-sent",
                message=name,
                trouble="address" if refused is None else refused.trouble,
                status=0 if refused is None else refused.status or 0,
            )
            _LOG.warning(trouble)
            if refused is None or refused.is_final:
                return record_nothing
            seconds = plan_retry(job.failures + 1, self._jitter())
            raise NotYet(seconds, has_failed=True, trouble=trouble) from error
        return record_nothing
