"""Real signers: SSH keys by `ssh-keygen`, certificates by `openssl`, and authorities above them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.timestamp_authority import run_openssl

NAMESPACE = "anchor-evidence-record"
_USAGE = "keyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n"


class SshSigner:
    """An SSH key in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.key = name, folder / name
        run_ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", f"{name}@example", "-f", self.key)

    @property
    def public(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    @property
    def entry(self) -> str:
        """Return the signer's entry in a trust policy."""
        return f'\n[[signer]]\nname = "{self.name}"\nssh_key = "{self.public}"\n'

    @property
    def allowed(self) -> str:
        """Return the signer's line in a list of allowed signers."""
        return f"{self.name} {' '.join(self.public.split()[:2])}\n"

    def sign(self, data: bytes, namespace: str = NAMESPACE) -> bytes:
        return run_ssh_keygen("-q", "-Y", "sign", "-f", self.key, "-n", namespace, data=data)


class CertifiedSigner:
    """A key with a certificate, below a root of its own or that of another signer."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        subject: str = "/C=CN/O=Acme/CN=Li Lei",
        below: CertifiedSigner | None = None,
        extensions: str = _USAGE,
        validity: tuple[str, str] = ("20000101000000Z", "21000101000000Z"),
        rsa_bits: int | None = None,
        digest: str = "sha256",
    ) -> None:
        self.name, self.folder = name, folder / name
        self.folder.mkdir()
        self.root: Path = below.root if below else self._make_root()
        self.key, self.certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        if rsa_bits is None:
            _make_key(self.key)
        else:
            run_openssl("genrsa", "-traditional", "-out", self.key, str(rsa_bits))
        (self.folder / "extensions").write_text(extensions)
        request = self.folder / "request.pem"
        run_openssl("req", "-new", "-key", self.key, "-out", request, "-utf8", "-subj", subject)
        run_openssl(
            "x509", "-req", "-in", request, "-CA", self.root, "-CAkey",
            self.root.with_suffix(".key"), "-out", self.certificate, "-set_serial", "7",
            "-not_before", validity[0], "-not_after", validity[1],
            "-extfile", self.folder / "extensions", f"-{digest}",
        )  # fmt: skip

    @property
    def entry(self) -> str:
        """Return the signer's entry in a trust policy."""
        shown = run_openssl(
            "x509", "-in", self.certificate, "-noout", "-subject", "-nameopt",
            "RFC2253,utf8,-esc_msb",
        )  # fmt: skip
        subject = shown.decode().strip().removeprefix("subject=")
        members = f'name = "{self.name}"\nsubject = "{subject}"\n'
        return f'\n[[signer]]\n{members}roots = """\n{self.root.read_text()}"""\n'

    def sign(self, data: bytes, *words: str) -> bytes:
        """Return a CAdES-BES signature; ``words`` are further options of OpenSSL."""
        (self.folder / "data").write_bytes(data)
        return run_openssl(
            "cms", "-sign", "-binary", "-in", self.folder / "data", "-signer", self.certificate,
            "-inkey", self.key, "-outform", "DER", *(words or ("-cades", "-md", "sha256")),
        )  # fmt: skip

    def _make_root(self) -> Path:
        root = self.folder / "root.pem"
        _make_key(root.with_suffix(".key"))
        run_openssl(
            "req", "-x509", "-key", root.with_suffix(".key"), "-out", root, "-subj",
            f"/CN=Root of {self.name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-not_before", "20000101000000Z", "-not_after", "21000101000000Z",
        )  # fmt: skip
        return root


def run_ssh_keygen(*words: str | Path, data: bytes = b"") -> bytes:
    done = subprocess.run(
        ["ssh-keygen", *map(str, words)], input=data, check=True, capture_output=True
    )
    return done.stdout


def _make_key(path: Path) -> None:
    run_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
