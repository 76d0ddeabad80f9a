"""Strings from outside (labels, columns, paths, messages of other programs) as a person can read them.

A terminal obeys control characters, and characters without a picture make two names look alike. Both are
shown as escapes: ``\\x1b``, ``\\u202e``, ``\\xa0``.
"""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Blanks that Unicode counts among letters, marks and symbols: fillers, joiners, an empty braille cell."""

_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners: part of Persian and Indian spelling and of emoji, and nothing elsewhere."""

_FIRST_JOINED = "\u0590"
"""Scripts that joiners belong to come after Latin, Greek, Cyrillic and Armenian."""

_LAST_PLANES = "\U000e0000"

_LARGEST_WHOLE = 10**20
"""From here on a whole number is shown by its size: Python writes out thousands of digits, or refuses to."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def printable(text: str) -> str:
    """``text`` with everything escaped that a terminal would obey, or that has no picture.

    These are control characters (line ends and tabs among them), marks of text direction, blanks other than
    the space, zero-width characters and lone surrogates.

    >>> printable("ham\\x1b[31m\\u202e")
    'ham\\\\x1b[31m\\\\u202e'
    """
    if text.isascii() and text.isprintable():  # nearly all of them
        return text
    before = ("", *text)
    return "".join(
        letter if _is_seen(letter, last) else _escape(letter)
        for last, letter in zip(before, text, strict=False)
    )


def printable_lines(text: str) -> str:
    """The same, with line ends kept: of text that is ours, and may hold what isn't."""
    return "\n".join(printable(line) for line in text.split("\n"))


def is_invisible(letter: str) -> bool:
    """Whether a character has no picture and no width; blanks, tabs and line ends have a width."""
    if (
        letter in _UNSEEN or "\ufe00" <= letter <= "\ufe0f"
    ):  # fillers; choices between two pictures of an emoji
        return True
    return unicodedata.category(letter) in ("Cf", "Cc") and not letter.isspace()


def spelled(text: str) -> str:
    """``text`` with everything beyond ASCII escaped, to tell apart what looks alike; in quotes."""
    return f"'{''.join(letter if ' ' <= letter <= '~' else _escape(letter) for letter in text)}'"


def as_toml(value: Any) -> str:
    """A value of a study file as it is written there: ``true``, ``{ low = 0.1 }``, ``2024-05-01``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{printable(value)}'" if "'" not in value else f'"{printable(value)}"'
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST_WHOLE else f"a whole number of {_digits(value)} digits"
    if isinstance(value, float):
        return str(value)  # inf and nan are TOML's words too
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(key))} = {as_toml(held)}" for key, held in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(held) for held in value)}]"
    return "nothing" if value is None else printable(str(value))


def _is_seen(letter: str, before: str) -> bool:
    if letter in _JOINERS:
        return before.isprintable() and before >= _FIRST_JOINED
    if letter in _UNSEEN:
        return False
    # What this Python's Unicode doesn't know yet is a letter or an emoji, but for the planes at the end.
    return letter.isprintable() or (letter < _LAST_PLANES and unicodedata.category(letter) == "Cn")


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else f'"{printable(key)}"'


def _digits(value: int) -> int:
    digits = math.floor(math.log10(abs(value)))  # one too many where 99…9 is rounded up
    return digits + int(abs(value) >= 10**digits)
