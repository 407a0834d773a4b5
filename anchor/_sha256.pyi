# anchor/native/module.c

from collections.abc import Mapping, Sequence

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

# anchor/native/fingerprints_methods.c

def sort_rows(rows: Buffer, width: int, /) -> bytes: ...
def merge_rows(
    parts: Sequence[Buffer], width: int, after: Buffer, until: Buffer | None, /
) -> bytes: ...
def search_rows(
    needles: Buffer, needle_width: int, rows: Buffer, width: int, prefix: int, /
) -> bytes: ...
def number_rows(rows: Buffer, width: int, first: int, /) -> bytes: ...
def hash_keys(rows: Buffer, width: int, seed: int, /) -> bytes: ...
def add_to_filter(filter: Buffer, hashes: Buffer, /) -> None: ...
def select_by_filter(filter: Buffer, hashes: Buffer, rows: Buffer, width: int, /) -> bytes: ...

# anchor/native/columns_methods.c

def make_records(columns: tuple[object, ...], /) -> list[bytes | None]: ...
def find_false_leaves(
    columns: tuple[object, ...], implementation: str | None = None, /
) -> list[int]: ...
def list_entries(columns: tuple[object, ...], /) -> bytes: ...
def list_record_entries(
    columns: tuple[object, ...], key_size: int, implementation: str | None = None, /
) -> bytes: ...
def list_identities(columns: tuple[object, ...], with_leaves: bool, /) -> bytes: ...
def complete_run(
    columns: tuple[object, ...], unique: bytes, implementation: str | None = None, /
) -> tuple[bytes, bytes, int] | None: ...
def split_record(
    record: bytes, sha256: bytes | None, sm3: bytes | None, recorded_at: bytes, /
) -> tuple[bytes, str, bytes, bytes, int | None, bool] | None: ...

# anchor/native/bulk_lines_methods.c

def read_plain_lines(
    lines: Buffer, start: int, most: int, max_line: int, codes: Mapping[bytes, int], /
) -> tuple[int, bytes, bytes, bytes | None]: ...
def format_accepted(number: int, identities: Buffer, tail: Buffer, /) -> bytes: ...
