"""Reads a record that this code, earlier or later code stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Record = TypeVar("Record")


def known_fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the values those that are fields of a dataclass; what later code added is left out."""
    # Not by `fields`, which takes longer than all the rest: thousands of reports are read at once.
    return {name: values[name] for name in kind.__dataclass_fields__ if name in values}


def read_record(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """A dataclass of plain values; what earlier code didn't store has its default."""
    return kind(**known_fields(kind, values))
