# anchor/native/module.c

from typing_extensions import Buffer

IMPLEMENTATIONS: tuple[str, ...]

def hash_rows(
    prefix: int,
    rows: Buffer,
    width: int,
    implementation: str | None = None,
    threads: int = 1,
    block_height: int = 12,
) -> bytes: ...
def hash_levels(
    level: Buffer,
    count: int,
    implementation: str | None = None,
    threads: int = 1,
    block_height: int = 12,
) -> list[bytes]: ...
def hash_subtrees(
    level: Buffer,
    height: int,
    implementation: str | None = None,
    threads: int = 1,
    block_height: int = 12,
) -> bytes: ...
