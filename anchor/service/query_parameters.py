"""The parameters of a request: those of its route, each once."""

from __future__ import annotations

from collections import Counter

from fastapi import Request

from anchor.service.problems import FieldError, Problem

# Characters of a name, and names, that an answer repeats.
_SHOWN = 80
_MOST = 10


def check_parameters(request: Request) -> None:
    """See that a misspelt parameter is not taken for one that was left out.

    Raises:
        Problem: the route does not know one, or one comes twice (422).
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if not counts:
        return
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    errors = [
        FieldError(name[:_SHOWN], "given twice" if name in known else "no parameter of this")
        for name, count in counts.items()
        if name not in known or count > 1
    ]
    if errors:
        # What was not read of a body must not be taken for the next request.
        headers = {"Connection": "close"}
        raise Problem(
            422, "a parameter is not as it has to be", errors=errors[:_MOST], headers=headers
        )
