"""Finalists made up for tests of what a person sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from search.reporting.report import StudyReport
from studies.records.finalists import Finalist, Finalists, Interval, PrecisionRecall, Tuned, Verdict
from studies.records.openings import Opening
from studies.records.reports import SCORE_NAMES
from tests.search import fakes

SEEDS = (101, 102, 103, 104, 105)

VERDICTS: Sequence[Verdict] = ("best", "tied", "worse", "better", "worse")

OPENING = Opening("2026-11-24T15:31:00+00:00", (3, 4), 10)


def with_finalists(report: StudyReport, count: int = 5) -> StudyReport:
    """The same report with its best configurations as finalists, each a hundredth below the one before."""
    ones = tuple(_finalist(report, place, VERDICTS[place]) for place in range(min(count, len(report.ranked))))
    found = Finalists(report.metric, ones, {99: ("diverged", "diverged")}, fakes.scores(0.7), ())
    return replace(report, finalists=found, openings=(replace(OPENING, scores=report.opened),))


def _finalist(report: StudyReport, place: int, verdict: Verdict) -> Finalist:
    record = report.ranked[place]
    assert record.configuration is not None
    mean = 0.92 - place / 100
    test = tuple(mean + shift for shift in (-0.01, -0.004, 0.0, 0.005, 0.009))
    scores = {name: value for name, value in asdict(fakes.scores(mean)).items() if name in SCORE_NAMES}
    tuned = {name: value for name, value in asdict(fakes.scores(mean + 0.004)).items() if name in SCORE_NAMES}
    confusion = tuple(tuple(5 * n for n in row) for row in fakes.scores(mean).confusion)
    curve = tuple(
        PrecisionRecall(1 - step / 20, 1 - (step / 20) ** 6 * (0.5 + place / 20), step / 20)
        for step in range(21)
    )
    return Finalist(
        trial=record.number,
        configuration=record.configuration,
        found=report.score(record),
        seeds=SEEDS,
        failed=(),
        validation=tuple(value + 0.01 for value in test),
        test=test,
        interval=Interval(mean - 0.025, mean + 0.02),
        verdict=verdict,
        difference=None if verdict == "best" else Interval(-place / 100 - 0.012, -place / 100 + 0.012),
        p_value=None if verdict == "best" else 0.4 / place,
        scores=scores,
        confusion=confusion,
        tuned=Tuned((0.31, 0.35, 0.4, 0.42, 0.55), tuned, confusion),
        curve=curve,
        train_seconds=3.4,
    )
