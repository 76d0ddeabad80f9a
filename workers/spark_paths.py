"""Paths as Spark takes them, whatever is in their names.

Hadoop doesn't decode an address: for ``file:/a%20b`` it looks for a folder ``a%20b``. It takes ``[x]``,
``{a,b}``, ``*``, ``?`` and ``\\`` for patterns where it reads, not where it writes, and can't escape them
beside a ``:``. So files are named as they are, with patterns switched off; and what has no such switch, the
reader of a model, is given a link of a plain name.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NO_PATTERNS: Mapping[str, str] = {"__globPaths__": "false"}
"""Options of Spark's readers with which a path is a name (``DataSource.GLOB_PATHS_KEY``)."""


def spark_path(path: Path) -> str:
    """A file or folder of this machine, or of one that all machines share: also where a bare path would be
    that of a cluster's own file system.
    """
    return f"file:{path.absolute()}"


@contextmanager
def plain_link(path: Path) -> Iterator[str]:
    """The same, by a link whose name has no sign that Hadoop takes for a pattern."""
    with tempfile.TemporaryDirectory(prefix="honest-search-", dir=_temporary()) as directory:
        link = Path(directory) / "link"
        link.symlink_to(path.absolute())
        yield spark_path(link)


def make_scratch() -> Path:
    """A new directory for temporary files, whose name is no list of several to Spark."""
    return Path(tempfile.mkdtemp(prefix="honest-search-spark-", dir=_temporary()))


def unicode_names() -> Mapping[str, str]:
    """Environment variables with which Java reads the names of files as this process does, in UTF-8."""
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return {} if re.search(r"utf-?8", locale, re.IGNORECASE) else {"LC_ALL": "C.UTF-8"}


def _temporary() -> str | None:
    """Where temporary files go; the usual place, where its name is plain."""
    usual = tempfile.gettempdir()
    return usual if re.fullmatch(r"[\w./+-]+", usual) or not os.access("/tmp", os.W_OK) else "/tmp"
