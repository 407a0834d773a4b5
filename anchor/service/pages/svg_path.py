"""A leaf's way up to the root as SVG: a pure function, styled by the page's style sheet."""

from __future__ import annotations

from anchor.monitor.log_lookup import LeafPosition, PathNode

_WIDTH = 560
_ROW = 62
_BOX_WIDTH, _BOX_HEIGHT = 150, 30
_MIDDLE = _WIDTH // 2
# How far to the side a sibling stands.
_ASIDE = 195


def draw_path(place: LeafPosition) -> str:
    """Return the root at the top, below it each node with its sibling, and at the end the leaf."""
    rows = len(place.steps)
    height = rows * _ROW + _BOX_HEIGHT + 34
    parts = [_draw_step(step, rows - number, place) for number, step in enumerate(place.steps)]
    ends = _draw_box(_MIDDLE, _top(rows), _shorten(place.leaf.hex()), "ours")
    ends += _draw_name(_MIDDLE, _top(rows) + _BOX_HEIGHT + 20, f"leaf {place.index:,}")
    if not rows:
        ends = _draw_box(_MIDDLE, _top(0), _shorten(place.leaf.hex()), "root")
        ends += _draw_name(_MIDDLE, _top(0) + _BOX_HEIGHT + 20, "the only leaf is the root")
    description = (
        f"{rows} steps from leaf {place.index} to the root of the head of {place.head.size} leaves"
    )
    return (
        f'<svg class="path" role="img" viewBox="0 0 {_WIDTH} {height}" '
        f'aria-labelledby="path-title"><title id="path-title">{description}</title>'
        + "".join(reversed(parts))
        + ends
        + "</svg>"
    )


def _draw_step(step: PathNode, row: int, place: LeafPosition) -> str:
    """Draw what a step makes in the row above ``row``, and its sibling in ``row``."""
    side = -_ASIDE if step.sibling_is_left else _ASIDE
    above, below = _top(row - 1) + _BOX_HEIGHT, _top(row)
    lines = (
        f'<line x1="{_MIDDLE}" y1="{above}" x2="{_MIDDLE + side}" y2="{below}"/>'
        f'<line class="ours" x1="{_MIDDLE}" y1="{above}" x2="{_MIDDLE}" y2="{below}"/>'
    )
    is_root = step.node == place.head.root and row == 1
    node = _draw_box(
        _MIDDLE, _top(row - 1), _shorten(step.node.hex()), "root" if is_root else "ours"
    )
    sibling = _draw_box(_MIDDLE + side, below, _shorten(step.sibling.hex()), "sibling")
    return lines + node + sibling


def _draw_box(middle: float, top: float, text: str, kind: str) -> str:
    return (
        f'<g class="{kind}"><rect x="{middle - _BOX_WIDTH / 2:g}" y="{top}" width="{_BOX_WIDTH}" '
        f'height="{_BOX_HEIGHT}" rx="6"/><text x="{middle}" y="{top + 19}">{text}</text></g>'
    )


def _draw_name(middle: float, y: float, text: str) -> str:
    return f'<text class="name" x="{middle}" y="{y}">{text}</text>'


def _top(row: int) -> int:
    return 2 + row * _ROW


def _shorten(text: str) -> str:
    return f"{text[:4]}…{text[-4:]}"
