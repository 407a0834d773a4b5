"""Keys of copies: bound to their place, encrypted by the operator's keyset, which rotates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anchor.base.errors import ConfigError, MismatchError
from anchor.keeping.master_keyset import MasterKeyset, place_of

PLACE = place_of(tenant="acme", copy="1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keyset.json"
    MasterKeyset.create().save(path)
    return path


def test_a_part_is_read_in_its_place_alone() -> None:
    key = MasterKeyset.create().new_key()
    place = place_of(tenant="acme", copy="1", part=0, object="a")
    encrypted = key.encrypt(b"secret", place)
    assert b"secret" not in encrypted
    assert key.decrypt(encrypted, place) == b"secret"
    others = [
        place_of(tenant="acme", copy="1", part=1, object="a"),
        place_of(tenant="acme", copy="2", part=0, object="a"),
        place_of(tenant="acme", copy="1", part=0, object="b"),
        place_of(tenant="acmf", copy="1", part=0, object="a"),
    ]
    for other in others:
        with pytest.raises(MismatchError):
            key.decrypt(encrypted, other)
    for bent in (encrypted[:-1], encrypted[:-1] + b"\0", b"", b"\x01" + bytes(4)):
        with pytest.raises(MismatchError):
            key.decrypt(bent, place)
    with pytest.raises(MismatchError):
        MasterKeyset.create().new_key().decrypt(encrypted, place)


def test_a_key_is_read_by_its_keyset_and_in_its_place_alone(path: Path) -> None:
    keyset = MasterKeyset.load(path)
    key = keyset.new_key()
    wrapped = keyset.wrap(key, PLACE)
    encrypted = key.encrypt(b"secret", b"")
    assert MasterKeyset.load(path).unwrap(wrapped, PLACE).decrypt(encrypted, b"") == b"secret"
    for other, place in ((keyset, place_of(tenant="acme", copy="2")),
                         (MasterKeyset.create(), PLACE)):  # fmt: skip
        with pytest.raises(ConfigError):
            other.unwrap(wrapped, place)
    for bent in (b"", wrapped[:-1], b"\xff" * 40):
        with pytest.raises(ConfigError):
            keyset.unwrap(bent, PLACE)


def test_a_new_key_encrypts_and_the_former_one_still_decrypts(path: Path) -> None:
    former = MasterKeyset.load(path)
    key = former.new_key()
    wrapped, encrypted = former.wrap(key, PLACE), key.encrypt(b"secret", b"")
    former.add_key().save(path)
    rotated = MasterKeyset.load(path)
    assert len(rotated.key_ids) == 2 and rotated.key_ids[0] == former.primary != rotated.primary
    assert not rotated.is_wrapped_by_primary(wrapped)
    unwrapped = rotated.unwrap(wrapped, PLACE)
    assert unwrapped.decrypt(encrypted, b"") == b"secret"
    anew = rotated.wrap(unwrapped, PLACE)
    assert rotated.is_wrapped_by_primary(anew)
    alone = rotated.drop_others()
    assert alone.key_ids == (rotated.primary,)
    assert alone.unwrap(anew, PLACE).decrypt(encrypted, b"") == b"secret"
    with pytest.raises(ConfigError):
        alone.unwrap(wrapped, PLACE)
    with pytest.raises(ConfigError):
        former.unwrap(anew, PLACE)


def test_a_keyset_that_others_can_read_or_that_is_none_is_refused(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="other users can read"):
        MasterKeyset.load(path)
    path.chmod(0o600)
    keyset = json.loads(path.read_text())
    for text in ("", "{}", "[]", json.dumps(keyset | {"primaryKeyId": 1}), "\ufeff{}"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="is not a keyset"):
            MasterKeyset.load(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not a keyset"):
        MasterKeyset.load(path)
    for other in (path.with_name("missing"), path.parent):
        with pytest.raises(ConfigError, match="cannot be read"):
            MasterKeyset.load(other)
