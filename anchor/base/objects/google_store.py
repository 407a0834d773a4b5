"""Objects in Google Cloud Storage, through Google's own client, which also finds the credentials.

Keys are kept as they are, a bucket is listed page by page, and every request names the generation
of the object, so that all bytes are of one version.  The client runs against an emulator if
``STORAGE_EMULATOR_HOST`` is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END
from typing import Any, BinaryIO, cast

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import (
    ListedObject,
    ObjectHeaders,
    ObjectMissing,
    ObjectStream,
    ObjectUnreadable,
    StoreUnavailable,
    describe_failure,
    describe_refused_write,
)
from anchor.base.objects.object_url import ObjectUrl

_TIMEOUT = (10, 60)
_BLOCK = 8 * 1024 * 1024
_REASONS = {
    403: Message("object-denied"),
    412: Message("object-changed"),
}
_FIELDS = "items(name,size,generation),nextPageToken"


class GoogleStore:
    """The buckets that the application-default credentials of this user reach."""

    # Google's are times in microseconds.
    no_revision = "version:1"

    def __init__(self) -> None:
        try:
            from google.api_core.exceptions import ClientError, GoogleAPICallError
            from google.auth.exceptions import GoogleAuthError
            from google.cloud.storage import Client
            from requests.exceptions import RequestException
        except ImportError:
            raise UsageError(
                Message("object-package-missing", scheme="gs"),
                hint=Message("object-package-missing-hint"),
            ) from None
        self._refusals = ClientError
        self._failures = (GoogleAPICallError, GoogleAuthError, RequestException, OSError)
        try:
            # Objects are read by bucket: no project is needed, and none is looked for.
            self._client: Any = Client(project="none")
        except GoogleAuthError as error:
            raise UsageError(describe_failure(error)) from None

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        try:
            for each in self._client.list_blobs(
                url.container, prefix=url.key or None, start_offset=after, fields=_FIELDS,
                timeout=_TIMEOUT,
            ):  # fmt: skip
                if url.includes(each.name) and each.name != after:
                    yield ListedObject(
                        url=ObjectUrl(url.scheme, url.container, each.name),
                        size=each.size,
                        revision=f"version:{each.generation}",
                    )
        except self._refusals as error:
            if error.code in (400, 404):
                raise UsageError(Message("object-bucket-missing", bucket=url.container)) from None
            if error.code == 403:
                raise UsageError(Message("object-listing-denied", bucket=url.container)) from None
            raise StoreUnavailable(Message("object-store-answered", code=error.code)) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None

    @contextmanager
    def open(self, listed: ListedObject) -> Iterator[ObjectStream]:
        kind, _, value = (listed.revision or "").partition(":")
        condition = int(value) if kind == "version" else None
        bucket = self._client.bucket(listed.url.container)
        blob = bucket.blob(listed.url.key)
        try:
            blob.reload(timeout=_TIMEOUT, if_generation_match=condition)
            revision = f"version:{blob.generation}"
            # Blocks are requests of their own: each names the generation.
            version = bucket.blob(listed.url.key, generation=blob.generation)
            # As they are stored: Google would send a compressed object without its compression.
            with version.open(
                "rb", chunk_size=_BLOCK, raw_download=True, timeout=_TIMEOUT,
            ) as stream:  # fmt: skip
                yield ObjectStream(stream=cast(BinaryIO, stream), size=blob.size, revision=revision)
        except self._refusals as error:
            if error.code == 404 and self._is_missing(listed.url.container):
                missing = Message("object-bucket-missing", bucket=listed.url.container)
                raise StoreUnavailable(missing) from None
            raise _explain(error.code) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None

    def write(
        self, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders, *, replaces: str | None
    ) -> bool:
        blob = self._client.bucket(url.container).blob(url.key)
        blob.cache_control = headers.cache_control
        try:
            # Larger objects are sent in parts, which become an object at once or never.
            blob.upload_from_file(
                body, rewind=True, size=body.seek(0, SEEK_END), content_type=headers.media_type,
                if_generation_match=0 if replaces is None else int(replaces.partition(":")[2]),
                timeout=_TIMEOUT,
            )  # fmt: skip
        except self._refusals as error:
            is_missing = error.code == 404 and self._is_missing(url.container)
            if error.code == 412 or (error.code == 404 and not is_missing):
                return False
            raise describe_refused_write(
                url, error.code, is_bucket_missing=is_missing, is_denied=error.code == 403
            ) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None
        return True

    def _is_missing(self, bucket: str) -> bool:
        """Return whether a bucket is missing: a missing object has the same code."""
        try:
            next(iter(self._client.list_blobs(bucket, max_results=1, timeout=_TIMEOUT)), None)
        except self._refusals as error:
            return bool(error.code == 404)
        return False


def _explain(status: int | None) -> ObjectUnreadable | StoreUnavailable:
    """Return whether an answer is about one object, or about the store and these credentials."""
    answered = Message("object-store-answered", code=status)
    if status is None or status in (401, 408, 429):
        return StoreUnavailable(answered)
    if status == 404:
        return ObjectMissing(Message("object-gone"))
    return ObjectUnreadable(_REASONS.get(status, answered))
