"""Object stores, each through its own library, which also finds the credentials.

Every object is read in one version: by one request, or by requests that all name the version.  It
is written only on a condition, so that none is replaced unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import ObjectUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """An object as its store lists it; a URL of the web is listed without asking its server.

    ``revision`` is ``version:…`` or ``etag:…``, what the store calls this version of the object.
    """

    url: ObjectUrl
    size: int | None
    revision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeaders:
    """What a store answers beside the bytes of an object that it serves to browsers."""

    media_type: str = "application/octet-stream"
    cache_control: str = "no-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStream:
    """The bytes of one version of an object; ``size`` is None if the store does not tell it."""

    stream: BinaryIO
    size: int | None
    revision: str | None


class ObjectUnreadable(Exception):
    """This object cannot be read; ``reason`` is a clause.  Reading it again may help or not."""

    def __init__(self, reason: Message, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


class ObjectMissing(ObjectUnreadable):
    """There is no such object."""


class StoreUnavailable(Exception):
    """The store answers nobody, or refuses these credentials: no object can be read now."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


def conditions_error(url: ObjectUrl) -> UsageError:
    """Return the error of a store that cannot be written to without replacing objects unseen."""
    return UsageError(
        Message("object-conditions-missing", url=url),
        hint=Message("object-conditions-missing-hint"),
    )


def describe_refused_write(
    url: ObjectUrl, code: object, *, is_bucket_missing: bool, is_denied: bool
) -> UsageError | StoreUnavailable:
    """Return the error of a write that the store answered with ``code``."""
    if is_bucket_missing:
        return UsageError(Message("object-bucket-missing", bucket=url.container))
    if is_denied:
        return UsageError(
            Message("object-writing-denied", url=url), hint=Message("object-writing-denied-hint")
        )
    return StoreUnavailable(Message("object-store-answered", code=code))


def describe_failure(error: Exception) -> Message:
    """Name the kind of an error only: its text may quote credentials."""
    return Message("object-store-failed", kind=type(error).__name__)


class ObjectStore(Protocol):
    """One kind of store."""

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        """Yield the objects that ``url`` includes, in an order that stays, those after a key only.

        Raises:
            UsageError: The bucket does not exist or may not be listed.
            StoreUnavailable: The store does not answer.
        """

    def open(self, listed: ListedObject) -> AbstractContextManager[ObjectStream]:
        """Open an object in the version that was listed.

        Raises:
            ObjectUnreadable: The object has changed, vanished, or may not be read.
            StoreUnavailable: The store does not answer.
        """


class WritableStore(ObjectStore, Protocol):
    """A kind of store that writes an object only if its present version is the expected one.

    ``no_revision`` is a revision that no object has.
    """

    no_revision: str

    def write(
        self, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders, *, replaces: str | None
    ) -> bool:
        """Write an object as a whole, durably; return False if the condition did not hold.

        ``replaces`` is the revision that the object must have now; None: there must be no object.

        Raises:
            UsageError: The bucket does not exist, or may not be written to.
            StoreUnavailable: The store does not answer; the object may have been written.
        """
