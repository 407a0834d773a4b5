"""Objects in Azure Blob Storage, through Microsoft's own client.

A container is listed page by page, and every request of a blob's bytes names its entity tag, so
that all of them are of one version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END
from itertools import dropwhile, islice
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

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_BLOCK = 8 * 1024 * 1024

_IMPOSSIBLE = Message("object-address-impossible")
_REASONS = {
    "ConditionNotMet": Message("object-changed"),
    "AuthorizationPermissionMismatch": Message("object-denied"),
    "BlobArchived": Message("object-archived"),
}
_CHANGED = frozenset({"BlobAlreadyExists", "BlobNotFound", "ConditionNotMet"})
_DENIED = frozenset({"AuthorizationPermissionMismatch"})
_NO_CONTAINER = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "InvalidResourceName"})


class AzureStore:
    """The containers of the account that the environment names, as Azure's own tools do.

    ``AZURE_STORAGE_CONNECTION_STRING``; or ``AZURE_STORAGE_ACCOUNT_NAME`` with
    ``AZURE_STORAGE_ACCOUNT_KEY``, ``AZURE_STORAGE_SAS_TOKEN`` or the default Azure credential.
    """

    no_revision = "etag:0x0"

    def __init__(self) -> None:
        try:
            from azure.core import MatchConditions
            from azure.core.exceptions import AzureError, HttpResponseError
            from azure.identity import DefaultAzureCredential
            from azure.storage.blob import BlobServiceClient, ContentSettings
        except ImportError:
            raise UsageError(
                Message("object-package-missing", scheme="az"),
                hint=Message("object-package-missing-hint"),
            ) from None
        self._refusals = HttpResponseError
        self._failures = (AzureError, OSError)
        self._unchanged = MatchConditions.IfNotModified
        self._settings = ContentSettings
        settings: dict[str, Any] = {
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "max_single_get_size": _BLOCK,
            "max_chunk_get_size": _BLOCK,
        }
        environment = os.environ.get
        try:
            if text := environment("AZURE_STORAGE_CONNECTION_STRING"):
                self._client: Any = BlobServiceClient.from_connection_string(text, **settings)
            elif account := environment("AZURE_STORAGE_ACCOUNT_NAME"):
                self._client = BlobServiceClient(
                    f"https://{account}.blob.core.windows.net",
                    credential=environment("AZURE_STORAGE_ACCOUNT_KEY")
                    or environment("AZURE_STORAGE_SAS_TOKEN")
                    or DefaultAzureCredential(),
                    **settings,
                )
            else:
                raise UsageError(Message("object-azure-account-missing"))
        except (AzureError, ValueError) as error:
            raise UsageError(describe_failure(error)) from None

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        container = self._client.get_container_client(url.container)
        try:
            blobs = container.list_blobs(name_starts_with=url.key or None)
            if after is not None:
                # Where the store continues is up to its own order of names.
                blobs = dropwhile(lambda each: each.name != after, blobs)
                if not list(islice(blobs, 1)):
                    raise UsageError(
                        Message("object-listing-position-lost", bucket=url.container),
                        hint=Message("object-job-anew-hint"),
                    )
            for each in blobs:
                if url.includes(each.name):
                    yield ListedObject(
                        url=ObjectUrl(url.scheme, url.container, each.name),
                        size=each.size,
                        revision=_revision(each),
                    )
        except self._refusals as error:
            code = _code(error)
            if code in _NO_CONTAINER:
                raise UsageError(Message("object-bucket-missing", bucket=url.container)) from None
            if error.status_code == 403:
                raise UsageError(Message("object-listing-denied", bucket=url.container)) from None
            raise StoreUnavailable(Message("object-store-answered", code=code)) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None

    @contextmanager
    def open(self, listed: ListedObject) -> Iterator[ObjectStream]:
        url = listed.url
        if _is_altered(url):
            raise ObjectUnreadable(_IMPOSSIBLE)
        blob = self._client.get_blob_client(url.container, url.key)
        try:
            # The client requests later blocks with the entity tag of the first.
            answer = blob.download_blob(**self._expect(listed.revision))
            yield ObjectStream(
                stream=cast(BinaryIO, _Body(answer)),
                size=answer.size,
                revision=_revision(answer.properties),
            )
        except self._refusals as error:
            raise _explain(error) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None

    def write(
        self, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders, *, replaces: str | None
    ) -> bool:
        if _is_altered(url):
            failure = Message("object-not-written", url=url)
            raise UsageError(Message("with-reason", failure=failure, reason=_IMPOSSIBLE))
        size = body.seek(0, SEEK_END)
        body.seek(0)
        try:
            # Larger blobs are sent in blocks, which become a blob at once or never.
            self._client.get_blob_client(url.container, url.key).upload_blob(
                body, length=size, overwrite=replaces is not None, **self._expect(replaces),
                content_settings=self._settings(
                    content_type=headers.media_type, cache_control=headers.cache_control
                ),
            )  # fmt: skip
        except self._refusals as error:
            code = _code(error)
            if code in _CHANGED:
                return False
            raise describe_refused_write(
                url, code, is_bucket_missing=code in _NO_CONTAINER, is_denied=code in _DENIED
            ) from None
        except self._failures as error:
            raise StoreUnavailable(describe_failure(error)) from None
        return True

    def _expect(self, revision: str | None) -> dict[str, Any]:
        """Return the condition that a blob has this revision."""
        kind, _, value = (revision or "").partition(":")
        return {"etag": value, "match_condition": self._unchanged} if kind == "etag" else {}


def _is_altered(url: ObjectUrl) -> bool:
    """Return whether the client would request another blob: it resolves these segments."""
    return not {".", ".."}.isdisjoint(url.key.split("/"))


class _Body:
    """The bytes of a blob; the client's own stream has a ``readinto`` of another meaning."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, size: int = -1) -> bytes:
        return bytes(self._answer.read(size))


def _revision(properties: Any) -> str:
    """Return the entity tag; a listing has it without the quotation marks of the header."""
    return f"etag:{properties.etag.strip(chr(34))}"


def _code(error: Any) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.status_code)[:80]


def _explain(error: Any) -> ObjectUnreadable | StoreUnavailable:
    """Return whether an answer is about one blob, or about the account and these credentials."""
    code, status = _code(error), error.status_code
    if code == "BlobNotFound":
        return ObjectMissing(Message("object-gone"))
    if code in _REASONS:
        return ObjectUnreadable(_REASONS[code])
    answered = Message("object-store-answered", code=code)
    if status is None or status in (401, 403, 408, 429) or status >= 500 or code in _NO_CONTAINER:
        return StoreUnavailable(answered)
    return ObjectUnreadable(answered)
