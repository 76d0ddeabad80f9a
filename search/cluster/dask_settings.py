"""Dask's configuration on this machine: files in ``~/.config/dask`` and elsewhere, and ``DASK_*`` variables.

It is meant for a person's clusters, and applies to those: ``cluster.kind = "address"`` and Dask's deployers.
A cluster that a launch starts on this machine alone has Dask's own defaults: settings that are meant for
another could refuse its connections, end its workers or starve them.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.output.files import folder_problem
from studies.errors import MachineError

KEPT = ("temporary-directory",)
"""Settings that hold here, too: where files for the time of a run go."""

_MALFORMED = re.compile(r"A dask config file at (?P<file>.+?) is malformed")


def personal_settings() -> Mapping[str, Any]:
    """The settings of this machine's files and variables, without Dask's defaults: ``distributed.comm…``.

    Raises:
        MachineError: where Dask can't read it, or there is no such temporary directory.
    """
    try:
        import dask.config

        settings = dict(_flat(dask.config.collect(dask.config.paths)))
    except Exception as error:  # whatever a value of the wrong type leads to
        raise refusal_of(error) or _refusal(error) from None
    directory = settings.get("temporary-directory")
    if directory is not None:
        _check_temporary(str(directory))
    return settings


def not_used_here(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of settings that a cluster on this machine alone doesn't have."""
    return tuple(sorted(name for name in settings if name not in KEPT))


@contextlib.contextmanager
def own_settings(own: Mapping[str, Any]) -> Iterator[None]:
    """Within it, Dask has its own defaults, :data:`KEPT`, and ``own``; also in processes that it starts."""
    import dask.config
    import distributed  # noqa: F401 - has defaults of its own

    personal = personal_settings()
    config, before = dask.config.config, copy.deepcopy(dask.config.config)
    kept = {name: personal[name] for name in KEPT if name in personal}
    _replace(config, dask.config.merge(*dask.config.defaults))
    try:
        with dask.config.set({**kept, **own}):
            yield
    finally:
        _replace(config, before)


def refusal_of(error: Exception) -> MachineError | None:
    """The message for an error of importing Dask, where its configuration caused it."""
    match = _MALFORMED.match(str(error))
    if match is None:
        return None
    return _refusal(error, match["file"].strip("'\""))


def _refusal(error: Exception, file: str = "") -> MachineError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    at = re.findall(r"line (\d+), column", str(error))
    # YAML's parser adds the position to each sentence, and a sketch of it.
    why = ", ".join(line for line in lines[1:] if not re.match(r'in "|.*\^$', line)) or (lines or [""])[0]
    why = f"line {at[-1]}: {why}" if at else why or type(error).__name__
    return MachineError(
        f"Dask's configuration can't be read: {why}",
        where=file or "files in ~/.config/dask, /etc/dask and DASK_CONFIG, and variables DASK_…",
        allowed="YAML with a table at the top",
        remedy="correct it, or move it away; clusters on this machine need none",
    )


def _check_temporary(directory: str) -> None:
    place = Path(directory).absolute()
    problem = folder_problem(next((each for each in (place, *place.parents) if each.exists()), place))
    if problem:
        raise MachineError(
            f"Dask's temporary directory can't be used: {problem}",
            where=f"temporary-directory = {directory} in Dask's configuration, or DASK_TEMPORARY_DIRECTORY",
            allowed="a folder that can be made and written",
            remedy="correct it, or leave it out",
        )


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        name = f"{above}{str(key).replace('_', '-')}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _replace(config: dict[str, Any], by: Mapping[str, Any]) -> None:
    config.clear()
    config.update(copy.deepcopy(dict(by)))
