"""Every way to hash rows gives what hashlib gives, whatever the width, the number or the alignment.

The C code has a test of its own for reads and writes out of bounds: ``scripts/sanitize``.
"""

from __future__ import annotations

import array
import hashlib
import mmap
import os
import random
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.tools import check_program

from anchor.log import batch_sha256

try:
    from anchor import _sha256
except ImportError:
    NATIVE: tuple[str, ...] = ()
else:
    NATIVE = _sha256.IMPLEMENTATIONS

ALL = (*NATIVE, "hashlib")
RANDOM = random.Random(9162).randbytes(8192 + 64)
EMPTY = hashlib.sha256().digest()


def named(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)[:20]


native = pytest.mark.skipif(not NATIVE, reason="the extension is not built here")


def hash_rows(implementation: str, prefix: int, rows: object, width: int) -> bytes:
    if implementation == "hashlib":
        return batch_sha256._hash_rows(prefix, rows, width)
    return _sha256.hash_rows(prefix, rows, width, implementation)


def hash_levels(implementation: str, level: object, count: int) -> list[bytes]:
    if implementation == "hashlib":
        return batch_sha256._hash_levels(level, count)
    return _sha256.hash_levels(level, count, implementation=implementation)


def hash_subtrees(implementation: str, level: object, height: int) -> bytes:
    if implementation == "hashlib":
        return batch_sha256._hash_subtrees(level, height)
    return _sha256.hash_subtrees(level, height, implementation=implementation)


def expected_rows(prefix: int, rows: bytes, width: int) -> bytes:
    return b"".join(
        hashlib.sha256(bytes([prefix]) + rows[start : start + width]).digest()
        for start in range(0, len(rows), width)
    )


def expected_levels(level: bytes, count: int) -> list[bytes]:
    levels = []
    while count and len(level) >= 64:
        level = expected_rows(1, level[: len(level) // 64 * 64], 64)
        levels.append(level)
        count -= 1
    return levels


# What is in use


def test_the_extension_is_built_wherever_there_is_a_compiler():
    check_program("cc")
    assert NATIVE


@native
def test_the_best_implementation_is_the_one_in_use():
    assert NATIVE[0] == batch_sha256.IMPLEMENTATION
    assert NATIVE[-1] == "portable"


@native
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the processor's flags are unknown")
def test_what_the_processor_can_do_is_used():
    words = Path("/proc/cpuinfo").read_text().split()
    if sysconfig.get_platform() == "linux-x86_64":
        assert ("sha-ni" in NATIVE) == ("sha_ni" in words)
        assert ("avx2" in NATIVE) == ("avx2" in words)
    elif sysconfig.get_platform() == "linux-aarch64":
        assert ("armv8" in NATIVE) == ("sha2" in words)


def test_without_the_extension_hashlib_does_the_same():
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "anchor._sha256":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Absent())
from anchor.log import batch_sha256
print(batch_sha256.IMPLEMENTATION)
print(batch_sha256.hash_rows(0, bytes(range(96)), 32).hex())
print(*(level.hex() for level in batch_sha256.hash_levels(bytes(range(160)), 9)))
print(batch_sha256.hash_pairs(bytes(range(160))).hex())
print(batch_sha256.hash_subtrees(bytes(range(160)), 2).hex())
"""
    lines = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    levels = expected_levels(bytes(range(160)), 9)
    assert lines == [
        "hashlib",
        expected_rows(0, bytes(range(96)), 32).hex(),
        " ".join(level.hex() for level in levels),
        levels[0].hex(),
        levels[1].hex(),
    ]


# Right


@pytest.mark.parametrize("implementation", ALL)
def test_every_width_and_number_of_rows_gives_what_hashlib_gives(implementation: str):
    for width in range(1, 201):
        rows = RANDOM[: 40 * width]
        expected = expected_rows(width % 256, rows, width)
        for count in range(41):
            found = hash_rows(implementation, width % 256, rows[: count * width], width)
            assert found == expected[: count * 32], f"{count} rows of {width} bytes"


@pytest.mark.parametrize("implementation", ALL)
@settings(max_examples=examples(300))
@given(
    prefix=st.integers(0, 255),
    width=st.integers(1, 2000) | st.sampled_from([32, 64, 65536]),
    count=st.integers(0, 100),
    seed=st.integers(0, 2**32),
)
def test_random_rows_give_what_hashlib_gives(
    implementation: str, prefix: int, width: int, count: int, seed: int
):
    rows = random.Random(seed).randbytes(count * width)
    assert hash_rows(implementation, prefix, rows, width) == expected_rows(prefix, rows, width)


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize("width", [1, 32, 54, 55, 62, 63, 64, 118, 119, 127, 128])
def test_rows_may_start_anywhere(implementation: str, width: int):
    for offset in range(65):
        rows = memoryview(RANDOM)[offset : offset + 9 * width]
        assert hash_rows(implementation, 0, rows, width) == expected_rows(0, bytes(rows), width)


@pytest.mark.parametrize("implementation", ALL)
def test_every_prefix_and_every_last_byte_of_a_node_counts(implementation: str):
    nodes = b"".join(RANDOM[i : i + 63] + bytes([i]) for i in range(256))
    for prefix in range(256):
        found = hash_rows(implementation, prefix, nodes, 64)
        assert found == expected_rows(prefix, nodes, 64)


# FIPS 180-2 appendix B and its 896-bit example; NIST CAVP SHA256ShortMsg.rsp, Len = 16, 24, 32, 40.
KNOWN = [
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        b"".join(b"abcdefghijklmnopqrstu"[start : start + 8] for start in range(14)),
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
    (b"a" * 10**6, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    (bytes.fromhex("11af"), "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"),
    (bytes.fromhex("b4190e"), "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2"),
    (bytes.fromhex("74ba2521"), "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"),
    (
        bytes.fromhex("c299209682"),
        "f0887fe961c9cd3beab957e8222494abb969b1ce4c6557976df8b0f6d20e9166",
    ),
]


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(("message", "digest"), KNOWN, ids=[str(len(m)) for m, _ in KNOWN])
def test_known_messages_have_their_known_hashes(implementation: str, message: bytes, digest: str):
    rows = message[1:] * 9
    assert hash_rows(implementation, message[0], rows, len(message) - 1).hex() == digest * 9


@pytest.mark.parametrize("implementation", ALL)
def test_levels_are_hashes_of_pairs_without_an_odd_last_one(implementation: str):
    for size in range(130):
        level = RANDOM[: 32 * size]
        expected = expected_levels(level, 64)
        for count in (0, 1, 2, 3, 7, 8, 64, 2**62):
            assert hash_levels(implementation, level, count) == expected[:count], (size, count)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 64, 65])
def test_hash_pairs_is_the_one_level_above(size: int):
    level = RANDOM[: 32 * size]
    assert batch_sha256.hash_pairs(level) == expected_rows(1, RANDOM[: size // 2 * 64], 64)
    assert batch_sha256.hash_levels(level, 1) == (
        [batch_sha256.hash_pairs(level)] if size > 1 else []
    )
    assert batch_sha256.hash_rows(3, level, 32) == expected_rows(3, level, 32)


@pytest.mark.parametrize("implementation", ALL)
def test_subtrees_are_the_level_at_their_height(implementation: str):
    for size in range(201):
        level = RANDOM[: 32 * size]
        expected = expected_levels(level, 12)
        for height in range(1, 13):
            found = hash_subtrees(implementation, level, height)
            assert found == (expected[height - 1] if height <= len(expected) else b"")


# In blocks, on threads

# What the extension takes only from here: blocks so low that a few hashes are many of them.
CUTS = [{"threads": threads, "block_height": height} for threads in (1, 3) for height in (1, 2, 5)]


@native
@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: "{threads}-{block_height}".format(**cut))
def test_blocks_and_threads_change_no_hash(cut: dict[str, int]):
    for size in range(201):
        level = RANDOM[: 32 * size]
        expected = expected_levels(level, 64)
        assert _sha256.hash_levels(level, 64, **cut) == expected, size
        assert _sha256.hash_rows(7, level, 32, **cut) == expected_rows(7, level, 32), size
        for height in (1, 2, 3, 6):
            found = _sha256.hash_subtrees(level, height, **cut)
            assert found == (expected[height - 1] if height <= len(expected) else b""), size


@native
@pytest.mark.parametrize("width", [1, 31, 64, 70_000, 200_000])
def test_rows_of_any_width_are_cut_into_blocks(width: int):
    rows = random.Random(width).randbytes(20 * width)
    assert _sha256.hash_rows(0, rows, width, threads=3) == expected_rows(0, rows, width)


@native
@pytest.mark.parametrize("border", [2**12, 2**13, 2**15, 2**16, 3 * 2**15])
def test_sizes_around_whole_blocks_give_what_hashlib_gives(
    border: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch_sha256, "count_usable_cores", lambda: 3)
    monkeypatch.setattr(batch_sha256, "_ONE_CORE", 0)
    rows = random.Random(border).randbytes(32 * (border + 1))
    leaves = expected_rows(0, rows, 32)
    above = expected_levels(leaves, 64)
    for size in (border - 1, border, border + 1):
        level = memoryview(leaves)[: 32 * size]
        # A smaller tree's levels are the beginnings of a larger one's.
        expected = [part[: (size >> height) * 32] for height, part in enumerate(above, start=1)]
        assert batch_sha256.hash_rows(0, memoryview(rows)[: 32 * size], 32) == level
        assert batch_sha256.hash_levels(level, 64) == [part for part in expected if part]
        for height in (1, 8, 12):
            assert batch_sha256.hash_subtrees(level, height) == expected[height - 1]


def test_only_what_is_worth_it_is_hashed_on_all_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch_sha256, "count_usable_cores", lambda: 5)
    assert batch_sha256._count_threads(bytes(2**20)) == 1
    assert batch_sha256._count_threads(bytes(2**20 + 32)) == 5
    assert batch_sha256._count_threads(memoryview(bytes(2**20 + 32)).cast("Q")) == 5


@native
@pytest.mark.parametrize(
    "cut",
    [{"threads": 0}, {"threads": -1}, {"block_height": 0}, {"block_height": 17}],
    ids=named,
)
def test_other_cuts_are_refused(cut: dict[str, int]):
    for call in (
        lambda: _sha256.hash_rows(0, RANDOM, 32, **cut),
        lambda: _sha256.hash_levels(RANDOM, 5, **cut),
        lambda: _sha256.hash_subtrees(RANDOM, 5, **cut),
    ):
        with pytest.raises(ValueError, match=r"thread|block"):
            call()


@native
def test_several_threads_may_hash_on_several_threads_at_once():
    level = RANDOM[: 32 * 200]
    expected = expected_levels(level, 64)
    found: list[list[bytes]] = []

    def work() -> None:
        found.extend(_sha256.hash_levels(level, 64, threads=3, block_height=2) for _ in range(50))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 200


def run_script(script: str, *, before: str = ":") -> str:
    """Run Python code in a process of its own, after the shell's ``before``."""
    beginning = """
import os, threading, warnings
from anchor import _sha256
warnings.simplefilter("ignore")
level = bytes(range(256)) * 64
cut = {"threads": 3, "block_height": 2}
expected = _sha256.hash_levels(level, 64)
"""
    return subprocess.run(
        ["/bin/sh", "-c", f'{before}; exec "$@"', "sh", sys.executable, "-c", beginning + script],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


@native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_goes_on_hashing_even_if_others_hash_meanwhile():
    script = """
stop = False
def work():
    while not stop:
        _sha256.hash_levels(level, 64, **cut)
worker = threading.Thread(target=work)
worker.start()
for _ in range(20):
    if (child := os.fork()) == 0:
        os._exit(0 if _sha256.hash_levels(level, 64, **cut) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
stop = True
worker.join()
print("done")
"""
    assert run_script(script) == "done\n"


@native
@pytest.mark.skipif(
    find_spec("_xxsubinterpreters") is None, reason="no interpreters to be had under this name"
)
def test_a_second_interpreter_hashes_at_the_same_time():
    script = """
import _xxsubinterpreters as interpreters
second = interpreters.create()
code = (
    "from anchor import _sha256\\n"
    "level = bytes(range(256)) * 64\\n"
    "for _ in range(20):\\n"
    "    found = _sha256.hash_levels(level, 64, threads=3, block_height=2)\\n"
    f"    assert found[-1] == {expected[-1]!r}\\n"
    "    print('second')\\n"
)
worker = threading.Thread(target=interpreters.run_string, args=(second, code))
worker.start()
for _ in range(20):
    assert _sha256.hash_levels(level, 64, **cut) == expected
worker.join()
"""
    assert run_script(script) == "second\n" * 20


@native
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_where_no_thread_can_be_started_the_caller_does_it_all():
    # A thread's stack has the size of `ulimit -s`, for which no memory is left.
    script = """
import resource
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20),) * 2)
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no thread")
assert _sha256.hash_levels(level, 64, **cut) == expected
assert _sha256.hash_rows(1, level, 64, **cut) == expected[0]
assert _sha256.hash_subtrees(level, 1, **cut) == expected[0]
print("done")
"""
    assert run_script(script, before="ulimit -s 65536") == "no thread\ndone\n"


@native
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer's signals here")
def test_a_signal_meanwhile_is_for_the_program_and_harms_no_hash():
    script = """
import signal
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while len(seen) < 20:
    assert _sha256.hash_levels(level, 64, **cut) == expected
signal.setitimer(signal.ITIMER_REAL, 0)
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
print("done")
"""
    assert run_script(script) == "done\n"


def buffers(data: bytes) -> Iterator[object]:
    yield data
    yield bytearray(data)
    yield memoryview(b"x" + data + b"x")[1:-1]
    yield memoryview(data).cast("B", (len(data) // 32, 32))
    words = array.array("I")
    words.frombytes(data)
    yield words
    with mmap.mmap(-1, len(data)) as mapped:
        mapped[:] = data
        yield mapped


@pytest.mark.parametrize("implementation", ALL)
def test_anything_with_its_bytes_in_one_piece_will_do(implementation: str):
    data = RANDOM[:4096]
    for rows in buffers(data):
        assert hash_rows(implementation, 0, rows, 32) == expected_rows(0, data, 32)
        assert hash_levels(implementation, rows, 99) == expected_levels(data, 99)
        assert hash_subtrees(implementation, rows, 4) == expected_levels(data, 4)[3]


# Wrong


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(
    ("prefix", "rows", "width", "error"),
    [
        (0, bytes(64), 0, ValueError),
        (0, b"", 0, ValueError),
        (0, bytes(64), -32, ValueError),
        (0, bytes(64), 33, ValueError),
        (0, bytes(64), 65, ValueError),
        (-1, bytes(64), 32, OverflowError),
        (256, bytes(64), 32, OverflowError),
        (0, "x" * 64, 32, TypeError),
        (0, None, 32, TypeError),
        (0, memoryview(bytes(128))[::2], 32, BufferError),
    ],
    ids=named,
)
def test_rows_that_are_none_are_refused(
    implementation: str, prefix: int, rows: object, width: int, error: type[Exception]
):
    with pytest.raises(error):
        hash_rows(implementation, prefix, rows, width)


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(
    ("level", "count", "error"),
    [
        (bytes(33), 1, ValueError),
        (bytes(31), 0, ValueError),
        (bytes(64), -1, ValueError),
        ("x" * 64, 1, TypeError),
        (memoryview(bytes(128))[::2], 1, BufferError),
    ],
    ids=named,
)
def test_levels_over_what_is_no_level_are_refused(
    implementation: str, level: object, count: int, error: type[Exception]
):
    with pytest.raises(error):
        hash_levels(implementation, level, count)


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(
    ("level", "height", "error"),
    [
        (bytes(33), 1, ValueError),
        (bytes(64), 0, ValueError),
        (bytes(64), -1, ValueError),
        (bytes(64), 13, ValueError),
        ("x" * 64, 1, TypeError),
        (memoryview(bytes(128))[::2], 1, BufferError),
    ],
    ids=named,
)
def test_subtrees_of_what_is_no_level_are_refused(
    implementation: str, level: object, height: int, error: type[Exception]
):
    with pytest.raises(error):
        hash_subtrees(implementation, level, height)


@native
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0, bytes(64), 2**63), OverflowError),
        ((2**70, bytes(64), 32), OverflowError),
        ((0, bytes(64)), TypeError),
        ((0, bytes(64), 3.2), TypeError),
        ((0.0, bytes(64), 32), TypeError),
        ((0, bytes(64), 32, "md5"), ValueError),
        ((0, bytes(64), 32, ""), ValueError),
        ((0, bytes(64), 32, "portable\0"), ValueError),
        ((0, bytes(64), 32, b"portable"), TypeError),
    ],
    ids=named,
)
def test_the_extension_refuses_other_arguments(
    arguments: tuple[object, ...], error: type[Exception]
):
    with pytest.raises(error):
        _sha256.hash_rows(*arguments)


@native
def test_levels_of_an_unknown_implementation_are_refused():
    with pytest.raises(ValueError, match="no implementation"):
        _sha256.hash_levels(bytes(64), 1, "md5")


@native
def test_hashes_that_do_not_fit_into_memory_are_an_error(tmp_path: Path):
    path = tmp_path / "sparse"
    try:
        with path.open("wb") as file:
            file.truncate(1 << 42)
        with path.open("rb") as file:
            rows = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        pytest.skip(f"no sparse file of four terabytes here: {error}")
    with rows, pytest.raises(MemoryError):
        _sha256.hash_rows(0, rows, 1)


# Threads and memory

FAILING: list[Callable[[bytearray], object]] = [
    lambda rows: _sha256.hash_rows(0, rows, 0),
    lambda rows: _sha256.hash_rows(0, rows, 33),
    lambda rows: _sha256.hash_rows(0, rows, 32, "md5"),
    lambda rows: _sha256.hash_rows(0, rows, "32"),
    lambda rows: _sha256.hash_levels(rows, -1),
    lambda rows: _sha256.hash_levels(rows, 1, "md5"),
    lambda rows: _sha256.hash_levels(rows, "1"),
    lambda rows: _sha256.hash_subtrees(rows, 0),
    lambda rows: _sha256.hash_subtrees(rows, 1, "md5"),
    lambda rows: _sha256.hash_subtrees(rows, "1"),
    lambda rows: _sha256.hash_subtrees(rows, 1, threads=0),
]


@native
def test_a_buffer_is_free_again_afterwards():
    rows = bytearray(RANDOM[:4096])
    for call in (
        lambda rows: _sha256.hash_rows(0, rows, 32),
        lambda rows: _sha256.hash_levels(rows, 5),
        lambda rows: _sha256.hash_levels(rows, 5, threads=2, block_height=3),
        lambda rows: _sha256.hash_subtrees(rows, 2),
    ):
        call(rows)
        rows.append(0)  # a BufferError while it is held
        rows.pop()
    for call in FAILING:
        with pytest.raises((ValueError, TypeError)):
            call(rows)
        rows.append(0)
        rows.pop()


@native
def test_nothing_leaks():
    rows = bytearray(64)  # small: what comes of it is in the blocks that Python counts

    def use() -> None:
        for _ in range(500):
            _sha256.hash_rows(0, rows, 32)
            _sha256.hash_levels(rows, 5)
            _sha256.hash_subtrees(rows, 1)
            for call in FAILING:
                with pytest.raises((ValueError, TypeError)):
                    call(rows)

    def count_new_blocks() -> int:
        before = sys.getallocatedblocks()
        use()
        return sys.getallocatedblocks() - before

    use()
    references = sys.getrefcount(rows)
    # What leaks does so each time; what else Python allocates meanwhile does not.
    assert min(count_new_blocks() for _ in range(3)) < 250
    assert sys.getrefcount(rows) == references


@pytest.fixture
def polite() -> Iterator[None]:
    """Let threads switch only where one lets go of the interpreter itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


@native
@pytest.mark.parametrize(
    "hash_them",
    [
        lambda rows: _sha256.hash_rows(0, rows, 32),
        lambda rows: _sha256.hash_rows(0, rows, len(rows)),
        lambda rows: _sha256.hash_levels(rows, 1),
        lambda rows: _sha256.hash_levels(rows, 1, threads=2),
        lambda rows: _sha256.hash_subtrees(rows, 12),
    ],
    ids=["rows", "one row", "levels", "levels on threads", "subtrees"],
)
def test_other_threads_run_meanwhile_and_cannot_resize_the_buffer(
    hash_them: Callable[[bytearray], object], polite: None
):
    rows = bytearray(1 << 24)
    steps, refused, working = 0, 0, True
    seen: list[tuple[int, int]] = []

    def work() -> None:
        nonlocal working
        for _ in range(100):  # where the other thread gets no processor, try again
            before = steps, refused
            hash_them(rows)
            seen.append((steps - before[0], refused - before[1]))
            if steps > before[0]:
                break
        working = False

    thread = threading.Thread(target=work)
    thread.start()
    while working:
        steps += 1
        try:
            rows.append(0)
            rows.pop()
        except BufferError:
            refused += 1
        time.sleep(0.0001)  # lets go
    thread.join()
    assert seen[-1][0] > 0, "nothing else ran while it hashed"
    assert seen[-1][1] > 0, "the buffer could be resized while it was hashed"
