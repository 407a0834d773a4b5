"""A real timestamping authority: `openssl ts` behind a loopback HTTP server, with its own root."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from anchor.timestamps.trusted_tsa import TrustedTsa, parse_roots

_CONFIG = """\
[tsa]
default_tsa = responder
[responder]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
{accuracy}
ess_cert_id_alg = sha256
"""
_EXTENSIONS = "keyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n"
TIMESTAMPING = "extendedKeyUsage=critical,timeStamping\n"


def run_openssl(*words: str | Path) -> bytes:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout


def load_der(path: Path) -> bytes:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.public_bytes(Encoding.DER)


def arrange(token: bytes, pair: list[bytes], *, is_sorted: bool) -> bytes:
    """Return a token with its two certificates in that order; OpenSSL leaves them unsorted."""
    one, other = sorted(pair)
    for given in (one + other, other + one):
        if given in token:
            return token.replace(given, one + other if is_sorted else other + one)
    raise AssertionError("the token holds these two certificates")


class TimestampAuthority:
    """One authority: a root, optionally an issuing authority below it, and a signer."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        purpose: str = TIMESTAMPING,
        validity: tuple[str, str] | None = None,
        accuracy: str = "accuracy = secs:1, millisecs:500",
        crl_url: str | None = None,
        is_issued: bool = False,
    ) -> None:
        self.folder, self.name = folder, name
        folder.mkdir()
        self._make_key("root")
        self._make_key("signer")
        run_openssl(
            "req", "-x509", "-key", folder / "root.key", "-out", folder / "root.pem",
            "-days", "3650", "-subj", f"/CN=Root of {name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        issuer = "root"
        if is_issued:
            issuer = "issuing"
            self._make_issuing_authority()
        crl = "" if crl_url is None else f"crlDistributionPoints=URI:{crl_url}\n"
        (folder / "extensions").write_text(_EXTENSIONS + purpose + crl)
        run_openssl(
            "req", "-new", "-key", folder / "signer.key", "-out", folder / "signer.csr",
            "-subj", f"/CN=Signer of {name}",
        )  # fmt: skip
        days = ("-days", "365")
        if validity is not None:
            days = ("-not_before", validity[0], "-not_after", validity[1])
        run_openssl(
            "x509", "-req", "-in", folder / "signer.csr", "-CA", folder / f"{issuer}.pem",
            "-CAkey", folder / f"{issuer}.key", "-out", folder / "signer.pem", *days,
            "-extfile", folder / "extensions", "-set_serial", "7",
        )  # fmt: skip
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder, accuracy=accuracy))

    @property
    def root_pem(self) -> str:
        return (self.folder / "root.pem").read_text()

    @property
    def trusted(self) -> TrustedTsa:
        return TrustedTsa(name=self.name, roots=parse_roots(self.root_pem))

    def answer(self, request: bytes, *, chain: Path | None = None) -> bytes:
        query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
        query.write_bytes(request)
        run_openssl(
            "ts", "-reply", "-config", self.folder / "tsa.cnf", "-queryfile", query,
            "-signer", self.folder / "signer.pem", "-inkey", self.folder / "signer.key",
            "-out", reply, *(() if chain is None else ("-chain", chain)),
        )  # fmt: skip
        return reply.read_bytes()

    def stamp(self, data: bytes, *, digest: str = "sha256", chain: Path | None = None) -> bytes:
        """Return a token over ``data``."""
        (self.folder / "data").write_bytes(data)
        request = run_openssl("ts", "-query", "-data", self.folder / "data", f"-{digest}", "-cert")
        reply = self.folder / "bare.tsr"
        reply.write_bytes(self.answer(request, chain=chain))
        run_openssl("ts", "-reply", "-in", reply, "-token_out", "-out", self.folder / "bare.tst")
        return (self.folder / "bare.tst").read_bytes()

    def revocation_list(
        self,
        *revoked: str,
        begins: datetime | None = None,
        ends: datetime | None = None,
        extensions: str = "",
        issuer: str = "root",
    ) -> bytes:
        """Return a list of ``issuer`` in PEM, by default in force for 30 days from this moment.

        ``revoked`` are entries of OpenSSL's database: the serial number in hex, a time and a reason
        (``07 260101000000Z,superseded``).  ``extensions`` are lines of its configuration.
        """
        index, pem = self.folder / "index", self.folder / "list.pem"
        entries = [each.split(" ") for each in revoked]
        index.write_text(
            "".join(
                f"R\t491231235959Z\t{when}\t{serial}\tunknown\t/CN=x\n" for serial, when in entries
            )
        )
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=c\n[c]\ndatabase={index}\ndefault_md=sha256\ndefault_crl_days=30\n"
            + (f"crl_extensions=e\n[e]\n{extensions}\n" if extensions else "")
        )
        times = (("-crl_lastupdate", begins), ("-crl_nextupdate", ends))
        run_openssl(
            "ca", "-config", self.folder / "ca.cnf", "-gencrl", "-keyfile",
            self.folder / f"{issuer}.key", "-cert", self.folder / f"{issuer}.pem", "-out", pem,
            *(word for name, time in times if time is not None
              for word in (name, time.strftime("%Y%m%d%H%M%SZ"))),
        )  # fmt: skip
        return pem.read_bytes()

    def _make_issuing_authority(self) -> None:
        folder = self.folder
        self._make_key("issuing")
        (folder / "ca").write_text(
            "keyUsage=critical,keyCertSign,cRLSign\nbasicConstraints=critical,CA:TRUE\n"
        )
        run_openssl(
            "req", "-new", "-key", folder / "issuing.key", "-out", folder / "issuing.csr",
            "-subj", f"/CN=Issuing authority of {self.name}",
        )  # fmt: skip
        run_openssl(
            "x509", "-req", "-in", folder / "issuing.csr", "-CA", folder / "root.pem",
            "-CAkey", folder / "root.key", "-out", folder / "issuing.pem", "-days", "365",
            "-extfile", folder / "ca", "-set_serial", "3",
        )  # fmt: skip

    def _make_key(self, name: str) -> None:
        key = self.folder / f"{name}.key"
        run_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)


class TsaServer:
    """A loopback server for one authority; ``bend`` replaces its next answers."""

    def __init__(self, authority: TimestampAuthority | None, port: int) -> None:
        self.authority = authority
        self.url = f"http://127.0.0.1:{port}/tsa"
        self.status = 200
        self.bent: bytes | None = None
        self.bend_request: Callable[[bytes], bytes] = lambda request: request
        self.requests: list[bytes] = []
        self.revocation_list = b""

    def answer(self, path: str, body: bytes) -> bytes:
        if path.endswith(".crl"):
            return self.revocation_list
        self.requests.append(body)
        if self.bent is not None:
            return self.bent
        assert self.authority is not None
        return self.authority.answer(self.bend_request(body))


@contextmanager
def serve_timestamps(authority: TimestampAuthority | None) -> Iterator[TsaServer]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self, body: bytes) -> None:
            data = served.answer(self.path, body)
            self.send_response(served.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = TsaServer(authority, server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
