from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.errors import StudyFileError
from studies.sections.sizes import describe_size, parse_size
from studies.study_file import read_study_file


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ("2GB", 2 * 10**9),
        ("500 mb", 500 * 10**6),
        ("1.5GiB", 3 * 2**29),
        ("12", 12),
        (12, 12),
        (" 7 kB ", 7000),
    ],
)
def test_sizes_are_read_in_the_usual_units(raw: Any, size: int) -> None:
    assert parse_size(raw) == size


@pytest.mark.parametrize(
    "raw", ["", "GB", "-1GB", "2 gigs", "0", 0, -5, True, 1.5, None, "0.1B", "3 MB or so", "9" * 400 + "TB"]
)
def test_what_is_no_size_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match='allowed: "2GB"'):
        parse_size(raw)


def test_a_limit_that_is_no_size_is_an_error_of_the_study_file(study_file: Callable[..., Path]) -> None:
    path = study_file(append='\n[checkpoints]\nlimit = "much"\n')
    with pytest.raises(StudyFileError, match=r"checkpoints\.limit: found 'much'; allowed: \"2GB\""):
        read_study_file(path)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_540, "12.5 kB"), (2 * 10**9, "2 GB")]
)
def test_sizes_are_shown_with_three_digits(size: int, text: str) -> None:
    assert describe_size(size) == text
