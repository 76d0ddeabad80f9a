"""Text and consoles of rich's on which nothing from outside is obeyed: neither markup nor control characters.

Labels, columns, paths, names of studies and messages of other programs are printed as :class:`Text`, never as
plain strings, in which rich looks for markup.
"""

from __future__ import annotations

from typing import Any, TextIO, cast

import rich.console
import rich.text

from studies.printable import printable_lines


class Text(rich.text.Text):
    """Rich's text, with what a terminal would obey shown as escapes; line ends stay."""

    def __init__(self, text: str = "", style: Any = "", **more: Any) -> None:
        super().__init__(printable_lines(text), style, **more)

    @classmethod
    def assemble(cls, *parts: Any, **more: Any) -> Text:
        """Several pieces one after the other, each a string, a text, or a string and its style."""
        return cast(Text, super().assemble(*parts, **more))

    def append(self, text: rich.text.Text | str, style: Any = None) -> Text:
        """Add text at the end."""
        super().append(printable_lines(text) if isinstance(text, str) else text, style)
        return self


class Console(rich.console.Console):
    """Rich's console, to which a string is text."""

    def __init__(self, file: TextIO | None = None, *, width: int | None = None, **more: Any) -> None:
        super().__init__(file=file, width=width, markup=False, emoji=False, highlight=False, **more)

    def render_str(self, text: str, **more: Any) -> rich.text.Text:
        """The string as it is, but for what a terminal would obey."""
        return super().render_str(printable_lines(text), **more)
