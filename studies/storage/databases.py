"""What a database is: Optuna's of these versions, of an older or newer one, another program's, or empty."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Set

from sqlalchemy import Connection, inspect, text

from studies.errors import StorageError
from studies.optuna_internals import SCHEMA_VERSION, TABLES, revisions
from studies.storage.locations import Location

_PROGRAMS: Mapping[str, Set[str]] = {
    "MLflow": {"experiments", "runs", "metrics"},
    "Airflow": {"dag", "dag_run"},
    "Django": {"django_migrations"},
    "Prefect": {"flow", "flow_run"},
}
"""Tables by which programs are known whose databases lie about where studies do."""

_SHARED = frozenset({"alembic_version", "sqlite_sequence"})
"""Tables that say nothing of whose a database is."""


def is_optunas(connection: Connection, location: Location) -> bool:
    """Whether a database has all of Optuna's tables; false where it has none, or not all of them yet.

    Optuna makes its tables when it opens a database. The table of Alembic's is the last that it makes.

    Raises:
        StorageError: where the database is another program's, or of an Optuna that this one can't read.
    """
    tables = frozenset(inspect(connection).get_table_names())
    others = tables - TABLES - _SHARED
    program = next((name for name, known in _PROGRAMS.items() if known <= tables), "")
    if program:
        raise _another_programs(location, f"a database of {program}'s")
    if {"studies", "version_info"} <= tables:
        return _is_of_this_optuna(connection, location, tables)
    # On a server, others' tables may be beside a study's; in a file, nobody expects them there.
    in_the_way = location.file is not None or "alembic_version" in tables or tables & TABLES
    if others and in_the_way:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        names = f"{', '.join(sorted(others)[:3])}{more}"
        raise _another_programs(location, f"another program's database, with the tables {names}")
    return False


def _is_of_this_optuna(connection: Connection, location: Location, tables: Set[str]) -> bool:
    query = text("SELECT schema_version, library_version FROM version_info")
    schema, maker = connection.execute(query).first() or (SCHEMA_VERSION, "")
    revision = None
    if "alembic_version" in tables:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is None:
        if schema < SCHEMA_VERSION:
            raise _older(location, maker)
        return False
    known = revisions()
    if revision == known[0]:
        return True
    raise _older(location, maker) if revision in known else _newer(location, maker, str(revision))


def _another_programs(location: Location, found: str) -> StorageError:
    return StorageError(
        f"this is {found}",
        where=location.shown,
        allowed="a database of Optuna's, an empty one or a new one",
        remedy="name another one in storage.url",
    )


def _older(location: Location, version: str) -> StorageError:
    address = location.url if location.file is not None else location.shown
    # Optuna takes braces in an address for its own template's.
    quoted = shlex.quote(location.hidden.out_of(address).replace("{", "{{").replace("}", "}}"))
    command = f"optuna storage upgrade --storage {quoted}"
    return StorageError(
        f"this is a database of Optuna {version}, whose tables are older than this Optuna's",
        where=location.shown,
        remedy=f"name another one in storage.url; or copy this one, and then bring it up to date: {command}",
    )


def _newer(location: Location, version: str, revision: str) -> StorageError:
    return StorageError(
        f"this is a database of Optuna {version}, whose tables ({revision}) are newer than this Optuna reads",
        where=location.shown,
        remedy="name another one in storage.url, or read it with the Optuna that made it",
    )
