"""Saying which extra of the package holds what is not installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def needs_extra(subject: str, extra: str, packages: Sequence[str] = ()) -> Iterator[None]:
    """Say that ``subject`` needs an extra, where an import in the block fails.

    ``packages`` are looked for first, and not loaded: what is only imported later is missed now.

    Raises:
        ImportError: A package is not installed.
    """
    try:
        for package in packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "anchor":
            raise  # a bug of ours
        raise ImportError(
            f"{subject} needs the package {error.name}: pip install '.[{extra}]' in the checkout",
            name=error.name,
        ) from error
