"""The application: routes and errors around one worker's service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.capture.capture_spool import CaptureSpool
from anchor.keeping.master_keyset import MasterKeyset
from anchor.operate.webhook_secrets import seal_clear_secrets
from anchor.people.passkey_rules import find_relying_party
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.project.sign_in_config import PlatformConfig
from anchor.service import pages
from anchor.service.address_limits import AddressLimits
from anchor.service.announcer import Announcer
from anchor.service.auth import KeyCache
from anchor.service.capture_desk import CaptureDesk
from anchor.service.certificate_maker import CertificateMaker
from anchor.service.client_address import Peers
from anchor.service.copy_keeper import CopyKeeper
from anchor.service.mail_confirmer import MailConfirmer
from anchor.service.mail_sender import MailSender
from anchor.service.mail_server import MailServer
from anchor.service.middleware import RequestMiddleware, refuse
from anchor.service.openapi import build_openapi
from anchor.service.pages.site_chain import describe_site_chain
from anchor.service.problems import answer_problems
from anchor.service.routes import (
    bulk,
    captures,
    case_links,
    case_members,
    cases,
    certificates,
    copies,
    erasures,
    evidence_list,
    exhibits,
    final_evidence,
    heads,
    health,
    keys,
    log,
    lookup,
    members,
    metrics,
    notices,
    operator,
    packages,
    receipts,
    retentions,
    search,
    status,
    submit,
    uploads,
    usage,
    webhooks,
)
from anchor.service.settings import Settings
from anchor.service.webhook_sender import WebhookSender
from anchor.service.worker import Service
from anchor.store.announcements import ANNOUNCEMENT_JOB
from anchor.store.captures import CAPTURE_JOB
from anchor.store.certificates import JOB
from anchor.store.deliveries import MAIL_JOB, WEBHOOK_JOB
from anchor.store.kept_copies import JOB as COPY_JOB
from anchor.store.mail_confirmations import CONFIRMATION_JOB

if TYPE_CHECKING:
    from anchor.service.passkey_ceremony import PasskeyCeremony
    from anchor.service.provider_client import ProviderClient

_ROUTERS = (
    submit.router,
    bulk.router,
    evidence_list.router,
    status.router,
    receipts.router,
    certificates.router,
    uploads.router,
    copies.router,
    captures.router,
    erasures.router,
    retentions.router,
    cases.router,
    case_members.router,
    case_links.router,
    exhibits.router,
    packages.router,
    search.router,
    notices.router,
    heads.router,
    final_evidence.router,
    usage.router,
    members.router,
    keys.router,
    webhooks.router,
    operator.router,
    log.router,
    lookup.router,
    health.router,
    metrics.router,
    pages.router,
)


class _Application(FastAPI):
    """FastAPI's application with this project's OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return build_openapi(self)


def create_app(project: OpenProject, settings: Settings | None = None) -> FastAPI:
    """Return the application for an open project, which it closes when it stops.

    Raises:
        ImportError: There are providers, and the extra ``platform`` is not installed.
    """
    service = Service(project, settings or Settings())
    service.jobs.add(JOB, CertificateMaker(service).work)
    if service.vault is not None:
        service.vault.check()
        service.copy_jobs.add(COPY_JOB, CopyKeeper(service, service.vault).work)
        # Those made before there was a keyset.
        seal_clear_secrets(project.database, MasterKeyset.load(service.vault.config.keyset))
    if service.settings.captures is not None:
        check_captures(project.config, service.settings.captures.folder)
        assert service.vault is not None, "it was checked"
        desk = CaptureDesk(service, service.vault, service.settings.captures)
        desk.prepare()
        service.capture_jobs.add(CAPTURE_JOB, desk.work)
    service.deliveries.add(ANNOUNCEMENT_JOB, Announcer(service).work)
    service.deliveries.add(WEBHOOK_JOB, WebhookSender(service).work)
    if project.config.mail is not None:
        server = MailServer(project.config.mail)
        service.deliveries.add(MAIL_JOB, MailSender(service, server).work)
        service.deliveries.add(CONFIRMATION_JOB, MailConfirmer(service, server).work)
    providers = make_providers(project.config.platform)
    state = {
        "stopping": service.stopping,
        "settings": service.settings,
        "peers": Peers(service.settings.proxies),
        "throttle": AddressLimits(service.settings, service.address_guard.limited),
        "guard": service.address_guard,
        "keys": KeyCache(),
        "providers": providers,
        "passkeys": make_ceremony(project.config.platform),
        "site": describe_site_chain(project.config.chain_id, project.config.finality),
    }

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        await service.start()
        try:
            yield state
        finally:
            await service.close()
            for provider in providers.values():
                provider.queue.close()

    app = make_app()
    app.router.lifespan_context = lifespan
    app.state.service = service
    return app


def make_providers(platform: PlatformConfig) -> dict[str, ProviderClient]:
    """Return the providers by which people sign in, by name; none of them is contacted."""
    if not platform.providers:
        return {}
    from anchor.service.provider_client import ProviderClient

    assert platform.url is not None, "a configuration with providers has it"
    for config in platform.providers:
        config.read_secret()
    return {config.name: ProviderClient(config, platform.url) for config in platform.providers}


def check_captures(config: Config, folder: Path) -> None:
    """Check that captures can be offered, with this spool folder.

    Raises:
        ConfigError: The project keeps no copies, or the folder cannot be used.
    """
    if config.keeping is None:
        raise ConfigError(
            Message("captures-without-copies"), hint=Message("copies-not-configured-hint")
        )
    CaptureSpool(folder).prepare()


def make_ceremony(platform: PlatformConfig) -> PasskeyCeremony | None:
    """Return the ceremonies of passkeys; None without providers or a domain in the address."""
    site = find_relying_party(platform.url)
    if not platform.providers or site is None:
        return None
    from anchor.service.passkey_ceremony import PasskeyCeremony

    return PasskeyCeremony(site)


def make_app() -> FastAPI:
    """Return the application without a project: its routes and their descriptions."""
    app = _Application(
        title="anchor",
        summary="Takes electronic evidence in for anchoring on Ethereum.",
        version=version("anchor-evidence"),
        openapi_url="/openapi.json",
        docs_url=None,  # those pages load scripts from another site
        redoc_url=None,
        redirect_slashes=False,
    )
    answer_problems(app, refuse)
    app.add_middleware(RequestMiddleware)
    for router in _ROUTERS:
        app.include_router(router)
    return app
