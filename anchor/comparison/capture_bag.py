"""The bag of a capture: opened once every file in it was verified, and read as it was then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_format import PAYLOAD
from anchor.bag.bag_validation import ValidBag, validate_bag
from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message
from anchor.comparison.capture_account import CaptureAccount, parse_account

ACCOUNT = "capture.json"
TEXT = "page.txt"
PICTURE = "screenshot-"

# The account of a page with 100,000 requests.
_MAX_ACCOUNT = 1 << 27


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBag:
    """A capture whose files are those that its manifest lists, and its account."""

    path: Path
    bag: ValidBag
    account: CaptureAccount

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file below ``data/``; None if the capture has none, or it is longer."""
        size = self.bag.source.sizes.get(PAYLOAD + name)
        return None if size is None or size > most else self.bag.read(PAYLOAD + name, most)

    def measure(self, name: str) -> int | None:
        """Return the size of a file below ``data/``; None if the capture has none."""
        return self.bag.source.sizes.get(PAYLOAD + name)

    def list_pictures(self, folder: str) -> list[str]:
        """Return the names of the screenshots of a page, whose views are in ``folder``."""
        prefix = f"{PAYLOAD}{folder}{PICTURE}"
        names = (name for name in self.bag.source.sizes if name.startswith(prefix))
        return sorted(name.removeprefix(PAYLOAD + folder) for name in names)


def open_capture(path: Path) -> CaptureBag:
    """Verify every file of a capture's bag, and return it."""
    if not path.is_dir():
        raise UsageError(Message("capture-bag-no-folder", path=path), path=path)
    try:
        bag = validate_bag(BagFolder(path))
        name = PAYLOAD + ACCOUNT
        if not bag.is_evidence or bag.source.sizes.get(name, _MAX_ACCOUNT) >= _MAX_ACCOUNT:
            raise UsageError(Message("capture-bag-without-account", name=name))
        account = parse_account(bag.read(name, _MAX_ACCOUNT), subject=name)
    except AnchorError as error:
        raise _name(path, error) from error
    return CaptureBag(path=path, bag=bag, account=account)


def _name(path: Path, error: AnchorError) -> AnchorError:
    """Return the error with the bag's path before its sentence."""
    message = Message("with-reason", failure=str(path), reason=error.message)
    return type(error)(message, hint=error.hint)


def list_names(bags: Iterable[CaptureBag], folders: Iterable[str]) -> list[str]:
    """Return the names of all screenshots of a page in several captures."""
    pairs = zip(bags, folders, strict=True)
    return sorted({name for bag, folder in pairs for name in bag.list_pictures(folder)})
