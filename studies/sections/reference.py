"""Writes the reference of all keys of the study file from the classes that read it.

``python -m studies.sections.reference`` writes ``docs/study-file.md``; a test fails where it is out of date.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from studies.sections.distributions import Choice, Fixed, Range
from studies.sections.sizes import Size
from studies.sections.study import Axis, Duration, Study

HEAD = """# The study file

Every key, its type, its default and its meaning. This page is generated from `studies/sections/study.py` and
`studies/sections/cluster.py` by `make reference`. An unknown key is an error. Everything has a default except
`[data]`.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(_section("", Study)) + "".join(_subsections())


def main() -> None:
    """Write the page into ``docs/``."""
    Path(__file__).parents[2].joinpath("docs", "study-file.md").write_text(reference(), encoding="utf-8")


def _subsections() -> Iterator[str]:
    for name, field in Study.model_fields.items():
        if _is_section(field.annotation):
            yield from _section(name, typing.cast(type[BaseModel], field.annotation))
        elif get_origin(field.annotation) is dict:
            yield from _section(f"{name}.NAME", get_args(field.annotation)[1])


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"\n## `[{name}]`\n\n{_one_line(model.__doc__)}\n\n" if name else "\n## Top level\n\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|\n"
    for key, field in model.model_fields.items():
        if not _is_section(field.annotation):
            meaning = _one_line(field.description)
            yield f"| `{key}` | {_escape(_type(field))} | {_escape(_default(field))} | {_escape(meaning)} |\n"


def _type(field: FieldInfo) -> str:
    if field.annotation is Any:
        return "list, range or value"
    text = _type_name(field.annotation)
    bounds = [
        f"{sign} {getattr(item, attribute)}"
        for item in field.metadata
        for attribute, sign in _SIGNS
        if hasattr(item, attribute)
    ]
    return f"{text}, {', '.join(bounds)}" if bounds else text


def _type_name(annotation: Any) -> str:
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in arguments)
    if origin is typing.Annotated:
        named = {Duration: "duration", Size: "size"}
        return named.get(annotation) or _type_name(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(part) for part in arguments if part is not type(None))
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return "table"
    raise TypeError(f"no words for the type {annotation!r}")


_SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))

_NAMES: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Axis: "list, range or value",
}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required" if field.description and "By default" not in field.description else ""
    default = field.default
    if default is None or default is PydanticUndefined:
        return ""
    return f"`{_toml(default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, Choice):
        return json.dumps(list(value.choices))
    if isinstance(value, Fixed):
        return json.dumps(value.value)
    if isinstance(value, Range):
        log = ", log = true" if value.log else ""
        return f"{{ low = {value.low:g}, high = {value.high:g}{log} }}"
    return json.dumps(value)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _one_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
