"""checkpoints.json, origins: which log on which chain a checkpoint is of."""

from __future__ import annotations

import json
from collections.abc import Iterator

from support.vectors.cases import Case, invalid, valid

CHAIN_ID = 11155111
REGISTRY = "0x52908400098527886e0f7030069857d2e4169ee7"
LOG_ID = "0x000000000000000000000003" + "ab" * 20
ORIGIN = f"eip155:{CHAIN_ID}/{REGISTRY}/{LOG_ID}"


def valid_origins() -> Iterator[Case]:
    for chain_id, registry, log in (
        (CHAIN_ID, REGISTRY, LOG_ID),
        (1, "0x" + "00" * 20, "0x" + "00" * 32),
        (2**53 - 1, "0x" + "ff" * 20, "0x" + "ff" * 32),
    ):
        yield valid(
            f"chain {chain_id}",
            origin=f"eip155:{chain_id}/{registry}/{log}",
            chain_id=chain_id, registry=registry, log=log,
        )  # fmt: skip


def invalid_origins() -> Iterator[Case]:
    for rule, edits in {
        "origin-form": {
            "no scheme": ("eip155:", ""),
            "no colon": ("eip155:", "eip155"),
            "the scheme in capitals": ("eip155:", "EIP155:"),
            "another scheme": ("eip155:", "bip122:"),
            "a space before the scheme": ("eip155:", " eip155:"),
            "no log": ("/" + LOG_ID, ""),
            "no registry": ("/" + REGISTRY, ""),
            "a fourth part": (LOG_ID, LOG_ID + "/x"),
            "a slash at the end": (LOG_ID, LOG_ID + "/"),
            "no slash before the log": ("/" + LOG_ID, LOG_ID),
            "a URL": (ORIGIN, "https://example.com/log"),
            "empty": (ORIGIN, ""),
        },
        "origin-chain-spelling": {
            f"the chain id {json.dumps(chain)}": (str(CHAIN_ID), chain)
            for chain in (
                "",
                "0" + str(CHAIN_ID),
                "+1",
                "-1",
                "0x1",
                "1.0",
                " 1",
                "\u0661",
                "1\u0661",
                "1" * 17,
            )
        },
        "origin-chain-range": {
            f"the chain id {chain}": (str(CHAIN_ID), str(chain)) for chain in (0, 2**53)
        },
        "origin-registry": {
            "a registry without 0x": (REGISTRY, REGISTRY[2:]),
            "a registry with 0X": (REGISTRY, "0X" + REGISTRY[2:]),
            "a registry in mixed case": (REGISTRY, REGISTRY.replace("e", "E", 1)),
            "a registry a digit short": (REGISTRY, REGISTRY[:-1]),
            "a registry a byte longer": (REGISTRY, REGISTRY + "00"),
            "a registry that is not hex": (REGISTRY, REGISTRY[:-1] + "g"),
            "an empty registry": (REGISTRY, ""),
        },
        "origin-log": {
            "a log without 0x": (LOG_ID, LOG_ID[2:]),
            "a log in capitals": (LOG_ID, LOG_ID.replace("ab", "AB")),
            "a log a digit short": (LOG_ID, LOG_ID[:-1]),
            "a log a byte longer": (LOG_ID, LOG_ID + "00"),
            "a log that is not hex": (LOG_ID, LOG_ID[:-1] + "g"),
            "a newline after the log": (LOG_ID, LOG_ID + "\n"),
            "an empty log": (LOG_ID, ""),
        },
    }.items():
        for name, (old, new) in edits.items():
            yield invalid(name, rule, origin=ORIGIN.replace(old, new, 1))
