"""What ``anchor verify`` has on its bench: the policy, and for each file its bytes and receipt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.cli.files import digest_file, is_there, read_policy, read_receipt, receipt_path
from anchor.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from anchor.digest import Digests
    from anchor.pipeline.project import Project
    from anchor.pipeline.proving import Prover
    from anchor.trust import TrustPolicy
    from anchor.types import ChainId

Load = Callable[[], "tuple[bytes, Digests]"]


class Bench:
    """Finds the trust policy and the receipts.

    The policy is ``--trust``, else that of the project around; a ``trust.toml`` that merely lies in
    the current folder may have come with the evidence and is not taken.  A receipt lies beside its
    file; inside a project, a file without one is looked up in the store, so that an operator can
    check what was just anchored.

    With ``--trust`` the project around is left alone, unless it is named as well: a folder that
    came with the evidence may be one, and would say whom to ask.
    """

    def __init__(
        self, *, config_path: Path | None, trust: Path | None, offline: bool = False
    ) -> None:
        from anchor.filenames import find_config, policy_of

        self._config_path: Path | None = config_path
        if config_path is None and trust is None:
            with contextlib.suppress(ConfigError):
                self._config_path = find_config()
        self._offline = offline
        self._prover: tuple[Project, Prover] | None = None
        self.policy_name: str | None = None
        self.policy: TrustPolicy | None = None
        self.policy_sha256: str | None = None
        if trust is not None:
            self.policy_name = str(trust.resolve())
        elif self._config_path is not None:
            trust = policy_of(self._config_path)
            self.policy_name = f"{trust.resolve()} (of the project around; yours with --trust)"
        if trust is not None:
            self.policy, self.policy_sha256 = read_policy(trust)

    def project_rpc(self, chain_id: ChainId) -> tuple[Sequence[str], int]:
        """Return the nodes of the project around, and how many have to agree, on that chain."""
        if self._config_path is None:
            return (), 1
        from anchor.config import load_config

        config = load_config(self._config_path)
        if config.chain_id != chain_id:
            return (), 1
        return (config.rpc, *config.witnesses), config.quorum

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
        for file in files:
            yield str(file), lambda file=file: self.load(file, receipt)  # type: ignore[misc]

    def load(self, file: Path, receipt: Path | None) -> tuple[bytes, Digests]:
        """Return the bytes of the receipt, named or found, and the file's digests."""
        from anchor.filenames import RECEIPT_SUFFIX

        if receipt is None and file.name.endswith(RECEIPT_SUFFIX):
            receipt, file = file, file.with_name(file.name.removesuffix(RECEIPT_SUFFIX))
        digests = digest_file(file)
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
        from anchor.pipeline.receipts import find_evidence
        from anchor.receipt import encode_receipt

        project, prover = self._open_prover(self._config_path)
        with project.database.read() as connection:
            evidence = find_evidence(connection, file, digests, or_changed=True)
        return encode_receipt(prover.prove(evidence))

    def _open_prover(self, config_path: Path) -> tuple[Project, Prover]:
        from anchor.config import load_config
        from anchor.pipeline.project import open_project
        from anchor.pipeline.proving import Prover

        if self._prover is None:
            project = open_project(load_config(config_path))
            self._prover = project, Prover(project)
        return self._prover


def _parse_digest(text: str) -> Digests:
    from anchor.digest import SHA256, SM3, Digests, parse_digest

    algorithm, value = parse_digest(text)
    return Digests(
        sha256=value if algorithm == SHA256 else None,
        sm3=value if algorithm == SM3 else None,
        size=None,
    )
