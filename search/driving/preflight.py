"""Checks of a launch before anything is computed or written."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress

from search.cluster.dask_settings import not_used_here, personal_settings
from search.cluster.extras import check_extra
from search.driving.own_process import check_interpreter, check_temporary_files, unused_temporary_folder
from studies.data import Located, Prepared, locate_rows, prepare
from studies.errors import MachineError, NotStoredError
from studies.frameworks import DEFAULT, any_in_spark, packages_of
from studies.identity import refuse
from studies.plugins import Origin
from studies.samplers.samplers import check_sampler
from studies.sections.cluster import DEPLOYED
from studies.storage.locations import location_of
from studies.storage.storage import check_place
from studies.stored_study import read_identity
from studies.study_file import StudyFile
from workers.checkpoints.checkpoints import check_checkpoints
from workers.machine.java import find_java
from workers.machine.surroundings import overrides
from workers.spark.settings import SparkSettings

PACKAGES = (*packages_of(DEFAULT), "optuna", "dask", "distributed", "honest-search")
"""Whose versions are kept with the study."""


def preflight(file: StudyFile) -> None:
    """Refuse a study that can't run on this machine.

    Raises:
        MachineError: where Java, a library of Spark's, or the package of a sampler, a cluster or the
            checkpoints' place is missing, or this process or Dask's configuration lets nothing run.
        StudyFileError: where the protocol of the checkpoints' place is unknown.
        StorageError: where the storage's address is invalid, or no study can be kept there.
    """
    try:
        check_sampler(file.study.sampler)
        check_extra(file.study.cluster)
    except MachineError as error:
        raise error.within(file.path.name) from None
    check_interpreter()
    check_temporary_files()
    personal_settings()
    check_place(location_of(file))
    check_checkpoints(file)
    if any_in_spark(file.space.frameworks):
        settings = SparkSettings.of(file.study.spark, file.directory)
        settings.check()
        if not settings.connect:
            find_java()


def overridden(file: StudyFile) -> tuple[str, ...]:
    """Settings of this machine that a launch overrides, a sentence each.

    Workers of other machines override the settings there.
    """
    study = file.study
    if study.cluster.kind in ("address", *(kind for kind in DEPLOYED if kind != "cuda")):
        return ()
    settings = SparkSettings.of(study.spark, file.directory)
    notes = [str(setting) for setting in overrides(file.space.frameworks, cluster=not settings.local)]
    unused = not_used_here(personal_settings())
    if unused:
        notes.append(f"Dask's configuration ({', '.join(unused)}): not used by clusters on this machine")
    folder = unused_temporary_folder()
    if folder:
        notes.append(f"TMPDIR={folder}: can't be written; {tempfile.gettempdir()} is used")
    return tuple(notes)


def refuse_another_study(file: StudyFile) -> Located:
    """Refuse what :func:`studies.opening.open_store` would, before the rows are made and cached.

    Returns:
        Where the rows are, for :func:`prepare_data`.

    Raises:
        StorageError: where the storage holds a study of this name that was made differently.
        DataError: where the data isn't there.
    """
    study = file.study
    located = locate_rows(study.data, study.features, study.seed, file.directory)
    with suppress(NotStoredError):
        stored = read_identity(file, located.content_hash)
        refuse(study.name, stored.differences, stored.location.shown, stored.remedy)
    return located


def prepare_data(file: StudyFile, located: Located | None = None) -> Prepared:
    """The study's rows, from the cache beside its file or made now.

    Args:
        file: the study file.
        located: where they are, where that is known already.

    Raises:
        DataError: where they can't be used.
    """
    study = file.study
    cache = file.work_directory / "data"
    return prepare(study.data, study.features, study.seed, file.directory, cache, located)


def package_versions(plugins: Iterable[Origin] = ()) -> Mapping[str, str]:
    """Versions of Python and of what the study stands on, without importing any of it."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    own = {plugin.package: plugin.version for plugin in plugins}
    return {"python": platform.python_version(), **versions, **own}
