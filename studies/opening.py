"""Opens a study for its driver: storage, lock or leases, and the study, made or found to be the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

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
from studies.storage.guarded import GuardedStorage
from studies.storage.locations import Location, location_of
from studies.storage.ownership import check_program, check_removable, made_from, remedy
from studies.storage.sharing.drivers import this_driver
from studies.storage.sharing.leases import Shared, Sharing, Solo, wait_until_alone
from studies.storage.sharing.many_writers import ManyWritersStorage
from studies.storage.sharing.turns import opening
from studies.storage.sole_writer import SoleWriterStorage
from studies.storage.storage import check_directory, mend_journal, open_storage
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
            study = _open_study(file, data_hash, storage, forget if fresh else None)
            study.set_user_attr(VERSIONS, dict(versions))
            study.set_user_attr(DATA, facts.to_dict())
            study.set_user_attr(MADE_FROM, made_from(file, location))
            if (written := format_written(study.user_attrs)) is not None:
                study.set_user_attr(STUDY_FORMAT, written)
            if location.file is not None:
                memory = SoleWriterStorage(storage, study_id_of(study))
                store = _store(file, memory, _seen_in(memory, file), Solo(memory))
            else:
                me = this_driver()
                shared = ManyWritersStorage(storage, study_id_of(study), me.id)
                seen = _seen_in(shared, file)
                sharing = stack.enter_context(Shared(seen, storage, shared, me))
                # Two drivers that begin together would draw the same configurations.
                store = _store(file, shared, seen, sharing, apart=_APART * len(sharing.others()))
        yield store


def _seen_in(memory: SoleWriterStorage, file: StudyFile) -> optuna.Study:
    pruner = make_pruner(file.study.pruner, file.space.most_epochs)
    return optuna.Study(file.study.name, memory, pruner=pruner)


def _store(
    file: StudyFile, memory: SoleWriterStorage, study: optuna.Study, sharing: Sharing, *, apart: int = 0
) -> StudyStore:
    drawn = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(file.study.sampler, file.study.seed, drawn + apart)
    attributes = study.user_attrs
    return StudyStore(
        file=file,
        token=str(attributes[TOKEN]),
        folder=folder_of(attributes, file.study.name),
        trials=Trials(file, study, memory, sharing),
        launch=Launch(study, sharing),
        results=Results(study),
    )


def _open_study(
    file: StudyFile, data_hash: str, storage: GuardedStorage, forget: Callable[[str], None] | None
) -> optuna.Study:
    name, identity = file.study.name, {**identity_of(file), "data set": data_hash}
    location = location_of(file)
    study = _found(name, storage, location)
    if study is not None and forget is not None:
        check_removable(study, file, location)
        if location.file is None:
            wait_until_alone(study, storage, location.shown)
        # Before the study, which alone knows where they are.
        forget(folder_of(study.user_attrs, name))
        optuna.delete_study(study_name=name, storage=storage)
        study = None
    if study is not None and IDENTITY in study.user_attrs:
        made = study.user_attrs
        refuse(name, differences(made[IDENTITY], identity), location.shown, remedy(made, file, location))
        if TOKEN not in made:
            study.set_user_attr(TOKEN, new_token())
        return study
    # One without an identity is what a launch left that was killed just here.
    study = study or optuna.create_study(study_name=name, storage=storage, direction="maximize")
    with experimental_allowed():
        study.set_metric_names([f"validation {file.study.objective.metric}"])
    study.set_user_attr(IDENTITY, identity)
    token = new_token()
    study.set_user_attr(TOKEN, token)
    study.set_user_attr(FOLDER, f"{name}-{token}")
    return study


def _found(name: str, storage: GuardedStorage, location: Location) -> optuna.Study | None:
    """The stored study of this name; refused where another program made it."""
    if name not in {study.study_name for study in storage.get_all_studies()}:
        return None
    study = optuna.load_study(study_name=name, storage=storage)
    check_program(study, location)
    return study
