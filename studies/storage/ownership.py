"""Whose a stored study is: this file's, another file's, or another program's.

Somebody's storage may hold studies of others under any name. What isn't this file's own is never removed, nor
is its removal ever advised.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from studies.errors import StorageError
from studies.records.schema import IDENTITY, MADE_FROM, check_format
from studies.storage.locations import Location
from studies.study_file import StudyFile

_ANOTHER = "give this study another name, or name another storage.url"


def made_from(file: StudyFile, location: Location) -> dict[str, Any]:
    """The study file as its study keeps it; ``beside`` holds where both were moved together."""
    beside = None if location.file is None else os.path.relpath(file.path, location.file.parent)
    return {"file": str(file.path), "host": socket.gethostname(), "beside": beside}


def is_own(attributes: Mapping[str, Any], file: StudyFile, location: Location) -> bool:
    """Whether a stored study is known to be this file's.

    One that earlier code made says nothing of its file: it is taken for this one's where it lies in a file.
    """
    maker = attributes.get(MADE_FROM)
    if maker is None:
        return location.file is not None
    here = made_from(file, location)
    return _is_beside(maker, here) or (maker["file"], maker["host"]) == (here["file"], here["host"])


def check_program(
    name: str, attributes: Mapping[str, Any], count: Callable[[], int], location: Location
) -> None:
    """Refuse a study that another program made, or a newer version of this one.

    Args:
        name: the study's.
        attributes: the study's.
        count: says how many trials it has.
        location: of its storage.

    Raises:
        StorageError: where it did.
    """
    check_format(attributes, name, location.shown)
    if IDENTITY in attributes:
        return
    trials = count()
    # A launch that was killed as it made its study leaves an empty one.
    if attributes or trials:
        raise StorageError(
            f"another program made the study '{name}' that is stored there, with {trials} trials",
            where=location.shown,
            remedy=_ANOTHER,
        )


def check_removable(attributes: Mapping[str, Any], file: StudyFile, location: Location) -> None:
    """Refuse to remove a study of another study file.

    Raises:
        StorageError: where it is one; where the same path is on another machine, nobody can tell.
    """
    maker = attributes.get(MADE_FROM)
    if maker is None:
        return
    here = made_from(file, location)
    if maker["file"] != here["file"] and not _is_beside(maker, here):
        raise StorageError(
            f"--fresh would remove a study '{file.study.name}' that another file made: {maker['file']} on "
            f"{maker['host']}",
            where=location.shown,
            remedy=_ANOTHER,
        )


def remedy(attributes: Mapping[str, Any], file: StudyFile, location: Location) -> str:
    """What somebody can do whose stored study was made differently."""
    if is_own(attributes, file, location):
        return "give this study another name, or launch with --fresh to remove the stored one"
    maker = attributes.get(MADE_FROM)
    return _ANOTHER if maker is None else f"it is that of {maker['file']} on {maker['host']}: {_ANOTHER}"


def _is_beside(maker: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    return maker.get("beside") is not None and maker["beside"] == here["beside"]
