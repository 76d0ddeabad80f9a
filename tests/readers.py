"""Somebody who may read a folder and not write it. Permissions don't hold root back: as root, a program runs
without the capability to pass over them, in a folder that is somebody else's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def may_only_read(directory: Path) -> Iterator[None]:
    """Within it :func:`run` may read the folder and all below it, and write none of it."""
    paths = [directory, *directory.rglob("*")]
    modes = [(path, path.stat().st_mode) for path in paths]
    for path, mode in modes:
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)
        path.chmod(mode & ~0o222 | (0o555 if path.is_dir() else 0o444))
    try:
        yield
    finally:
        for path, mode in modes:
            if path.exists():
                if os.geteuid() == 0:
                    os.chown(path, 0, 0)
                path.chmod(mode)


def run(program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a Python program under the ordinary rules of permissions."""
    ordinary: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise RuntimeError("as root, these tests need setpriv, of util-linux")
        ordinary = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"]
    return subprocess.run(
        [*ordinary, sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
