"""What ``anchor verify`` has on its bench: the policy, and for each file its bytes and receipt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.cli.input_files import is_there, read_receipt, receipt_path
from anchor.errors import UsageError
from anchor.evidence.file_hashing import digest_file

if TYPE_CHECKING:
    from anchor.evidence.digests import Digests
    from anchor.operate.proving import Prover
    from anchor.project.policy_sources import PolicyFile
    from anchor.project.project import OpenProject
    from anchor.types import ChainId

Load = Callable[[], "tuple[bytes, Digests]"]

_SOURCES = {
    "option": "named on the command line",
    "environment": "named in the environment",
    "user": "kept in your configuration folder",
    "project": "of your own project",
}


class Bench:
    """Finds the trust policy and the receipts.

    What counts is what the verifier chose (``anchor.project.policy_sources``); a project that was
    found and does not count is told once, and left alone.  A receipt lies beside its file; inside a
    project of the user's, a file without one is looked up in the store, so that an operator can
    check what was just anchored.
    """

    def __init__(
        self,
        *,
        config_path: Path | None,
        trust: Path | None,
        tell: Callable[[str], None],
        offline: bool = False,
    ) -> None:
        from anchor.project.policy_sources import choose_policy

        self.choice = choose_policy(trust=trust, config=config_path)
        self.policy = self.choice.policy
        self._config_path = self.choice.config
        self._offline = offline
        self._prover: tuple[OpenProject, Prover] | None = None
        if self.choice.unused is not None:
            reason = self.choice.unused.reason
            tell(f"{reason.message}: its policy, nodes and store are not used")
            if reason.hint:
                tell(f"  {reason.hint}")

    def project_rpc(self, chain_id: ChainId) -> tuple[Sequence[str], int]:
        """Return the nodes that the project names on that chain, and how many have to agree."""
        if self._config_path is None:
            return (), 1
        from anchor.project.config import load_config

        config = load_config(self._config_path)
        if config.chain_id != chain_id:
            return (), 1
        return (config.rpc, *config.witnesses), config.quorum

    def describe_policies(self) -> list[str]:
        """Return each policy that counts, its SHA-256 and where it came from, in words."""
        return [describe_policy(file) for file in self.choice.files]

    def list_policies(self) -> list[dict[str, str]]:
        """Return the same for a JSON document."""
        return [
            {"file": str(file.path.resolve()), "sha256": file.sha256, "source": file.source}
            for file in self.choice.files
        ]

    def describe_unused(self) -> dict[str, str] | None:
        """Return the project that does not count, for a JSON document."""
        unused = self.choice.unused
        if unused is None:
            return None
        return {"config": str(unused.config), "reason": unused.reason.message}

    def close(self) -> None:
        """Close the project's store, if it was opened."""
        if self._prover is not None:
            self._prover[0].database.close()

    def items(
        self, files: Sequence[Path], *, receipt: Path | None, digest: str | None
    ) -> Iterator[tuple[str, Load]]:
        """Yield each item's name, and a function that reads its receipt and digests."""
        if digest is not None:
            if receipt is None:
                raise UsageError("--digest needs --receipt")
            yield digest, lambda: (read_receipt(receipt), _parse_digest(digest))
        hint = "to verify a digest alone: --digest sha256:HEX"
        for file in files:
            yield str(file), partial(self.load, file, receipt, hint=hint)

    def load(
        self, file: Path, receipt: Path | None, *, hint: str | None = None
    ) -> tuple[bytes, Digests]:
        """Return the bytes of the receipt, named or found, and the file's digests.

        ``hint`` says what else to name where the file is missing.
        """
        from anchor.project.files import RECEIPT_SUFFIX

        if receipt is None and file.name.endswith(RECEIPT_SUFFIX):
            receipt, file = file, file.with_name(file.name.removesuffix(RECEIPT_SUFFIX))
        digests = digest_file(file, hint=hint)
        if receipt is None:
            beside = receipt_path(file)
            if not is_there(beside):
                return self._from_store(file, digests, beside), digests
            receipt = beside
        return read_receipt(receipt), digests

    def _from_store(self, file: Path, digests: Digests, beside: Path) -> bytes:
        # A store may be on another machine, and its receipts hold no state proof anyway.
        if self._config_path is None or self._offline:
            raise UsageError(
                f"there is no receipt for {file}: {beside.name} is missing",
                hint="name it with --receipt",
            )
        from anchor.receipt.format import encode_receipt
        from anchor.store.evidence import find_evidence

        project, prover = self._open_prover(self._config_path)
        with project.database.read() as connection:
            try:
                evidence = find_evidence(connection, file, digests, or_changed=True)
            except UsageError as error:
                also = f"{error.hint}, or name its receipt with --receipt"
                raise UsageError(error.message, hint=also) from error
        return encode_receipt(prover.prove(evidence))

    def _open_prover(self, config_path: Path) -> tuple[OpenProject, Prover]:
        from anchor.operate.proving import Prover
        from anchor.project.config import load_config
        from anchor.project.project import open_project

        if self._prover is None:
            project = open_project(load_config(config_path))
            self._prover = project, Prover(project)
        return self._prover


def describe_policy(file: PolicyFile) -> str:
    """Return a policy, its SHA-256 and where it came from, in words."""
    return f"{file.path.resolve()} (SHA-256 {file.sha256}, {_SOURCES[file.source]})"


def _parse_digest(text: str) -> Digests:
    from anchor.evidence.digests import SHA256, SM3, Digests, parse_digest

    algorithm, value = parse_digest(text)
    return Digests(
        sha256=value if algorithm == SHA256 else None,
        sm3=value if algorithm == SM3 else None,
        size=None,
    )
