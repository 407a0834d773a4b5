"""The check of a copy that has arrived: it is the evidence, and a scanner finds nothing in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from anchor.base.digests import SHA256, SM3, Digests, PartwiseDigests
from anchor.keeping.upload_rules import RefusalReason
from anchor.operate.copy_vault import CopyVault
from anchor.store.kept_copies import CopyPart, KeptCopy

T = TypeVar("T")

# What a scanner's exit says, as that of clamscan and clamdscan does; any other: it cannot tell.
_CLEAN = 0
_INFECTED = 1
# Seconds that a scanner may take to read a part, and to answer after the last one.
_PATIENCE = 1_800


class ScannerUndecided(Exception):
    """The scanner cannot tell: it could not be started, hangs, or ended with another ``code``."""

    def __init__(self, code: int | None) -> None:
        super().__init__()
        self.code = code


async def check_copy(
    vault: CopyVault, copy: KeptCopy, parts: Sequence[CopyPart], expected: Digests
) -> RefusalReason | None:
    """Read a copy back and compare it with its evidence; return why it is to be refused, or None.

    One part at a time is in memory.

    Raises:
        ScannerUndecided: It is the evidence, and the scanner cannot tell whether it is infected.
    """
    key = await asyncio.to_thread(vault.open_key, copy)
    made = PartwiseDigests((SHA256,) if expected.sm3 is None else (SHA256, SM3))
    async with _start_scanner(vault.config.scan) as scanner:
        for part in parts:
            data = await asyncio.to_thread(vault.read_part, key, copy, part)
            await asyncio.gather(asyncio.to_thread(made.update, data), scanner.feed(data))
        actual = made.finish()
        if actual.size != copy.length or not _is_same(actual, expected):
            return "other-bytes"
        return "infected" if await scanner.is_infected() else None


def _is_same(actual: Digests, expected: Digests) -> bool:
    """Return whether every value that the evidence has is that of the bytes."""
    return (
        expected.sha256 in (None, actual.sha256)
        and expected.sm3 in (None, actual.sm3)
        and expected.size in (None, actual.size)
    )


class _Scanner:
    """A scanner that reads from standard input; without a process there is none."""

    def __init__(self, process: asyncio.subprocess.Process | None) -> None:
        self._process = process

    async def feed(self, data: bytes) -> None:
        """Pass bytes on; a scanner that has read enough has closed its input."""
        if self._process is not None:
            assert self._process.stdin is not None, "it is a pipe"
            # uvloop raises RuntimeError for a pipe that was closed before.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
                self._process.stdin.write(data)
                await _limit(self._process.stdin.drain())

    async def is_infected(self) -> bool:
        """Return what the scanner says at the end of the input."""
        if self._process is None:
            return False
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.close()
        code = await _limit(self._process.wait())
        if code not in (_CLEAN, _INFECTED):
            raise ScannerUndecided(code)
        return code == _INFECTED


async def _limit(step: Coroutine[Any, Any, T]) -> T:
    """Await what a scanner does."""
    try:
        return await asyncio.wait_for(step, _PATIENCE)
    except TimeoutError:
        raise ScannerUndecided(None) from None


@asynccontextmanager
async def _start_scanner(command: Sequence[str]) -> AsyncIterator[_Scanner]:
    """Start the scanner, if there is one; it is killed if it has not ended by itself."""
    if not command:
        yield _Scanner(None)
        return
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        raise ScannerUndecided(None) from None
    try:
        yield _Scanner(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
