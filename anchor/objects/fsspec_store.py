"""Objects in Google Cloud Storage and Azure Blob Storage, through fsspec's file systems.

A folder is listed as a whole, so that memory grows with the largest folder of a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, cast

from anchor.errors import AnchorError, UsageError
from anchor.messages.message import Message
from anchor.objects.object_store import (
    ListedObject,
    ObjectMissing,
    ObjectStream,
    ObjectUnreadable,
    StoreUnavailable,
)
from anchor.objects.object_url import ObjectUrl

_BLOCK = 8 * 1024 * 1024
_VERSIONS = ("generation", "version_id")
_TAGS = ("etag", "ETag")
_REFUSALS: dict[type[Exception], Exception] = {
    FileNotFoundError: ObjectMissing(Message("object-gone")),
    PermissionError: ObjectUnreadable(Message("object-denied")),
}
_OWN = (AnchorError, ObjectUnreadable, StoreUnavailable)


class FsspecStore:
    """One of fsspec's file systems, without its caches of listings."""

    def __init__(self, scheme: str) -> None:
        try:
            import fsspec

            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError):
            raise UsageError(
                Message("object-package-missing", scheme=scheme),
                hint=Message("object-package-missing-hint"),
            ) from None
        with _TranslatedErrors({}):
            self._files: Any = fsspec.filesystem(scheme, use_listings_cache=False)

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        bucket = url.container
        refusals: dict[type[Exception], Exception] = {
            FileNotFoundError: UsageError(Message("object-bucket-missing", bucket=bucket)),
            PermissionError: UsageError(Message("object-listing-denied", bucket=bucket)),
        }
        with _TranslatedErrors(refusals):
            for each in self._walk(f"{bucket}/{url.key}".rstrip("/")):
                container, _, key = each["name"].partition("/")
                if url.includes(key) and (after is None or key > after):
                    yield ListedObject(
                        url=ObjectUrl(url.scheme, container, key),
                        size=each.get("size"),
                        revision=_revision(each),
                    )

    def _walk(self, path: str) -> Iterator[dict[str, Any]]:
        for each in sorted(self._files.ls(path, detail=True, refresh=True), key=_place):
            if each["type"] == "directory":
                yield from self._walk(each["name"])
            else:
                yield each

    @contextmanager
    def open(self, listed: ListedObject) -> Iterator[ObjectStream]:
        path = f"{listed.url.container}/{listed.url.key}"
        with _TranslatedErrors(_REFUSALS):
            with self._files.open(path, "rb", block_size=_BLOCK, cache_type="readahead") as file:
                before = self._look(path)
                yield ObjectStream(
                    stream=cast(BinaryIO, file), size=before.get("size"), revision=_revision(before)
                )
            # Blocks are requests of their own: they are of one version if it is still there.
            if _revision(self._look(path)) != _revision(before):
                raise ObjectUnreadable(Message("object-changed"))

    def _look(self, path: str) -> dict[str, Any]:
        self._files.invalidate_cache()
        return cast(dict[str, Any], self._files.info(path))


class _TranslatedErrors(AbstractContextManager[None]):
    """A context manager that translates the errors of a store's package, of whatever type they are.

    Their text is left out, because it may quote credentials.
    """

    def __init__(self, refusals: Mapping[type[Exception], Exception]) -> None:
        self._refusals = refusals

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, _OWN) or not issubclass(kind, Exception):
            return
        for expected, refusal in self._refusals.items():
            if issubclass(kind, expected):
                raise refusal from None
        raise StoreUnavailable(Message("object-store-failed", kind=kind.__name__)) from None


def _place(each: dict[str, Any]) -> str:
    """Return what orders a folder's entries so that the keys below it are in order."""
    name: str = each["name"]
    return f"{name}/" if each["type"] == "directory" else name


def _revision(details: dict[str, Any]) -> str | None:
    for kind, names in (("version", _VERSIONS), ("etag", _TAGS)):
        for name in names:
            if details.get(name):
                return f"{kind}:{details[name]}"
    return None
