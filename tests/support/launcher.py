"""Runs ``anchor`` in a process that ends itself, like kill -9, at one effect.

    python launcher.py before|after|raise MODULE CLASS METHOD COUNT anchor-arguments…

The process is gone at the COUNT-th call of that method (``-`` for a function of the module):
``before`` its effect, or ``after`` it and before anyone learns of it.  ``raise`` raises instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any


def end_at(when: str, module_name: str, class_name: str, method: str, count: str) -> None:
    """Patch one function, so that this process ends at one of its calls."""
    module = importlib.import_module(module_name)
    owner: Any = module if class_name == "-" else getattr(module, class_name)
    original = getattr(owner, method)
    left = int(count)

    def dies(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os._exit(137)
        if left == 0 and when == "raise":
            raise ZeroDivisionError
        result = original(*arguments, **named)
        if left == 0:
            os._exit(137)
        return result

    setattr(owner, method, dies)
    if owner is module:
        replace_imported(original, dies)


def replace_imported(original: object, replacement: object) -> None:
    """Replace a function in every loaded module that has imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "anchor":
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, replacement)


def main() -> None:
    """Patch one function, then run the command line."""
    end_at(*sys.argv[1:6])
    sys.argv = ["anchor", *sys.argv[6:]]
    from anchor.cli import main as anchor

    anchor()


if __name__ == "__main__":
    main()
