"""The parts of both clients that keep copies of originals."""

from __future__ import annotations

from collections.abc import Awaitable
from io import SEEK_END
from typing import BinaryIO, Protocol, TypeVar

from anchor.client.copy_exchanges import CopyExchanges, ReadBytes, WriteBytes
from anchor.client.evidence_answers import StatusCopy
from anchor.client.exchanges import Exchange, Exchanges

_Value = TypeVar("_Value")


class _Do(Protocol):
    def __call__(self, exchange: Exchange[_Value], /) -> _Value: ...


class _DoAsync(Protocol):
    def __call__(self, exchange: Exchange[_Value], /) -> Awaitable[_Value]: ...


class CopyClient:
    """The copies of the tenant's originals, as ``Client.copies``.

    Every call raises a UsageError if the service refuses it, a CannotCheckError if it does not
    answer, and a MalformedError if the answer is not one of the service.
    """

    def __init__(self, do: _Do, exchanges: Exchanges) -> None:
        self._do = do
        self._exchanges = CopyExchanges(exchanges)

    def upload(self, id: str, file: BinaryIO, *, timeout: float = 600.0) -> StatusCopy:
        """Upload the original of a piece of evidence, and return the copy once it is compared.

        What arrived in an earlier upload is not sent again.  After ``timeout`` seconds of comparing
        the copy is returned as it is.
        """
        return self._do(self._exchanges.upload(id, _length_of(file), _reader(file), timeout))

    def download(self, id: str, file: BinaryIO) -> int:
        """Write a kept copy into a file, from the file's end on, and return its length in bytes.

        What the file has is taken for the beginning, as after a download that broke off: verify the
        file by its receipt.
        """
        return self._do(self._exchanges.download(id, _length_of(file), _writer(file)))

    def status(self, id: str) -> StatusCopy | None:
        """Return the copy of a piece of evidence; None if there is none."""
        return self._do(self._exchanges.find(id))

    def delete(self, id: str) -> None:
        """Delete the copy of a piece of evidence, which stays."""
        self._do(self._exchanges.delete(id))


class AsyncCopyClient:
    """The copies of the tenant's originals, as ``AsyncClient.copies``: ``CopyClient`` with await.

    Files are read and written in pieces of 8 MiB, on the event loop.
    """

    def __init__(self, do: _DoAsync, exchanges: Exchanges) -> None:
        self._do = do
        self._exchanges = CopyExchanges(exchanges)

    async def upload(self, id: str, file: BinaryIO, *, timeout: float = 600.0) -> StatusCopy:
        """Upload the original of a piece of evidence, and return the copy once it is compared."""
        return await self._do(self._exchanges.upload(id, _length_of(file), _reader(file), timeout))

    async def download(self, id: str, file: BinaryIO) -> int:
        """Write a kept copy into a file, from the file's end on, and return its length in bytes."""
        return await self._do(self._exchanges.download(id, _length_of(file), _writer(file)))

    async def status(self, id: str) -> StatusCopy | None:
        """Return the copy of a piece of evidence; None if there is none."""
        return await self._do(self._exchanges.find(id))

    async def delete(self, id: str) -> None:
        """Delete the copy of a piece of evidence, which stays."""
        await self._do(self._exchanges.delete(id))


def _length_of(file: BinaryIO) -> int:
    return file.seek(0, SEEK_END)


def _reader(file: BinaryIO) -> ReadBytes:
    def read(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    return read


def _writer(file: BinaryIO) -> WriteBytes:
    def write(offset: int, data: bytes) -> None:
        file.seek(offset)
        file.write(data)

    return write
