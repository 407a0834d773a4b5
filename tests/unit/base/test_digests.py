"""SHA-256 and SM3: published vectors, streams of every manner, and what must be refused."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import random
import sys
import time
import types
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base import digests
from anchor.base.digests import (
    CHUNK_BYTES,
    SHA256,
    SM3,
    Digests,
    digest_bytes,
    digest_stream,
    parse_algorithms,
    parse_digest,
)
from anchor.base.errors import AnchorError, MalformedError, UnknownVersionError, UsageError

BOTH = (SHA256, SM3)

# FIPS 180-4, the example computations NIST publishes for SHA-256.
SHA256_VECTORS = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    b"a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}
# GB/T 32905-2016, appendix A.1 and A.2.
SM3_VECTORS = {
    b"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    b"abcd" * 16: "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
}


class _Trickle(io.RawIOBase):
    """Gives the data in pieces of the asked sizes, like a pipe."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__()
        self._rest = io.BytesIO(data)
        self._sizes = sizes
        self.asked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = self._sizes.pop(0) if self._sizes else len(buffer)
        self.asked += min(size, len(buffer))
        data = self._rest.read(min(size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


class _OnlyRead:
    """A stream with read() and nothing else."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self._answers = answers

    def read(self, size: int = -1) -> bytes | None:
        return self._answers.pop(0) if self._answers else b""


def binary(stream: object) -> BinaryIO:
    return cast(BinaryIO, stream)


@pytest.mark.parametrize(("data", "expected"), SHA256_VECTORS.items())
def test_sha256_matches_the_published_examples(data: bytes, expected: str) -> None:
    result = Digests(sha256=bytes.fromhex(expected), sm3=None, size=len(data))
    assert digest_bytes(data, [SHA256]) == result
    assert digest_stream(io.BytesIO(data), [SHA256]) == result


@pytest.mark.parametrize(("data", "expected"), SM3_VECTORS.items())
def test_sm3_matches_the_published_examples(data: bytes, expected: str) -> None:
    assert digest_bytes(data, BOTH).sm3 == bytes.fromhex(expected)
    assert digest_stream(io.BytesIO(data), BOTH).sm3 == bytes.fromhex(expected)


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("chunks", [1, 2, 3, 7])
def test_a_stream_of_any_number_of_chunks_gives_the_digests_of_its_bytes(
    chunks: int, offset: int
) -> None:
    # Every chunk differs, so that a buffer filled while it is still being hashed shows.
    data = b"".join(bytes([n]) * CHUNK_BYTES for n in range(1, chunks + 1))
    data = data[:-1] if offset < 0 else data + b"!" * offset
    result = digest_stream(io.BytesIO(data), BOTH)
    assert result == digest_bytes(data, BOTH)
    assert result.sha256 == hashlib.sha256(data).digest()
    assert result.sm3 == hashlib.new("sm3", data).digest()
    assert result.size == len(data)


@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 40), max_size=12))
def test_the_sizes_in_which_a_stream_arrives_do_not_matter(data: bytes, sizes: list[int]) -> None:
    assert digest_stream(binary(_Trickle(data, sizes)), BOTH) == digest_bytes(data, BOTH)


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"header" + b"abc")
    stream.seek(6)
    assert digest_stream(stream, BOTH) == digest_bytes(b"abc", BOTH)


def test_a_stream_that_only_has_read_is_digested() -> None:
    assert digest_stream(binary(_OnlyRead([b"ab", b"c"])), BOTH) == digest_bytes(b"abc", BOTH)


def test_a_stream_without_data_yet_is_not_taken_for_ended() -> None:
    with pytest.raises(UsageError, match="non-blocking"):
        digest_stream(binary(_OnlyRead([b"abc", None])), BOTH)


def test_an_error_in_the_middle_of_a_stream_reaches_the_caller() -> None:
    class Broken(_Trickle):
        def readinto(self, buffer: Any, /) -> int:
            if self.asked >= 3 * CHUNK_BYTES:
                raise OSError("the cable was pulled")
            return super().readinto(buffer)

    with pytest.raises(OSError, match="cable"):
        digest_stream(binary(Broken(bytes(9 * CHUNK_BYTES), [])), BOTH)


@given(size=st.integers(0, 20), limit=st.integers(0, 20))
def test_more_than_the_limit_is_refused_and_never_digested_in_part(size: int, limit: int) -> None:
    stream = _Trickle(b"x" * size, [])
    if size <= limit:
        assert digest_stream(binary(stream), BOTH, limit=limit).size == size
    else:
        with pytest.raises(UsageError, match="more than"):
            digest_stream(binary(stream), BOTH, limit=limit)
        assert stream.asked == limit + 1


def test_the_limit_also_holds_beyond_the_first_chunk() -> None:
    data = bytes(2 * CHUNK_BYTES)
    assert digest_stream(io.BytesIO(data), BOTH, limit=len(data)).size == len(data)
    with pytest.raises(UsageError, match="2,097,151 bytes"):
        digest_stream(io.BytesIO(data), BOTH, limit=len(data) - 1)


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_a_hash_that_fails_beside_the_other_is_never_passed_over(
    monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    class Failing:
        def __init__(self) -> None:
            self._rounds = 0

        def update(self, data: object, /) -> None:
            self._rounds += 1
            if self._rounds == chunks:
                raise MemoryError

        def digest(self) -> bytes:
            return bytes(32)

    monkeypatch.setattr(digests, "_new_sm3", Failing)
    with pytest.raises(MemoryError):
        digest_stream(io.BytesIO(bytes(chunks * CHUNK_BYTES)), BOTH)


def test_reading_goes_on_while_sm3_is_behind_and_overwrites_nothing_that_it_still_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So SM3, the slower one, always has its next chunk: it never waits to be woken."""
    data = random.Random(1).randbytes(6 * CHUNK_BYTES)
    reads: list[int] = []
    behind: list[int] = []

    class Stream(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            reads.append(len(buffer))
            return super().readinto(buffer)

    class Late:
        def __init__(self) -> None:
            self._sm3 = hashlib.new("sm3")
            self._rounds = 0

        def update(self, data: Any, /) -> None:
            self._rounds += 1
            if self._rounds > 1:  # the first chunk is hashed by the reading thread itself
                end = time.monotonic() + 60
                while len(reads) < min(self._rounds + 2, 6) and time.monotonic() < end:
                    time.sleep(0.01)
                time.sleep(0.05)  # in which no more may be read
            behind.append(len(reads) - self._rounds)
            self._sm3.update(data)

        def digest(self) -> bytes:
            return self._sm3.digest()

    expected = digest_bytes(data, BOTH)
    monkeypatch.setattr(digests, "_new_sm3", Late)
    assert digest_stream(Stream(data), BOTH) == expected
    assert max(behind) == 2, behind


def test_algorithms_come_back_once_each_with_sha256_first() -> None:
    assert parse_algorithms(["sm3", "sha256", "sm3"]) == (SHA256, SM3)
    assert parse_algorithms({"sha256"}) == (SHA256,)


@pytest.mark.parametrize("names", [[], ["sm3"]])
def test_sha256_cannot_be_left_out(names: list[str]) -> None:
    with pytest.raises(UsageError, match="sha256 must be among"):
        parse_algorithms(names)


@pytest.mark.parametrize("name", ["md5", "SHA256", "sha256 ", "", "sha3_256"])
def test_an_unknown_algorithm_is_named(name: str) -> None:
    with pytest.raises(UnknownVersionError, match=f"algorithm '{name}'"):
        parse_algorithms([SHA256, name])


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_digest_is_read_in_either_case(algorithm: str) -> None:
    raw = bytes(range(0xA0, 0xC0))
    assert parse_digest(f"{algorithm}:{raw.hex()}") == (algorithm, raw)
    assert parse_digest(f"{algorithm}:{raw.hex().upper()}") == (algorithm, raw)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", MalformedError),
        (":" + "a" * 64, MalformedError),
        ("a" * 64, MalformedError),
        ("sha256:", MalformedError),
        ("sha256:" + "a" * 63, MalformedError),
        ("sha256:" + "a" * 65, MalformedError),
        ("sha256:" + "a" * 64 + "\n", MalformedError),
        ("sha256: " + "a" * 63, MalformedError),
        ("sha256:0x" + "a" * 62, MalformedError),
        ("sha256:" + "aa " * 21 + "a", MalformedError),
        ("sha256:" + "\u0661" * 64, MalformedError),
        ("sha256:" + "g" * 64, MalformedError),
        ("SHA256:" + "a" * 64, UnknownVersionError),
        (" sha256:" + "a" * 64, UnknownVersionError),
        ("sha512:" + "a" * 128, UnknownVersionError),
    ],
)
def test_any_other_spelling_of_a_digest_is_refused(text: str, error: type[AnchorError]) -> None:
    with pytest.raises(error) as caught:
        parse_digest(text)
    assert len(caught.value.message) < 200


def test_digests_hold_at_least_one_digest_of_32_bytes() -> None:
    assert Digests(sha256=None, sm3=bytes(32), size=None).size is None
    with pytest.raises(UsageError, match="at least one"):
        Digests(sha256=None, sm3=None, size=3)
    with pytest.raises(UsageError, match="32 bytes"):
        Digests(sha256=bytes(32), sm3=bytes(31), size=3)
    with pytest.raises(UsageError, match="negative"):
        Digests(sha256=bytes(32), sm3=None, size=-1)


def _without_openssl_sm3(monkeypatch: pytest.MonkeyPatch) -> None:
    def new(name: str, *arguments: object) -> object:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(digests.hashlib, "new", new)  # type: ignore[attr-defined]


@pytest.mark.skipif(
    importlib.util.find_spec("cryptography") is None, reason="cryptography is not installed"
)
def test_cryptography_gives_the_same_sm3(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 5 * (CHUNK_BYTES // 256)
    expected = digest_bytes(data, BOTH)
    _without_openssl_sm3(monkeypatch)
    assert digest_bytes(data, BOTH) == expected
    assert digest_stream(io.BytesIO(data), BOTH) == expected


def _fake_cryptography(monkeypatch: pytest.MonkeyPatch, *, has_sm3: bool) -> None:
    """Stand in for cryptography's three names that are used, after its documentation."""

    class UnsupportedError(Exception):
        pass

    class Hash:
        def __init__(self, algorithm: object) -> None:
            if not has_sm3:
                raise UnsupportedError
            self._data = b""

        def update(self, data: bytes | memoryview) -> None:
            self._data += bytes(data)

        def finalize(self) -> bytes:
            return hashlib.sha256(b"fake" + self._data).digest()

    exceptions = types.ModuleType("cryptography.exceptions")
    exceptions.UnsupportedAlgorithm = UnsupportedError  # type: ignore[attr-defined]
    hashes = types.ModuleType("cryptography.hazmat.primitives.hashes")
    hashes.Hash, hashes.SM3 = Hash, object  # type: ignore[attr-defined]
    for name in ("cryptography", "cryptography.hazmat", "cryptography.hazmat.primitives"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, exceptions.__name__, exceptions)
    monkeypatch.setitem(sys.modules, hashes.__name__, hashes)


def test_cryptography_is_asked_where_openssl_has_no_sm3(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_openssl_sm3(monkeypatch)
    _fake_cryptography(monkeypatch, has_sm3=True)
    assert digest_bytes(b"abc", BOTH).sm3 == hashlib.sha256(b"fakeabc").digest()


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_machine_without_any_sm3_says_so_and_still_does_sha256(
    monkeypatch: pytest.MonkeyPatch, is_installed: bool
) -> None:
    _without_openssl_sm3(monkeypatch)
    if is_installed:
        _fake_cryptography(monkeypatch, has_sm3=False)
    else:
        monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UnknownVersionError, match="cannot compute SM3") as caught:
        digest_stream(io.BytesIO(b"abc"), BOTH)
    assert "SHA-256 only" in (caught.value.hint or "")
    assert digest_bytes(b"abc", [SHA256]).sm3 is None


@pytest.mark.parametrize("wrong", ["a" * 32, "a" * 64, bytearray(32), list(range(32)), 32])
def test_a_digest_that_is_no_bytes_is_refused(wrong: Any) -> None:
    for members in ({"sha256": wrong, "sm3": None}, {"sha256": bytes(32), "sm3": wrong}):
        with pytest.raises(UsageError, match="as bytes"):
            Digests(**members, size=None)
    with pytest.raises(UsageError, match="number of bytes"):
        Digests(sha256=bytes(32), sm3=None, size=cast(Any, "7"))
