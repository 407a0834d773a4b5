"""Error messages for missing optional packages that name the extra to install."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from anchor.base.messages.message import Message


@contextmanager
def needs_extra(subject: str, extra: str, packages: Sequence[str] = ()) -> Iterator[None]:
    """Translate a failed import in the block into an error that names the extra to install.

    ``packages`` are searched first, without importing them, so that a package that is only imported
    later is reported now.
    """
    try:
        for package in packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "anchor":
            raise  # a bug in this package
        raise ImportError(
            Message("extra-package-missing", subject=subject, package=error.name, extra=extra),
            name=error.name,
        ) from error
