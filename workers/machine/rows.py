"""The study's rows on a worker's machine: where the driver wrote them, or a copy that is fetched once.

A worker that doesn't see the study's directory finds what it needs through the scheduler, which every worker
reaches: the driver leaves the files there in parts, as Dask metadata, or the URL of a store that both reach.
The copy is kept on the machine's disk under the rows' content hash, for every worker and study after this
one; what arrives is compared with the digests that the driver wrote. Nothing of this is in any task.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.utils import sync

from studies.data.cache import INDEX
from studies.data.sources import digest_of
from studies.errors import DataError, MachineError
from studies.records.reports import ROW_SETS
from workers.machine.dask_internals import metadata
from workers.machine.places import open_place

KEY = "honest-search-rows"
"""First key of the metadata: ``KEY, hash, "index", driver`` is ``{"url": …}`` or ``{"parts": {file: n}}``,
``{}`` while that driver has not sent them yet, and ``None`` when it has taken them back; ``KEY, hash, driver,
file, part`` are the bytes. Several drivers of a study may offer the same rows."""

FILES = (INDEX, *(f"{name}_{what}.npy" for name in ROW_SETS for what in ("features", "labels")))
"""What trials read of a cache directory; the fitted feature step stays with the driver."""

PART_BYTES = 8 * 2**20
"""Bytes of a file that are sent at once: other messages wait no longer than for these."""

ANSWER_SECONDS = 60.0
"""How long the scheduler may take to send a part."""

COMING_SECONDS = 60.0
"""How long a trial waits for rows that the driver has yet to send: it does so once it knows of the worker."""

CACHE = "HONEST_SEARCH_CACHE"
"""Environment variable: the directory of all copies, by default ``honest-search`` in the user's cache."""


def sees(directory: Path) -> bool:
    """Whether this machine reads the rows in the driver's cache directory, which is named by their hash."""
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        return bool(index["content_hash"] == directory.name)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def find_rows(directory: Path) -> Path:
    """The directory to read the rows from: the driver's own, or a copy of it, fetched where there is none.

    Raises:
        MachineError: where the copy can't be written.
        DataError: where the rows can't be had.
    """
    if sees(directory):
        return directory
    ask = _asking_the_scheduler(directory.name)
    place = copies() / directory.name
    while ask is not None and (offered := _offered(ask)) is not None:
        # Where the driver whose copy it is has just come to its end, others may offer one.
        with contextlib.suppress(_TakenBackError):
            if not is_copy(place):
                _fetch(place, *offered, ask)
            return place
    return directory  # no driver offers a copy; opening the directory raises what is wrong with it


def copies() -> Path:
    """Where copies of rows are kept on this machine."""
    given = os.environ.get(CACHE)
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "honest-search" / "rows"


def is_copy(place: Path) -> bool:
    """Whether a directory holds all of :data:`FILES`, with every byte as the driver wrote it."""
    try:
        digests = json.loads((place / INDEX).read_text(encoding="utf-8"))["files"]
        return all(digest_of(place / name) == digests[name] for name in FILES if name != INDEX)
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return False


class _TakenBackError(Exception):
    """A driver took its rows back while they were fetched."""


Ask = Callable[..., Any]
"""The value of metadata with these keys behind :data:`KEY` and the hash; ``None`` where there is none."""


def _asking_the_scheduler(content_hash: str) -> Ask | None:
    try:
        worker = get_worker()
    except ValueError:
        return None  # called directly, without a cluster

    def ask(*keys: str | int) -> Any:
        return sync(
            worker.loop,
            metadata,
            worker,
            [KEY, content_hash, *keys],
            callback_timeout=ANSWER_SECONDS,
        )

    return ask


def _offered(ask: Ask) -> tuple[str, Mapping[str, Any]] | None:
    """A driver and what it offers: a URL, or parts; ``None`` where no driver offers anything."""
    end = time.monotonic() + COMING_SECONDS
    while offers := {driver: what for driver, what in (ask("index") or {}).items() if what is not None}:
        for driver, what in offers.items():
            if what:
                return driver, what
        if time.monotonic() > end:
            return None
        time.sleep(0.2)  # a driver sends them once it knows of this worker
    return None


def _fetch(place: Path, driver: str, offered: Mapping[str, Any], ask: Ask) -> None:
    building = place.with_name(f".{place.name[:16]}-{uuid.uuid4().hex}")
    try:
        # Readable by this user alone: these are a team's sentences.
        building.mkdir(parents=True, mode=0o700)
        if "url" in offered:
            _download(offered["url"], building)
        else:
            _receive(offered["parts"], building, partial(ask, driver))
        if not is_copy(building):
            raise DataError(
                "the rows did not arrive as the driver wrote them",
                where=str(place),
                remedy="launch the study again",
            )
        _move(building, place)
    except OSError as error:
        raise MachineError(
            f"the rows can't be fetched: {error.strerror or type(error).__name__}",
            where=str(place),
            remedy=f"make room, or name another directory in the worker's environment variable {CACHE}",
        ) from None  # fsspec's message may hold an address with a password
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _receive(parts: Mapping[str, int], building: Path, ask: Ask) -> None:
    for name in FILES:
        with (building / name).open("wb") as file:
            for part in range(parts[name]):
                content = ask(name, part)
                if content is None:
                    raise _TakenBackError
                file.write(content)


def _download(url: str, building: Path) -> None:
    place = open_place(url, "cluster.rows")
    for name in FILES:
        place.system.get_file(f"{place.folder}/{name}", str(building / name))


def _move(building: Path, place: Path) -> None:
    """Put the copy in its place, unless another process was faster."""
    for _ in range(2):
        with contextlib.suppress(OSError):
            building.rename(place)
            return
        if is_copy(place):
            return
        shutil.rmtree(place, ignore_errors=True)
    building.rename(place)
