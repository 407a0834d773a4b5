# anchor/native/module.c

from typing_extensions import Buffer

IMPLEMENTATIONS: tuple[str, ...]

def hash_rows(
    prefix: int, rows: Buffer, width: int, implementation: str | None = None
) -> bytes: ...
def hash_levels(level: Buffer, count: int, implementation: str | None = None) -> list[bytes]: ...
