"""Manifests of objects as Parquet files, which Ray, Spark, Beam and DuckDB write and read too.

The columns are in ``docs/object-stores.md``.  Reading checks every row before any is used.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from anchor.base.digests import DIGEST_BYTES, Digests
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import ListedObject
from anchor.base.objects.object_url import parse_object_url
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.objects.object_hashing import ObjectRow

SCHEMA = "anchor-object-manifest/1"
MAX_KEY = 4_096
"""Characters of an object's URL: an S3 key has at most 1,024 bytes."""

MAX_ROW_GROUP = 1 << 30
"""Bytes of a row group, as its file says: one is read at a time."""

_BATCH_ROWS = 10_000
_REQUIRED = ("key", "size", "sha256")
_OPTIONAL = ("revision", "sm3", "error")


def encode_rows(rows: Sequence[ObjectRow]) -> bytes:
    """Return a Parquet file with these rows; the same rows give the same bytes."""
    import pyarrow as pa

    digest = pa.binary(DIGEST_BYTES)
    columns = {
        "key": pa.array([row.url for row in rows], pa.string()),
        "revision": pa.array([row.revision for row in rows], pa.string()),
        "size": pa.array([row.size for row in rows], pa.int64()),
        "sha256": pa.array([row.digests and row.digests.sha256 for row in rows], digest),
        "sm3": pa.array([row.digests and row.digests.sm3 for row in rows], digest),
        "error": pa.array(
            [None if row.error is None else str(row.error) for row in rows], pa.string()
        ),
    }
    return _encode(pa.table(columns), {"schema": SCHEMA})


def encode_listing(objects: Sequence[ListedObject], position: int) -> bytes:
    """Return a Parquet file of listed objects, the last one of URL number ``position``."""
    import pyarrow as pa

    columns = {
        "key": pa.array([str(each.url) for each in objects], pa.string()),
        "revision": pa.array([each.revision for each in objects], pa.string()),
        "size": pa.array([each.size for each in objects], pa.int64()),
    }
    return _encode(pa.table(columns), {"position": str(position)})


def read_listing(path: Path) -> tuple[list[ListedObject], int]:
    """Return a listing of this program and the number of the URL that it ends in."""
    with ExitStack() as stack:
        file = _open(path, stack)
        position = (file.schema_arrow.metadata or {}).get(b"position", b"")
        if not position.isdigit():
            raise _malformed(path, Message("manifest-not-parquet"))
        objects = [
            ListedObject(
                url=parse_object_url(row["key"]), size=row["size"], revision=row["revision"]
            )
            for row in _read_raw(file, path)
        ]
    return objects, int(position)


def read_rows(path: Path) -> Iterator[ObjectRow]:
    """Return a manifest's rows, all of which have been checked once."""
    with ExitStack() as stack:
        file = _open(path, stack)
        _check_columns(path, file)
        for _ in _parse(path, file):
            pass
        kept = _close_after(stack.pop_all(), _parse(path, file))
        next(kept)  # from here on it closes the file, also if no row is asked for
        return kept


def _close_after(stack: ExitStack, rows: Iterator[ObjectRow]) -> Iterator[Any]:
    with stack:
        yield None
        yield from rows


def list_manifests(path: Path) -> list[Path]:
    """Return a manifest, or those of a folder, which a run or another program wrote.

    Names that begin with ``_`` or ``.`` are those of half-written and of other files.
    """
    if not path.is_dir():
        return [path]
    try:
        names = sorted(each.name for each in path.iterdir() if each.suffix == ".parquet")
    except OSError as error:
        failure = Message("folder-unusable", path=path)
        raise explain_os_error(failure, error, is_named=True) from error
    manifests = [path / each for each in names if not each.startswith(("_", ".", "listing-"))]
    if not manifests:
        raise UsageError(Message("manifest-none-in-folder", path=path))
    return manifests


def _encode(table: Any, details: dict[str, str]) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(details), sink, compression="zstd", write_page_checksum=True
    )
    return sink.getvalue()


def _open(path: Path, stack: ExitStack) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            Message("manifest-package-missing"), hint=Message("object-package-missing-hint")
        ) from None
    try:
        source = stack.enter_context(os.fdopen(open_regular_file(path), "rb"))
        return pq.ParquetFile(source, page_checksum_verification=True)
    except OSError as error:
        if error.errno is None:
            raise _malformed(path, Message("manifest-not-parquet")) from None
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error
    except pa.ArrowException:
        raise _malformed(path, Message("manifest-not-parquet")) from None


def _parse(path: Path, file: Any) -> Iterator[ObjectRow]:
    for number, row in enumerate(_read_raw(file, path), 1):
        try:
            yield _parse_row(row)
        except UsageError as error:
            raise MalformedError(
                Message("manifest-row-invalid", path=path, row=number, reason=error)
            ) from None


def _read_raw(file: Any, path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    for number in range(file.num_row_groups):
        if file.metadata.row_group(number).total_byte_size > MAX_ROW_GROUP:
            raise _malformed(path, Message("manifest-row-group-long", limit=MAX_ROW_GROUP))
    if file.metadata.num_rows == 0:
        raise _malformed(path, Message("manifest-without-rows"))
    columns = [name for name in (*_REQUIRED, *_OPTIONAL) if name in file.schema_arrow.names]
    count = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
            count += len(batch)
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise _malformed(path, Message("manifest-not-parquet")) from None
    if count != file.metadata.num_rows:
        raise _malformed(path, Message("manifest-not-parquet"))


def _check_columns(path: Path, file: Any) -> None:
    import pyarrow.types as kinds

    def is_text(kind: Any) -> bool:
        return bool(
            kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
        )

    def is_digest(kind: Any) -> bool:
        is_bytes = kinds.is_binary(kind) or kinds.is_large_binary(kind)
        is_other = kinds.is_fixed_size_binary(kind) or kinds.is_binary_view(kind)
        return bool(is_bytes or is_other) or is_text(kind)

    checks = {
        "key": is_text,
        "revision": is_text,
        "error": is_text,
        "size": kinds.is_integer,
        "sha256": is_digest,
        "sm3": is_digest,
    }
    names = file.schema_arrow.names
    for name in (*_REQUIRED, *_OPTIONAL):
        if names.count(name) > 1:
            raise _malformed(path, Message("manifest-column-repeated", column=name))
        if name not in names:
            if name in _REQUIRED:
                raise _malformed(path, Message("manifest-column-missing", column=name))
            continue
        kind = file.schema_arrow.field(name).type
        if kinds.is_dictionary(kind):  # how a writer keeps repeated values; read as these
            kind = kind.value_type
        if not checks[name](kind) and not kinds.is_null(kind):
            raise _malformed(path, Message("manifest-column-type", column=name, type=str(kind)))


def _parse_row(row: dict[str, Any]) -> ObjectRow:
    key, size, error = row["key"], row["size"], row.get("error")
    if not key or len(key) > MAX_KEY:
        raise UsageError(Message("manifest-key-length", limit=MAX_KEY))
    url = parse_object_url(key)
    revision = _parse_revision(row.get("revision"))
    sha256, sm3 = _parse_digest(row["sha256"]), _parse_digest(row.get("sm3"))
    if size is not None and not 0 <= size < 1 << 63:
        raise UsageError(Message("manifest-size-invalid", size=size))
    if error is not None:
        if sha256 is not None or sm3 is not None:
            raise UsageError(Message("manifest-error-with-digest"))
        return ObjectRow(url=str(url), revision=revision, size=size, digests=None, error=error)
    if sha256 is None or size is None:
        raise UsageError(Message("manifest-row-without-digest"))
    digests = Digests(sha256=sha256, sm3=sm3, size=size)
    return ObjectRow(url=str(url), revision=revision, size=size, digests=digests, error=None)


def _parse_revision(value: str | None) -> str | None:
    """Return what a store calls the version of an object: ``version:…`` or ``etag:…``."""
    kind, _, name = (value or "").partition(":")
    if value is not None and (kind not in ("version", "etag") or not name):
        raise UsageError(Message("manifest-revision-invalid"))
    return value


def _parse_digest(value: object) -> bytes | None:
    """Return a digest given as 32 bytes or as 64 hexadecimal digits."""
    if value is None:
        return None
    if isinstance(value, bytes) and len(value) == DIGEST_BYTES:
        return value
    text = value if isinstance(value, str) else ""
    if len(text) == 2 * DIGEST_BYTES and set(text) <= set("0123456789abcdefABCDEF"):
        return bytes.fromhex(text)
    raise UsageError(Message("manifest-digest-invalid"))


def _malformed(path: Path, reason: Message) -> MalformedError:
    return MalformedError(Message("with-reason", failure=str(path), reason=reason))
