"""A study opened by its driver: its rows, its storage, and its cluster once something has to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from search.cluster.running import RunningCluster
from search.cluster.starting import Site, start_cluster
from search.driving.display import Display
from search.driving.preflight import (
    overridden,
    package_versions,
    preflight,
    prepare_data,
    refuse_another_study,
)
from search.evaluation.caveats import too_few
from studies.data import Located, Prepared
from studies.data.facts import facts_of
from studies.opening import open_store
from studies.store.store import StudyStore
from studies.stored_study import read_identity
from studies.study_file import StudyFile
from workers.checkpoints.checkpoints import checkpoints_of
from workers.checkpoints.outcomes import outcomes_of


@dataclass
class OpenedStudy:
    """A study that this process alone drives, unless its storage is a server.

    Attributes:
        file: the study file.
        prepared: the rows.
        store: the storage.
        display: what shows the progress.
    """

    file: StudyFile
    prepared: Prepared
    store: StudyStore
    display: Display
    _stack: ExitStack
    _cluster: RunningCluster | None = field(default=None)
    _noted: set[str] = field(default_factory=set)

    def cluster(self) -> RunningCluster:
        """The study's cluster; started the first time, and closed with the study."""
        if self._cluster is None:
            reproducible = self.file.study.reproducible
            site = Site(self.file.directory, self.prepared.directory, self.display.note, reproducible)
            self._cluster = self._stack.enter_context(
                start_cluster(self.file.study.cluster, self.file.space.frameworks, site)
            )
        return self._cluster

    def note_once(self, note: str) -> None:
        """Show a note once a launch, however often it is given."""
        if note not in self._noted:
            self._noted.add(note)
            self.display.note(note)


@contextmanager
def open_study(file: StudyFile, display: Display, *, fresh: bool = False) -> Iterator[OpenedStudy]:
    """Open a study for its driver; create it where it doesn't exist yet.

    Args:
        file: the study file.
        display: started here, and stopped on leaving.
        fresh: remove what is kept of this study first.

    Raises:
        UserError: where the study file, its data, its storage or this machine can't be used.
    """
    preflight(file)
    located = None if fresh else refuse_another_study(file)
    with ExitStack() as stack:
        display.start(file.study.name)
        stack.callback(display.stop)
        for text in overridden(file):
            display.note(f"environment: {text}")
        prepared = _prepare(file, display, located)
        facts = facts_of(prepared.split)
        for words in too_few(facts, file.study.objective.metric):
            display.note(words)
        store = stack.enter_context(
            open_store(
                file,
                prepared.split.content_hash,
                facts,
                package_versions(file.plugins),
                fresh=fresh,
                forget=partial(_forget, file),
            )
        )
        yield OpenedStudy(file, prepared, store, display, stack)


@contextmanager
def open_stored_study(file: StudyFile, display: Display) -> Iterator[OpenedStudy]:
    """Open a study that was launched before; it is made by no other command than a launch.

    Raises:
        NotStoredError: where it wasn't.
        UserError: as :func:`open_study`.
    """
    read_identity(file)
    with open_study(file, display) as opened:
        yield opened


def _forget(file: StudyFile, folder: str) -> None:
    checkpoints_of(file, folder).clear()
    outcomes_of(file, folder).clear()


def _prepare(file: StudyFile, display: Display, located: Located | None) -> Prepared:
    display.note("reading the data")
    prepared = prepare_data(file, located)
    where = "from the cache" if prepared.cached else "made and cached"
    split = prepared.split
    display.note(f"{len(split.train):,} training rows × {split.features} features, {where}")
    return prepared
