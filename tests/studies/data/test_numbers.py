from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.numbers import is_missing, is_number, number_of, shown


@given(st.floats(allow_nan=False) | st.integers())
def test_what_python_writes_is_read_back(value: float) -> None:
    try:
        wanted = float(value)
    except OverflowError:
        wanted = math.inf
    assert number_of(str(value)) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["1_000", "١", "１", "1\0", "0x10", "1,5", "1 000", "True", "", "spam", "1d5"]
)
def test_what_float_takes_and_a_person_would_not_is_no_number(text: str) -> None:
    assert not is_number(text)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (True, 1),
        (np.bool_(False), 0),
        (Decimal("2.25"), 2.25),
        (np.int8(-3), -3),
        (10**400, math.inf),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        (datetime.date(2024, 5, 1), None),
        (pd.Timestamp("2024-05-01"), None),
        ([1], None),
        ({"a": 1}, None),
        (b"1", None),
    ],
)
def test_cells_of_every_type_are_numbers_or_not(cell: Any, number: float | None) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize("cell", [None, math.nan, np.float32("nan"), pd.NaT, Decimal("NaN")])
def test_missing_cells_of_every_type_are_seen(cell: Any) -> None:
    assert is_missing(cell)
    found = number_of(cell)
    assert found is not None
    assert math.isnan(found)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("two\x1b", r"'two\x1b'"),
        (datetime.date(2024, 5, 1), "the date 2024-05-01"),
        (pd.Timestamp("2024-05-01"), "the date 2024-05-01T00:00:00"),
        (datetime.time(10), "the time 10:00:00"),
        (np.array([1, 2]), "a list of 2 values"),
        ({"x": 1}, "a record of 'x'"),
        (b"ab", "2 bytes"),
        (1.5, "1.5"),
    ],
)
def test_messages_have_words_and_not_pythons(cell: Any, words: str) -> None:
    assert shown(cell) == words
