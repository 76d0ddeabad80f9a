"""Canaries: what has moved in fsspec, of all that ``workers/machine/fsspec_internals.py`` uses."""

from __future__ import annotations

import pytest

from tests.canaries import Part, check

PARTS = (
    Part(
        "fsspec:AbstractFileSystem._get_kwargs_from_urls",
        "an address is taken apart before values of the environment are filled in",
    ),
    Part(
        "fsspec:AbstractFileSystem._strip_protocol",
        "an address is taken apart before values of the environment are filled in",
    ),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_fsspec_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "fsspec")
