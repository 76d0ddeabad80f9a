"""Reads a study file. All user errors about the file's form come from here, with file, key and remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from studies import plugins
from studies.errors import StudyFileError, nearest
from studies.file_kinds import kind_of
from studies.frameworks import find_framework
from studies.plugins import Origin
from studies.printable import as_toml, printable
from studies.samplers.table import SAMPLERS
from studies.sections.addresses import without_passwords
from studies.sections.distributions import Choice, Fixed
from studies.sections.study import Study
from studies.space.configuration import Configuration
from studies.space.recipes import recipe_configuration
from studies.space.space import SearchSpace

REMOVED: Mapping[tuple[str | int, ...], str] = {
    ("regret",): "take the line out, and let patience = 30 or a target end the study",
}
"""Keys of earlier versions, and what to do instead."""


@dataclass(frozen=True)
class StudyFile:
    """A study file that was read and accepted.

    Attributes:
        path: where it is; relative paths in it are relative to its directory.
        study: its values, with the defaults filled in.
        space: the space that its trials are drawn from.
        enqueued: the Optuna parameters of its ``[[enqueue]]`` tables, in their order.
        recipes: the configurations of its ``[recipe.NAME]`` tables, by name.
        plugins: what it uses that somebody else wrote.
    """

    path: Path
    study: Study
    space: SearchSpace
    enqueued: tuple[dict[str, Any], ...]
    recipes: Mapping[str, Configuration] = field(default_factory=dict)
    plugins: tuple[Origin, ...] = ()

    @property
    def directory(self) -> Path:
        """Where relative paths start."""
        return self.path.parent

    @property
    def work_directory(self) -> Path:
        """Where the study keeps its cached data and its checkpoints: ``.search`` beside the file."""
        return self.directory / ".search"


def read_study_file(path: str | Path) -> StudyFile:
    """Read, parse and validate a study file.

    Raises:
        StudyFileError: where it is missing, isn't TOML, or has a key or a value that isn't allowed.
    """
    path = Path(path).absolute()
    raw = _parse(path)
    raw.setdefault("name", path.stem)
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        raise _first_error(path, raw, error) from None
    used = tuple(_plugins(study, path))
    space = SearchSpace(study, path.name)
    enqueued = tuple(
        space.place(given, f"[[enqueue]] number {number}")
        for number, given in enumerate(study.enqueue, start=1)
    )
    if study.sampler.kind == "grid":
        next(space.grid(), None)
    recipes = {name: recipe_configuration(study, name, path.name) for name in study.recipe}
    return StudyFile(path, study, space, enqueued, recipes, used)


def _plugins(study: Study, path: Path) -> Iterator[Origin]:
    """Find what the file names and isn't built in; what is no text is refused by the space."""
    axis = study.space.framework
    values = axis.values() if isinstance(axis, (Fixed, Choice)) else None
    for name in values or ():
        if isinstance(name, str):
            framework = find_framework(name, path.parent, f"{path.name}: space.framework")
            if framework.origin is not None:
                yield framework.origin
    kind, reader = study.sampler.kind, study.data.reader
    if kind not in SAMPLERS:
        where = f"{path.name}: sampler.kind"
        yield plugins.find(plugins.SAMPLERS, kind, path.parent, where, own=SAMPLERS).origin
    if reader is not None:
        yield plugins.find(plugins.READERS, reader, path.parent, f"{path.name}: data.reader").origin


def _parse(path: Path) -> dict[str, Any]:
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # editors on Windows write a byte order mark
        return tomllib.loads(text)
    except FileNotFoundError:
        others = sorted(other.name for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        raise StudyFileError(
            "there is no such file",
            where=str(path),
            remedy=nearest(path.name, others) or "`search init` writes a study file to start from",
        ) from None
    except IsADirectoryError:
        raise StudyFileError("this is a directory", where=str(path), allowed="a TOML file") from None
    except OSError as error:
        raise StudyFileError(f"can't be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise StudyFileError(
            f"byte {error.start} is not UTF-8",
            where=str(path),
            allowed="a study file: TOML, in UTF-8",
            remedy=_why_no_text(path),
        ) from None
    except RecursionError:
        raise StudyFileError(
            "lists or tables lie too deep in each other",
            where=str(path),
            allowed="a list of values, a table of keys",
            remedy="check that this is a study file",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(
            f"not TOML: {error}", where=str(path), remedy=_line_to_mend(text, str(error))
        ) from None


def _why_no_text(path: Path) -> str:
    kind = kind_of(path)
    return "save the file as UTF-8" if kind is None else f"name the study file: this is {kind.name}"


def _line_to_mend(text: str, message: str) -> str:
    """The line that a message of tomllib's names; before Python 3.14 only its text has it."""
    match = re.search(r"line (\d+)", message)
    # Lines as tomllib counts them; splitlines would count form feeds too.
    lines = text.split("\n")
    number = int(match[1]) if match else len(lines)
    line = lines[number - 1].strip() if number <= len(lines) else ""
    # An address may hold a password.
    return f"correct line {number}" if not line or "://" in line else f"correct line {number}: {line}"


def _first_error(path: Path, raw: Mapping[str, Any], error: ValidationError) -> StudyFileError:
    """The first of pydantic's errors as one of ours: one clear message beats a list of ten."""
    details = error.errors()[0]
    keys = _keys_in_file(raw, details)
    where = _where(path, keys)
    value = _dig(raw, keys)
    kind = details["type"]
    if kind == "extra_forbidden":
        if keys in REMOVED:
            return StudyFileError("this key was removed", where=where, remedy=REMOVED[keys])
        known = _known_keys(keys[:-1])
        hint = nearest(str(keys[-1]), known)
        value = printable(str(keys[-1]))
        return StudyFileError(f"unknown key '{value}'", where=where, allowed=", ".join(known), remedy=hint)
    if kind == "missing":
        example = 'add a [data] section, such as: [data] source = "sms-spam"' if keys == ("data",) else ""
        return StudyFileError("this key is missing", where=where, remedy=example)
    if kind == "value_error":
        return StudyFileError(without_passwords(str(details["ctx"]["error"])), where=where)
    if kind == "literal_error":
        allowed = str(details["ctx"]["expected"]).replace(" or ", ", ")
        names = [name.strip("' ") for name in allowed.split(",")]
        return StudyFileError(
            f"found {_shown(value)}",
            where=where,
            allowed=", ".join(names),
            remedy=nearest(str(value), names),
        )
    if keys == ("enqueue",):
        return StudyFileError(
            f"found {_shown(value)}", where=where, allowed="[[enqueue]] tables, in two brackets"
        )
    # A value that may be of several types has an error for each of them.
    others = dict.fromkeys(_allowed(other) for other in error.errors() if _keys_in_file(raw, other) == keys)
    return StudyFileError(f"found {_shown(value)}", where=where, allowed=" or ".join(others))


def _shown(value: Any) -> str:
    """A value as the file has it; where an address was meant, it may hold a password."""
    return without_passwords(as_toml(value))


def _keys_in_file(raw: Any, details: ErrorDetails) -> tuple[int | str, ...]:
    """The keys that lead to an error, without the names of types that pydantic puts behind them."""
    keys = details["loc"]
    if details["type"] in ("extra_forbidden", "missing"):
        return keys
    return next(keys[:end] for end in range(len(keys), -1, -1) if _is_there(raw, keys[:end]))


def _is_there(raw: Any, keys: Sequence[int | str]) -> bool:
    for key in keys:
        held = raw if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
        if key not in held:
            return False
        raw = raw[key]
    return True


def _allowed(details: ErrorDetails) -> str:
    """What pydantic would have accepted, in the words of the reference of all keys."""
    words = _WORDS.get(details["type"], "")
    bounds = {
        key: f"{bound:g}" if isinstance(bound, float) else bound
        for key, bound in details.get("ctx", {}).items()
    }
    return words.format(**bounds) if words else details["msg"]


_WORDS: Mapping[str, str] = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "list_type": "a list, [ … ]",
    "dict_type": "a table",
    "model_type": "a table",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "too_short": "a list of at least {min_length}",
    "string_pattern_mismatch": "up to 63 letters, digits and . _ -, the first a letter or a digit",
}
"""By pydantic's type of error; the only text with a pattern is the study's name."""


def _known_keys(section: Sequence[int | str]) -> list[str]:
    model: Any = Study
    for key in section:
        if not isinstance(key, str):
            return []
        named = get_origin(model) is dict  # tables by a name that the file chooses
        model = get_args(model)[1] if named else model.model_fields[key].annotation
    return list(model.model_fields)


def _where(path: Path, keys: Sequence[int | str]) -> str:
    name = ""
    for key in keys:
        name += f"[{key}]" if isinstance(key, int) else f".{key}" if name else str(key)
    return f"{path.name}: {name}" if name else path.name


def _dig(raw: Any, keys: Sequence[int | str]) -> Any:
    for key in keys:
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return None
    return raw
