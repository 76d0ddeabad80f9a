"""Trains the best configurations anew with seeds that the search didn't use, then opens the test rows, once.

The best of many trials on one validation set flatters itself. So after a search, and by ``search finalists``,
the best configurations run again through :mod:`search.replicas`; once every training has ended, the networks'
probabilities are compared with the labels of the test rows. The study keeps when that was, and for which
trials, before it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from search.display import Display, make_display
from search.evaluation import Candidate, Trained, evaluate
from search.finalist_choice import FINALISTS, choose, finalists_wanted, replicas_of
from search.opened import OpenedStudy, open_stored_study
from search.replicas import ReplicaResult, key_of, run_replicas
from search.results import StudyReport, ranking, report
from search.tables import count_of
from studies.errors import StorageError, StudyFailedError
from studies.finalists_record import Opening
from studies.study_file import read_study_file


def finalists(path: str | Path, *, display: Display | None = None) -> StudyReport:
    """Train the finalists of a study that was searched, or what is missing of them; also of one that was
    stopped.

    Args:
        path: the study file, whose ``[report]`` says how many; where it says 0, five.
        display: as in :func:`search.launch`.

    Returns:
        The study's report, with them.

    Raises:
        UserError: where the study was never launched, or it can't be driven from here.
        StudyFailedError: where no trial is complete.
        KeyboardInterrupt: where somebody asked to stop; the next call goes on.
    """
    file = read_study_file(path)
    with open_stored_study(file, display or make_display()) as opened:
        if not opened.store.is_alone():
            raise StorageError(
                "another driver is running this study: its test rows stay closed until the search has ended",
                where=file.path.name,
                remedy="wait for it or stop it; search status tells",
            )
        if not ranking(opened.store.records())[0]:
            raise StudyFailedError("there are no finalists: not one trial is complete")
        run_finalists(opened, finalists_wanted(file) or FINALISTS)
    return report(path)


def run_finalists(opened: OpenedStudy, count: int) -> None:
    """Train the ``count`` best configurations anew and open the test rows, unless that was done with these.

    Raises:
        KeyboardInterrupt, ClusterLostError, CheckpointError: as :func:`search.replicas.run_replicas`.
    """
    store, display = opened.store, opened.display
    ranked, runs = ranking(store.records())
    chosen = choose(ranked, count)
    wanted = replicas_of(opened.file, chosen)
    replicas = [one for several in wanted.values() for one in several]
    asked = tuple(sorted(key_of(opened, one) for one in replicas))
    kept = store.finalists()
    if not asked or (kept is not None and kept.asked == asked):
        return
    results = run_replicas(opened, replicas, display, what="finalists")
    candidates = [
        _candidate(record.number, runs[record.number], [results[one] for one in wanted[record.number]])
        for record in chosen
    ]
    trained = sum(len(one.trained) for one in candidates)
    if not trained:
        display.note("finalists: no training came to an end, and the test rows stay closed")
        return
    trials = tuple(one.trial for one in candidates if one.trained)
    display.note(f"finalists: the test rows are opened for {count_of(len(trials), 'configuration')}")
    # Before anything is compared: whoever is killed now has looked.
    store.open_test_rows(Opening(datetime.now(UTC).isoformat(timespec="seconds"), trials, trained))
    metric = opened.file.study.objective.metric
    store.keep_finalists(evaluate(candidates, opened.prepared.split, metric, asked))


def _candidate(trial: int, runs: Sequence[float], results: Sequence[ReplicaResult]) -> Candidate:
    trained = [
        Trained(
            seed=result.replica.seed,
            seconds=result.report.ledger.train,
            validation=result.outcome.probabilities["validation"],
            test=result.outcome.probabilities["test"],
        )
        for result in results
        if result.outcome is not None
    ]
    failures = [result.report.failure for result in results]
    return Candidate(
        trial=trial,
        configuration=results[0].replica.configuration,
        found=sum(runs) / len(runs),
        trained=tuple(trained),
        failed=tuple(failure.cause for failure in failures if failure is not None),
    )
