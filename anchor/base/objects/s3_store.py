"""Objects in S3 and in whatever speaks its protocol, through boto3.

boto3 keeps keys as they are and lists page by page.  Measured against its alternatives: obstore
0.12 ends a listing at the first key with an empty, ``.`` or ``..`` segment or a control character,
and s3fs holds a whole listing in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    conditions_error,
    describe_failure,
    describe_refused_write,
)
from anchor.base.objects.object_url import ObjectUrl

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
# As many as the most hashing threads.
_CONNECTIONS = 64

# Larger objects are sent in parts of this many bytes; S3 takes up to 10,000 of them.
_PART_BYTES = 64 * 1024 * 1024

_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})
_ARCHIVED = frozenset({"InvalidObjectState"})
_REASONS = (
    (_CHANGED, Message("object-changed")),
    (_DENIED, Message("object-denied")),
    (_ARCHIVED, Message("object-archived")),
)
# Answers that every other object would get as well.
_OF_EVERYBODY = frozenset(
    {
        "AccountProblem", "AuthorizationHeaderMalformed", "ExpiredToken", "InvalidAccessKeyId",
        "InvalidSecurity", "InvalidToken", "NoSuchBucket", "RequestTimeTooSkewed",
        "SignatureDoesNotMatch", "SlowDown", "Throttling", "ThrottlingException",
        "TokenRefreshRequired", "TooManyRequests",
    }
)  # fmt: skip
# Of servers that know no conditions when writing.
_UNCONDITIONAL = frozenset({"NotImplemented", "501"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect"})


class S3Store:
    """The buckets that the AWS configuration of this user reaches."""

    no_revision = 'etag:"00000000000000000000000000000000"'

    def __init__(self) -> None:
        try:
            import boto3
            from botocore import exceptions
            from botocore.config import Config
        except ImportError:
            raise UsageError(
                Message("object-package-missing", scheme="s3"),
                hint=Message("object-package-missing-hint"),
            ) from None
        self._errors = exceptions
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "max_attempts": 4},
        )
        try:
            self._client: Any = boto3.client("s3", config=config)
        except exceptions.BotoCoreError as error:
            raise UsageError(describe_failure(error)) from None

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=url.container,
            Prefix=url.key,
            **({} if after is None else {"StartAfter": after}),
        )
        try:
            for page in pages:
                for each in page.get("Contents", ()):
                    if url.includes(each["Key"]):
                        yield ListedObject(
                            url=ObjectUrl(url.scheme, url.container, each["Key"]),
                            size=each["Size"],
                            revision=_revision(each),
                        )
        except self._errors.ClientError as error:
            code = _code(error)
            if code in _NO_BUCKET:
                raise UsageError(Message("object-bucket-missing", bucket=url.container)) from None
            if code in _DENIED:
                raise UsageError(Message("object-listing-denied", bucket=url.container)) from None
            raise StoreUnavailable(Message("object-store-answered", code=code)) from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise StoreUnavailable(describe_failure(error)) from None

    @contextmanager
    def open(self, listed: ListedObject) -> Iterator[ObjectStream]:
        kind, _, value = (listed.revision or "").partition(":")
        condition = {"IfMatch": value} if kind == "etag" else {}
        url = listed.url
        try:
            answer = self._client.get_object(Bucket=url.container, Key=url.key, **condition)
        except self._errors.ClientError as error:
            raise _explain(error) from None
        except self._errors.BotoCoreError as error:
            raise StoreUnavailable(describe_failure(error)) from None
        try:
            with answer["Body"] as body:
                yield ObjectStream(
                    stream=cast(BinaryIO, body),
                    size=answer["ContentLength"],
                    revision=_revision(answer),
                )
        except self._errors.BotoCoreError:
            # If the store is away, the next attempt finds out.
            raise ObjectUnreadable(Message("object-ends-early"), may_pass=True) from None

    def write(
        self, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders, *, replaces: str | None
    ) -> bool:
        key = {"Bucket": url.container, "Key": url.key}
        told = {"ContentType": headers.media_type, "CacheControl": headers.cache_control}
        condition = (
            {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces.partition(":")[2]}
        )
        try:
            size = body.seek(0, SEEK_END)
            body.seek(0)
            if size <= _PART_BYTES:
                self._client.put_object(**key, **told, **condition, Body=body)
            else:
                self._write_parts(key, told, condition, body)
        except self._errors.ClientError as error:
            code = _code(error)
            if code in _CHANGED or (replaces is not None and code in _GONE):
                return False
            raise _explain_write(code, url) from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise StoreUnavailable(describe_failure(error)) from None
        return True

    def _write_parts(
        self, key: dict[str, str], told: dict[str, str], condition: dict[str, str], body: BinaryIO
    ) -> None:
        """Write an object in parts, which become an object at once or are discarded."""
        upload = {"UploadId": self._client.create_multipart_upload(**key, **told)["UploadId"]}
        try:
            parts = [
                {
                    "PartNumber": number,
                    "ETag": self._client.upload_part(**key, **upload, PartNumber=number, Body=part)[
                        "ETag"
                    ],
                }
                for number, part in enumerate(iter(lambda: body.read(_PART_BYTES), b""), 1)
            ]
            self._client.complete_multipart_upload(
                **key, **upload, **condition, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            # A crash before this leaves parts that no reader sees.
            with suppress(self._errors.ClientError, self._errors.BotoCoreError, OSError):
                self._client.abort_multipart_upload(**key, **upload)
            raise


def _revision(answer: dict[str, Any]) -> str | None:
    tag = answer.get("ETag")
    return None if tag is None else f"etag:{tag}"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "?"))[:80]


def _explain(error: Any) -> ObjectUnreadable | StoreUnavailable:
    """Return whether an answer is about one object, or about the store and these credentials."""
    code = _code(error)
    if code in _GONE:
        return ObjectMissing(Message("object-gone"))
    for codes, reason in _REASONS:
        if code in codes:
            return ObjectUnreadable(reason)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    answered = Message("object-store-answered", code=code)
    if code in _OF_EVERYBODY or status >= 500:
        return StoreUnavailable(answered)
    return ObjectUnreadable(answered)


def _explain_write(code: str, url: ObjectUrl) -> UsageError | StoreUnavailable:
    if code in _UNCONDITIONAL:
        return conditions_error(url)
    return describe_refused_write(
        url, code, is_bucket_missing=code in _NO_BUCKET, is_denied=code in _DENIED
    )
