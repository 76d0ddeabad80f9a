"""A study as everybody reads it: during a run, after it, or on another machine. Nothing here writes but the
wish to stop.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import optuna

from studies.data.facts import DataFacts
from studies.errors import NotStoredError
from studies.identity import differences, folder_of, identity_of
from studies.optuna_internals import study_id_of
from studies.records.explanations import KeptExplanation, explanations_of
from studies.records.finalists import Finalists, finalists_of
from studies.records.openings import Opening, openings_of
from studies.records.replicas import ReplicaRecord, replica_records_of
from studies.records.schema import DATA, ENDED, IDENTITY, SECONDS, STATUS, STOP, VERSIONS
from studies.records.trials import TrialRecord
from studies.storage.locations import Location, location_of
from studies.storage.ownership import check_program, remedy
from studies.storage.storage import OpenedStorage, is_made, open_storage, read_settled
from studies.study_file import StudyFile

T = TypeVar("T")


@dataclass(frozen=True)
class StoredStudy:
    """What a reader finds in storage.

    Attributes:
        records: all trials but those that wait, by number.
        metric: what they were scored by.
        differences: how the study was made differently from what its file says now, in words.
        facts, versions: of the last launch.
        ended: why the last launch ended; empty while one runs, or where it was killed.
        seconds: how long it has been searched for, over every launch.
        statuses: what each driver last wrote of what runs, see :mod:`search.driving.status`; the latest
            comes last.
        replicas: trainings outside the search, by the keys of what they left.
        finalists: what the best configurations are worth, once they were retrained.
        openings: when the test rows were opened, for whom, and what was scored then.
        explanations: what ``search explain`` found, the latest of each two sides.
        folder: the one that the study has for itself wherever it keeps files.
        remedy: what can be done where anything differs.
        study, storage: as Optuna has them, for what isn't read here.
        tested_on_the_way: whether earlier code began it, which scored every finished trial on the test rows.
    """

    records: tuple[TrialRecord, ...]
    metric: str
    differences: tuple[str, ...]
    facts: DataFacts
    versions: Mapping[str, str]
    ended: str
    seconds: float
    statuses: tuple[Mapping[str, Any], ...]
    study: optuna.Study
    storage: OpenedStorage
    location: Location

    replicas: Mapping[str, ReplicaRecord] = field(default_factory=dict)
    finalists: Finalists | None = None
    openings: tuple[Opening, ...] = ()
    explanations: tuple[KeptExplanation, ...] = ()
    folder: str = ""
    remedy: str = ""
    tested_on_the_way: bool = False

    @property
    def status(self) -> Mapping[str, Any]:
        """The latest that a driver wrote of what runs; empty where none has yet."""
        return self.statuses[-1] if self.statuses else {}

    def statuses_now(self) -> tuple[Mapping[str, Any], ...]:
        """What each driver last wrote, read from storage once more."""
        return statuses_of(self.study.user_attrs)


@dataclass(frozen=True)
class StoredIdentity:
    """How a stored study was made.

    Attributes:
        differences: from what its file says now, in words.
        remedy: what can be done where anything differs.
    """

    differences: tuple[str, ...]
    remedy: str
    location: Location


def read_study(file: StudyFile, data_hash: str | None = None) -> StoredStudy:
    """Read a study without locking it; during a run, after it, or on another machine.

    Args:
        file: the study file.
        data_hash: hash of its rows, where they are at hand to be compared with the stored study's.

    Raises:
        NotStoredError: where there is no such study.
        StorageError: where the storage can't be opened.
    """
    return _settled(file, lambda location: _read(file, location, data_hash))


def read_identity(file: StudyFile, data_hash: str | None = None) -> StoredIdentity:
    """How a study was made: without its trials, which may be many. As :func:`read_study`."""
    return _settled(file, lambda location: _identity(file, location, data_hash))


def _settled(file: StudyFile, read: Callable[[Location], T]) -> T:
    location = location_of(file)
    missing = NotStoredError(
        f"no study '{file.study.name}' is stored there yet",
        where=location.shown,
        remedy=f"search launch {shlex.quote(file.path.name)}",
    )
    if not is_made(location):
        raise missing
    try:
        return read_settled(location, lambda: read(location))
    except KeyError:
        raise missing from None


def _identity(file: StudyFile, location: Location, data_hash: str | None) -> StoredIdentity:
    storage = open_storage(location, reads_only=True)
    return _identity_in(_attributes(file, location, storage), file, location, data_hash)


def _identity_in(
    attributes: Mapping[str, Any], file: StudyFile, location: Location, data_hash: str | None
) -> StoredIdentity:
    made = attributes[IDENTITY]
    now = {**identity_of(file), "data set": data_hash or made["data set"]}
    return StoredIdentity(differences(made, now), remedy(attributes, file, location), location)


def _attributes(file: StudyFile, location: Location, storage: OpenedStorage) -> Mapping[str, Any]:
    """The study's; ``KeyError`` where there is none, or one that isn't made yet."""
    name = file.study.name
    study_id = storage.study_id(name)
    if study_id is None:
        raise KeyError(name)
    writer = storage.writer(study_id)
    attributes = writer.attributes()
    check_program(name, attributes, lambda: len(writer.read()), location)
    if DATA not in attributes:
        raise KeyError(name)
    return attributes


def _read(file: StudyFile, location: Location, data_hash: str | None) -> StoredStudy:
    storage = open_storage(location, reads_only=True)
    attributes = _attributes(file, location, storage)
    identity = _identity_in(attributes, file, location, data_hash)
    name, made = file.study.name, attributes[IDENTITY]
    study = storage.guard.call(lambda: optuna.load_study(study_name=name, storage=storage.optuna))
    return StoredStudy(
        records=tuple(storage.records(study_id_of(study))),
        metric=made["objective.metric"],
        differences=identity.differences,
        remedy=identity.remedy,
        facts=DataFacts.from_dict(attributes[DATA]),
        versions=attributes.get(VERSIONS, {}),
        ended=attributes.get(ENDED, ""),
        seconds=float(attributes.get(SECONDS, 0.0)),
        statuses=statuses_of(attributes),
        study=study,
        storage=storage,
        location=location,
        replicas=replica_records_of(attributes),
        finalists=finalists_of(attributes),
        openings=openings_of(attributes),
        explanations=explanations_of(attributes),
        folder=folder_of(attributes, name),
        # A key of the first version that didn't.
        tested_on_the_way="data.repeats" not in made,
    )


def statuses_of(attributes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The last status of each driver, the latest last, from a study's attributes."""
    statuses = [value for key, value in attributes.items() if key.split(".")[0] == STATUS and value]
    return tuple(sorted(statuses, key=lambda status: str(status["at"])))


def ask_to_stop(stored: StoredStudy, *, now: bool) -> None:
    """Ask the study's driver to stop, wherever it runs: it looks every few seconds.

    Args:
        now: leave what runs to the next launch, instead of finishing it.
    """
    writer = stored.storage.writer(study_id_of(stored.study))
    writer.set_attribute(STOP, 2 if now else 1)
