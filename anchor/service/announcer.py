"""Messages made of announcements, as the job ``announcement``: one for each tenant that is told."""

from __future__ import annotations

from functools import partial

from anchor.base.system.clock import utc_now
from anchor.notifications.message_body import MAX_LISTED, describe_final, encode_message
from anchor.service.worker import Service
from anchor.store.announcements import (
    Announcement,
    find_announcement,
    list_listening_tenants,
)
from anchor.store.deliveries import settle_announcement
from anchor.store.final_evidence import count_by_tenant
from anchor.store.jobs import Record, TakenJob, record_nothing


class Announcer:
    """Makes the messages of one worker's announcements."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def work(self, job: TakenJob) -> Record:
        """Make the messages; return how to store them with their deliveries."""
        announcement = await self._service.query(find_announcement, job.about)
        if announcement is None:
            return record_nothing
        bodies = await self._make_bodies(announcement)
        has_mail = self._service.project.config.mail is not None
        return partial(
            settle_announcement,
            announcement=announcement,
            bodies=bodies,
            at=utc_now(),
            has_mail=has_mail,
        )

    async def _make_bodies(self, announcement: Announcement) -> dict[str, str]:
        event, at, data = announcement.event, announcement.at, announcement.data
        if announcement.tenant is not None:
            tenant = announcement.tenant
            return {tenant: encode_message(event, at, tenant, data)}
        since, size = data["since"], data["size"]
        assert isinstance(since, int) and isinstance(size, int), "the store holds what it was given"
        tenants = await self._service.query(list_listening_tenants)
        counts = await self._service.query(count_by_tenant, since, size, tenants, listed=MAX_LISTED)
        url = self._service.project.config.platform.url
        return {
            tenant: encode_message(
                event,
                at,
                tenant,
                describe_final(
                    [identity.hex() for identity in pieces.identities],
                    count=pieces.count,
                    since=since,
                    size=size,
                    base_url=url,
                ),
            )
            for tenant, pieces in counts.items()
        }
