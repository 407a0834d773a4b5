"""The vault of copies: parts are encrypted and stored, read back, and removed.

Nothing is decrypted on disk: a part is in memory only.  A part's object is stored before the
transaction that names it; a crash in between leaves an object that no row names, which ``sweep``
or ``remove`` takes away.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.errors import MismatchError
from anchor.base.messages.message import Message
from anchor.keeping.copy_objects import open_copy_objects
from anchor.keeping.master_keyset import CopyKey, MasterKeyset, check_installed, place_of
from anchor.keeping.upload_rules import folder_of, name_object
from anchor.project.keeping_config import KeepingConfig
from anchor.store.kept_copies import CopyPart, KeptCopy


class CopyVault:
    """The object store of copies, and the operator's keyset, which is read anew for each use.

    So a keyset that was rotated is in force at once, in every worker.
    """

    def __init__(self, config: KeepingConfig) -> None:
        """Open the object store."""
        self.config = config
        self._objects = open_copy_objects(config.url)

    def check(self) -> None:
        """Check that Tink is installed and the keyset can be read."""
        check_installed()
        MasterKeyset.load(self.config.keyset)

    def make_key(self, tenant: str, id: str) -> bytes:
        """Return a new key for a copy, encrypted."""
        master = MasterKeyset.load(self.config.keyset)
        return master.wrap(master.new_key(), key_place(tenant, id))

    def open_key(self, copy: KeptCopy) -> CopyKey:
        """Return the key of a copy that has one.

        Raises:
            ConfigError: The keyset does not have the key that encrypted it.
        """
        assert copy.wrapped_key is not None, "the copy has a key"
        master = MasterKeyset.load(self.config.keyset)
        return master.unwrap(copy.wrapped_key, key_place(copy.tenant, copy.id))

    def write_part(self, key: CopyKey, copy: KeptCopy, data: bytes) -> CopyPart:
        """Encrypt and store the next part of a copy."""
        part = CopyPart(number=copy.parts, object=name_object(copy.parts), size=len(data))
        self._objects.write(_locate(copy, part), key.encrypt(data, _place(copy, part)))
        return part

    def read_part(self, key: CopyKey, copy: KeptCopy, part: CopyPart) -> bytes:
        """Return a part of a copy."""
        try:
            data = key.decrypt(self._objects.read(_locate(copy, part)), _place(copy, part))
            if len(data) != part.size:
                raise MismatchError(Message("copy-part-changed"))
        except MismatchError as error:
            raise MismatchError(
                Message("copy-damaged", number=part.number + 1, reason=error.message)
            ) from error
        return data

    def remove_part(self, copy: KeptCopy, part: CopyPart) -> None:
        """Remove the object of a part that no row names."""
        self._objects.remove(_locate(copy, part))

    def sweep(self, copy: KeptCopy, parts: Sequence[CopyPart]) -> None:
        """Remove the objects of a whole copy that are none of its parts."""
        folder = folder_of(copy.tenant, copy.id)
        named = {_locate(copy, part) for part in parts}
        for name in self._objects.list_names(folder):
            if name not in named:
                self._objects.remove(name)

    def remove(self, copy: KeptCopy) -> None:
        """Remove all objects of a copy."""
        self._objects.remove_folder(folder_of(copy.tenant, copy.id))


def key_place(tenant: str, id: str) -> bytes:
    """Return what the key of a copy is bound to."""
    return place_of(tenant=tenant, copy=id)


def _locate(copy: KeptCopy, part: CopyPart) -> str:
    return f"{folder_of(copy.tenant, copy.id)}/{part.object}"


def _place(copy: KeptCopy, part: CopyPart) -> bytes:
    return place_of(tenant=copy.tenant, copy=copy.id, part=part.number, object=part.object)
