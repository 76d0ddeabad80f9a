from __future__ import annotations

import datetime
import tomllib
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.printable import as_toml, is_invisible, printable, printable_lines, spelled


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in shown)
    assert not any(
        letter in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff" for letter in shown
    )
    assert printable(shown) == shown
    assert "\n" not in shown
    assert spelled(text).isascii()


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd", "Po"])))
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert printable(text) == text or any(is_invisible(letter) for letter in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\0\x1b[31m\x07\r\x9b", r"a\x00\x1b[31m\x07\r\x9b"),
        ("x\u202ey\u2066", r"x\u202ey\u2066"),
        ("spam\xa0", r"spam\xa0"),
        ("sp\u200bam\u200d", r"sp\u200bam\u200d"),
        ("\ud800", r"\ud800"),
        ("می\u200cخواهم 👩\u200d🔬 é 中文", "می\u200cخواهم 👩\u200d🔬 é 中文"),
        ("two\nlines\tand a tab", r"two\nlines\tand a tab"),
        ("[red]x[/red]", "[red]x[/red]"),
    ],
)
def test_what_is_escaped_and_what_isnt(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_of_our_own_stay_lines() -> None:
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


def test_spelled_tells_apart_what_looks_alike() -> None:
    assert spelled("café") == r"'caf\xe9'"
    assert spelled("cafe\u0301") == r"'cafe\u0301'"


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        -0.5,
        1e300,
        "adam",
        "it's",
        datetime.date(2024, 5, 1),
        datetime.datetime(2024, 5, 1, 10, 0, tzinfo=datetime.UTC),
        datetime.time(10, 30),
        [1, [True, "a"]],
        {"learning_rate": 0.1, "a b": {"x": []}},
        {},
    ],
)
def test_values_are_shown_as_a_study_file_has_them(value: Any) -> None:
    assert tomllib.loads(f"value = {as_toml(value)}")["value"] == value


def test_a_number_of_thousands_of_digits_is_shown_by_its_length() -> None:
    assert as_toml(10**5000) == "a whole number of 5001 digits"
    assert as_toml(-(10**400) + 1) == "a whole number of 400 digits"
    assert as_toml(float("inf")) == "inf"
