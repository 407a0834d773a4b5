"""Objects in S3 and in whatever speaks its protocol, through boto3.

boto3 keeps keys as they are and lists page by page.  Measured against its alternatives: obstore
0.12 ends a listing at the first key with an empty, ``.`` or ``..`` segment or a control character,
and s3fs holds a whole listing in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.objects.object_store import (
    ListedObject,
    ObjectStream,
    ObjectUnreadable,
    StoreUnavailable,
    describe_failure,
)
from anchor.objects.object_url import ObjectUrl

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
# As many as the most hashing threads.
_CONNECTIONS = 64

_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})
_ARCHIVED = frozenset({"InvalidObjectState"})
_REASONS = (
    (_GONE, Message("object-gone")),
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
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect"})


class S3Store:
    """The buckets that the AWS configuration of this user reaches."""

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


def _revision(answer: dict[str, Any]) -> str | None:
    tag = answer.get("ETag")
    return None if tag is None else f"etag:{tag}"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "?"))[:80]


def _explain(error: Any) -> ObjectUnreadable | StoreUnavailable:
    """Return whether an answer is about one object, or about the store and these credentials."""
    code = _code(error)
    for codes, reason in _REASONS:
        if code in codes:
            return ObjectUnreadable(reason)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    answered = Message("object-store-answered", code=code)
    if code in _OF_EVERYBODY or status >= 500:
        return StoreUnavailable(answered)
    return ObjectUnreadable(answered)
