"""What the scores of the chosen trials say, in sentences, where a table leaves a person to guess.

A network that never says the positive class has an F1 of 0, a weighted F1 that looks good, and often an
average precision as high as any: it has the rows in order, and has not learnt far enough to say so. That is
how one network gets 0.98 and another 0.00 for what is called F1 in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from search.results import StudyReport, scores_of
from search.tables import count_of, listed, short
from studies.facts import DataFacts
from studies.records import Scores
from studies.trial_record import TrialRecord

NEAR_CHANCE = 0.85
"""Share of the log loss of :func:`shares_loss` above which a network has hardly begun to learn."""

MOST_FIGURES = 3
"""Figures that are named one by one."""


def readings(report: StudyReport) -> tuple[str, ...]:
    """Sentences on the trials whose test scores are shown; none where the scores speak for themselves."""
    groups: dict[int, list[TrialRecord]] = {}
    for record in report.complete:
        scores = scores_of(record, "test") if record.number in report.chosen else None
        said = only_class_said(scores) if scores is not None else None
        if said is not None:
            groups.setdefault(said, []).append(record)
    return tuple(sentence for said in sorted(groups) for sentence in _sentences(groups[said], said, report))


def finalists_due(report: StudyReport) -> str | None:
    """How far the trainings of the finalists are, where the search is over and they are not."""
    due = report.finalists_due
    if due is None or not (report.ended or due.done):
        return None
    others = "Other trials are the best now: of their finalists, " if report.finalists is not None else ""
    trainings = count_of(due.trainings, "training")
    return f"{others}{due.done} of {trainings} done; the next launch goes on with them."


def only_class_said(scores: Scores) -> int | None:
    """The class that was said to every row, or ``None`` where there is more than one."""
    said = [index for index, rows in enumerate(zip(*scores.confusion, strict=True)) if sum(rows)]
    return said[0] if len(said) == 1 else None


def shares_loss(facts: DataFacts, row_set: str) -> float:
    """Log loss, nats a row, of saying the classes' own shares to every row: the shares' entropy."""
    shares = [count / facts.rows(row_set) for count in facts.counts[row_set] if count]
    return -sum(share * math.log(share) for share in shares)


def _sentences(records: Sequence[TrialRecord], said: int, report: StudyReport) -> Iterator[str]:
    facts = report.facts
    found = [scores for record in records if (scores := scores_of(record, "test")) is not None]
    name = short(facts.classes[said], among=facts.classes)
    one = len(records) == 1
    trials = f"Trial {records[0].number}" if one else f"Trials {listed(str(r.number) for r in records)}"
    yield (
        f'{trials} {"says" if one else "say"} "{name}" to every test row: {"its" if one else "their"} '
        f'weighted F1 of {found[0].f1_weighted:.3f} is that of a program that always says "{name}".'
    )
    if facts.classes[said] == facts.positive:
        return
    chance = facts.positives("test") / facts.rows("test")
    # In order: nearer to a perfect order than to one by chance.
    if any(scores.average_precision < (1 + chance) / 2 for scores in found):
        return
    order = (
        f"{'It has' if one else 'They have'} the rows in order all the same: average precision "
        f"{_figures([scores.average_precision for scores in found])}, by chance {chance:.3f}."
    )
    loss = shares_loss(facts, "test")
    if all(scores.log_loss > NEAR_CHANCE * loss for scores in found):
        order += (
            f" {'It has' if one else 'They have'} hardly begun to learn: log loss "
            f"{_figures([scores.log_loss for scores in found])}, and {loss:.3f} for the classes' shares."
        )
    yield order


def _figures(values: Sequence[float]) -> str:
    """All of them, or from the least to the greatest where they are many."""
    if len(values) > MOST_FIGURES:
        return f"{min(values):.3f} to {max(values):.3f}"
    return listed(f"{value:.3f}" for value in values)
