"""The capture of one order, in a process of its own that the worker bounds and may kill.

Run as ``python -m anchor.capture.ordered_capture ORDER FOLDER``: ``result.json`` and, if the page
was captured, the bag as a ZIP file are in the folder when it ends with 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anchor.bag.bag_writer import ZIP_SUFFIX
from anchor.base.canonical import JsonValue, encode_canonical
from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.durable_files import write_file
from anchor.capture.browser_session import find_browser
from anchor.capture.capture_options import (
    CaptureOptions,
    parse_capture_url,
    parse_viewport,
)
from anchor.capture.capture_recording import CaptureMaker, MadeBag
from anchor.capture.capture_spool import CaptureOrder, encode_refusal, spell_texts
from anchor.capture.egress_guard import EgressGuard
from anchor.capture.name_answers import Resolver, list_resolvers, parse_resolver
from anchor.capture.web_exchange import Uncaptured
from anchor.collection.cleanliness import judge_cleanliness
from anchor.collection.installation import observe_software
from anchor.collection.machine import MachinePlaces, observe_machine
from anchor.collection.machine_environment import describe_environment
from anchor.collection.ntp import compare_clock
from anchor.egress.egress_proxy import Connect, open_tcp
from anchor.egress.egress_target import EgressRefused, parse_egress_url
from anchor.evidence.record_groups import RecordGroups

RESULT, BAG = "result.json", "bag.zip"
_MOST_MISSING = 100


def capture_order(
    order: CaptureOrder,
    folder: Path,
    *,
    resolvers: Sequence[Resolver] = (),
    ntp: Sequence[str] = (),
    own: Resolver | None = None,
    connect: Connect = open_tcp,
) -> None:
    """Capture what an order asks for, and write its result into ``folder``.

    ``own`` is the guard's resolver, this machine's if None; ``resolvers`` are asked beside it.
    """
    try:
        parse_egress_url(order.url)
        made = _make(order, folder, resolvers, ntp, own, connect)
    except EgressRefused as error:
        refused = Message(
            "capture-guard-refused", url=order.url, target=order.url, reason=error.reason
        )
        result = encode_refusal(order.id, refused)
    except (CannotCheckError, UsageError) as error:
        result = encode_refusal(order.id, error.message)
    else:
        made.bag.rename(folder / BAG)
        result = encode_canonical(_describe(order, made), subject="result")
    write_file(folder / RESULT, result)


def _make(
    order: CaptureOrder,
    folder: Path,
    resolvers: Sequence[Resolver],
    ntp: Sequence[str],
    own: Resolver | None,
    connect: Connect,
) -> MadeBag:
    places = MachinePlaces.of_this_machine()
    first = own or next(iter(list_resolvers(observe_machine(places).dns_servers, ())), None)
    if first is None:
        raise CannotCheckError(Message("capture-resolver-missing"))
    guard = EgressGuard(first, connect=connect)
    options = CaptureOptions(
        viewports=tuple(map(parse_viewport, order.viewports)),
        depth=order.depth,
        max_bytes=order.max_bytes,
        resolvers=tuple(resolvers),
        guard=guard,
    )
    observe = partial(observe_here, places, ntp)
    maker = CaptureMaker(options, observe, program=find_browser(), places=places)
    with guard.serve():
        url = parse_capture_url(order.url)
        return maker.make(url, folder, _accept, suffix=ZIP_SUFFIX)


def observe_here(places: MachinePlaces, ntp: Sequence[str]) -> RecordGroups:
    """Return the groups of this machine, of which the service knows nothing."""
    started_at = utc_now()
    machine = observe_machine(places)
    clock = compare_clock(ntp)
    return RecordGroups(
        profile="plain",
        environment=describe_environment(machine),
        cleanliness=judge_cleanliness(machine, clock, started_at=started_at),
        clock=clock,
        platform=observe_software(
            argv=None, config=None, chain=None, registry=None, code_hash=None
        ),
    )


def _accept(_name: str, _groups: RecordGroups) -> None:
    """Check nothing: the service makes the record, and says if it cannot."""


def _describe(order: CaptureOrder, made: MadeBag) -> dict[str, JsonValue]:
    page = made.page
    robots = next((step for step in page.steps if step["step"] == "robots-read"), None)
    missing: list[JsonValue] = [
        {"subject": each.subject[:1_000], "reason": {**spell_texts(each.reason)}}
        for each in sorted(page.uncaptured, key=_comes_later)[:_MOST_MISSING]
    ]
    return {
        "id": order.id,
        "name": made.name,
        "groups": made.groups.members(),
        "missing": missing,
        "robots": "unread" if robots is None else str(robots["state"]),
    }


def _comes_later(missing: Uncaptured) -> bool:
    """Return whether something comes after what the guard refused."""
    return missing.reason.id != "capture-missing-refused"


def main(words: Sequence[str] | None = None) -> None:
    """Capture the order that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("order", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resolver", action="append", default=[], type=parse_resolver)
    parser.add_argument("--ntp", action="append", default=[])
    given = parser.parse_args(words)
    order = CaptureOrder.parse(given.order.read_bytes())
    capture_order(order, given.folder, resolvers=given.resolver, ntp=given.ntp)


if __name__ == "__main__":
    main()
