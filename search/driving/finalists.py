"""Trains the networks that the test rows are opened for, and opens them, once.

The best of many trials on one validation set is optimistic. So after a search, and by ``search finalists``,
the best configurations are retrained with seeds that the search didn't use, and trials whose test scores are
reported with their own, all through :mod:`search.driving.replicas`. Once every training has ended, the
networks' probabilities are compared with the labels of the test rows. The study records when that was, and
for which trials, before it happens. Nothing else in this program compares anything with these labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from search.driving.opened import OpenedStudy
from search.driving.replicas import ReplicaResult, key_of, run_replicas
from search.evaluation.choice import missing_of, wanted_of
from search.evaluation.finalists import Candidate, Trained, evaluate
from search.words import count_of
from studies.data.split import Split
from studies.records.openings import OpenedTrial, Opening
from studies.records.ranking import ranking
from workers.training.scores import score


def run_finalists(opened: OpenedStudy, count: int) -> None:
    """Retrain the ``count`` best configurations and the trials whose test scores are reported; then open the
    test rows for those that they were not opened for.

    Raises:
        KeyboardInterrupt, ClusterLostError, CheckpointError: as :func:`search.driving.replicas.run_replicas`.
    """
    kept, display = opened.store.results, opened.display
    records = opened.store.trials.records()
    ranked, runs = ranking(records)
    wanted = wanted_of(opened.file, records, ranked, count)
    missing = missing_of(wanted, kept.finalists(), kept.replicas(), kept.opened_trials())
    if not missing.all():
        return
    results = run_replicas(opened, missing.all(), display, what="finalists")
    candidates = [
        _candidate(number, runs[number], [results[replica] for replica in replicas])
        for number, replicas in missing.finalists.items()
    ]
    searched = {number: results[replica] for number, replica in missing.searched.items()}
    opening = Opening(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        trials=tuple(replica.trial for replica in candidates if replica.trained),
        trainings=sum(len(replica.trained) for replica in candidates),
        searched=tuple(number for number, result in searched.items() if result.outcome is not None),
    )
    if not (opening.trials or opening.searched):
        display.note("finalists: no training came to an end, and the test rows stay closed")
        return
    display.note(f"finalists: the test rows are opened for {_networks(opening)}")
    # Before anything is compared: a driver that is killed now has looked.
    kept.open_test_rows(opening)
    split, metric = opened.prepared.split, opened.file.study.objective.metric
    kept.keep_test_scores({number: _opened(result, split, metric) for number, result in searched.items()})
    if opening.trials:
        asked = sorted(
            key_of(opened, replica) for replicas in missing.finalists.values() for replica in replicas
        )
        kept.keep_finalists(evaluate(candidates, split, metric, asked))


def _networks(opening: Opening) -> str:
    """``2 finalists and 3 trials of the search``."""
    parts = []
    if opening.trials:
        parts.append(count_of(len(opening.trials), "finalist"))
    if opening.searched:
        parts.append(f"{count_of(len(opening.searched), 'trial')} of the search")
    return " and ".join(parts)


def _opened(result: ReplicaResult, split: Split, metric: str) -> OpenedTrial:
    """The test score of a trial's own network. This looks at the labels of the test rows."""
    failure, validation = result.report.failure, result.report.score(metric)
    if result.outcome is None:
        return OpenedTrial(None, validation, failure.cause if failure is not None else "")
    predicted = result.outcome.probabilities["test"]
    return OpenedTrial(score(split.test.labels, predicted, split.positive), validation)


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
