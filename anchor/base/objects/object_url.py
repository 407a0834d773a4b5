"""URLs of objects: ``s3://BUCKET/KEY``, ``gs://…``, ``az://…`` and ``https://HOST/PATH``.

Keys are taken literally: in a bucket, ``%41``, ``?`` and ``#`` are ordinary characters of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.os_errors import explain_os_error

BUCKETS = ("s3", "gs", "az")
WEB = ("https", "http")
SCHEMES = (*BUCKETS, *WEB)

MAX_LINE = 8_192
"""Characters of a line of a list of URLs."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Parameters that sign a request or hold a password would be recorded with the URL.
_CREDENTIALS = re.compile(
    r"(?i)(x-amz-|x-goog-|awsaccesskeyid$|googleaccessid$|signature$|sig$|.*token$|.*secret|.*password"
    r"|.*api_?key$|access_?key$|auth$|authorization$)"
)


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """An object, or in a bucket also everything below its key; an empty key is the whole bucket."""

    scheme: str
    container: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.container}/{self.key}"

    def below(self, name: str) -> ObjectUrl:
        """Return the URL of the object ``name`` in this folder."""
        folder = self.key.rstrip("/")
        return ObjectUrl(self.scheme, self.container, f"{folder}/{name}" if folder else name)

    def includes(self, key: str) -> bool:
        """Return whether ``key`` is this URL's object, or lies below it."""
        folder = self.key if not self.key or self.key.endswith("/") else f"{self.key}/"
        return key == self.key or key.startswith(folder)


def is_object_url(text: str) -> bool:
    """Return whether ``text`` begins like a URL; such a text is no path."""
    return _SCHEME.match(text) is not None


def parse_object_url(text: str) -> ObjectUrl:
    """Parse a URL of an object store.

    Raises:
        UsageError: It is no such URL, or it holds credentials, which would be recorded.
    """
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if scheme not in SCHEMES:
        failure = Message("object-url-scheme-unknown", scheme=scheme)
        raise UsageError(
            failure if match else Message("object-url-without-scheme"),
            hint=Message("object-url-schemes-hint", schemes=join([f"{s}://" for s in SCHEMES])),
        )
    container, _, key = text[len(scheme) + 3 :].partition("/")
    if "@" in container:
        raise UsageError(Message("object-url-credentials"), hint=Message("object-url-chain-hint"))
    if not container or re.search(r"[\s\x00-\x1f\x7f?#]", container):
        raise UsageError(Message("object-url-without-container", scheme=scheme))
    if scheme in WEB:
        _check_web(text)
    return ObjectUrl(scheme, container, key)


def _check_web(text: str) -> None:
    try:
        url = urlsplit(text)
        is_odd = url.port == 0
    except ValueError:
        raise UsageError(Message("object-url-malformed")) from None
    if is_odd or url.fragment or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise UsageError(Message("object-url-malformed"))
    if any(_CREDENTIALS.match(name) for name, _ in parse_qsl(url.query, keep_blank_values=True)):
        raise UsageError(Message("object-url-credentials"), hint=Message("object-url-chain-hint"))


@dataclass(frozen=True, slots=True)
class UrlList:
    """The URLs of a file, one a line; empty lines and those that begin with ``#`` are none.

    A byte order mark at the beginning is ignored.
    """

    path: Path

    def __iter__(self) -> Iterator[ObjectUrl]:
        """Yield the URLs; the file is read anew each time."""
        try:
            with self.path.open("r", encoding="utf-8-sig", newline="\n") as file:
                lines = iter(lambda: file.readline(MAX_LINE), "")
                for number, line in enumerate(lines, 1):
                    text = line.rstrip("\r\n")
                    if text and not text.startswith("#"):
                        yield self._parse(text, number)
        except OSError as error:
            failure = Message("file-unreadable", path=self.path)
            raise explain_os_error(failure, error, is_named=True) from error
        except UnicodeDecodeError as error:
            raise UsageError(
                Message("document-not-utf8", subject=self.path, position=error.start)
            ) from None

    def _parse(self, text: str, number: int) -> ObjectUrl:
        try:
            return parse_object_url(text)
        except UsageError as error:
            raise UsageError(
                Message("object-url-line", path=self.path, line=number, reason=error.message),
                hint=error.hint,
            ) from None
