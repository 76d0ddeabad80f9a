"""What can be refused before anything is computed or written."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping

from studies.data import Prepared, prepare
from studies.errors import MachineError
from studies.samplers import check_sampler
from studies.storage import check_place, location_of
from studies.study_file import StudyFile
from workers.checkpoints import check_checkpoints
from workers.java import find_java
from workers.spark_settings import SparkSettings

PACKAGES = ("tensorflow", "keras", "pyspark", "numpy", "optuna", "dask", "distributed", "honest-search")
"""Whose versions are kept with the study."""


def preflight(file: StudyFile) -> None:
    """Refuse a study that can't run on this machine.

    Raises:
        MachineError: where Java, a library of Spark's, a sampler's package or that of the checkpoints'
            place is missing.
        StudyFileError: where nobody knows the protocol of the checkpoints' place.
        StorageError: where the storage's address is none, or no study can be kept there.
    """
    try:
        check_sampler(file.study.sampler)
    except MachineError as error:
        raise error.within(file.path.name) from None
    check_place(location_of(file))
    check_checkpoints(file)
    if "spark" in file.space.frameworks:
        settings = SparkSettings.of(file.study.spark, file.directory)
        settings.check()
        if not settings.connect:
            find_java()


def prepare_data(file: StudyFile) -> Prepared:
    """The study's rows, from the cache beside its file or made now.

    Raises:
        DataError: where they can't be used.
    """
    study = file.study
    return prepare(study.data, study.features, study.seed, file.directory, file.work_directory / "data")


def package_versions() -> Mapping[str, str]:
    """Versions of Python and of what the study stands on, without importing any of it."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}
