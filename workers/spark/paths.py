"""Paths as Spark takes them, whatever is in their names.

Hadoop doesn't decode an address: for ``file:/a%20b`` it looks for a folder ``a%20b``. It takes ``[x]``,
``{a,b}``, ``*``, ``?`` and ``\\`` for patterns where it reads, not where it writes. It can't escape them
beside a ``:``, and with patterns switched off (``__globPaths__``) it reads such files twice. So a file is
written by its name as it is, and read by a link of a plain name; escaped only where other machines read it,
which don't see the link.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PATTERN = re.compile(r"([\\*?\[\]{}])")


def spark_path(path: Path) -> str:
    """A file or folder of this machine, or of one that all machines share: also where a bare path would be
    that of a cluster's own file system.
    """
    return f"file:{path.absolute()}"


def paths_to_read(folder: Path, names: Sequence[str], scratch: Path | None) -> list[str]:
    """By which a session reads files of one folder.

    Args:
        scratch: of a session whose tasks run on this machine, for a link that lives as long as it does;
            ``None`` where they run on others.
    """
    if scratch is None:
        return [_PATTERN.sub(r"\\\1", spark_path(folder / name)) for name in names]
    link = scratch / f"rows-{uuid.uuid4().hex}"
    link.symlink_to(folder.absolute())
    return [spark_path(link / name) for name in names]


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
