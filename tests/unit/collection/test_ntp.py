"""The clock against real UDP servers: the offset is theirs, and no answer is no offset."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ntp_server import Reply, answer, off_by, serve

from anchor.base.errors import MalformedError
from anchor.collection.ntp import (
    Ask,
    NtpAnswer,
    ask_server,
    build_request,
    compare_clock,
    parse_answer,
    split_server,
)
from anchor.evidence.observed_groups import ClockServer

NONCE = bytes(range(8))


def ask(server: str) -> NtpAnswer:
    return ask_server(server, timeout=60)


def ask_shortly(server: str) -> NtpAnswer:
    return ask_server(server, timeout=0.3)


def compare(*replies: Reply, ask: Ask = ask) -> tuple[str, list[ClockServer]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(serve(reply)) for reply in replies]
        clock = compare_clock(servers, ask=ask)
    offsets = [each.offset_ms for each in clock.servers or [] if each.offset_ms is not None]
    assert (clock.offset_ms is None) == (offsets == [])
    if clock.offset_ms is not None:  # of one or two, before they were rounded
        assert abs(clock.offset_ms - sum(offsets) / len(offsets)) <= 1
    return clock.state, clock.servers or []


def shows(entry: ClockServer, seconds: float) -> bool:
    """Return whether an offset is right, as far as the time of the answer's way lets it be."""
    assert entry.offset_ms is not None and entry.delay_ms is not None
    return abs(entry.offset_ms - seconds * 1_000) <= entry.delay_ms / 2 + 1


@pytest.mark.parametrize("seconds", [0, 0.4, -3_600, 3_600, 90_000_000])
def test_the_offset_is_what_two_servers_show(seconds: float):
    state, servers = compare(off_by(seconds), off_by(seconds))
    assert state == "agree" and len(servers) == 2
    assert all(entry.problem is None and shows(entry, seconds) for entry in servers)


def test_each_server_is_listed_with_what_it_answered():
    with serve(off_by(2)) as server:
        clock = compare_clock([server], ask=ask)
    assert clock.servers is not None
    (entry,) = clock.servers
    assert clock.state == "one_answer"
    assert entry.server == server
    assert (entry.leap, entry.stratum, entry.dispersion_ms) == (0, 2, 10)
    assert shows(entry, 2)


def test_servers_that_contradict_each_other_disagree_and_are_shown():
    state, servers = compare(off_by(0), off_by(3_600))
    assert state == "disagree"
    assert [entry.problem for entry in servers] == [None, None]


def test_servers_within_their_own_error_agree():
    def vague(packet: bytes) -> bytes:
        return answer(packet[40:48], time.time() + 2, dispersion=3)

    assert compare(off_by(0), vague)[0] == "agree"


def test_a_silent_server_is_no_answer():
    state, (entry,) = compare(lambda _: None, ask=ask_shortly)
    assert (state, entry.offset_ms) == ("unanswered", None)
    assert entry.problem == "no answer in time"


def test_a_port_that_nobody_serves_is_no_answer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    clock = compare_clock([f"127.0.0.1:{port}"], ask=ask)
    assert clock.state == "unanswered"


def test_a_name_that_does_not_resolve_is_no_answer():
    clock = compare_clock(["no-such-host.invalid"], ask=ask)
    assert clock.state == "unanswered"
    assert clock.servers is not None and clock.servers[0].problem


@pytest.mark.parametrize(
    "reply",
    [
        lambda packet: answer(bytes(8), time.time()),
        lambda packet: answer(packet[40:48], time.time(), first=0xE4),
        lambda packet: answer(packet[40:48], time.time(), stratum=0),
        lambda packet: answer(packet[40:48], time.time(), stratum=16),
        lambda packet: answer(packet[40:48], time.time(), first=0x23),
        lambda packet: answer(packet[40:48], time.time())[:47],
        lambda packet: b"",
        lambda packet: packet,
    ],
    ids=["foreign", "leap 3", "kiss of death", "stratum 16", "mode 3", "short", "empty", "echo"],
)
def test_an_answer_that_is_none_counts_for_nothing(reply: Reply):
    state, (none, one) = compare(reply, off_by(0))
    assert state == "one_answer"
    assert none.problem is not None and one.problem is None
    assert none.offset_ms is None and shows(one, 0)


def test_without_servers_nobody_is_asked():
    def refuse(server: str) -> NtpAnswer:
        raise AssertionError(server)

    clock = compare_clock([], ask=refuse)
    assert clock.model_dump(exclude_none=True, exclude={"checked_at"}) == {"state": "not_asked"}


def test_offset_and_delay_are_those_of_the_rfc():
    # RFC 5905, section 8: sent at 100, arrived at 205, left at 206, received at 103.
    read = parse_answer(answer(NONCE, 205, left=206), NONCE, 100, 103)
    assert read.offset == pytest.approx(104)
    assert read.delay == pytest.approx(2)
    assert read.root_delay == pytest.approx(0.004, abs=1e-4)


def test_a_time_after_2036_is_in_the_next_era():
    late = 2_085_978_496 + 5.0  # the first seconds of NTP's era 1
    assert parse_answer(answer(NONCE, late), NONCE, late - 1, late - 1).offset == pytest.approx(1)
    before = parse_answer(answer(NONCE, late), NONCE, late - 20, late - 20)
    assert before.offset == pytest.approx(20)


@given(st.binary(max_size=100))
def test_no_packet_is_worse_than_malformed(data: bytes):
    try:
        read = parse_answer(data, NONCE, 1e9, 1e9)
    except MalformedError:
        return
    assert data[24:32] == NONCE
    assert read.delay >= 0


def test_a_request_is_a_clients_packet_of_48_bytes():
    request = build_request(NONCE)
    assert len(request) == 48
    assert (request[0] >> 3 & 7, request[0] & 7, request[40:]) == (4, 3, NONCE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ntp.example", ("ntp.example", 123)),
        ("ntp.example:1123", ("ntp.example", 1_123)),
        ("192.0.2.1", ("192.0.2.1", 123)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1_123)),
    ],
)
def test_a_server_is_a_host_with_or_without_a_port(text: str, expected: tuple[str, int]):
    assert split_server(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":123", "a:0", "a:65536", "a:x", "a b", "a:1٣", "a\n", "a..b", "a" * 64]
)
def test_a_server_that_is_none_is_refused(text: str):
    with pytest.raises(MalformedError, match="no NTP server"):
        split_server(text)
