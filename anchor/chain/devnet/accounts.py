"""The genesis of every devnet, with anvil or py-evm: chain id, accounts, CREATE2 proxy.

The accounts are those of the mnemonic ``test test test test test test test test test test test
junk``, which anvil and hardhat use too.
"""

from __future__ import annotations

from anchor.base.types import Address, ChainId

DEVNET_CHAIN_ID = ChainId(31337)
"""The chain id of anvil and hardhat; any devnet may claim it, so it proves nothing."""

PUBLIC_DEV_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The private key of `DEV_ADDRESS`.  It is PUBLIC: the whole world knows it.

Use it on a devnet and nowhere else: on any other chain anyone can take its funds and permissions at
once, and its signatures prove nothing.
"""

DEV_ADDRESSES = tuple(
    Address(bytes.fromhex(digits))
    for digits in (
        "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "90f79bf6eb2c4f870365e785982e1f101e93b906",
        "15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "976ea74026e726554db657fa54763abd0c3a0aa9",
        "14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "a0ee7a142d267c1f36714e4a8f75612f20a79720",
    )
)
"""The ten accounts that own `DEV_BALANCE` in genesis."""

DEV_ADDRESS = DEV_ADDRESSES[0]
"""The address of `PUBLIC_DEV_KEY`."""

DEV_BALANCE = 10_000 * 10**18

CREATE2_PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "e03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
