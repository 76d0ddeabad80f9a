"""Sizes in bytes, as the study file has them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from studies.printable import as_toml

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_size(raw: Any) -> int:
    """Bytes of ``"2GB"``, ``"500 MB"``, ``"1.5GiB"`` or a whole number of bytes.

    Raises:
        ValueError: with one sentence for a person, where it is none of these.
    """
    if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0:
        return raw
    if isinstance(raw, str):
        match = _SIZE.fullmatch(raw.strip())
        unit = _UNITS.get(match[2].upper()) if match else None
        if match and unit and float(match[1]) * unit >= 1:
            return round(float(match[1]) * unit)
    raise ValueError(f'found {as_toml(raw)}; allowed: "2GB", "500MB", "1.5GiB", or bytes above 0')


def describe_size(size: int) -> str:
    """``"2 GB"``, ``"340 MB"``, ``"12.5 kB"``, for a person: three digits, in steps of 1,000."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


Size = Annotated[int, BeforeValidator(parse_size)]
