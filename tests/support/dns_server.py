"""A DNS resolver on the loopback that answers from a table, by UDP: A and AAAA."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.rrset

TTL = 321


@contextmanager
def serve_names(addresses: Mapping[str, str | Sequence[str] | Iterator[str]]) -> Iterator[int]:
    """Answer questions for the addresses of these hosts; yield the port.

    An iterator gives each question for IPv4 its next address.  Of another host, the answer is that
    there is no such name.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, socket = self.request
            question = dns.message.from_wire(data)
            answer = dns.message.make_response(question)
            asked = question.question[0]
            address = addresses.get(asked.name.to_text(omit_final_dot=True))
            if address is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                kind = asked.rdtype.name
                for each in _choose(address, kind):
                    answer.answer.append(dns.rrset.from_text(asked.name, TTL, "IN", kind, each))
            socket.sendto(answer.to_wire(), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _choose(address: str | Sequence[str] | Iterator[str], kind: str) -> list[str]:
    """Return the addresses of one kind that are the next answer."""
    if isinstance(address, Iterator):
        return [next(address)] if kind == "A" else []
    listed = [address] if isinstance(address, str) else address
    return [each for each in listed if (":" in each) == (kind == "AAAA")]
