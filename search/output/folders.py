"""Folders that a command writes for a person: looked at before any work, and never half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from search.output.files import folder_problem
from studies.errors import OutputError, UnwrittenError


def new_folder(named: str) -> Path:
    """Where a folder can be made or filled, with links followed.

    Raises:
        OutputError: where something is there already, or nothing can be written.
    """
    directory = Path(os.path.realpath(named))
    problem = "the name is empty" if not named.strip() else _problem(directory)
    if problem:
        raise OutputError(
            problem,
            where=named or "DIR",
            allowed="a folder that is not there yet, or an empty one",
            remedy="name another, or move it away",
        )
    return directory


@contextlib.contextmanager
def filled(directory: Path, last: str) -> Iterator[Path]:
    """A folder to write into, whose files are in ``directory`` on leaving; none of them after an error.

    A folder that was there stays the same one: somebody may stand in it.

    Args:
        directory: as :func:`new_folder` found it.
        last: the entry without which the others are nothing; it comes last.

    Raises:
        UnwrittenError: where the place refuses.
    """
    building: Path | None = None
    existed = directory.exists()
    made = [] if existed else [each for each in directory.parents if not each.exists()]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        building = (directory if existed else directory.parent) / f".{uuid.uuid4().hex}"
        building.mkdir()
        yield building
        if existed:
            for entry in sorted(building.iterdir(), key=lambda entry: entry.name == last):
                entry.rename(directory / entry.name)
        else:
            building.rename(directory)
        made = []
    except OSError as error:
        raise UnwrittenError(
            f"can't be written: {error.strerror or error}",
            where=str(directory),
            remedy="make room, or name a folder in another place, and run the command again: "
            "nothing is trained twice",
        ) from error
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):  # it isn't there, or holds something else
                parent.rmdir()


def _problem(directory: Path) -> str:
    """Why no folder can be made or filled here; empty where one can."""
    try:
        if directory.is_dir():
            return "this folder is not empty" if any(directory.iterdir()) else folder_problem(directory)
        directory.lstat()
    except FileNotFoundError:
        parent = next(each for each in directory.parents if each.exists())
        return folder_problem(parent)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"can't be written: {getattr(error, 'strerror', None) or error}"
    return "this is there already, and is no folder"
