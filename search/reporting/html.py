"""HTML and SVG as text that can't be forgotten to be escaped, markup and control characters alike."""

from __future__ import annotations

import html
from collections.abc import Iterable

from studies.printable import printable_lines


class Html(str):
    """Text that is markup already. Every other text is escaped where it is put into an element."""

    __slots__ = ()


Content = str | Html | Iterable["Content"] | None
"""What an element holds: text, markup, several of them, or nothing."""

_VOID = frozenset({"br", "hr", "meta"})


def tag(name: str, *content: Content, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
        name: such as ``p``.
        content: what is in it.
        attributes: by name, ``class_`` for ``class`` and ``_`` for ``-``. ``None`` and ``False`` are left
            out, ``True`` stands without a value, and numbers are rounded to what can be seen.
    """
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Html:
    """Several pieces one after the other."""
    return Html("".join(_pieces(content)))


def number(value: float) -> str:
    """A coordinate: tenths are as fine as a screen shows."""
    return f"{value:.1f}".removesuffix(".0")


def _pieces(content: Iterable[Content]) -> Iterable[str]:
    for piece in content:
        if isinstance(piece, Html):
            yield str(piece)
        elif isinstance(piece, str):
            yield html.escape(printable_lines(piece), quote=False)
        elif piece is not None:
            yield from _pieces(piece)


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = value if isinstance(value, str) else number(value)
    return f' {name}="{html.escape(printable_lines(text))}"'
