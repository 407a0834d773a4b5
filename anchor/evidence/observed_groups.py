"""The groups of a record that the program observed: machine, cleanliness, clock and capture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anchor.base.canonical import MAX_INTEGER
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Observed
from anchor.evidence.statement_text import DigestText, StatementText, TimeText

CheckResult = Literal["pass", "fail", "not_checked"]
ClockState = Literal["not_asked", "unanswered", "one_answer", "agree", "disagree"]

_MAX_ENTRIES = 100
_Entries = Annotated[list[StatementText], Field(max_length=_MAX_ENTRIES)]
_Milliseconds = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Text = StatementText
_Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
_Status = Annotated[int, Field(ge=0, le=999)]


class Environment(Group):
    """The machine on which the evidence was collected; ``not_observed`` names what is absent."""

    os: Annotated[_Text | None, Observed(Message("group-environment-os"))] = None
    kernel: Annotated[_Text | None, Observed(Message("group-environment-kernel"))] = None
    cpu: Annotated[_Text | None, Observed(Message("group-environment-cpu"))] = None
    vm: Annotated[_Text | None, Observed(Message("group-environment-vm"))] = None
    locale: Annotated[_Text | None, Observed(Message("group-environment-locale"))] = None
    tz: Annotated[_Text | None, Observed(Message("group-environment-tz"))] = None
    packages_digest: Annotated[
        DigestText | None, Observed(Message("group-environment-packages-digest"))
    ] = None
    process_list_digest: Annotated[
        DigestText | None, Observed(Message("group-environment-process-list-digest"))
    ] = None
    ca_store_digest: Annotated[
        DigestText | None, Observed(Message("group-environment-ca-store-digest"))
    ] = None
    hosts_file_digest: Annotated[
        DigestText | None, Observed(Message("group-environment-hosts-file-digest"))
    ] = None
    proxy: Annotated[_Entries | None, Observed(Message("group-environment-proxy"))] = None
    dns_servers: Annotated[_Entries | None, Observed(Message("group-environment-dns-servers"))] = (
        None
    )
    public_ip: Annotated[_Text | None, Observed(Message("group-environment-public-ip"))] = None
    disk_free: Annotated[_Count | None, Observed(Message("group-environment-disk-free"))] = None
    browser: Annotated[_Text | None, Observed(Message("group-environment-browser"))] = None
    extensions: Annotated[_Entries | None, Observed(Message("group-environment-extensions"))] = None
    not_observed: Annotated[
        _Entries | None, Observed(Message("group-environment-not-observed"))
    ] = None


class CleanlinessCheck(Group):
    """One check of the environment; one that observed nothing is ``not_checked``.

    ``observed_zh`` is absent if what was observed is the same in every language.
    """

    id: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$"), Observed(Message("group-check-id"))
    ]
    zh: Annotated[_Text, Observed(Message("group-check-zh"))]
    en: Annotated[_Text, Observed(Message("group-check-en"))]
    result: Annotated[CheckResult, Observed(Message("group-check-result"))]
    observed: Annotated[_Text, Observed(Message("group-check-observed"))]
    observed_zh: Annotated[_Text | None, Observed(Message("group-check-observed-zh"))] = None

    def describe(self, language: Language) -> Message:
        """Return the check and what was observed in a language."""
        if language == "zh":
            return Message(
                "check-finding", title=self.zh, observed=self.observed_zh or self.observed
            )
        return Message("check-finding", title=self.en, observed=self.observed)


class Cleanliness(Group):
    """The checks that were made before the collection.

    ``result`` is ``fail`` if one failed, else ``not_checked`` if one was not made, else ``pass``.
    """

    started_at: Annotated[TimeText, Observed(Message("group-cleanliness-started-at"))]
    result: Annotated[CheckResult, Observed(Message("group-cleanliness-result"))]
    checks: Annotated[
        list[CleanlinessCheck],
        Field(min_length=1, max_length=_MAX_ENTRIES),
        Observed(Message("group-cleanliness-checks")),
    ]


class ClockServer(Group):
    """The answer of one NTP server, or why there is none."""

    server: Annotated[_Text, Observed(Message("group-clock-server"))]
    offset_ms: Annotated[_Milliseconds | None, Observed(Message("group-clock-offset-ms"))] = None
    dispersion_ms: Annotated[
        _Milliseconds | None, Observed(Message("group-clock-dispersion-ms"))
    ] = None
    delay_ms: Annotated[_Milliseconds | None, Observed(Message("group-clock-delay-ms"))] = None
    leap: Annotated[
        Annotated[int, Field(ge=0, le=3)] | None, Observed(Message("group-clock-leap"))
    ] = None
    stratum: Annotated[
        Annotated[int, Field(ge=0, le=255)] | None, Observed(Message("group-clock-stratum"))
    ] = None
    problem: Annotated[_Text | None, Observed(Message("group-clock-problem"))] = None


class ClockComparison(Group):
    """This machine's clock compared with NTP servers, without a correction.

    ``offset_ms`` is the median of the servers' offsets, to be added to this machine's time.
    """

    state: Annotated[ClockState, Observed(Message("group-clock-state"))]
    checked_at: Annotated[TimeText, Observed(Message("group-clock-checked-at"))]
    offset_ms: Annotated[_Milliseconds | None, Observed(Message("group-clock-offset-ms"))] = None
    servers: Annotated[
        Annotated[list[ClockServer], Field(max_length=_MAX_ENTRIES)] | None,
        Observed(Message("group-clock-servers")),
    ] = None


class WebCapture(Group):
    """A web page as the program's browser met it; ``capture.json`` in the bundle has the rest.

    ``address`` is that of the server of the shown document, and so is ``certificate_sha256``.
    """

    mode: Annotated[
        Literal["cdp-reconstructed", "recording-proxy"], Observed(Message("group-capture-mode"))
    ]
    url: Annotated[_Text, Observed(Message("group-capture-url"))]
    final_url: Annotated[_Text, Observed(Message("group-capture-final-url"))]
    started_at: Annotated[TimeText, Observed(Message("group-capture-started-at"))]
    ended_at: Annotated[TimeText, Observed(Message("group-capture-ended-at"))]
    title: Annotated[_Text | None, Observed(Message("group-capture-title"))] = None
    status: Annotated[_Status | None, Observed(Message("group-capture-status"))] = None
    address: Annotated[_Text | None, Observed(Message("group-capture-address"))] = None
    certificate_sha256: Annotated[
        DigestText | None, Observed(Message("group-capture-certificate-sha256"))
    ] = None
    certificate_issuer: Annotated[
        _Text | None, Observed(Message("group-capture-certificate-issuer"))
    ] = None
    screenshot_sha256: Annotated[
        DigestText | None, Observed(Message("group-capture-screenshot-sha256"))
    ] = None
    requests: Annotated[_Count, Observed(Message("group-capture-requests"))]
    not_captured: Annotated[_Count, Observed(Message("group-capture-not-captured"))]
    cookies: Annotated[Literal["kept", "redacted"], Observed(Message("group-capture-cookies"))]
