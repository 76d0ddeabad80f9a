"""A PostgreSQL server of the tests' own: real programs, a free port of this machine, a directory in /tmp."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

PATIENCE = 60.0
"""Seconds after which a server that starts in one is taken to hang."""


@dataclass
class Server:
    """A server that can be stopped and started again, on the same port and files."""

    programs: Path
    directory: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _databases: int = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # Not synced: the tests kill processes, and pull no plug.
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                   "fsync": "off", "max_connections": "60", "shared_buffers": "16MB"}  # fmt: skip
        command = [str(self.programs / "postgres"), "-D", str(self.directory / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd="/", **as_its_user()
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by SIGINT as `pg_ctl restart` does, with every connection cut, or by SIGQUIT at once."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def database(self) -> str:
        """The address of a new, empty database."""
        self._databases += 1
        name = f"study_{self._databases}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return self._url(name)

    def user(self, name: str, password: str) -> None:
        """Make a user who may do everything, and is let in with this password alone."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))
            rules = self.directory / "data" / "pg_hba.conf"
            rules.write_text(f"host all {name} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def server() -> Iterator[Server]:
    """A server with no data, stopped and removed on leaving."""
    programs = find_programs()
    directory = Path(tempfile.mkdtemp(prefix="search-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
        subprocess.run(
            [programs / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **as_its_user(),
        )
        running = Server(programs, directory, _free_port())
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_programs() -> Path:
    """The newest version's directory of programs, in the places of tools/setup-postgres."""
    on_path = shutil.which("initdb")
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    if not on_path and not versions:
        raise RuntimeError("PostgreSQL's programs are not here; tools/setup-postgres installs them")
    return (Path(on_path) if on_path else versions[-1]).parent


def as_its_user() -> dict[str, Any]:
    """What lets a process be the package's own user, because the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
