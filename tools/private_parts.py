"""Where the packages use parts of libraries that their makers may move without a word.

    python tools/private_parts.py

prints each name with the files that use it, and both counts. A part is private where

- a module or name that is imported from a library begins with an underscore, or its package is one that the
  library says nothing about (:data:`UNDOCUMENTED`);
- ``x._name`` is read or set, in code or as text (``getattr``), and ``x`` is not the object's own ``self``;
- a class derived from a library's class defines or uses a private name of that class.

``tests/test_private_parts.py`` holds them to the modules that are there for it.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("search", "studies", "workers")
UNDOCUMENTED = ("tensorflow.python", "tensorflow.core", "pyspark.java_gateway")
"""Packages without an underscore that no documentation names, or that it names as not for use."""

FROM_TEXT = frozenset({"getattr", "setattr", "hasattr", "delattr"})


def private_parts(root: Path = ROOT) -> Mapping[str, Set[str]]:
    """Files, by the private name that they use."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            for name in names_in(ast.parse(file.read_text(encoding="utf-8"))):
                found[name].add(str(file.relative_to(root)))
    return found


def names_in(module: ast.Module) -> Iterator[str]:
    """The private names of libraries that a module uses, as often as it does."""
    imported = dict(_imported(module))
    yield from (name for name in imported.values() if not _is_ours(name) and _is_private_path(name))
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            if _is_private(node.attr) and not _is_own(node.value):
                yield node.attr
        elif isinstance(node, ast.Call):
            yield from _in_text(node)
        elif isinstance(node, ast.ClassDef):
            yield from _inherited(node, imported)


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """(name here, where it is from)."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name


def _is_ours(path: str) -> bool:
    """Whether a module is Python's own or one of the packages'."""
    first = path.split(".")[0]
    return first in PACKAGES or first in sys.stdlib_module_names


def _is_private_path(path: str) -> bool:
    return any(map(_is_private, path.split("."))) or path.startswith(UNDOCUMENTED)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name != "_"


def _is_own(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def _in_text(call: ast.Call) -> Iterator[str]:
    """``getattr(x, "_name")``."""
    if not isinstance(call.func, ast.Name) or call.func.id not in FROM_TEXT or len(call.args) < 2:
        return
    target, name = call.args[:2]
    if isinstance(name, ast.Constant) and _is_private(str(name.value)) and not _is_own(target):
        yield str(name.value)


def _inherited(node: ast.ClassDef, imported: Mapping[str, str]) -> Iterator[str]:
    """Private names that a class shares with the library's class which it is derived from."""
    theirs: set[str] = set()
    for base in node.bases:
        dotted = ast.unparse(base)
        first = next((name for name in imported if dotted == name or dotted.startswith(f"{name}.")), "")
        if first:
            theirs |= _names_of(imported[first] + dotted.removeprefix(first))
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and _is_own(part.value) and part.attr in theirs:
            yield part.attr
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name in theirs:
            yield part.name


def _names_of(path: str) -> set[str]:
    """The private names of a class, those that its methods set among them."""
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return set()
    if not isinstance(kind, type):
        return set()
    found: set[str] = set()
    for each in kind.__mro__:
        if _is_ours(each.__module__) or each.__module__ == "builtins":
            continue
        found |= {key for key in vars(each) if _is_private(key)}
        for member in vars(each).values():
            code = getattr(member, "__code__", None)
            found |= {key for key in getattr(code, "co_names", ()) if _is_private(key)}
    return found


def main() -> None:
    """Print them."""
    found = private_parts()
    for name, files in sorted(found.items()):
        print(f"{name}: {', '.join(sorted(files))}")
    files = set().union(*found.values()) if found else set()
    print(f"{len(found)} private names in {len(files)} files")


if __name__ == "__main__":
    main()
