"""``anchor-trust/1``: the verifier's own file, its limits, and what it must never let pass."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policies import ENTRY

from anchor.base.errors import AnchorError, ExitCode, MalformedError, UnknownVersionError
from anchor.base.system.urls import are_distinct
from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.keccak import format_address
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import (
    MAX_POLICY_BYTES,
    TrustedOperator,
    TrustEntry,
    TrustPolicy,
    parse_policy,
)

TEXT = encode_policy([ENTRY]).decode()
OPTIONAL = (
    "time_slack",
    "recorded_at_tolerance",
    "finality",
    "rpc",
    "quorum",
    "assurance",
    "block_hashes",
)
MINIMAL = "\n".join(
    line
    for line in TEXT.split("[[trust.operators]]")[0].splitlines()
    if not line.startswith(OPTIONAL)
)


def refusal(text: str | bytes, kind: type[AnchorError] = MalformedError) -> str:
    with pytest.raises(kind) as caught:
        parse_policy(text.encode() if isinstance(text, str) else text)
    assert type(caught.value) is kind
    return caught.value.message


def with_line(member: str, value: str) -> str:
    """Return the whole policy with the line of ``member`` replaced, or added to the entry."""
    lines = TEXT.splitlines()
    at = next((at for at, line in enumerate(lines) if line.startswith(f"{member} =")), None)
    if at is None:
        at = lines.index("[[trust]]") + 1
        lines.insert(at, "")
    lines[at] = f"{member} = {value}"
    return "\n".join(lines)


@pytest.mark.parametrize("escaped", ["\\u001b[2J", "a\\nb", "\\u202e", "x" * 9_000])
def test_a_hostile_member_name_is_quoted_and_cut(escaped: str) -> None:
    name = json.loads(f'"{escaped}"')
    said = refusal(f'"{escaped}" = 1\n{TEXT}')
    assert said.startswith(f"the trust policy's member {name[:80]!r}: ")
    assert said.isprintable()


def test_a_written_policy_is_read_back_equal() -> None:
    other = dataclasses.replace(ENTRY, chain_id=ChainId(10), operators=None, rpc=(), finality=64)
    assert parse_policy(encode_policy([ENTRY, other])) == TrustPolicy(entries=(ENTRY, other))


def test_members_left_out_get_their_stated_defaults() -> None:
    entry = parse_policy(MINIMAL.encode()).entries[0]
    assert entry.operators is None
    assert (entry.time_slack, entry.finality, entry.rpc) == (None, "finalized", ())
    assert (entry.recorded_at_tolerance, entry.exclusive_logs) == (300, False)
    assert (entry.quorum, entry.assurance, entry.block_hashes) == (1, "rpc", ())


def test_accepting_nobody_does_not_turn_into_accepting_everybody_on_its_way_through_a_file() -> (
    None
):
    nobody = dataclasses.replace(ENTRY, operators=())
    assert parse_policy(encode_policy([nobody])).entries[0].operators == ()
    everybody = dataclasses.replace(ENTRY, operators=None)
    assert parse_policy(encode_policy([everybody])).entries[0].operators is None


_ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
_HASHES = st.binary(min_size=32, max_size=32).map(Hash32)
_BLOCKS = st.integers(0, 2**48 - 1)
_URLS = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], exclude_characters="\\")
).map("https://one.example/".__add__)


@given(
    st.lists(
        st.builds(
            TrustEntry,
            chain_id=st.integers(1, 2**53 - 1).map(ChainId),
            genesis=_HASHES,
            registry=_ADDRESSES,
            code_hash=_HASHES,
            owner=_ADDRESSES,
            logs=st.lists(st.integers(0, 2**96 - 1), min_size=1, max_size=3).map(tuple),
            operators=st.none()
            | st.lists(
                st.builds(
                    TrustedOperator,
                    id=st.integers(0, 2**72 - 1),
                    from_block=_BLOCKS,
                    until_block=st.none() | _BLOCKS,
                ),
                max_size=3,
            ).map(tuple),
            time_slack=st.none() | st.integers(0, 86_400),
            finality=st.just("finalized") | st.integers(0, 100_000),
            rpc=st.lists(_URLS, max_size=3).filter(are_distinct).map(tuple),
            quorum=st.just(1),
            assurance=st.sampled_from(["rpc", "quorum", "asserted", "proof"]),
            block_hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
            recorded_at_tolerance=st.integers(0, 86_400),
            exclusive_logs=st.booleans(),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_every_policy_survives_being_written_and_read(entries: list[TrustEntry]) -> None:
    assert parse_policy(encode_policy(entries)) == TrustPolicy(entries=tuple(entries))


@pytest.mark.parametrize(
    "url",
    [
        'https://x.example/" ]\noperators = []\nlogs = [0]\nrpc = ["',
        'https://x.example/"]\n[[trust]]\nchain_id = 1',
        "https://x.example/\r",
        "https://x.example/\x00",
        "https://x.example/\x7f",
        "https://x.example/\x85",
        "https://x.example/\u2028",
        "https://x.example/\ud800",
        "\t",
    ],
)
def test_a_url_that_could_break_out_of_its_line_is_refused(url: str) -> None:
    with pytest.raises(MalformedError):
        encode_policy([dataclasses.replace(ENTRY, rpc=(url,), quorum=1)])


@pytest.mark.parametrize(
    "url",
    ['a"]', '"""', "'", "#", "a][[trust]]", "{}", "=", ","],
)
def test_a_url_with_toml_in_it_stays_one_url(url: str) -> None:
    entry = dataclasses.replace(ENTRY, rpc=(f"https://x.example/{url}", "https://b"))
    assert parse_policy(encode_policy([entry])).entries == (entry,)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("chain_id", "0"),
        ("chain_id", "-1"),
        ("chain_id", str(2**53)),
        ("chain_id", "true"),
        ("chain_id", "1.0"),
        ("chain_id", '"1"'),
        ("genesis", '"' + "01" * 32 + '"'),
        ("genesis", '"0x' + "01" * 31 + '"'),
        ("genesis", '"0x' + "0A" * 32 + '"'),
        ("genesis", '"0x' + "01" * 32 + '\\n"'),
        ("genesis", "1"),
        ("code_hash", '"0x' + "01" * 33 + '"'),
        ("code_hash", '"0X' + "01" * 32 + '"'),
        ("code_hash", "[]"),
        ("registry", '"0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"'),
        ("registry", '"5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"'),
        ("registry", '"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae"'),
        ("registry", '"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed "'),
        ("registry", "0x5aaeb605"),
        ("owner", '"0xFB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"'),
        ("owner", '"vitalik.eth"'),
        ("owner", '""'),
        ("logs", "[]"),
        ("logs", "[-1]"),
        ("logs", f"[{2**96}]"),
        ("logs", "[true]"),
        ("logs", '["0"]'),
        ("logs", "0"),
        ("recorded_at_tolerance", "-1"),
        ("recorded_at_tolerance", "86401"),
        ("recorded_at_tolerance", "true"),
        ("exclusive_logs", "1"),
        ("exclusive_logs", '"true"'),
        ("rpc", '["http://127.0.0.1:8545", "http://localhost:8545/"]'),
        ("rpc", '["https://node.example", "http://NODE.example./"]'),
        ("time_slack", "-1"),
        ("time_slack", "172801"),
        ("time_slack", "12.0"),
        ("time_slack", '"12"'),
        ("time_slack", "false"),
        ("finality", '"latest"'),
        ("finality", '"safe"'),
        ("finality", '"Finalized"'),
        ("finality", "-1"),
        ("finality", "100001"),
        ("finality", "true"),
        ("finality", "[]"),
        ("rpc", '"https://x"'),
        ("rpc", "[1]"),
        ("rpc", "[[]]"),
        ("assurance", "1"),
        ("assurance", "[]"),
        ("quorum", "0"),
        ("quorum", "17"),
        ("quorum", "true"),
        ("quorum", '"2"'),
        ("block_hashes", f'"0x{"ab" * 32}"'),
        ("block_hashes", f'["{"ab" * 32}"]'),
        ("block_hashes", f'["0x{"AB" * 32}"]'),
        ("block_hashes", str(["0x" + "ab" * 32] * 1_001)),
    ],
)
def test_a_member_of_another_shape_is_refused_by_name(member: str, value: str) -> None:
    assert member in refusal(with_line(member, value))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("chain_id", str(2**53 - 1)),
        ("logs", f"[{2**96 - 1}]"),
        ("time_slack", "0"),
        ("time_slack", "172800"),
        ("finality", "0"),
        ("finality", "100000"),
        ("assurance", '"rpc"'),
        ("assurance", '"quorum"'),
        ("assurance", '"proof"'),
        ("quorum", "1"),
        ("block_hashes", "[]"),
        ("block_hashes", f'["0x{"ab" * 32}"]'),
        ("owner", '"0xFB6916095CA1DF60BB79CE92CE3EA74C37C5D359"'),
        ("owner", '"0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359"'),
        ("owner", '"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"'),
    ],
)
def test_values_at_their_bounds_are_read(member: str, value: str) -> None:
    parse_policy(with_line(member, value).encode())


@pytest.mark.parametrize(
    ("line", "member"),
    [
        ("id = -1", "id"),
        (f"id = {2**72}", "id"),
        ('id = "0"', "id"),
        ("id = true", "id"),
        ("from_block = 0", "id"),
        ("id = 1\nfrom_block = -1", "from_block"),
        (f"id = 1\nfrom_block = {2**48}", "from_block"),
        ("id = 1\nuntil_block = -1", "until_block"),
        (f"id = 1\nuntil_block = {2**48}", "until_block"),
        ("id = 1\nkey = 'x'", "key"),
    ],
)
def test_an_operator_of_another_shape_is_refused_by_name(line: str, member: str) -> None:
    assert f"operators.0.{member}" in refusal(f"{MINIMAL}\n[[trust.operators]]\n{line}\n")


@pytest.mark.parametrize(
    "member", ["chain_id", "genesis", "registry", "code_hash", "owner", "logs"]
)
def test_a_policy_without_something_to_pin_is_refused_by_name(member: str) -> None:
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(f"{member} =")]
    assert len(lines) == len(MINIMAL.splitlines()) - 1
    assert f"trust.0.{member}" in refusal("\n".join(lines))


@pytest.mark.parametrize("member", ["quorums", "log", "Chain_id", "code", "operator", "finalty"])
def test_an_unknown_member_is_refused_because_it_may_be_a_misspelt_restriction(
    member: str,
) -> None:
    assert f"trust.0.{member}" in refusal(with_line(member, "1"))
    assert member in refusal(f"{member} = 1\n{TEXT}")


@pytest.mark.parametrize(
    ("stated", "shown"),
    [("", "missing"), ("format = 1\n", "no text"), (f"format = [0x{'f' * 20_000}]\n", "no text")],
)
def test_a_format_that_is_no_text_is_said_without_a_type_of_python(stated: str, shown: str) -> None:
    with pytest.raises(UnknownVersionError, match=f"format is {shown}, not 'anchor-trust/1'"):
        parse_policy(stated.encode())


@pytest.mark.parametrize("assurance", ["light-client", "Quorum", "RPC", "rpc ", "", "state-proof"])
def test_an_assurance_beyond_this_version_is_unknown_and_never_quietly_less(
    assurance: str,
) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        parse_policy(with_line("assurance", f'"{assurance}"').encode())
    assert caught.value.exit_code is ExitCode.UNKNOWN_VERSION
    assert repr(assurance) in caught.value.message


def test_more_nodes_than_are_named_cannot_agree() -> None:
    assert "'rpc' names 2 nodes, of which 3 would have" in refusal(with_line("quorum", "3"))
    # Those that --rpc names may be more.
    parse_policy(with_line("rpc", "[]").encode())


def test_a_policy_that_takes_long_to_read_is_refused() -> None:
    assert "dots" in refusal(TEXT + ".".join(["a"] * 20_000) + " = 1\n")


def test_more_nodes_than_are_ever_asked_are_refused() -> None:
    assert "rpc" in refusal(with_line("rpc", str([f"http://{n}" for n in range(17)])))


@pytest.mark.parametrize("version", ['"anchor-trust/2"', '"anchor-trust/1 "', "1", "[]", '""'])
def test_another_format_is_an_unknown_version(version: str) -> None:
    refusal(TEXT.replace('"anchor-trust/1"', version), UnknownVersionError)


def test_a_file_that_does_not_say_its_format_is_an_unknown_version() -> None:
    refusal(TEXT.replace("format =", "# format ="), UnknownVersionError)
    refusal(b"", UnknownVersionError)


@pytest.mark.parametrize(
    "text", ['format = "anchor-trust/1"', 'format = "anchor-trust/1"\ntrust = []']
)
def test_a_policy_that_trusts_nothing_is_refused(text: str) -> None:
    assert "trust" in refusal(text)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        "format = 'x'".encode("utf-16"),
        b"\xef\xbb\xbf\xef\xbb\xbfformat = 'x'",
        b"format =",
        b"format = 'a'\nformat = 'b'",
        b"{}",
        b"a = " + b"9" * 5_000,
        b"a = -" + b"9" * 5_000,
        b"a = " + b"[" * 50_000,
        b"a = " + b"{a=" * 5_000,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_not_toml_is_refused_and_nothing_else_escapes(data: bytes) -> None:
    assert "not TOML" in refusal(data)


def test_an_oversized_file_is_refused_before_it_is_read() -> None:
    parse_policy(TEXT.encode() + b"#" * (MAX_POLICY_BYTES - len(TEXT.encode())))
    assert "longer than" in refusal(b"\xff" * (MAX_POLICY_BYTES + 1))


def test_the_file_shows_addresses_with_their_checksums() -> None:
    document: dict[str, Any] = tomllib.loads(TEXT)
    assert document["trust"][0]["registry"] == "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert document["trust"][0]["owner"] == format_address(ENTRY.owner)


@pytest.mark.fault(
    "I5",
    how="an operator's key goes on anchoring after the policy's last block for it",
    then="those anchors do not count; the earlier ones do",
)
@pytest.mark.parametrize(
    ("operator_id", "block", "accepted"),
    [(3, 99, False), (3, 100, True), (3, 200, True), (3, 201, False), (4, 150, False)],
)
def test_an_operator_is_accepted_from_its_first_to_its_last_block(
    operator_id: int, block: int, accepted: bool
) -> None:
    operator = TrustedOperator(id=3, from_block=100, until_block=200)
    assert operator.accepts(operator_id=operator_id, block_number=block) is accepted
    always = TrustedOperator(id=3, from_block=100, until_block=None)
    assert always.accepts(operator_id=3, block_number=2**48)
