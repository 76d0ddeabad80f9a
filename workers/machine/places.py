"""Where files of a study lie that its file gives an address for: a directory, or a place of fsspec's.

An address with ``${NAME}`` travels as it is, and is filled in on each machine. fsspec takes it apart with
stand-ins for the values, so that a value is one part of the address, whatever is in it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import fsspec

from studies.errors import StudyFileError
from studies.packages import lacking
from studies.sections.addresses import Hidden, fill_in, shown_address, variables
from workers.machine.fsspec_internals import take_apart

KEY = "checkpoints.url"

_FILE = "file://"


@dataclass(frozen=True)
class Place:
    """A folder of a file system of fsspec's.

    Attributes:
        system: the file system.
        folder: its path there.
        protocol: as the address has it.
    """

    system: Any
    folder: str
    protocol: str


def address_of(url: str, directory: Path) -> str:
    """What a study file's key names, for every process; relative directories begin at ``directory``."""
    if "://" in url or url.startswith("${"):
        return url
    if url.startswith("~"):
        return str(Path(url).expanduser())
    base = literal(directory)
    below = quote(url, safe="/${}") if base.startswith(_FILE) else url
    return url if url.startswith("/") else f"{base}/{below}"


def literal(directory: Path) -> str:
    """The address of a directory in whose name nothing is to be filled in."""
    return f"{_FILE}{quote(str(directory))}" if "${" in str(directory) else str(directory)


def local_directory(url: str) -> Path | None:
    """The directory of this machine that an address names, which a process reaches without fsspec.

    Raises:
        StudyFileError: where it is no absolute one, and so another one for every process.
        MachineError: where the environment lacks a variable of it.
    """
    if url.startswith(_FILE):
        text = fill_in(url.removeprefix(_FILE), KEY, unquote)
    else:
        text = fill_in(url, KEY)
        if "://" in text and not text.startswith(_FILE):
            return None
        text = unquote(text.removeprefix(_FILE)) if text.startswith(_FILE) else text
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise StudyFileError(
            f"found {shown(url)!r}", where=KEY, allowed="a directory from the root, or a URL"
        )
    return path


def open_place(url: str, where: str) -> Place:
    """The place that an address of fsspec's names.

    Args:
        url: the address, as the study file has it.
        where: its key, for messages.

    Raises:
        StudyFileError: where fsspec knows no such protocol, or part of the address would be lost.
        MachineError: where the package of the protocol isn't installed, or the environment lacks a variable.
    """
    if url.startswith("${"):
        return _open(fill_in(url, where), where, {})
    stand_ins = {name: f"x{uuid.uuid4().hex}x" for name in variables(url)}
    standing_in = url
    for name, stand_in in stand_ins.items():
        standing_in = standing_in.replace(f"${{{name}}}", stand_in)
    values = {stand_in: fill_in(f"${{{name}}}", where) for name, stand_in in stand_ins.items()}
    return _open(standing_in, where, values)


def hidden_of(url: str) -> Hidden:
    """What must not be seen in what is said of an address."""
    password = "" if variables(url) else _password(url)
    return Hidden.of(url, [(password, "***"), (unquote(password), "***")])


def shown(url: str) -> str:
    """An address as a person knows it."""
    if url.startswith(_FILE) and quote("${") in url:  # made by `literal`
        return unquote(url.removeprefix(_FILE))
    return shown_address(url)


def _open(url: str, where: str, values: dict[str, str]) -> Place:
    protocol = url.split("://")[0]
    try:
        kind = fsspec.get_filesystem_class(protocol.split("::")[0])
        if not values:
            system, folder = fsspec.core.url_to_fs(url)
        else:
            options, folder = take_apart(kind, url)
            system = kind(**{name: _filled(value, values) for name, value in options.items()})
            folder = _filled(folder, values)
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or protocol
        raise lacking(
            f"{protocol}://", [package], package, where=where, otherwise="on this machine and on every worker"
        ) from None
    except ValueError as error:
        if "port" in str(error).lower():
            raise StudyFileError("the port is no number", where=where) from None
        raise StudyFileError(
            f"found the protocol '{protocol}'",
            where=where,
            allowed="a directory, or a URL that fsspec knows: s3://, gs://, abfs://, sftp:// …",
        ) from None
    if "?" in url and "?" not in folder:
        raise StudyFileError(
            "found a ?, which fsspec takes for the end of the folder's name",
            where=where,
            remedy="name a folder without it",
        )
    return Place(system, folder, protocol)


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        for stand_in, filled in values.items():
            value = value.replace(stand_in, filled)
    return value


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # brackets that are no IPv6 address
        return ""
