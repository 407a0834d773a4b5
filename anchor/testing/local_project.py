"""A project for one test, with the public test key and a log of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.ethereum.header import parse_header
from anchor.library.operating import Project
from anchor.library.verifying import verify
from anchor.project.files import CONFIG, sidecar_path
from anchor.receipt.format import Receipt
from anchor.testing.local_chain import LocalChain
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report

# Logs of one owner in one registry differ by their number; random ones need no coordination.
_NUMBER_BITS = 64
# How long a command waits for finality in vain where nobody mines.
_WAIT_SECONDS = 30


class LocalProject(AbstractContextManager["LocalProject"]):
    """The project of the fixture ``anchor_project``, an `AnchorProject`."""

    def __init__(self, folder: Path, chain: LocalChain) -> None:
        """Create the project, and deploy the registry unless the chain has it.

        Raises:
            UsageError: The chain is no devnet, so that its public test key must not be used.
        """
        self.folder = folder
        self.chain = chain
        # The key is shared: what an earlier test left included would have to become final first.
        chain.mine_until_final()
        self.project = Project.create_on_devnet(
            folder,
            rpc=chain.url,
            number=secrets.randbits(_NUMBER_BITS),
            finality=chain.finality,
        )
        self._paths: dict[bytes, Path] = {}
        try:
            self.project.deploy()
            self.policy = TrustPolicy.load(self.project.config.trust)
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which ``anchor`` commands use this project and its trust policy."""
        return MappingProxyType(
            {
                "ANCHOR_CONFIG": str(self.folder / CONFIG),
                "ANCHOR_TRUST": str(self.project.config.trust),
                "ANCHOR_CHAIN__WAIT_SECONDS": str(_WAIT_SECONDS),
            }
        )

    def anchor(self, file: Path, *, beside: bool = False) -> Receipt:
        """Record a file, anchor it, wait until that is final, and return its receipt.

        With ``beside``, the receipt is also written as ``FILE.anchor.json``.
        """
        self.project.add([file])
        self.project.run_once(wait="included")
        self.chain.mine_until_final()
        self.project.run_once(wait="final")
        receipt = self.project.receipt(file)
        self._paths[receipt.record] = file
        if beside:
            receipt.save(sidecar_path(file), durable=False)
        return receipt

    def verify_offline(self, receipt: Receipt, file: Path | None = None) -> Report:
        """Return the report on a file by the project's policy and hashes of final blocks only.

        The hashes are taken from the chain first; the verification then asks no node.  Without
        ``file``, the file is the one that ``anchor`` returned this receipt for.

        Raises:
            UsageError: There is no ``file``, and this project did not anchor the receipt's record.
        """
        evidence = file or self._paths.get(receipt.record)
        if evidence is None:
            raise UsageError(Message("test-receipt-without-file"))
        numbers = {
            parse_header(anchored.state.header).number
            for anchored in receipt.anchors
            if anchored.state is not None
        }
        hashes = [self.chain.final_hash(number) for number in sorted(numbers)]
        return verify(
            evidence,
            receipt,
            policy=self.policy,
            block_hashes=[block_hash for block_hash in hashes if block_hash is not None],
            offline=True,
        )

    def close(self) -> None:
        """Close the store and the connections; the folder remains."""
        self.project.close()

    def __exit__(self, *_: object) -> None:
        self.close()
