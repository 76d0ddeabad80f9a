"""Which cells of a table are numbers: fewer than ``float()`` takes, for which ``1_000`` is one too."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import Any

import numpy as np

from studies.data.labelled_rows import LONGEST_SHOWN, counted, cut
from studies.printable import printable

WHOLE = re.compile(r"[+-]?[0-9]{1,300}(\.0*)?")
"""A whole number, of no more digits than a float has room for."""

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>", "#N/A")
"""Words that mean a missing number."""


def is_number(text: str) -> bool:
    """Whether ``text`` is a number in ASCII digits, or ``inf`` or ``nan``."""
    if not text.isascii() or "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def number_of(value: Any) -> float | None:
    """A cell as a float: NaN where it is missing, 1 and 0 for true and false, ``None`` for no number."""
    if is_missing(value):
        return math.nan
    if isinstance(value, str):
        return float(value) if is_number(value) else None
    if isinstance(value, bool | int | float | Decimal | np.number | np.bool_):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return None


def shown(value: Any) -> str:
    """A cell in a message: its text in quotes, or what else it is; never Python's words for it."""
    if isinstance(value, str):
        return f"'{printable(cut(value, LONGEST_SHOWN))}'"
    if isinstance(value, bytes):
        return counted(len(value), "byte")
    if isinstance(value, datetime.date | datetime.time):
        return (
            f"the date {value.isoformat()}"
            if isinstance(value, datetime.date)
            else f"the time {value.isoformat()}"
        )
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return f"the duration {value}"
    if isinstance(value, dict):
        return "a record of " + ", ".join(f"'{printable(str(key))}'" for key in value)
    if isinstance(value, list | tuple | np.ndarray):
        return f"a list of {counted(len(value), 'value')}"
    return printable(cut(str(value), LONGEST_SHOWN))


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: nothing, NaN, or NaT, which is a date that isn't there."""
    if value is None:
        return True
    return isinstance(value, float | np.floating | Decimal | datetime.datetime) and bool(value != value)
