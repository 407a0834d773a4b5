"""An audit of one's own project: each thing that can be wrong is named, and nothing else is."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import fixtures
from support.chinese_text import what_is_english
from support.disasters import sql
from support.nodes import ask
from support.projects import Site, make_site, reading
from support.store_contents import alter_piece

from anchor.base.errors import ExitCode, MalformedError
from anchor.base.messages.message import Message, translate
from anchor.base.system.clock import utc_now
from anchor.base.types import Address, Anchor, ChainId, Hash32, Head, LogId
from anchor.chain.devnet import DEV_ADDRESS, Devnet, open_devnet
from anchor.chain.fees import Fees
from anchor.chain.registry_reader import RegistryHead
from anchor.chain.signer import UnsignedTransaction
from anchor.chain.tx_decoding import decode_transaction
from anchor.cli.commands import audit
from anchor.cli.context import open_signer
from anchor.ethereum.keccak import hash_keccak256
from anchor.evidence.discovery import SourceFile
from anchor.evidence.hashing_pool import open_executor
from anchor.operate.finality import refresh_anchors
from anchor.recovery import originals_audit as originals_module
from anchor.recovery.chain_audit import ChainAudit, _audit_sequence, audit_chain
from anchor.recovery.originals_audit import Originals, audit_originals
from anchor.recovery.store_audit import audit_project
from anchor.registry.calldata import (
    decode_anchor_call,
    decode_set_operator_call,
    decode_succeed_call,
    encode_anchor_call,
    encode_set_operator_call,
    encode_succeed_call,
)
from anchor.store.sealing import seal

_numbers = itertools.count(700)


devnet = fixtures.devnet


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, devnet: Devnet) -> Site:
    folder = tmp_path_factory.mktemp("template") / "project"
    site = make_site(folder, devnet, number=next(_numbers))
    site.add("a", b"a")
    site.anchor()
    site.add("b", b"b")
    site.add("c", b"c")
    site.anchor()
    with site.open() as project, reading(site.url) as node:
        refresh_anchors(project, node)
    return site


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    """A log of three leaves in two heads, both anchored: a copy, whose store may be damaged."""
    shutil.copytree(template.folder, tmp_path / "project")
    return replace(template, folder=tmp_path / "project")


def audited(site: Site) -> tuple[Message, ...]:
    with site.open() as project:
        return in_chinese_too(audit_project(project).breaches)


def compared(site: Site) -> ChainAudit:
    with site.open() as project, reading(site.url) as node:
        audit = audit_chain(project, node)
    in_chinese_too(audit.breaches)
    return audit


def in_chinese_too(breaches: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return breaches, none of which leaves English in Chinese."""
    for breach in breaches:
        # They quote SQLite, or name a path.
        if breach.id not in ("store-file-damaged", "store-unreadable", "audit-tiles-too-many"):
            assert what_is_english(translate(breach, "zh")) is None, translate(breach, "zh")
    return breaches


def test_a_whole_project_has_no_breach(site: Site) -> None:
    assert audited(site) == ()
    audit = compared(site)
    assert (audit.anchors, audit.breaches) == (2, ())


@pytest.mark.fault(
    "F7",
    how="rows of the store are altered in SQL",
    then="the audit names each in a sentence of its own",
)
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "INSERT INTO keys VALUES (zeroblob(32), 99)",
            "1 idempotency keys belong to no evidence in this store",
        ),
        (
            "UPDATE attempts SET head_size = 2 WHERE head_size = 3",
            "1 rows of attempts refer to rows of heads",
        ),
        ("UPDATE attempts SET raw = zeroblob(9) WHERE head_size = 3", "its bytes hash to 0x"),
        (
            "UPDATE attempts SET nonce = (SELECT min(nonce) FROM slots) WHERE head_size = 3",
            "its nonce is",
        ),
        ("UPDATE attempts SET max_fee = max_fee + 1 WHERE head_size = 3", "its fee is"),
        ("UPDATE attempts SET priority_fee = 7 WHERE head_size = 3", "its priority fee is"),
        (
            "UPDATE attempts SET head_size = 1 WHERE head_size = 3",
            "it does not anchor the head of size 1",
        ),
        (
            "UPDATE anchors SET tx_hash = zeroblob(32) WHERE head_size = 3",
            "the anchor of size 3 names transaction 0x00",
        ),
        (
            "UPDATE slots SET outcome = 'unused'",
            "is recorded as unused, but a transaction was signed for it",
        ),
        (
            "UPDATE slots SET outcome = 'gone'",
            "has the unknown outcome 'gone'",
        ),
        (
            (
                "INSERT INTO slots (chain_id, sender, nonce, reserved_at, outcome) "
                "SELECT chain_id, sender, 999, '', 'included' FROM slots LIMIT 1"
            ),
            "nonce 999 of 0xf39F",
        ),
        (
            "DELETE FROM heads WHERE size = 3",
            "1 rows of anchors refer to rows of heads that do not exist",
        ),
        (
            "UPDATE heads SET right_edge = x'00' WHERE size = 1",
            "the right edge stored with the head of size 1 has 1 bytes instead of 32",
        ),
        (
            (
                "INSERT INTO incidents (chain_id, head_size, noticed_at, sequence, block_number,"
                " timestamp) SELECT chain_id, 1, 'then', 1, 7, 9 FROM project"
            ),
            "an incident is open: anchor 1, of size 1, was final in block 7, and then was not in",
        ),
    ],
)
def test_what_was_altered_in_the_store_is_named(site: Site, statement: str, expected: str) -> None:
    sql(site, statement)
    breaches = audited(site)
    assert any(expected in breach for breach in breaches), breaches


def test_two_open_nonces_are_named_though_the_database_would_refuse_them(site: Site) -> None:
    sql(
        site,
        "DROP INDEX uq_slots_open",
        "INSERT INTO slots (chain_id, sender, nonce, reserved_at, outcome) "
        "SELECT chain_id, sender, 998, '', NULL FROM slots LIMIT 1",
        "INSERT INTO slots (chain_id, sender, nonce, reserved_at, outcome) "
        "SELECT chain_id, sender, 999, '', NULL FROM slots LIMIT 1",
    )
    (breach,) = audited(site)
    assert breach == "2 nonces are open on chain 31337; only one may be open at a time"


def test_a_nonce_of_another_chain_or_sender_is_named(site: Site) -> None:
    sql(
        site,
        "UPDATE slots SET chain_id = 1, sender = zeroblob(20)",
        "UPDATE attempts SET chain_id = 1, sender = zeroblob(20)",
    )
    breaches = "\n".join(audited(site))
    assert "is reserved on chain 1, which is not this project's" in breaches
    assert (
        "its sender is 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, the journal says 0x00"
        in breaches
    )
    assert "its chain is 31337, the journal says 1" in breaches


@pytest.mark.parametrize(
    ("to", "data", "expected"),
    [
        (bytes(20), None, "it does not go to the registry"),
        (None, b"anchored", "it does not anchor the head of size 3"),
    ],
)
def test_a_stored_transaction_that_does_something_else_is_named(
    site: Site, to: bytes | None, data: bytes | None, expected: str
) -> None:
    """Signed by the right key for the right nonce, but to somewhere or with something else."""
    with site.open() as project:
        config = project.config
        (nonce, old) = site.rows("SELECT nonce, raw FROM attempts WHERE head_size = 3")[0]
        before = decode_transaction(old)
        raw = open_signer(config).sign_transaction(
            UnsignedTransaction(
                chain_id=config.chain_id,
                nonce=nonce,
                to=config.registry if to is None else Address(to),
                data=before.data if data is None else data,
                gas=100_000,
                fees=Fees(max_fee=before.max_fee, priority_fee=before.priority_fee, legacy=False),
            )
        )
    new = hash_keccak256(raw).hex()
    sql(
        site,
        f"UPDATE anchors SET tx_hash = x'{new}' WHERE head_size = 3",
        f"UPDATE attempts SET raw = x'{raw.hex()}', tx_hash = x'{new}' WHERE head_size = 3",
    )
    (breach,) = audited(site)
    assert expected in breach


@pytest.mark.fault(
    "F6",
    how="a page of the store's file is overwritten",
    then="the audit reports a damaged file and goes on with what can be read",
)
def test_a_damaged_file_is_a_breach_and_not_the_end_of_the_audit(site: Site) -> None:
    (root,) = site.rows("SELECT rootpage FROM sqlite_master WHERE name = 'runs'")
    (size,) = site.rows("PRAGMA page_size")
    sql(site, "PRAGMA wal_checkpoint(TRUNCATE)")
    with (site.folder / "anchor.db").open("r+b") as file:
        file.seek((root[0] - 1) * size[0])
        file.write(b"\xff" * size[0])
    breaches = audited(site)
    assert sum("malformed" in breach for breach in breaches) > 1, breaches


# Against the chain


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "UPDATE anchors SET sequence = 7 WHERE head_size = 3",
            "for the anchor of size 3, the store says sequence 7, the registry says 2",
        ),
        (
            "UPDATE anchors SET block_number = 0 WHERE head_size = 1",
            "for the anchor of size 1, the store says block 0, the registry says",
        ),
        (
            "UPDATE anchors SET timestamp = 0 WHERE head_size = 1",
            "for the anchor of size 1, the store says timestamp 0, the registry says",
        ),
        (
            "UPDATE slots SET outcome = 'foreign', nonce = nonce + 10000",
            "nonce 100",
        ),
    ],
)
def test_what_the_registry_contradicts_is_named(site: Site, statement: str, expected: str) -> None:
    sql(site, "PRAGMA foreign_keys = OFF", statement)
    breaches = compared(site).breaches
    assert breaches
    assert breaches[0].startswith(expected), breaches


def test_a_reversible_anchor_need_not_be_as_it_was(site: Site) -> None:
    sql(site, "UPDATE anchors SET block_number = 0, final = 0")
    assert compared(site).breaches == ()


def test_an_anchor_the_store_does_not_know_of_is_found_by_its_head(site: Site) -> None:
    sql(site, "DELETE FROM anchors")
    audit = compared(site)
    assert (audit.anchors, audit.breaches) == (2, ())


@pytest.mark.fault(
    "F12",
    how="the store's newest head is taken away, as in an old backup",
    then="the audit says that the chain is ahead, and what to do",
)
def test_a_store_behind_the_chain_is_told_from_a_store_with_a_gap(site: Site) -> None:
    sql(site, "DELETE FROM anchors WHERE head_size = 3", "DELETE FROM heads WHERE size = 3")
    missing, latest = compared(site).breaches
    assert missing.startswith("no head in this store matches anchor 2 of the 2 in the registry")
    assert "of 3 leaves is not in this store: either the store is older than the chain" in latest
    assert "anchor restore" in missing
    sql(site, "INSERT INTO heads SELECT 3, zeroblob(32), zeroblob(64), ''")
    first = compared(site).breaches[0]
    assert first.startswith("no head in this store matches anchor 2 of the 2 in the registry")


def test_runs_of_missing_anchors_are_named_together(site: Site) -> None:
    sql(site, "DELETE FROM anchors", "DELETE FROM heads")
    breaches = compared(site).breaches
    assert breaches[0].startswith(
        "no head in this store matches anchors 1 to 2 of the 2 in the registry"
    )


def test_an_anchor_behind_the_registrys_count_is_no_gap() -> None:
    def at(sequence: int) -> tuple[Head, Anchor]:
        head = Head(root=Hash32(bytes([sequence]) * 32), size=sequence)
        return head, Anchor(
            size=sequence, sequence=sequence, block_number=1, timestamp=1, operator_id=0
        )

    item, anchor = at(1)
    head = RegistryHead(root=item.root, anchor=anchor, is_closed=False)
    found = list(_audit_sequence(head, {number: at(number) for number in (1, 5)}))
    assert found == ["the registry counts 1 anchors, but holds anchor 5"]


def test_a_root_under_another_size_is_named(site: Site) -> None:
    sql(site, "PRAGMA foreign_keys = OFF", "UPDATE heads SET size = 2 WHERE size = 3",
        "UPDATE anchors SET head_size = 2 WHERE head_size = 3")  # fmt: skip
    (breach,) = compared(site).breaches
    assert breach == "for the root of the head of size 2, the registry states 3 leaves"


def test_nothing_is_called_final_that_the_registry_lacks(site: Site, tmp_path: Path) -> None:
    site.add("d", b"d")
    with site.lead() as project:
        seal(project.database, "now")
    sql(
        site,
        "INSERT INTO anchors (chain_id, head_size, sequence, block_number, timestamp, final) "
        "SELECT chain_id, 4, 3, 9, 9, 1 FROM anchors LIMIT 1",
    )
    (breach,) = compared(site).breaches
    assert breach.startswith("the store says that the head of size 4 is anchored (final), but the")


def test_a_nonce_that_nobody_used_below_one_that_is_signed_is_named(site: Site) -> None:
    """What was signed above it can never be included."""
    (raw,) = site.rows("SELECT hex(raw) FROM attempts WHERE head_size = 3")
    used = int(ask(site.url, "eth_getTransactionCount", "0x" + DEV_ADDRESS.hex(), "latest"), 16)
    sql(
        site,
        "PRAGMA foreign_keys = OFF",
        "INSERT INTO slots (chain_id, sender, nonce, reserved_at, outcome) "
        f"SELECT chain_id, sender, {used + 1}, '', NULL FROM slots LIMIT 1",
        f"INSERT INTO attempts SELECT zeroblob(32), chain_id, sender, {used + 1}, NULL, "
        f"x'{raw[0]}', 1, 1, '', NULL FROM slots WHERE nonce = {used + 1}",
    )
    (breach,) = compared(site).breaches
    assert breach.startswith(f"nonce {used} of 0xf39F")
    assert "neither reserved nor used" in breach


def test_a_gap_of_nonces_is_one_breach_however_wide_it_is(site: Site) -> None:
    (raw,) = site.rows("SELECT hex(raw) FROM attempts WHERE head_size = 3")
    used = int(ask(site.url, "eth_getTransactionCount", "0x" + DEV_ADDRESS.hex(), "latest"), 16)
    before = compared(site).foreign_nonces
    last = 2**40
    sql(
        site,
        "PRAGMA foreign_keys = OFF",
        "INSERT INTO slots (chain_id, sender, nonce, reserved_at, outcome) "
        f"SELECT chain_id, sender, {last}, '', NULL FROM slots LIMIT 1",
        f"INSERT INTO attempts SELECT zeroblob(32), chain_id, sender, {last}, NULL, "
        f"x'{raw[0]}', 1, 1, '', NULL FROM slots WHERE nonce = {last}",
    )
    audit = compared(site)
    (breach,) = audit.breaches
    assert breach.startswith(f"nonces {used} to {last - 1} of 0xf39F")
    assert audit.foreign_nonces == before


def test_a_damaged_right_edge_is_a_breach_and_not_the_end_of_the_audit(site: Site) -> None:
    sql(site, "UPDATE heads SET right_edge = x'00'")
    damaged = [f"head of size {size} has 1 bytes instead of" for size in (1, 3)]
    site.run("audit").expect(10, "2 anchors in the registry", *damaged)


def test_nonces_that_other_programs_used_are_counted_and_are_no_breach(
    tmp_path: Path, devnet: Devnet
) -> None:
    one, other = (
        make_site(tmp_path / name, devnet, number=next(_numbers)) for name in ("one", "other")
    )
    for site in (one, other, one):
        site.add("x", site.folder.name.encode() + bytes([next(_numbers) % 256]))
        site.anchor()
    audit = compared(one)
    assert (audit.foreign_nonces, audit.breaches) == (1, ())


def test_without_a_registry_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with open_devnet(anvil=None) as node:
        site = make_site(tmp_path / "project", node, number=1, deployed=False)
        audit = compared(site)
    assert (audit.anchors, audit.breaches) == (0, ())


def test_the_command_reports_both_parts_and_tells_what_it_could_not_ask(site: Site) -> None:
    shown = site.run("audit").expect(0, "2 anchors in the registry", "counts as final")
    assert shown.out.endswith("no problems found\n")
    members = site.run("audit", "--json").expect(0).document
    assert (members["breaches"], members["chain"]["anchors"]) == ([], 2)
    assert members["chain"]["verdict"] == "pass"
    offline = site.run("audit", "--offline", "--json").expect(0).document
    assert "chain" not in offline
    away = {"ANCHOR_CHAIN__RPC": "http://127.0.0.1:1"}
    shown = site.run("audit", env=away).expect(20, "3 leaves in 2 heads", "chain: cannot tell")
    assert "no problems found" not in shown.out
    site.run("audit", "--offline", env=away).expect(0, "no problems found")
    alter_piece(site, 1, record=b"{}")
    site.run("audit", env=away).expect(10, "the record of leaf 1", "chain: cannot tell")
    members = site.run("audit", "--json").expect(10).document
    assert (len(members["breaches"]), members["chain"]["verdict"]) == (1, "pass")


def test_another_chain_is_no_breach_but_the_operators_to_mend(site: Site, tmp_path: Path) -> None:
    with open_devnet(anvil=None) as other:
        shown = site.run("audit", env={"ANCHOR_CHAIN__RPC": other.url})
    shown.expect(ExitCode.CHAIN_GUARD, "another genesis block")


# Originals


@pytest.fixture
def originals(tmp_path: Path, devnet: Devnet) -> Site:
    site = make_site(tmp_path / "project", devnet, number=next(_numbers))
    for name in "abc":
        site.add(name, name.encode())
    return site


def test_changed_originals_are_named_and_missing_ones_counted(originals: Site) -> None:
    site = originals
    site.run("audit", "--originals").expect(0, "3 evidence files are as they were accepted, 0")
    (site.folder / "a").write_bytes(b"changed")
    (site.folder / "b").unlink()
    members = site.run("audit", "--originals", "--json").expect(10).document
    assert members["breaches"] == [
        f"{site.folder.resolve() / 'a'} differs from what was accepted: the file was changed"
    ]
    assert members["originals"] == {"equal": 1, "missing": 1, "unreadable": []}


def test_an_original_that_cannot_be_read_is_not_called_unchanged(originals: Site) -> None:
    site = originals
    (site.folder / "a").unlink()
    (site.folder / "a").symlink_to("a")
    shown = site.run("audit", "--originals").expect(20, "2 evidence files are as", "cannot tell")
    assert "no problems found" not in shown.out
    members = site.run("audit", "--originals", "--json").expect(20).document
    assert (members["breaches"], len(members["originals"]["unreadable"])) == ([], 1)
    (site.folder / "b").write_bytes(b"changed")
    site.run("audit", "--originals").expect(10)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_a_file_whose_folder_cannot_be_entered_is_unreadable_and_not_missing(
    originals: Site, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    look = Path.stat

    def refuse(path: Path, **options: Any) -> os.stat_result:
        if path.name == "b":
            raise error
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    found = Originals()
    with originals.open() as project, open_executor(1) as executor:
        assert list(audit_originals(project, executor, found)) == []
    assert (found.equal, found.missing, len(found.unreadable)) == (2, 0, 1)
    assert error.strerror in found.unreadable[0]


def test_others_can_work_while_the_originals_are_hashed(
    originals: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the lease nor a snapshot of the store is held."""
    seen: list[int] = []
    hashing = originals_module.hash_sources

    def hash_while_others_work(sources: Iterator[SourceFile], *more: Any, **options: Any) -> Any:
        first = next(sources)
        with originals.lead() as project:
            seal(project.database, utc_now())
        with closing(sqlite3.connect(originals.folder / "anchor.db")) as connection:
            # Busy would be 1: a reader still needed what the write-ahead log holds.
            seen.append(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        return hashing(itertools.chain([first], sources), *more, **options)

    monkeypatch.setattr(originals_module, "hash_sources", hash_while_others_work)
    audit.command(
        originals=True, offline=True, config_path=originals.folder / "anchor.toml", as_json=True
    )
    assert seen == [0]


def test_an_original_may_be_any_version_that_was_accepted(originals: Site) -> None:
    site = originals
    site.add("a", b"second version")
    found = Originals()
    for content, breaches in [(b"a", 0), (b"second version", 0), (b"third", 1)]:
        (site.folder / "a").write_bytes(content)
        with site.open() as project, open_executor(1) as executor:
            assert len(list(audit_originals(project, executor, found))) == breaches


# What the journal's bytes say


def sign(site: Site, *, legacy: bool, to: Address | None, data: bytes = b"data") -> bytes:
    with site.open() as project:
        return open_signer(project.config).sign_transaction(
            UnsignedTransaction(
                chain_id=ChainId(31337),
                nonce=0,
                to=to,
                data=data,
                gas=300,
                fees=Fees(max_fee=9, priority_fee=9 if legacy else 2, legacy=legacy),
            )
        )


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("to", [Address(b"\x11" * 20), None])
@pytest.mark.parametrize("size", [0, 1, 55, 56, 300])
def test_a_signed_transaction_is_read_as_it_was_signed(
    site: Site, legacy: bool, to: Address | None, size: int
) -> None:
    raw = sign(site, legacy=legacy, to=to, data=bytes([0x7F] * size))
    signed = decode_transaction(raw)
    assert signed.sender == DEV_ADDRESS
    assert (signed.chain_id, signed.nonce, signed.to, signed.value) == (31337, 0, to, 0)
    assert (signed.max_fee, signed.priority_fee) == (9, 9 if legacy else 2)
    assert signed.data == bytes([0x7F] * size)


def test_what_is_no_signed_transaction_is_refused_and_nothing_else_is_raised(site: Site) -> None:
    raw = sign(site, legacy=False, to=None)
    spoilt: list[bytes] = [b"", b"\x02", b"\x02\xc0", b"\xff" * 40, raw + b"\0", raw[:-1], raw[1:]]
    spoilt += [raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :] for at in range(len(raw))]
    refused = 0
    for item in spoilt:
        try:
            signed = decode_transaction(item)
        except MalformedError:
            refused += 1
        else:
            assert signed.sender != DEV_ADDRESS
    assert refused > 20


def test_calldata_is_decoded_only_in_the_one_spelling_we_write() -> None:
    log, new = LogId(bytes(31) + b"\1"), LogId(bytes(31) + b"\2")
    head = Head(root=Hash32(b"\7" * 32), size=9)
    call = encode_anchor_call(log, head, [Hash32(b"\1" * 32)])
    assert decode_anchor_call(call) == (log, head)
    succeed = encode_succeed_call(log, head.root, new)
    assert decode_succeed_call(succeed) == (log, head.root, new)
    authorise = encode_set_operator_call(log, DEV_ADDRESS, 9)
    assert decode_set_operator_call(authorise) == (log, DEV_ADDRESS, 9)
    decoders: list[tuple[Callable[[bytes], object], bytes]] = [
        (decode_anchor_call, call),
        (decode_succeed_call, succeed),
        (decode_set_operator_call, authorise),
    ]
    for decode, data in decoders:
        for other in (b"", data[:4], data[:-1], data + b"\0", bytes(4) + data[4:]):
            assert decode(other) is None
    assert decode_succeed_call(call) is None and decode_anchor_call(succeed) is None
