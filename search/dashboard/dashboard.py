"""Opens Optuna's dashboard on a study: readable names, each trial's artefacts, and nothing to be lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

import numpy as np
from numpy.typing import NDArray
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from search.dashboard.artefacts import DrawnArtefacts, Known, ValidationRows, artefacts_of, artefacts_of_study
from search.dashboard.server import LOOPBACK, guarded, serve
from search.dashboard.storage import DashboardStorage
from search.dashboard.view import study_attributes, trial_attributes
from studies.data import locate_rows, open_split, source_of_parts
from studies.data.facts import DataFacts
from studies.errors import CheckpointError, MachineError, UserError
from studies.frameworks import framework_of
from studies.identity import folder_of
from studies.optuna_internals import study_id_of
from studies.packages import check_packages
from studies.records.explanations import KeptExplanation, explanations_of
from studies.records.schema import IDENTITY
from studies.records.trials import TrialRecord
from studies.storage.storage import is_writable, open_storage
from studies.storage.trial_records import record_of
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from workers.checkpoints.outcomes import Outcomes, outcome_key, predictions_of

Attributes = Mapping[str, Any]


@contextmanager
def dashboard(path: str | Path, port: int = 0) -> Iterator[tuple[WSGIServer, str]]:
    """A dashboard that listens on this machine, and its address; ``serve_forever`` runs it.

    Args:
        path: the study file.
        port: to listen on; 0 is any free one.

    Raises:
        StudyFileError, StorageError: where the study file, or the study in its storage, can't be used.
        MachineError: where the dashboard isn't installed, or the port can't be had.
    """
    file = read_study_file(path)
    check_packages("the dashboard", ["optuna_dashboard"], "dashboard")
    stored = read_study(file)
    # Late: the dashboard's web framework takes half a second, and is an extra.
    from optuna_dashboard import wsgi

    data_hash = str(stored.study.user_attrs[IDENTITY]["data set"])
    notes = is_writable(stored.location)
    storage = open_storage(stored.location, reads_only=not notes)
    try:
        shown = _Shown(
            file, storage.optuna, study_id_of(stored.study), stored.facts, stored.metric, data_hash
        )
        view = DashboardStorage(shown.storage, shown.study_id, shown.of_trial, shown.of_study)
        app = wsgi(view, artifact_store=DrawnArtefacts(shown.known, shown.explanations))
        server = _listening(guarded(app, notes=notes), port)
        with server:
            yield server, f"http://{LOOPBACK}:{server.server_port}/dashboard/studies/{shown.study_id}"
    finally:
        storage.close()


@dataclass
class _Shown:
    """What the dashboard shows of a study, read again whenever it asks."""

    file: StudyFile
    storage: BaseStorage
    study_id: int
    facts: DataFacts
    metric: str
    data_hash: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: dict[int, tuple[Attributes, Attributes]] = field(default_factory=dict)
    _kept_keys: frozenset[str] = frozenset()
    _rows: list[ValidationRows | None] = field(default_factory=list)

    def of_study(self) -> tuple[Attributes, Attributes]:
        """Readable attributes of the study, and its artefacts."""
        raw = self.storage.get_study_user_attrs(self.study_id)
        readable = study_attributes(raw, self.facts, self.metric, self.file.study.trial_limit)
        return readable, artefacts_of_study(explanations_of(raw))

    def explanations(self) -> tuple[KeptExplanation, ...]:
        """Those that the study keeps now."""
        return explanations_of(self.storage.get_study_user_attrs(self.study_id))

    def of_trial(self, trial: FrozenTrial) -> tuple[Attributes, Attributes]:
        """Readable attributes of a trial, and its artefacts; those of one that has ended are kept."""
        kept = self._ended.get(trial.number)
        if kept is None:
            record = record_of(trial)
            has_probabilities = self._has_probabilities(record)
            attributes = trial_attributes(record, self.facts)
            kept = attributes, artefacts_of(record, has_probabilities=has_probabilities)
            if trial.state.is_finished():
                self._ended[trial.number] = kept
        return kept

    def known(self, number: int, with_rows: bool) -> Known:
        """What there is of a trial to draw from."""
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
        record = record_of(self.storage.get_trial(trial_id))
        known = Known(record, self.facts, self.metric)
        if not with_rows:
            return known
        return Known(record, self.facts, self.metric, self._probabilities(record), self._validation_rows())

    def _has_probabilities(self, record: TrialRecord) -> bool:
        """Whether a trial's probabilities are kept. The folder is listed, because thousands are asked for."""
        key = self._key(record)
        if key is not None and key not in self._kept_keys:
            # A place that can't be reached any more costs the pictures, and not the page.
            with contextlib.suppress(CheckpointError):
                self._kept_keys = self._predictions().keys()
        return key in self._kept_keys

    def _probabilities(self, record: TrialRecord) -> NDArray[np.float64] | None:
        """(rows, classes) on the validation rows, where they are kept and can be read."""
        key, outcome = self._key(record), None
        if key is not None:
            with contextlib.suppress(CheckpointError):
                outcome = self._predictions().read(key)
        return None if outcome is None else outcome.probabilities.get("validation")

    def _predictions(self) -> Outcomes:
        attributes = self.storage.get_study_user_attrs(self.study_id)
        return predictions_of(self.file, folder_of(attributes, self.file.study.name))

    def _key(self, record: TrialRecord) -> str | None:
        """What a complete trial's probabilities are kept under."""
        if record.value is None or record.configuration is None or record.seed is None:
            return None
        layers = (self.facts.features, *self.file.study.model.hidden, len(self.facts.classes))
        code = framework_of(record.configuration.framework).version
        return outcome_key(record.configuration, record.seed, layers, self.data_hash, code)

    def _validation_rows(self) -> ValidationRows | None:
        """Read once, when somebody first looks at predictions."""
        with self._lock:
            if not self._rows:
                self._rows.append(validation_rows(self.file, self.data_hash))
            return self._rows[0]


def validation_rows(file: StudyFile, data_hash: str) -> ValidationRows | None:
    """The validation rows; ``None`` where they are not on this machine, or not those of this hash."""
    study = file.study
    try:
        located = locate_rows(study.data, study.features, study.seed, file.directory)
        if located.content_hash != data_hash:
            return None
        split = open_split(file.work_directory / "data" / data_hash)
        source, parts = source_of_parts(located, study.data, study.features, study.seed)
    except UserError:
        return None
    numbers = parts["validation"]
    texts = tuple(source.texts[number] for number in numbers) if source.texts is not None else ()
    return ValidationRows(np.array(split.validation.labels), numbers + 1, texts)


def _listening(app: Any, port: int) -> WSGIServer:
    try:
        return serve(app, port)
    except (OSError, OverflowError) as error:
        raise MachineError(
            f"can't listen on port {port}: {getattr(error, 'strerror', None) or error}",
            where="--port",
            allowed="a free port, or 0 for any",
        ) from error
