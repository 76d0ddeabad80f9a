"""Opens a study for its driver: storage, lock or turns, and the study, made or found to be the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import optuna

from studies.data.facts import DataFacts
from studies.identity import differences, folder_of, identity_of, new_token, refuse
from studies.optuna_internals import study_id_of
from studies.records.schema import (
    DATA,
    FOLDER,
    IDENTITY,
    MADE_FROM,
    STUDY_FORMAT,
    TOKEN,
    VERSIONS,
    format_written,
)
from studies.samplers.experimental import experimental_allowed
from studies.samplers.pruners import make_pruner
from studies.samplers.samplers import make_sampler
from studies.storage.locations import location_of
from studies.storage.memory import StudyMemory
from studies.storage.ownership import check_program, check_removable, made_from, remedy
from studies.storage.sharing.drivers import this_driver
from studies.storage.sharing.shared_memory import SharedStudyMemory
from studies.storage.sharing.sharing import Shared, Sharing, Solo, wait_until_alone
from studies.storage.sharing.turns import opening
from studies.storage.storage import OpenedStorage, check_directory, mend_journal, open_storage
from studies.storage.writers.writer import Writer
from studies.store.launch import Launch
from studies.store.results import Results
from studies.store.store import StudyStore
from studies.store.trials import Trials
from studies.study_file import StudyFile

_APART = 1_000_003
"""More trials than a study has: the samplers of drivers that run together are seeded so far apart."""


@contextlib.contextmanager
def open_store(
    file: StudyFile,
    data_hash: str,
    facts: DataFacts,
    versions: Mapping[str, str],
    *,
    fresh: bool = False,
    forget: Callable[[str], None] = lambda _folder: None,
) -> Iterator[StudyStore]:
    """Open a study for its driver, making it where it isn't there yet.

    Args:
        file: the study file.
        data_hash: hash of the rows, so that a changed data set is seen.
        facts: what the report says of the rows.
        versions: packages that the study runs on.
        fresh: remove what the storage holds under this name first.
        forget: removes the files of what is removed; takes the name of their folder.

    Raises:
        StorageError: where the storage can't be opened, another driver holds it, or it holds a study that
            was made differently.
    """
    location = location_of(file)
    check_directory(location)
    with contextlib.ExitStack() as stack:
        stack.enter_context(location.lock())
        with opening(location):
            if location.kind == "journal" and location.file is not None:
                mend_journal(location.file)
            storage = open_storage(location)
            stack.callback(storage.close)
            writer = _open_study(file, data_hash, storage, forget if fresh else None)
            writer.set_attribute(VERSIONS, dict(versions))
            writer.set_attribute(DATA, facts.to_dict())
            writer.set_attribute(MADE_FROM, made_from(file, location))
            if (written := format_written(writer.attributes(STUDY_FORMAT))) is not None:
                writer.set_attribute(STUDY_FORMAT, written)
            if location.file is not None:
                memory = StudyMemory(writer)
                store = _store(file, writer, memory, Solo(memory))
            else:
                shared, me = storage.shared_writer(writer.study_id), this_driver()
                others_too = SharedStudyMemory(shared, me.id)
                sharing = stack.enter_context(Shared(file.study.name, storage, shared, others_too, me))
                # Two drivers that begin together would draw the same configurations.
                store = _store(file, writer, others_too, sharing, apart=_APART * len(sharing.others()))
        yield store


def _store(
    file: StudyFile, writer: Writer, memory: StudyMemory, sharing: Sharing, *, apart: int = 0
) -> StudyStore:
    pruner = make_pruner(file.study.pruner, file.space.most_epochs)
    study = optuna.Study(file.study.name, memory, pruner=pruner)
    drawn = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(file.study.sampler, file.study.seed, drawn + apart)
    attributes = writer.attributes()
    return StudyStore(
        file=file,
        token=str(attributes[TOKEN]),
        folder=folder_of(attributes, file.study.name),
        trials=Trials(file, study, memory, sharing),
        launch=Launch(writer, sharing),
        results=Results(writer),
    )


def _open_study(
    file: StudyFile, data_hash: str, storage: OpenedStorage, forget: Callable[[str], None] | None
) -> Writer:
    name, identity = file.study.name, {**identity_of(file), "data set": data_hash}
    location = location_of(file)
    study_id = storage.study_id(name)
    made: Mapping[str, Any] = {}
    if study_id is not None:
        writer = storage.writer(study_id)
        made = writer.attributes()
        check_program(name, made, lambda: len(writer.read()), location)
        if forget is not None:
            check_removable(made, file, location)
            if location.file is None:
                wait_until_alone(writer, location.shown, storage.guard.patience.sleep)
            # Before the study, which alone knows where they are.
            forget(folder_of(made, name))
            storage.guard.write(lambda: storage.optuna.delete_study(writer.study_id))
            made = {}
    if IDENTITY in made:
        refuse(name, differences(made[IDENTITY], identity), location.shown, remedy(made, file, location))
        if TOKEN not in made:
            writer.set_attribute(TOKEN, new_token())
        return writer
    # One without an identity is what a launch left that was killed just here.
    writer = storage.writer(storage.guard.write(lambda: _make(file, storage)))
    writer.set_attribute(IDENTITY, identity)
    token = new_token()
    writer.set_attribute(TOKEN, token)
    writer.set_attribute(FOLDER, f"{name}-{token}")
    return writer


def _make(file: StudyFile, storage: OpenedStorage) -> int:
    """Make the study, or what is missing of it; returns its number."""
    name = file.study.name
    study = optuna.create_study(
        study_name=name, storage=storage.optuna, direction="maximize", load_if_exists=True
    )
    with experimental_allowed():
        study.set_metric_names([f"validation {file.study.objective.metric}"])
    return study_id_of(study)
