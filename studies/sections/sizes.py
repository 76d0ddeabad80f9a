"""Sizes in bytes, as the study file has them."""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, TypeAdapter, ValidationError

from studies.printable import as_toml

_BYTES: TypeAdapter[ByteSize] = TypeAdapter(ByteSize)

_SHAPE = re.compile(r"\s*\d+(\.\d+)?\s*[A-Za-z]*\s*")
"""A number and a unit; pydantic itself reads ``"3 MB or so"`` too."""


def parse_size(raw: Any) -> int:
    """Bytes of ``"2GB"``, ``"500 MB"``, ``"1.5GiB"`` or a whole number of bytes.

    Raises:
        ValueError: with one sentence for a person, where it is none of these.
    """
    if (isinstance(raw, int) and not isinstance(raw, bool)) or (
        isinstance(raw, str) and _SHAPE.fullmatch(raw)
    ):
        with contextlib.suppress(ValidationError, OverflowError):
            size = int(_BYTES.validate_python(raw.strip() if isinstance(raw, str) else raw))
            if size >= 1:
                return size
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
