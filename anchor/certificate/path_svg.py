"""The Merkle path as a picture: leaf at the bottom, root at the top, siblings left or right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anchor.base.messages.message import Message
from anchor.certificate.model import PathStep

_WIDTH = 560
_ROW = 40
_BOX = 24
_NODE_WIDTH = 204
# A root that is the leaf has the longest label, and no siblings beside it.
_ONLY_WIDTH = 300
_SIBLING_WIDTH = 150
_MARGIN = 8
_MIDDLE = _WIDTH // 2
# Colours for print; a page for the screen overrides them through the classes.
_ACCENT, _INK, _FAINT, _PALE = "#1f5f8b", "#1c2430", "#8a94a3", "#e9f1f7"


def draw_path(
    leaf: str,
    steps: Sequence[PathStep],
    *,
    digits: int = 8,
    title: str = "",
    say: Callable[[Message], str] = str,
) -> str:
    """Return the picture as SVG, for a page of its own or within HTML.

    Each hash is shown by its first and last ``digits``.  A ``title`` describes the picture to
    screen readers; without it, the surrounding text must.  ``say`` gives the words "leaf" and
    "root" in the language of the page.
    """
    nodes = [_shorten(node, digits) for node in (leaf, *(step.node for step in steps))]
    height = _ROW * (len(nodes) - 1) + _BOX + 2 * _MARGIN
    shapes: list[str] = []
    for level, step in enumerate(steps):
        y, above = _row(level, len(nodes)), _row(level + 1, len(nodes))
        is_left = step.side == "left"
        x = _MARGIN if is_left else _WIDTH - _MARGIN - _SIBLING_WIDTH
        centre = x + _SIBLING_WIDTH // 2
        turn = above + _BOX + (_ROW - _BOX) // 2
        shapes.append(_line(f"M{_MIDDLE} {y}V{above + _BOX}", _ACCENT, "way", 1.6))
        shapes.append(_line(f"M{centre} {y}V{turn}H{_MIDDLE}", _FAINT, "side", 1))
        shapes.append(_sibling(x, y, _shorten(step.sibling, digits)))
    for level, node in enumerate(nodes):
        is_root = level == len(nodes) - 1
        word = _name(is_root=is_root, is_leaf=level == 0)
        label = node if word is None else f"{say(word)} {node}"
        width = _NODE_WIDTH if steps else _ONLY_WIDTH
        shapes.append(_node(_row(level, len(nodes)), width, label, is_root=is_root))
    role, name = "", ""
    if title:
        role = ' role="img" aria-labelledby="path-title"'
        name = f'<title id="path-title">{title}</title>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'class="path"{role}>{name}' + "".join(shapes) + "</svg>"
    )


def _row(level: int, count: int) -> int:
    return _MARGIN + _ROW * (count - 1 - level)


def _line(shape: str, colour: str, name: str, width: float) -> str:
    return (
        f'<path class="{name}" d="{shape}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    )


def _sibling(x: int, y: int, value: str) -> str:
    return (
        f'<rect class="sibling" x="{x}" y="{y}" width="{_SIBLING_WIDTH}" height="{_BOX}" rx="4" '
        f'fill="#ffffff" stroke="{_FAINT}" stroke-dasharray="4 3"/>'
        + _label(x + _SIBLING_WIDTH // 2, y, value, _INK, "ink")
    )


def _name(*, is_root: bool, is_leaf: bool) -> Message | None:
    if is_root:
        return Message("path-leaf-is-root") if is_leaf else Message("path-picture-root")
    return Message("path-picture-leaf") if is_leaf else None


def _node(y: int, width: int, label: str, *, is_root: bool) -> str:
    x = _MIDDLE - width // 2
    fill, ink, name = (_ACCENT, "#ffffff", "root") if is_root else (_PALE, _INK, "node")
    return (
        f'<rect class="{name}" x="{x}" y="{y}" width="{width}" height="{_BOX}" rx="4" '
        f'fill="{fill}" stroke="{_ACCENT}"/>' + _label(_MIDDLE, y, label, ink, f"{name}-ink")
    )


def _label(x: int, y: int, text: str, colour: str, name: str) -> str:
    return (
        f'<text class="{name}" x="{x}" y="{y + 16}" text-anchor="middle" font-size="11" '
        f'font-family="DejaVu Sans Mono, monospace" fill="{colour}">{text}</text>'
    )


def _shorten(value: str, digits: int) -> str:
    return f"{value[:digits]}…{value[-digits:]}"
