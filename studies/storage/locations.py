"""Where a study is kept: what ``storage.url`` names, without opening anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from sqlalchemy.engine import URL, make_url

from studies.errors import StorageError, UserError, nearest
from studies.sections.addresses import (
    HIDDEN,
    NOTHING_HIDDEN,
    Hidden,
    fill_in,
    fill_in_decoded,
    is_secret,
    shown_address,
    variables,
)
from studies.storage.lock import DriverLock
from studies.study_file import StudyFile

KEY = "storage.url"

ALLOWED = "sqlite:///FILE, journal:FILE, postgresql://USER@HOST/DATABASE"

_SERVER = re.compile(
    r"""
    (?P<driver> postgresql (\+\w+)? ) ://
    ( (?P<user> [^:/@]* ) ( : (?P<password> [^@]* ) )? @ )?
    (?P<host> \[ [^]]* \] | [^:/?@]* )
    ( : (?P<port> [^/?@]* ) )?
    ( / (?P<database> [^?@]* ) )?
    ( \? (?P<query> [^@]* ) )?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Location:
    """Where a study is kept.

    Attributes:
        kind: ``sqlite``, ``journal`` or ``postgresql``.
        file: the file, where it is one.
        url: the address with its password, for opening alone: never to be shown, logged or sent.
        shown: the address as the study file has it, without a password.
        hidden: what must not be seen in what others say of it.
    """

    kind: str
    file: Path | None
    url: str
    shown: str
    hidden: Hidden = NOTHING_HIDDEN

    def __repr__(self) -> str:
        return f"Location({self.shown!r})"

    def lock(self) -> AbstractContextManager[object]:
        """Keeps a second driver off a file. On a server several share a study (``sharing/``)."""
        if self.file is None:
            return nullcontext()
        # Not `.lock`: that is the name of the lock that Optuna takes for each write to a journal.
        path = self.file.with_name(self.file.name + ".driver")
        return DriverLock(path, self.hidden.out_of(str(path)))


def location_of(file: StudyFile) -> Location:
    """The place that a study file names.

    Raises:
        UserError: as :func:`locate`, with the file's name.
    """
    try:
        return locate(file.study.storage.url, file.study.name, file.directory)
    except UserError as error:
        raise error.within(file.path.name) from None


def locate(url: str | None, name: str, directory: Path) -> Location:
    """The place that `storage.url` names.

    Args:
        url: the study file's key, or ``None`` for the default beside the study file.
        name: the study's name, for the default's file.
        directory: where relative files start.

    Raises:
        StorageError: where the address is none of the allowed ones.
        MachineError: where the environment lacks a variable of it.
    """
    if url is None:
        return _at("sqlite", (directory / f"{name}.db").absolute())
    if re.match(r"\$\{\w+\}", url):
        return _whole_from_environment(url, name, directory)
    if url.startswith("journal:"):
        return _file("journal", url.removeprefix("journal:"), directory)
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return _file("sqlite", url.removeprefix("sqlite:///"), directory)
    if url.startswith("sqlite:") and (url == "sqlite://" or ":memory:" in url):
        raise _in_memory(url)
    if re.match(r"postgresql(\+\w+)?://", url):
        return _server(url)
    scheme, _, rest = url.partition(":")
    raise StorageError(
        # What stands behind a scheme that we don't know may hold a password.
        f"found {scheme + '://…' if '@' in rest or '=' in rest else url!r}",
        where=KEY,
        allowed=ALLOWED,
        remedy=nearest(scheme, ("sqlite", "journal", "postgresql")) if rest else "",
    )


def _whole_from_environment(url: str, name: str, directory: Path) -> Location:
    """``${DATABASE_URL}``: the variable holds an address or its beginning, in which ``%40`` is an ``@``."""
    filled = fill_in(url, KEY)
    if filled.startswith("postgresql"):
        filled = filled.replace("${", "%24{")  # of the value: nothing is filled in twice
    try:
        found = locate(filled, name, directory)
    except StorageError:
        # Whatever is wrong with it, its own words are not to be shown.
        raise StorageError(
            f"the environment makes no address of {url!r} that can be used", where=KEY, allowed=ALLOWED
        ) from None
    parts = ((value, url) for value in _parts_of(found))
    return Location(found.kind, found.file, found.url, url, Hidden.of(url, parts))


def _parts_of(location: Location) -> Iterator[str]:
    """Everything in a location that an error of its opening may name."""
    if location.file is not None:
        yield str(location.file)
        return
    address = make_url(location.url)
    yield from (str(part) for part in (address.username, address.password, address.host) if part)
    yield from (str(part) for part in (address.port, address.database) if part)
    for value in address.query.values():
        yield from (value,) if isinstance(value, str) else value


def _file(kind: str, name: str, directory: Path) -> Location:
    """A file, by its name as it is: nothing in it is an option, an escape or a pattern."""
    if name.startswith((":memory:", "file::memory:")):
        raise _in_memory(f"{kind}:{name}")
    filled = fill_in(name, KEY)
    try:
        path = (directory / Path(filled).expanduser()).absolute()
    except RuntimeError:
        raise StorageError(
            f"there is no user {name.partition('/')[0]!r} with a home", where=KEY, allowed=ALLOWED
        ) from None
    if kind == "sqlite" and not path.exists() and (options := re.search(r"\?\w+=|^file:", name)):
        raise StorageError(
            f"found {options.group()!r}: what follows sqlite:/// is a file's name as it is, without options",
            where=KEY,
            allowed=ALLOWED,
            remedy="leave the options out",
        )
    return _at(kind, path, name if variables(name) else "", Hidden.of(name))


def _at(kind: str, path: Path, name: str = "", hidden: Hidden = NOTHING_HIDDEN) -> Location:
    """The location of a file, shown by the name that the study file gives it."""
    if kind == "journal":
        return Location(kind, path, f"journal:{path}", f"journal:{name or path}", hidden)
    url = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    return Location(kind, path, url, f"sqlite:///{name or path}", hidden)


def _server(url: str) -> Location:
    found = _SERVER.fullmatch(url)
    if found is None:
        raise StorageError(
            "the address can't be parsed",
            where=KEY,
            allowed=ALLOWED,
            remedy="write an @ of a name or a password as %40, or put the password into the environment: "
            "postgresql://USER:${PASSWORD}@HOST/DATABASE",
        )
    parts = {key: None if part is None else fill_in_decoded(part, KEY) for key, part in _texts(found)}
    address = URL.create(
        "postgresql+psycopg" if found["driver"] == "postgresql" else found["driver"],
        username=parts["user"],
        password=parts["password"],
        host=(parts["host"] or "").strip("[]") or None,
        port=_port(fill_in(found["port"], KEY)) if found["port"] else None,
        database=parts["database"],
        query=_query(found["query"] or ""),
    )
    hidden = Hidden.of(url, ((secret, HIDDEN) for secret in _secrets(address)))
    return Location(
        "postgresql", None, address.render_as_string(hide_password=False), shown_address(url), hidden
    )


def _secrets(address: URL) -> Iterator[str]:
    yield str(address.password or "")
    for key, values in address.query.items():
        if is_secret(key):
            yield from (values,) if isinstance(values, str) else values


def _texts(found: re.Match[str]) -> Iterator[tuple[str, str | None]]:
    return ((key, found[key]) for key in ("user", "password", "host", "database"))


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**16:
        return int(text)
    raise StorageError("the port is no number from 1 to 65535", where=KEY, allowed=ALLOWED)


def _query(text: str) -> dict[str, tuple[str, ...]]:
    """The options behind ``?``, as psycopg takes them."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, text.split("&")):
        key, _, value = pair.partition("=")
        found[unquote_plus(key)] = (*found.get(unquote_plus(key), ()), fill_in(value, KEY, unquote_plus))
    return found


def _in_memory(url: str) -> StorageError:
    return StorageError(
        f"found {url!r}: a study in memory would be gone with its launch",
        where=KEY,
        allowed=ALLOWED,
        remedy="name a file, or leave storage.url out",
    )
