"""The checks of a capture beside those of the machine: browser, resolvers, certificates, after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from anchor.base.messages.message import Message, join
from anchor.capture.name_answers import NameAnswer, judge_answers
from anchor.capture.web_exchange import WebExchange
from anchor.collection.cleanliness import CheckFinding, Finding
from anchor.collection.machine_environment import cut_list
from anchor.evidence.observed_groups import Cleanliness, Environment

# Where Chromium reads what an administrator dictates: extensions, proxies, certificates.
_POLICIES = (
    "etc/chromium/policies",
    "etc/chromium-browser/policies",
    "etc/opt/chrome/policies",
)  # fmt: skip
_COMPARED = ("hosts_file_digest", "ca_store_digest", "proxy", "dns_servers")


def judge_capture(
    *,
    sandboxed: bool,
    proxy: str | None,
    guarded: bool,
    script_sha256: str | None,
    has_profile: bool,
    root: Path,
    answers: Sequence[NameAnswer],
    exchanges: Sequence[WebExchange],
    before: tuple[Cleanliness, Environment],
    after: tuple[Cleanliness, Environment],
) -> list[CheckFinding]:
    """Return the checks of one capture; ``root`` is the folder of the machine's files."""
    return [
        ("browser-sandbox", Message("check-sandbox"), _judge_sandbox(sandboxed)),
        ("browser-policies", Message("check-policies"), _judge_list(_list_policies(root))),
        ("browser-proxy", Message("check-browser-proxy"), _judge_proxy(proxy, guarded)),
        ("browser-profile", Message("check-profile"), _judge_profile(has_profile)),
        ("page-script", Message("check-script"), _judge_script(script_sha256)),
        ("resolvers", Message("check-resolvers"), judge_answers(answers)),
        ("certificates", Message("check-certificates"), _judge_certificates(exchanges)),
        ("after-capture", Message("check-after"), _judge_after(before, after)),
    ]


def _judge_sandbox(sandboxed: bool) -> Finding:
    if sandboxed:
        return "pass", Message("check-sandbox-on")
    return "fail", Message("check-sandbox-off")


def _judge_profile(has_profile: bool) -> Finding:
    if has_profile:
        return "fail", Message("check-profile-used")
    return "pass", Message("check-profile-new")


def _judge_proxy(proxy: str | None, guarded: bool) -> Finding:
    if guarded:  # a part of this program, which passes TLS on unread
        return "pass", Message("check-guarded")
    return _judge_list([proxy] if proxy else [])


def _judge_script(sha256: str | None) -> Finding:
    return _judge_list([] if sha256 is None else [f"sha256:{sha256}"])


def _judge_list(entries: Sequence[str]) -> Finding:
    if entries:
        return "fail", "; ".join(cut_list(entries))
    return "pass", Message("check-nothing-found")


def _list_policies(root: Path) -> list[str]:
    return sorted(
        f"/{path.relative_to(root).as_posix()}"
        for folder in _POLICIES
        for path in (root / folder).glob("*/*.json")
    )


def _judge_certificates(exchanges: Iterable[WebExchange]) -> Finding:
    """Pass if the browser accepted the certificate of every host; nothing without TLS."""
    hosts: dict[str, bool] = {}
    for exchange in exchanges:
        parts = urlsplit(exchange.url)
        if parts.scheme == "https" and exchange.response is not None:
            hosts[parts.netloc] = hosts.get(parts.netloc, True) and exchange.response.is_secure
    if not hosts:
        return "not_checked", Message("check-certificates-none")
    refused = sorted(host for host, is_secure in hosts.items() if not is_secure)
    if refused:
        return "fail", Message("check-certificates-refused", hosts=join(cut_list(refused)))
    return "pass", Message("check-certificates-accepted", count=len(hosts))


def _judge_after(
    before: tuple[Cleanliness, Environment], after: tuple[Cleanliness, Environment]
) -> Finding:
    """Fail if a check failed only after the capture, or the machine's settings were changed."""
    passed = {check.id for check in before[0].checks if check.result != "fail"}
    failed = {check.id for check in after[0].checks if check.result == "fail"}
    changed = [name for name in _COMPARED if getattr(before[1], name) != getattr(after[1], name)]
    listed = [*sorted(passed & failed), *changed]
    if listed:
        return "fail", Message("check-after-changed", names=join(listed))
    return "pass", Message("check-after-same")
