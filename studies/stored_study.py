"""A study as everybody reads it: during a run, after it, or on another machine. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import optuna

from studies.errors import NotStoredError
from studies.facts import DataFacts
from studies.identity import differences, identity_of
from studies.storage import Location, is_made, locate, open_storage
from studies.study_file import StudyFile
from studies.trial_record import TrialRecord, records_of


@dataclass(frozen=True)
class StoredStudy:
    """What a reader finds in storage.

    Attributes:
        records: all trials but those that wait, by number.
        metric: what they were scored by.
        differences: how the study was made differently from what its file says now, in words.
        facts, versions: of the last launch.
        ended: why the last launch ended; empty while one runs, or where it was killed.
    """

    records: tuple[TrialRecord, ...]
    metric: str
    differences: tuple[str, ...]
    facts: DataFacts
    versions: Mapping[str, str]
    ended: str
    study: optuna.Study
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
    location = locate(file.study.storage.url, file.study.name, file.directory)
    missing = NotStoredError(
        f"no study '{file.study.name}' is stored there yet",
        where=location.shown,
        remedy=f"search launch {file.path.name}",
    )
    if not is_made(location):
        raise missing
    try:
        study = optuna.load_study(study_name=file.study.name, storage=open_storage(location, kept_open=False))
    except KeyError:
        raise missing from None
    attributes = study.user_attrs
    if "data" not in attributes:
        raise missing
    made = attributes["identity"]
    now = {**identity_of(file), "data set": data_hash or made["data set"]}
    return StoredStudy(
        records=tuple(records_of(study)),
        metric=made["objective.metric"],
        differences=differences(made, now),
        facts=DataFacts.from_dict(attributes["data"]),
        versions=attributes.get("versions", {}),
        ended=attributes.get("ended", ""),
        study=study,
        location=location,
    )
