"""What the scores of the chosen trials say, in sentences, where a table leaves a person to guess.

A network that never predicts the positive class has an F1 of 0, a weighted F1 that looks good, and often an
average precision as high as any: it ranks the rows well, and has not learnt far enough to predict so. That is
how one network gets 0.98 and another 0.00 for what is called F1 in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from search.reporting.report import StudyReport
from search.words import count_of, listed, short
from studies.data.facts import DataFacts
from studies.records.openings import Opening
from studies.records.reports import Scores

NEAR_CHANCE = 0.85
"""Share of the log loss of :func:`shares_loss` above which a network has hardly begun to learn."""

MOST_FIGURES = 3
"""Figures that are named one by one."""


def readings(report: StudyReport) -> tuple[str, ...]:
    """Sentences on the trials whose scores are shown, on the test rows where these were opened for them; none
    where the scores speak for themselves.
    """
    groups: dict[tuple[int, str], list[Scores]] = {}
    trials: dict[tuple[int, str], list[int]] = {}
    for record in report.complete:
        row_set, scores = report.judged(record) if record.number in report.chosen else ("", None)
        predicted = only_class_predicted(scores) if scores is not None else None
        if predicted is not None and scores is not None:
            groups.setdefault((predicted, row_set), []).append(scores)
            trials.setdefault((predicted, row_set), []).append(record.number)
    return tuple(
        sentence for key in sorted(groups) for sentence in _sentences(trials[key], groups[key], key, report)
    )


def opening_words(report: StudyReport) -> tuple[str, ...]:
    """Whether, when and for whom the test rows were opened, in the first sentence; then what follows."""
    return tuple(_state(report))


def _state(report: StudyReport) -> Iterator[str]:
    yield from _openings(report)
    if report.tested_on_the_way:
        yield (
            "This study was begun by a version that scored each finished trial on the test rows. Such scores "
            "are not shown, and search repair removes them."
        )


def _openings(report: StudyReport) -> Iterator[str]:
    times = [f"{_when(one)} for {_networks(one)}" for one in report.openings]
    if not times:
        until = (
            f"{report.command} opens them" if report.ended else "they stay closed until the search has ended"
        )
        yield f"Test rows: not opened yet; {until}."
        return
    if len(times) == 1:
        yield f"Test rows: opened once, {times[0]}."
    else:
        yield f"Test rows: opened {len(times)} times: {'; '.join(times)}."
        yield "Decisions made after the first opening may rest on test scores, which are then optimistic."
    if closed := sorted(report.chosen - set(report.opened)):
        yield f"They were not opened for {_trials(closed)}: {report.command} would open them again."
    found = {record.number: record.value for record in report.complete}
    for number, one in sorted(report.opened.items()):
        before = found.get(number)
        if one.failed:
            yield f"Trial {number} could not be retrained for its test score: {one.failed}."
        elif None not in (before, one.validation) and one.validation != before:
            yield (
                f"Trial {number}, retrained for its test score, has {one.validation:.4f} on the "
                f"validation rows instead of {before:.4f}: another kind of machine, or other versions, round "
                "differently."
            )


def _when(opening: Opening) -> str:
    return datetime.fromisoformat(opening.at).strftime("%Y-%m-%d %H:%M UTC")


def _networks(opening: Opening) -> str:
    """``the 10 retrained networks of trials 3, 4 and for trials 0, 3 with their own seeds``."""
    parts = []
    if opening.trials:
        parts.append(f"the {count_of(opening.trainings, 'retrained network')} of {_trials(opening.trials)}")
    if opening.searched:
        seeds = "its own seed" if len(opening.searched) == 1 else "their own seeds"
        parts.append(f"{_trials(opening.searched)} with {seeds}")
    return " and for ".join(parts)


def _trials(numbers: Sequence[int]) -> str:
    return f"{'trial' if len(numbers) == 1 else 'trials'} {', '.join(map(str, numbers))}"


def finalists_due(report: StudyReport) -> str | None:
    """How far the trainings before the opening are, where the search is over and they are not all there."""
    due = report.finalists_due
    if due is None or not (report.ended or due.done):
        return None
    again = due.of_finalists and report.finalists is not None
    others = "Other trials are the best now: of their finalists, " if again else ""
    trainings = count_of(due.trainings, "training")
    return f"{others}{due.done} of {trainings} finished; the next launch runs the others."


def only_class_predicted(scores: Scores) -> int | None:
    """The class that was predicted for every row, or ``None`` where there is more than one."""
    predicted = [index for index, rows in enumerate(zip(*scores.confusion, strict=True)) if sum(rows)]
    return predicted[0] if len(predicted) == 1 else None


def shares_loss(facts: DataFacts, row_set: str) -> float:
    """Log loss, nats a row, of predicting the classes' own shares for every row: the shares' entropy."""
    shares = [count / facts.rows(row_set) for count in facts.counts[row_set] if count]
    return -sum(share * math.log(share) for share in shares)


def _sentences(
    trials: Sequence[int], found: Sequence[Scores], key: tuple[int, str], report: StudyReport
) -> Iterator[str]:
    facts, (predicted, row_set) = report.facts, key
    name = short(facts.classes[predicted], among=facts.classes)
    one = len(trials) == 1
    named = f"Trial {trials[0]}" if one else f"Trials {listed(map(str, trials))}"
    yield (
        f"{named} {'predicts' if one else 'predict'} “{name}” for every {row_set} row: "
        f"{'its' if one else 'their'} weighted F1 of {found[0].f1_weighted:.3f} is that of a program that "
        f"always predicts “{name}”."
    )
    if facts.classes[predicted] == facts.positive:
        return
    chance = facts.positives(row_set) / facts.rows(row_set)
    # In order: nearer to a perfect order than to one by chance.
    if any(scores.average_precision < (1 + chance) / 2 for scores in found):
        return
    order = (
        f"{'It still ranks' if one else 'They still rank'} the rows well: average precision "
        f"{_figures([scores.average_precision for scores in found])}, by chance {chance:.3f}."
    )
    loss = shares_loss(facts, row_set)
    if all(scores.log_loss > NEAR_CHANCE * loss for scores in found):
        order += (
            f" {'It has' if one else 'They have'} hardly begun to learn: log loss "
            f"{_figures([scores.log_loss for scores in found])}; predicting the classes' shares has "
            f"{loss:.3f}."
        )
    yield order


def _figures(values: Sequence[float]) -> str:
    """All of them, or from the least to the greatest where they are many."""
    if len(values) > MOST_FIGURES:
        return f"{min(values):.3f} to {max(values):.3f}"
    return listed(f"{value:.3f}" for value in values)
