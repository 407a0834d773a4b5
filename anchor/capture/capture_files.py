"""The files about a captured page: archive, network, names, certificates and the account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anchor.base.messages.message import translate
from anchor.base.system.clock import format_unix_time
from anchor.capture.capture_options import CaptureMode, CaptureOptions
from anchor.capture.har_file import build_har
from anchor.capture.page_capture import NETWORK, PAGES, SCRIPT, CapturedPage, list_hosts
from anchor.capture.page_film import FRAME_LIST
from anchor.capture.served_certificates import describe_chain
from anchor.capture.wacz_file import WARC_NAME, WaczPage, write_wacz
from anchor.capture.warc_file import encode_index, write_warc
from anchor.capture.web_exchange import WebExchange
from anchor.collection.installation import SOFTWARE

FORMAT = "anchor-capture-account/1"
ACCOUNT, ARCHIVE, NAMES = "capture.json", "capture.wacz", "dns.json"
CLEANLINESS = "cleanliness.json"
_DESCRIPTIONS: dict[CaptureMode, str] = {
    "cdp-reconstructed": "reconstructed from the browser's protocol (CDP): bodies are without "
    "content and transfer codings, whose fields are renamed x-orig-*",
    "recording-proxy": "recorded by a proxy between browser and servers: bodies with their content "
    "codings and values of header fields are as servers sent them; framing is not kept: status "
    "lines are HTTP/1.1, Transfer-Encoding is renamed x-orig-*, WARC-Protocol is the servers'",
}
_CONFORMS = "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"


def write_capture_files(
    page: CapturedPage, folder: Path, options: CaptureOptions, *, scratch: Path
) -> None:
    """Write everything but the views into ``folder``; ``scratch`` is for what is packed."""
    _write_archive(page, folder, scratch, options)
    software = (SOFTWARE, version(SOFTWARE))
    browser = ("Chromium", page.browser.rpartition(" ")[2])
    har = build_har(page.seen, software=software, browser=browser)
    save_json(folder / NETWORK, har)
    asked = {answer.host for answer in page.answers}
    names = {
        "answers": [answer.describe() for answer in page.answers],
        "not_asked": [host for host in list_hosts(page.exchanges) if host not in asked],
    }
    save_json(folder / NAMES, names)
    if page.film is not None:
        save_json(folder / FRAME_LIST, page.film)
    if options.script is not None:
        (folder / SCRIPT).write_bytes(options.script)
    certificates = _write_certificates(page, folder)
    save_json(folder / ACCOUNT, _describe(page, options, certificates))


def save_json(path: Path, members: Mapping[str, Any]) -> None:
    """Write a JSON document for people and programs."""
    text = json.dumps(members, indent=1, ensure_ascii=False)
    path.write_bytes(text.encode("utf-8", "replace") + b"\n")


def _write_archive(
    page: CapturedPage, folder: Path, scratch: Path, options: CaptureOptions
) -> None:
    program = f"{SOFTWARE} {version(SOFTWARE)}"
    info = {
        "software": f"{program} ({page.browser})",
        "format": "WARC File Format 1.1",
        "conformsTo": _CONFORMS,
        "robots": "ignore",
        "http-header-user-agent": page.user_agent,
        "description": _DESCRIPTIONS[options.mode],
    }
    warc = scratch / WARC_NAME
    with warc.open("xb") as file:
        entries = write_warc(
            file, page.exchanges, info, name=WARC_NAME, as_sent=options.recorder is not None
        )
    first = WaczPage(
        url=page.final_url, title=page.title, text=page.text, captured_at=page.started_at
    )
    write_wacz(
        folder / ARCHIVE,
        warc=warc,
        index=encode_index(entries, name=WARC_NAME),
        pages=[first, *page.further],
        software=program,
        created_at=page.ended_at,
        title=page.title or page.final_url,
        key=options.wacz_key,
    )


def _write_certificates(page: CapturedPage, folder: Path) -> list[dict[str, Any]]:
    """Write each certificate once, named by its digest; return the chains by origin."""
    target = folder / "tls"
    listed = []
    for origin, chain in page.chains.items():
        for certificate in chain:
            target.mkdir(exist_ok=True)
            path = target / f"{hashlib.sha256(certificate).hexdigest()[:32]}.der"
            path.write_bytes(certificate)
        listed.append({"origin": origin, "chain": describe_chain(chain)})
    return listed


def _describe(
    page: CapturedPage, options: CaptureOptions, certificates: list[dict[str, Any]]
) -> dict[str, Any]:
    main = page.main
    return {
        "format": FORMAT,
        "mode": options.mode,
        "url": page.url,
        "final_url": page.final_url,
        "title": page.title,
        "status": None if main is None or main.response is None else main.response.status,
        "started_at": page.started_at,
        "ended_at": page.ended_at,
        "browser": {
            "version": page.browser,
            "user_agent": page.user_agent,
            "arguments": list(page.arguments),
        },
        "options": options.describe(),
        "followed": [
            {
                "url": each.url,
                "title": each.title,
                "at": each.captured_at,
                "folder": f"{PAGES}{at:03}",
            }
            for at, each in enumerate(page.further, 1)
        ],
        "cookies": "kept" if options.keeps_cookies else "redacted",
        "requests": [_describe_exchange(exchange) for exchange in page.exchanges],
        "certificates": certificates,
        "certificates_presented_to": "browser" if options.recorder is None else "recording-proxy",
        "not_captured": [
            {
                "subject": each.subject,
                "reason": str(each.reason),
                "reason_zh": translate(each.reason, "zh"),
                "code": each.reason.id,
            }
            for each in page.uncaptured
        ],
        "console": list(page.console),
        "steps": list(page.steps),
    }


def _describe_exchange(exchange: WebExchange) -> dict[str, Any]:
    response = exchange.response
    members: dict[str, Any] = {
        "url": exchange.url,
        "method": exchange.method,
        "kind": exchange.kind,
        "at": format_unix_time(exchange.started_at),
        "headers_as_sent": exchange.is_as_sent,
        "request_headers": list(exchange.headers),
    }
    if response is None:
        return members
    return members | {
        "status": response.status,
        "address": response.address,
        "port": response.port,
        "protocol": response.protocol,
        "response_headers": list(response.headers),
        "body_bytes": None if response.body is None else len(response.body),
        "body_sha256": None if response.body is None else hashlib.sha256(response.body).hexdigest(),
    }
