"""Finds what somebody else wrote for a study: a trainer, a sampler or a reader of data.

A study file names it in one of two ways: by the name of an entry point of an installed package
(``centroids``), or by where it is in Python (``my_package.my_trainer:Centroids``). A module that is one file
beside the study file needs no installation: ``my_trainer:Centroids`` is then in ``my_trainer.py`` there, and
workers are given the text of this file, so that they run what the driver read, wherever they are.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import linecache
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from studies.errors import PluginError, nearest

SEPARATOR = ":"
"""Between a module and what is in it."""

_lock = threading.RLock()

_found: dict[tuple[str, str], Plugin] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be plugged in.

    Attributes:
        what: the word for it.
        group: the group of its entry points.
        signature: how it is called, where it is a function.
    """

    what: str
    group: str
    signature: str = ""


TRAINERS = Kind("trainer", "honest_search.trainers")

SAMPLERS = Kind("sampler", "honest_search.samplers", "make(section, seed)")
"""Called with the study file's ``[sampler]``; returns a sampler of Optuna's."""

READERS = Kind("reader", "honest_search.readers", "read(path, data)")
"""Called with the file and the study file's ``[data]``; returns a
:class:`studies.data.labelled_rows.LabelledRows`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plug-in comes from: all that a worker needs to find the same one.

    Attributes:
        what: the word for its kind.
        name: as the study file has it.
        target: ``module:attribute``.
        file: that the driver read it from.
        package: the distribution that it belongs to, or the name of its file.
        version: of the distribution, or ``sha256 …`` of the file.
        source: text of the file, where it is one beside the study file; workers run this text.
    """

    what: str
    name: str
    target: str
    file: str
    package: str
    version: str
    source: str = ""

    @property
    def id(self) -> str:
        """Equal only for the same code, as far as versions say it."""
        return f"{self.target} of {self.package} {self.version}"

    def error(self, problem: str, *, allowed: str = "", remedy: str = "", where: str = "") -> PluginError:
        """That this plug-in is not as it should be; says its name and its file."""
        return PluginError(
            f"the {self.what} '{self.name}' {problem}",
            where=f"{where}, {self.file}" if where else self.file,
            allowed=allowed,
            remedy=remedy,
        )


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in that was imported: where it comes from, and what is there."""

    origin: Origin
    value: Any


def is_dotted(name: str) -> bool:
    """Whether a name says where something is in Python, and not what a package calls it."""
    return SEPARATOR in name


def names_of(kind: Kind) -> tuple[str, ...]:
    """What installed packages offer."""
    return tuple(sorted({point.name for point in importlib.metadata.entry_points(group=kind.group)}))


def find(kind: Kind, name: str, directory: Path, where: str, own: Iterable[str] = ()) -> Plugin:
    """Import a plug-in; from then on :func:`known` gives it.

    Args:
        kind: of it.
        name: an entry point's, or ``module:attribute``.
        directory: that of the study file.
        where: the file and the key that name it, for messages.
        own: names that are no plug-ins, for the message where there is no such.

    Raises:
        PluginError: where it isn't there, can't be imported or can't be called as its kind is.
    """
    if is_dotted(name):
        origin = _at_path(kind, name, directory, where)
    else:
        origin = _of_entry_point(kind, name, where, own)
    found = Plugin(origin, load(origin, where))
    if kind.signature:
        check_callable(origin, found.value, kind.signature, where)
    _found[kind.group, name] = found
    return found


def known(kind: Kind, name: str) -> Plugin:
    """The plug-in that a study file of this process named last."""
    return _found[kind.group, name]


def load(origin: Origin, where: str = "") -> Any:
    """What is at a plug-in's place; on a worker too.

    Raises:
        PluginError: where it isn't there or can't be imported.
    """
    name, _, attributes = origin.target.partition(SEPARATOR)
    module = _imported(origin, name, where)
    value: Any = module
    for attribute in attributes.split("."):
        if not hasattr(value, attribute):
            names = [one for one in vars(module) if not one.startswith("_")]
            raise origin.error(
                f"is not there: {name} has no '{attribute}'",
                allowed=", ".join(names[:20]),
                remedy=nearest(attribute, names),
                where=where,
            )
        value = getattr(value, attribute)
    return value


def raised(origin: Origin, error: Exception, what: str) -> PluginError:
    """What a plug-in's own code raised while it ran, and on which line of which file."""
    said, at = _said_and_at(origin, error)
    return origin.error(f"{what}: {said}, {at}")


def check_callable(origin: Origin, function: Any, signature: str, where: str = "", *, said: str = "") -> None:
    """Refuse what can't be called as it will be.

    Args:
        origin: whose it is.
        function: what will be called.
        signature: how, for a person: ``make(section, seed)``; it has as many commas as arguments, less one.
        where: as :func:`find` has it.
        said: what it is, where it is not the plug-in itself.

    Raises:
        PluginError: where it is no function, or takes another number of arguments.
    """
    what = f"{said} " if said else ""
    if not callable(function):
        found = f"{what}is {type(function).__name__}"
        raise origin.error(f"{found}, which can't be called", allowed=signature, where=where)
    try:
        inspect.signature(function).bind(*[None] * (signature.count(",") + 1))
    except TypeError as error:
        raise origin.error(f"{what}can't be called so: {error}", allowed=signature, where=where) from None
    except ValueError:
        return  # nobody knows the signature of what is written in C


def check_methods(origin: Origin, found: Any, signatures: Mapping[str, str], where: str = "") -> None:
    """Refuse a class that lacks one of these methods, or has it with other arguments.

    Args:
        origin: of the class.
        found: the class.
        signatures: of each method, for a person, without ``self``: ``predict(state, features)``.
        where: as :func:`find` has it.

    Raises:
        PluginError: which method, and what is expected.
    """
    missing = [name for name in signatures if not hasattr(found, name)]
    if missing:
        more = f", nor {', '.join(missing[1:])}" if len(missing) > 1 else ""
        raise origin.error(
            f"has no {missing[0]}{more}",
            allowed="; ".join(signatures[name] for name in missing),
            where=where,
        )
    for name, signature in signatures.items():
        method = inspect.getattr_static(found, name)
        if "(" in signature and inspect.isfunction(method):
            check_callable(origin, _bound(method), signature, where, said=name)


def _bound(method: Callable[..., Any]) -> Callable[..., Any]:
    return method.__get__(object())  # type: ignore[no-any-return]


def check_version(origin: Origin) -> None:
    """Refuse an installed plug-in that is another here than where the study was launched.

    Raises:
        PluginError: which versions.
    """
    if origin.source:
        return  # it is the same text
    try:
        here = importlib.metadata.version(origin.package)
    except importlib.metadata.PackageNotFoundError:
        here = _version_of(origin.target.partition(SEPARATOR)[0])[1]
    if here != origin.version:
        raise origin.error(
            f"is {origin.package} {here} on this worker, and {origin.version} where the study was launched",
            remedy=f"install {origin.package} {origin.version} here",
        )


def _at_path(kind: Kind, name: str, directory: Path, where: str) -> Origin:
    module, _, attribute = name.partition(SEPARATOR)
    parts = [*module.split("."), *attribute.split(".")]
    if not all(part.isidentifier() for part in parts):
        example = f"my_package.my_{kind.what}:My{kind.what.title()}"
        raise PluginError(
            f"found '{name}'",
            where=where,
            allowed=f'"module:name", where a {kind.what} is in Python, such as "{example}"',
        )
    beside = directory / f"{module}.py"
    if beside.is_file():
        source = _text_of(beside, kind, name, where)
        digest = hashlib.sha256(source.encode()).hexdigest()
        return Origin(kind.what, name, name, str(beside), beside.name, f"sha256 {digest[:12]}", source)
    return Origin(kind.what, name, name, module, *_version_of(module))


def _text_of(file: Path, kind: Kind, name: str, where: str) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        problem = f"the {kind.what} '{name}' can't be read: {why}"
        raise PluginError(problem, where=f"{where}, {file}") from None


def _of_entry_point(kind: Kind, name: str, where: str, own: Iterable[str]) -> Origin:
    points = importlib.metadata.entry_points(group=kind.group, name=name)
    if not points:
        names = [*own, *names_of(kind)]
        raise PluginError(
            f"found '{name}'",
            where=where,
            allowed=f'{", ".join(names)}, or where a {kind.what} of your own is: "module:name"',
            remedy=nearest(name, names),
        )
    point = next(iter(points))
    package, version = (point.dist.name, point.dist.version) if point.dist else _version_of(point.module)
    target = f"{point.module}{SEPARATOR}{point.attr}"
    return Origin(kind.what, name, target, f"entry point of {package}", package, version)


@lru_cache
def _version_of(module: str) -> tuple[str, str]:
    """The distribution that a module belongs to, and its version; else its file, and what is in it."""
    head = module.partition(".")[0]
    distributions = importlib.metadata.packages_distributions().get(head, [])
    if distributions:
        return distributions[0], importlib.metadata.version(distributions[0])
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return module, "unknown"
    digest = hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()
    return Path(found.origin).name, f"sha256 {digest[:12]}"


def _imported(origin: Origin, name: str, where: str) -> ModuleType:
    try:
        with _lock:
            return _run(origin, name) if origin.source else importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not origin.source and error.name and f"{name}.".startswith(f"{error.name}."):
            raise origin.error(
                f"is not there: no module named '{error.name}'",
                remedy=f"put {name.partition('.')[0]}.py beside the study file, or install its package, here "
                "and on every worker",
                where=where,
            ) from None
        raise _not_importable(origin, error, where) from error
    except Exception as error:
        raise _not_importable(origin, error, where) from error
    except SystemExit as error:
        raise origin.error(f"ends Python when it is imported: exit {error.code}", where=where) from error


def _not_importable(origin: Origin, error: Exception, where: str) -> PluginError:
    said, at = _said_and_at(origin, error)
    remedy = ""
    if isinstance(error, ModuleNotFoundError):
        remedy = f"install {error.name}, here and on every worker"
        if origin.source:
            remedy += "; of the files beside the study file, workers are given this one alone"
    return origin.error(f"can't be imported: {said}, {at}", remedy=remedy, where=where)


def _said_and_at(origin: Origin, error: Exception) -> tuple[str, str]:
    """The last line of an exception, and the line of the plug-in's own file that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename == origin.file]
    foreign = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    last = (ours or foreign or frames)[-1]
    at = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
    return traceback.format_exception_only(error)[-1].strip(), f"line {at[1]} of {at[0]}"


def _run(origin: Origin, name: str) -> ModuleType:
    """The module of a text, made once a process. Other text, as after an edit, is another module."""
    unique = f"{name}@{hashlib.sha256(origin.source.encode()).hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    module = ModuleType(unique)
    module.__file__ = origin.file
    # Tracebacks show its lines on machines that don't have the file.
    lines = origin.source.splitlines(keepends=True)
    linecache.cache[origin.file] = (len(origin.source), None, lines, origin.file)
    sys.modules[unique] = module
    try:
        exec(compile(origin.source, origin.file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
